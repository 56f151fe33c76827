"""The Models page and the Model tab as people see them: in a real Chromium, inside a real Airflow."""

import re
import shutil
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from demo.installation import ROOT, Installation
from ml.state import batches
from ml.state.records import Batch
from tests.chromium import chromium
from tests.e2e.browser import Watched, logged_in, serious
from tests.e2e.test_loop import until
from tests.plugins.test_models_pages import NOW, SCRIPT, declare, looked, trained

pytestmark = pytest.mark.timeout(900)
MODEL = "looked_at"


@pytest.fixture(scope="module")
def model(installation: Installation) -> Iterator[str]:
    """A model whose history is written straight into the state database, with script wherever data can put it."""
    spec = declare(installation.settings, MODEL)
    folder = installation.settings.dags / MODEL
    shutil.copy(ROOT / "dags" / "credit_risk" / "dag.py", folder / "dag.py")
    state = installation.state
    trained(state, spec, version=1, days=9, promoted=True)
    for start, days in enumerate((8, 6, 4)):
        looked(state, spec, start=start, days=days, drifted=start == 1, value=0.8)
    faulty = Batch(
        id="b" * 32, model=MODEL, source=f"{SCRIPT}.csv", status="quarantined", rows=10, failing_rows=3, reasons=[f"column {SCRIPT}"],
        arrived_at=NOW - timedelta(days=1), decided_at=NOW,
    )  # fmt: skip
    batches.save(state, faulty)
    with installation.airflow() as airflow:
        until(lambda: airflow.knows(f"{MODEL}.monitor") or None, limit_s=180, what="the DAGs of the new model")
    yield MODEL
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def watched(browser: Browser, installation: Installation) -> Iterator[Watched]:
    found = logged_in(browser, installation, viewport={"width": 1400, "height": 900})
    yield found
    found.context.close()


def framed(page: Page, title: str) -> Frame:
    """What stands in Airflow's frame for a plugin."""
    handle = page.wait_for_selector(f'iframe[title="{title}"]', timeout=60_000)
    assert handle is not None
    frame = handle.content_frame()
    assert frame is not None
    frame.wait_for_selector("h1")
    return frame


def test_from_the_navigation_to_a_model_on_its_dags_tab(watched: Watched, model: str) -> None:
    page = watched.page()
    page.goto(watched.url)
    page.get_by_role("link", name="Models").click(timeout=60_000)
    models = framed(page, "Models")
    row = models.get_by_role("row").filter(has_text=model)
    expect(row).to_contain_text("version 1")
    expect(row).to_contain_text("1 in quarantine")
    expect(row).to_contain_text("<script>alert(1)</script>")
    models.locator("h1").click()
    page.keyboard.press("/")
    page.keyboard.type("no model is called so")
    expect(models.get_by_role("status")).to_have_text(re.compile(r"0 of \d+"))
    expect(models.get_by_text("No model matches")).to_be_visible()
    page.keyboard.press("Escape")
    expect(row).to_be_visible()
    models.get_by_role("button", name="Champion").press("Enter")
    expect(models.get_by_role("columnheader", name="Champion")).to_have_attribute("aria-sort", "ascending")
    assert serious(models) == []
    models.get_by_role("link", name=model, exact=True).click()  # out of the frame
    page.wait_for_url(f"**/dags/{model}.monitor/plugin/perennial-model", timeout=60_000)
    tab = framed(page, "Model")
    expect(tab.locator("h1")).to_contain_text(model)
    tab.wait_for_selector("#drift .main-svg")
    tab.wait_for_selector("#quality .main-svg")
    expect(tab.locator("#versions")).to_contain_text("The gate's sentence 1 </script><script>alert(1)</script>")
    expect(tab.locator("#decisions")).to_contain_text("drifted: False")
    expect(tab.locator("#quarantine")).to_contain_text("</script><script>alert(1)</script>.csv")
    assert serious(tab) == []
    assert watched.complaints == []
    page.close()


def test_the_tab_follows_airflows_theme_while_it_is_open(watched: Watched, model: str) -> None:
    page = watched.page()
    page.goto(f"{watched.url}/dags/{model}.train/plugin/perennial-model")
    tab = framed(page, "Model")
    tab.wait_for_selector("#drift .main-svg")
    for theme, other in (("dark", "light"), ("light", "dark")):
        page.evaluate("([on, off]) => { const r = document.documentElement.classList; r.remove(off); r.add(on); }", [theme, other])
        tab.wait_for_function("theme => document.documentElement.classList.contains(theme)", arg=theme)
        is_dark = "() => getComputedStyle(document.body).backgroundColor"
        assert (sum(int(one) for one in tab.evaluate(is_dark)[4:-1].split(",")[:3]) < 200) == (theme == "dark")
        assert serious(tab) == [], theme
    assert watched.complaints == []
    page.close()


def test_a_link_to_another_window_opens_out_of_airflows_frame(watched: Watched, model: str) -> None:
    page = watched.page()
    page.goto(f"{watched.url}/dags/{model}.monitor/plugin/perennial-model")
    tab = framed(page, "Model")
    with watched.context.expect_page() as opened:
        tab.get_by_role("link", name="history").first.click()
    assert f"/perennial/reports/{model}/history" in opened.value.url
    opened.value.close()
    tab.get_by_role("link", name="train", exact=True).first.click()
    page.wait_for_url(f"**/dags/{model}.train**", timeout=60_000)
    page.close()


@pytest.mark.parametrize("path", [
    "/perennial/models",
    f"/perennial/models/{MODEL}",
    f"/perennial/models/{MODEL}/decisions/decision-{MODEL}-000002",
    "/perennial/dags/no_model_of_ours",
    "/perennial/reports/index.html",
    f"/perennial/reports/{MODEL}/index.html",
    f"/perennial/reports/{MODEL}/history.html",
    f"/perennial/reports/{MODEL}/latest.html",
    f"/perennial/reports/{MODEL}/data-docs/index.html",
])  # fmt: skip
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_page_fits_a_phone_and_has_no_serious_finding(browser: Browser, watched: Watched, model: str, path: str, scheme: str) -> None:
    cookies = watched.context.cookies()
    phone = Watched(browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme), watched.url)  # type: ignore[arg-type]
    phone.context.add_cookies(cookies)  # type: ignore[arg-type]
    page = phone.page()
    page.goto(f"{watched.url}{path}", wait_until="networkidle")
    assert page.evaluate("document.documentElement.className") == scheme
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, "it scrolls sideways"
    assert serious(page) == []
    assert phone.complaints == []
    phone.context.close()


def test_who_has_not_logged_in_is_led_to_the_login(browser: Browser, installation: Installation, model: str) -> None:
    stranger = browser.new_context()
    page = stranger.new_page()
    for path in ("/perennial/models", f"/perennial/models/{model}", f"/perennial/dags/{model}.train"):
        page.goto(f"{installation.addresses.airflow}{path}")
        assert "/auth/login" in page.url
        assert model not in page.content().replace(f"perennial/models/{model}", "").replace(f"dags/{model}", "").replace("%2F", "/")
    stranger.close()
