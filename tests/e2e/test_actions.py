"""A person acts through Perennial's pages inside Airflow, in a real browser: each click is seen in the state and in the audit log."""

import contextlib
import csv
import http.server
import json
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, FrameLocator, Locator, Page, expect

from demo.installation import Installation
from demo.rest import Airflow
from ml.state import State, approvals, batches, trainings
from tests.chromium import chromium
from tests.e2e.browser import logged_in, serious
from tests.e2e.test_loop import declare, finished, task_states, until

pytestmark = pytest.mark.timeout(1200)
expect.set_options(timeout=30_000)
MODEL = "guests"
BAD = "<img src=x onerror=alert(1)>"
MINT = """
from airflow.api_fastapi.app import create_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
print(create_auth_manager().generate_jwt(SimpleAuthManagerUser(username="vera", role="viewer")))
"""


@dataclass(frozen=True)
class Seen:
    """The pages of the model, as Airflow's admin has them open."""

    page: Page
    state: State
    airflow: Airflow
    url: str

    def tab(self, *, dag: str = "train", run: str | None = None) -> FrameLocator:
        """The Model tab, or that of a run."""
        path = f"/dags/{MODEL}.{dag}" + (f"/runs/{run}/plugin/perennial-run" if run else "/plugin/perennial-model")
        self.page.goto(self.url + path)
        return self.page.frame_locator("iframe")

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of this event in Airflow's audit log about the model, the newest first."""
        found = self.airflow._get("/api/v2/eventLogs", params={"event": event, "order_by": "-id", "limit": 20})["event_logs"]
        return [one for one in found if str(one["dag_id"]).startswith(f"{MODEL}.")]


def deliver(path: Path, rows: int, *, age: float = 40.0) -> Path:
    rng = random.Random(rows)
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["spent", "age", "again"])
        for _ in range(rows):
            spent = rng.gauss(0, 1)
            writer.writerow([spent, rng.uniform(age - 15, age + 15), "yes" if spent + rng.gauss(0, 0.4) > 0 else "no"])
    return path


@pytest.fixture(scope="module")
def model(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model that needs approval, with accepted rows and two batches in quarantine, one of which can be forced."""
    folder = tmp_path_factory.mktemp("guests")
    made = installation.perennial("new", MODEL, "--from", str(deliver(folder / "first.csv", 400)), "--target", "again")
    assert made.returncode == 0, made.stderr
    path = installation.settings.dags / MODEL / "model.yaml"
    candidates = [{"name": "logistic", "class": "sklearn.linear_model.LogisticRegression"}]
    declare(
        path,
        training={"candidates": candidates, "schedule": None, "ensembles": []},
        promotion={"approval": "manual"},
        monitoring={"minimum_rows": 50},
    )
    assert installation.perennial("ingest", MODEL, str(folder / "first.csv")).returncode == 0
    old = deliver(folder / f"old {BAD}.csv", 60, age=400)
    broken = deliver(folder / "broken.csv", 61)
    broken.write_text(broken.read_text().replace(",yes", f",{BAD}", 1) + f"1,{BAD},no\n")
    assert installation.perennial("ingest", MODEL, str(old), str(broken)).returncode == 1
    assert len(batches.listed(installation.state, MODEL, status="quarantined")) == 2
    yield path
    shutil.rmtree(path.parent)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def seen(installation: Installation, model: Path, browser: Browser) -> Iterator[Seen]:
    """Logged in as admin. No script of the data ran, and none of ours was held back by the policy."""
    with installation.airflow() as airflow:
        until(lambda: airflow.knows(f"{MODEL}.train") or None, limit_s=120, what="the DAGs of the new model")
        watched = logged_in(browser, installation, viewport={"width": 1400, "height": 1000})
        yield Seen(watched.page(), installation.state, airflow, installation.addresses.airflow)
        watched.context.close()
    # Refusals are told to the console too, and one page comes from another port of this machine.
    known = ("Failed to load resource", "request to http://127.0.0.1:")
    assert [one for one in watched.complaints if not one.startswith(known)] == []


def opened(place: FrameLocator, title: str) -> Locator:
    """An action, opened by the keyboard."""
    found = place.locator("details.act", has=place.locator("> summary", has_text=title)).first
    found.locator("> summary").focus()
    found.locator("> summary").press("Enter")
    return found


def trained(seen: Seen, reason: str) -> str:
    """Starts a training from the Model tab; the id of its run, as soon as it waits for a person."""
    action = opened(seen.tab(), "Train now")
    action.get_by_label("Reason").fill(reason)
    action.get_by_role("button").click()
    expect(action.get_by_role("status")).to_contain_text("The training was started: manual__")
    run = action.get_by_role("status").get_by_role("link").inner_text()
    until(lambda: approvals.waiting(seen.state, MODEL) or None, limit_s=300, what="the winner waits")
    return run


def answer(seen: Seen, name: str) -> None:
    place = seen.tab().locator("details.act", has_text="Shall version")
    place.get_by_role("button", name=name, exact=True).click()
    expect(place.get_by_role("status")).to_contain_text("Answered by admin", timeout=60_000)


def test_train_with_a_reason_then_reject_and_approve(seen: Seen) -> None:
    run = trained(seen, f"the market moved {BAD}")
    [line] = seen.logged("trigger_dag_run")
    assert (line["owner"], line["dag_id"]) == ("admin", f"{MODEL}.train")
    place = seen.tab().locator("details.act", has_text="Shall version 1")
    expect(place).to_contain_text(f"Trained because: the market moved {BAD}")
    expect(place.get_by_role("table")).to_contain_text("baseline")
    answer(seen, "No")
    rejected = finished(seen.airflow, seen.airflow.run(f"{MODEL}.train", run))
    assert rejected.state == "success"
    states = task_states(seen.airflow, rejected)
    assert (states["approve"], states["promote"], states["announce_champion"]) == ("success", "success", "skipped")
    newest = trainings.recent(seen.state, MODEL, limit=1)[0]
    assert (newest.version, newest.state) == (1, "challenger")
    assert str((newest.verdict or {})["outcome"]).endswith(f"Not promoted: rejected by admin. `perennial promote {MODEL} 1` still may.")
    assert seen.logged("update_hitl_detail")[0]["owner"] == "admin"

    second = trained(seen, "once more")
    answer(seen, "Yes")
    assert finished(seen.airflow, seen.airflow.run(f"{MODEL}.train", second)).state == "success"
    champion = trainings.champion(seen.state, MODEL)
    assert champion is not None
    assert (champion.version, champion.by) == (2, "admin")


def test_the_tab_of_a_run_tells_what_it_did_and_why(seen: Seen) -> None:
    runs = seen.airflow.runs(f"{MODEL}.train")
    place = seen.tab(run=runs[-1].id)
    expect(place.get_by_role("heading", level=1)).to_have_text("Version 1 did not become champion.")
    expect(place.locator("main")).to_contain_text(f"the market moved {BAD}")
    expect(place.locator("main")).to_contain_text("admin said no.")
    expect(place.get_by_role("region", name="Candidates")).to_contain_text("chosen for the gate")
    expect(place.get_by_role("region", name="Each task")).to_contain_text("version 1 is registered")
    seen.page.goto(f"{seen.url}/perennial/runs/{MODEL}.train/{runs[-1].id}")
    assert serious(seen.page) == []
    approved = seen.tab(run=runs[0].id)
    expect(approved.get_by_role("heading", level=1)).to_have_text("Version 2 became champion.")
    links = seen.airflow._get(f"/api/v2/dags/{MODEL}.train/dagRuns/{runs[-1].id}/taskInstances/register/links")["extra_links"]
    assert links["Lineage"] == f"{seen.url}/perennial/lineage/{MODEL}/1"
    assert links["Model version"] == f"{seen.url}/perennial/mlflow/{MODEL}/versions/1"
    leads = seen.airflow.page(f"/perennial/mlflow/{MODEL}/versions/1")
    assert leads.headers["location"].endswith(f"/#/models/{MODEL}/versions/1")


def test_promote_and_roll_back(seen: Seen) -> None:
    action = opened(seen.tab(), "Promote a version")
    version = action.locator("details.act", has_text="Version 1")
    version.locator("> summary").click()
    version.get_by_label("Reason").fill("it is fairer")
    version.get_by_role("button", name="Make version 1 champion").click()
    expect(version.get_by_role("status")).to_contain_text(f"Version 1 of {MODEL} is champion now; before it was version 2.", timeout=60_000)
    change = trainings.champion(seen.state, MODEL)
    assert change is not None
    assert (change.version, change.by, change.reason) == (1, "admin", "it is fairer")
    [line] = seen.logged("perennial_promote")
    assert (line["owner"], line["dag_id"]) == ("admin", f"{MODEL}.train")
    until(lambda: seen.airflow.runs(f"{MODEL}.score", run_type="asset_triggered") or None, limit_s=90, what="the new champion scores")
    assert json.loads(line["extra"]) == {
        "version": 1, "reason": "it is fairer", "outcome": f"Version 1 of {MODEL} is champion now; before it was version 2."
    }  # fmt: skip

    action = opened(seen.tab(), "Roll back")
    expect(action).to_contain_text("made champion by admin because: it is fairer")
    action.get_by_role("button", name="Go back to version 2").click()
    expect(action.get_by_role("status")).to_contain_text(f"Version 2 of {MODEL} is champion now", timeout=60_000)
    change = trainings.champion(seen.state, MODEL)
    assert change is not None
    assert (change.version, change.kind, change.by) == (2, "rollback", "admin")
    assert len(seen.logged("perennial_rollback")) == 1
    again = opened(seen.tab(), "Roll back")
    expect(again).to_contain_text("there is none to go back to")
    expect(again.get_by_role("button")).to_have_count(0)


def test_release_a_batch_and_be_told_why_another_stays(seen: Seen) -> None:
    action = opened(seen.tab(), "Release a quarantined batch")
    held = action.locator("details.act", has_text=f"old {BAD}.csv")
    held.locator("> summary").click()
    held.get_by_role("button", name="Release the batch").click()
    expect(held.get_by_role("status")).to_contain_text("stays in quarantine", timeout=120_000)
    held.get_by_label("Accept it although").check()
    held.get_by_label("Reason").fill("they are old indeed")
    held.get_by_role("button", name="Release the batch").click()
    expect(held.get_by_role("status")).to_contain_text("with 60 rows is accepted", timeout=120_000)
    [batch] = [one for one in batches.listed(seen.state, MODEL) if BAD in one.source]
    assert batch.status == "accepted"
    assert batch.reasons[0] == "released by admin: they are old indeed"
    outcomes = [json.loads(one["extra"])["outcome"] for one in seen.logged("perennial_release")]
    assert outcomes[1].startswith("refused: ")
    assert "is accepted" in outcomes[0]

    broken = opened(seen.tab(), "Release a quarantined batch").locator("details.act", has_text="broken.csv")
    broken.locator("> summary").click()
    broken.get_by_label("Accept it although").check()
    broken.get_by_role("button", name="Release the batch").click()
    expect(broken.get_by_role("status")).to_contain_text("cannot be forced", timeout=120_000)


def test_the_lineage_leads_from_the_version_to_its_batches_and_predictions(seen: Seen) -> None:
    score = seen.airflow.trigger(f"{MODEL}.score", run="score-lineage", note="for the lineage")
    assert finished(seen.airflow, score).state == "success"
    seen.page.goto(f"{seen.url}/perennial/lineage/{MODEL}/2")
    main = seen.page.locator("main")
    expect(main).to_contain_text("400 accepted rows of 1 batch")
    expect(main).to_contain_text("once more")
    expect(main).to_contain_text("460 rows of 2 batches, scored from")
    expect(main).to_contain_text("serves now")
    assert serious(seen.page) == []
    seen.page.get_by_role("link", name="Data Docs").click()
    expect(seen.page).to_have_url(f"{seen.url}/perennial/reports/{MODEL}/data-docs/**".replace("**", seen.page.url.rsplit("/", 1)[1]))


def test_the_tab_of_a_look_tells_the_window_the_drift_and_the_decision(seen: Seen) -> None:
    run = seen.airflow.trigger(f"{MODEL}.monitor", run="look-at-the-released", note="the released batch")
    assert finished(seen.airflow, run).state == "success"
    place = seen.tab(dag="monitor", run=run.id)
    expect(place.get_by_role("heading", level=1)).to_contain_text("feature columns drifted in window 1;")
    expect(place.get_by_role("region", name="The columns that drifted")).to_contain_text("age")
    expect(place.get_by_role("region", name="Quality of the champion")).to_contain_text("roc_auc")
    expect(place.get_by_role("region", name="What each rule said")).to_be_visible()
    seen.page.goto(f"{seen.url}/perennial/runs/{MODEL}.monitor/{run.id}")
    assert serious(seen.page) == []
    links = seen.airflow._get(f"/api/v2/dags/{MODEL}.monitor/dagRuns/{run.id}/taskInstances/decide/links")["extra_links"]
    seen.page.goto(str(links["Decision"]))
    expect(seen.page.get_by_role("heading", level=1)).to_be_visible()
    assert seen.page.url.startswith(f"{seen.url}/perennial/models/{MODEL}/decisions/decision-{MODEL}-000001")
    again = seen.airflow.trigger(f"{MODEL}.monitor", run="nothing-new", note="no rows are new")
    assert finished(seen.airflow, again).state == "success"
    calm = seen.tab(dag="monitor", run=again.id)
    expect(calm.get_by_role("heading", level=1)).to_have_text("There was no window to look at.")
    expect(calm.locator("main")).to_contain_text("no new rows since dataset version")


@pytest.fixture(scope="module")
def viewer(installation: Installation) -> str:
    """The token of a user who may look and do nothing."""
    environment = {**installation.environment, "AIRFLOW_HOME": str(installation.settings.home / "airflow")}
    done = subprocess.run([sys.executable, "-c", MINT], env=environment, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.strip().splitlines()[-1]


def test_a_viewer_sees_the_evidence_and_can_do_nothing(seen: Seen, viewer: str, browser: Browser) -> None:
    context = browser.new_context()
    context.add_cookies([{"name": "_token", "value": viewer, "url": seen.url}])
    page = context.new_page()
    page.goto(f"{seen.url}/perennial/actions/{MODEL}")
    expect(page.locator("main")).to_contain_text(f"Your role in Airflow may not trigger {MODEL}.train.")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert serious(page) == []
    assert page.locator("main button:not([disabled])").count() == 0
    status = page.evaluate(
        """async (url) => (await fetch(url, {method: "POST", headers: {"Content-Type": "application/json", "X-Perennial": "1"},
        body: JSON.stringify({version: 1})})).status""",
        f"/perennial/actions/{MODEL}/promote",
    )
    assert status == 403
    context.close()
    champion = trainings.champion(seen.state, MODEL)
    assert champion is not None
    assert champion.version == 2


def test_a_page_of_another_port_cannot_act_with_the_persons_cookie(seen: Seen) -> None:
    target = f"{seen.url}/perennial/actions/{MODEL}/promote"
    page = f"""<form id=f method=post enctype=text/plain action="{target}"><input name='{{"version": 1, "reason": "' value='"}}'></form>
    <script>
    fetch("{target}", {{method: "POST", credentials: "include", mode: "no-cors", body: '{{"version": 1}}'}}).finally(() => f.submit())
    </script>"""
    with foreign(page) as address, seen.page.expect_response(lambda one: one.request.method == "POST" and one.url == target):
        seen.page.goto(address)
    seen.page.wait_for_load_state()
    champion = trainings.champion(seen.state, MODEL)
    assert champion is not None
    assert champion.version == 2
    assert len(seen.logged("perennial_promote")) == 1


@contextlib.contextmanager
def foreign(page: str) -> Iterator[str]:
    """A server on another port of this machine: another origin, and to a browser the same site."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("path", ["actions/{0}", "lineage/{0}/1", "runs/{0}.train/x", "mlflow/{0}/runs/x"])
def test_nothing_is_shown_without_a_login(seen: Seen, path: str) -> None:
    address = f"{seen.url}/perennial/{path.format(MODEL)}"
    assert httpx.get(address, headers={"Accept": "*/*"}, trust_env=False).status_code == 401
