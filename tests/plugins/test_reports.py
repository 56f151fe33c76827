"""The pages of reports: what they find, and what they say of a window that has none."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from ml.monitoring import page
from ml.settings import Settings
from ml.state import State, ledger
from ml.state.records import Drift, Window
from tests.state import made

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SPEC = made.declared()
CHILD = """
import json, os, sys, warnings
warnings.simplefilter("ignore")  # Airflow's own
from perennial_airflow.pages import docs, reports
for line in sys.stdin:
    asked = json.loads(line)
    os.environ.update(asked["environment"])
    if asked["pages"]:
        pages = [reports.report(*one) for one in asked["pages"]]
        found = [(page.status_code, page.body.decode(), page.headers["content-security-policy"]) for page in pages]
    else:
        led = [reports.entry(None), *(reports.model_entry(one) for one in ("loans", "https:evil.example")), docs.page("loans", "b1.html")]
        found = [one.headers["location"] for one in led]
    print(json.dumps(found), flush=True)
"""


class Child:
    """A process that looks at pages: one for all tests, and of its own, because Airflow's API server changes what it loads."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def look(self, *pages: tuple[str, ...]) -> list[tuple[int, str, str]]:
        """Status, text and policy of pages."""
        return [(status, text, policy) for status, text, policy in self.ask(pages)]

    def ask(self, pages: Sequence[tuple[str, ...]] = ()) -> Any:
        environment = {key: value for key, value in os.environ.items() if key.startswith("PERENNIAL_")}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"environment": environment, "pages": pages}) + "\n")
        self._process.stdin.flush()
        while not (line := self._process.stdout.readline()).startswith("["):
            assert line, "the process has ended; its standard error says why"
        return json.loads(line)


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    folder = Path(__file__).parents[2] / "plugins"
    with subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        yield Child(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=60)


@pytest.fixture
def state(settings: Settings) -> State:
    """Two declared models."""
    for model in ("loans", "other"):
        (settings.dags / model).mkdir()
        (settings.dags / model / "model.yaml").write_text(yaml.safe_dump(made.DECLARED | {"model": model}))
    return State.open(settings)


def opened(state: State, *, start: int) -> Window:
    return made.opened(state, SPEC, start, as_of=NOW + timedelta(minutes=start))


def measured(settings: Settings, state: State, window: Window) -> None:
    path = settings.home / f"{window.id}.html"
    path.write_text(f"<head></head>page of {window.id}")
    made.measured(state, window, report_url=str(path))


def test_a_window_is_found_however_many_came_after_it(child: Child, settings: Settings, state: State) -> None:
    measured(settings, state, opened(state, start=1))
    for start in range(2, 204):
        opened(state, start=start)
    old, plots, foreign, unknown, listed = child.look(
        ("loans", "loans-000001"), ("loans", "loans-000001.evidently.html"), ("other", "loans-000001"), ("loans", "loans-000999"),
        ("loans", "index"),
    )  # fmt: skip
    assert old[0] == 200
    assert "loans: window 1" in old[1]
    assert plots[1].endswith("page of loans-000001")
    assert foreign[0] == unknown[0] == 404, "the right to see is that of its own model"
    assert listed[1].count("not decided yet") == 200
    assert "3 older windows are not listed" in listed[1]


def test_only_what_was_made_from_data_is_sandboxed_and_our_pages_run_no_script_but_ours(
    child: Child, settings: Settings, state: State
) -> None:
    window = opened(state, start=1)
    measured(settings, state, window)
    replay = Path(settings.reports_url) / "loans" / "replay.html"
    replay.parent.mkdir(parents=True)
    replay.write_text("<html><head></head><body><script>alert(1)</script>what pays</body></html>")
    names = ("index", "data-docs/index", "latest", "latest.html", window.id, f"{window.id}.evidently", "history", "replay")
    found = dict(zip(names, child.look(*(("loans", name) for name in names)), strict=True))
    assert found.pop(f"{window.id}.evidently")[2] == "sandbox allow-scripts allow-popups"
    assert "<script>alert(1)</script>" in found["replay"][1], "it stands there, and its policy lets it do nothing"
    for name, (status, text, policy) in found.items():
        assert status == 200, name
        nonce = re.match(r"default-src 'none'; script-src 'nonce-([^ ']+)'; style-src", policy)
        assert nonce is not None
        ours = re.findall(rf'<script src="/perennial/static/[0-9a-f]+/([a-z.]+)" nonce="{re.escape(nonce[1])}"></script>', text)
        assert ours == ["pages.js"], name
        assert text.count(nonce[1]) == 1
        assert policy.endswith("frame-ancestors 'self'")
        assert "index.html" in text, "there is a way back"


def test_charts_are_drawn_by_scripts_that_browsers_keep(child: Child, settings: Settings, state: State) -> None:
    measured(settings, state, opened(state, start=1))
    drifted = Drift(column="x", kind="numeric", method="psi", value=0.2, threshold=0.1, drifted=True)
    made.measured(state, opened(state, start=2), drifts=[drifted], report_url="gone.html")
    stored = Path(settings.reports_url) / "loans" / "replay.html"
    stored.parent.mkdir(parents=True)
    stored.write_text(page.whole("loans: replay", "<main>what pays</main>", {"frontier": {"data": [], "layout": {}}}))
    for status, text, _ in child.look(("loans", "history", "all"), ("loans", "replay")):
        assert status == 200
        assert re.findall(r"<script src=\"/perennial/static/[0-9a-f]+/([a-z.]+)\"", text) == ["pages.js", "plotly.min.js", "charts.js"]
        assert '<script type="application/json" id="charts">' in text
        assert len(text) < 50_000, "plotly alone has 4.5 MB"
        assert "http-equiv" not in text


def test_a_window_that_was_given_up_is_named_beside_the_last_report(child: Child, settings: Settings, state: State) -> None:
    measured(settings, state, opened(state, start=1))
    lost = opened(state, start=2)
    ledger.decide(state, made.decision(lost, reasons=["could not be measured: <b>"], policy=ledger.GIVEN_UP))
    listed, shown, none = child.look(("loans", "index"), ("loans", lost.id), ("other", "index"))
    assert listed[1].index("given up") < listed[1].index("could not be measured: &lt;b&gt;") < listed[1].index("not decided yet")
    assert "This window could not be measured." in shown[1]
    assert "iframe" not in shown[1]
    assert "No window was taken yet" in none[1]


def test_a_report_in_a_store_whose_package_is_missing_is_told_with_its_cure(child: Child, settings: Settings, state: State) -> None:
    if find_spec("s3fs"):
        pytest.skip("the package is there")
    window = made.measured(state, opened(state, start=1), report_url="s3://bucket/a.html")
    ((status, text, _),) = child.look(("loans", window.id))
    assert status == 503
    assert "install the package s3fs" in text


def test_the_page_of_a_replay_has_an_address_and_its_absence_is_explained(child: Child, settings: Settings, state: State) -> None:
    page = Path(settings.reports_url) / "loans" / "replay.html"
    page.parent.mkdir(parents=True)
    page.write_text("<html><head></head><body>what pays</body></html>")
    shown, unwritten, unknown = child.look(("loans", "replay"), ("other", "replay"), ("ghosts", "replay"))
    assert shown[0] == 200
    assert "what pays" in shown[1]
    assert unwritten[0] == unknown[0] == 404
    assert "`perennial replay other` writes it" in unwritten[1]
    assert "ghosts is not declared here" in unknown[1]


def test_addresses_without_a_folder_lead_into_it_and_never_out_of_the_pages(child: Child) -> None:
    found = child.ask()
    assert found[:3] == ["reports/index.html", "loans/index.html", "https%3Aevil.example/index.html"]
    assert found[3] == "../../reports/loans/data-docs/b1.html"
