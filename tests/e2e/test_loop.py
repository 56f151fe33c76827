"""The whole loop under a real Airflow: the story of the demo, then what may go wrong around it."""

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import yaml

from demo.installation import Installation
from demo.rest import Airflow, Run
from ml.state import ledger, trainings

pytestmark = pytest.mark.timeout(1200)
MODEL = "credit_risk"
FOREST = {"name": "forest", "class": "sklearn.ensemble.RandomForestClassifier", "params": {"n_estimators": 50}}
T = TypeVar("T")


def until(look: Callable[[], T | None], *, limit_s: float, what: str) -> T:
    deadline = time.monotonic() + limit_s
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"{what}: not within {limit_s:.0f} s"
        time.sleep(1)
    return found


def finished(airflow: Airflow, run: Run, *, limit_s: float = 400) -> Run:
    def look() -> Run | None:
        now = airflow.run(run.dag, run.id)
        return now if now.finished else None

    return until(look, limit_s=limit_s, what=f"{run.dag} {run.id}")


def task_states(airflow: Airflow, run: Run) -> dict[str, str | None]:
    return {task.name: task.state for task in airflow.tasks(run)}


def trained_versions(installation: Installation) -> list[int]:
    return sorted(one.version for one in trainings.recent(installation.state, MODEL, limit=99) if one.version is not None)


def test_the_story_of_the_demo_is_told_from_the_beginning_after_an_interruption(installation: Installation) -> None:
    with installation.airflow() as airflow, installation.begun("demo") as playing:
        until(lambda: airflow.knows(f"{MODEL}.train") or None, limit_s=120, what="the DAGs of the model")
        until(lambda: airflow.runs(f"{MODEL}.ingest", state="running") or None, limit_s=300, what="the first delivery")
        playing.send_signal(signal.SIGINT)
        out, err = playing.communicate(timeout=60)
    assert playing.returncode == 130, out + err
    assert "interrupted. The stack is still up" in out

    done = installation.perennial("demo")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    history = trainings.promotion_history(installation.state, MODEL)
    assert [one.version for one in history] == [1, 2]
    decisions = ledger.recent_decisions(installation.state, MODEL, limit=9)
    assert [(one.retrain, one.state) for one in decisions] == [(False, "no"), (True, "done")]
    assert f"{installation.addresses.airflow}/perennial/reports/{MODEL}/latest" in done.stdout


def declare(path: Path, **changes: dict[str, Any]) -> None:
    """Merges into the declaration."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in changes.items():
        content[key] = {**(content.get(key) or {}), **value}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def test_a_second_event_for_the_same_decision_trains_nothing(installation: Installation) -> None:
    before = trained_versions(installation)
    with installation.airflow() as airflow:
        earlier = {run.id for run in airflow.runs(f"{MODEL}.train")}
        assets = airflow._get("/api/v2/assets", params={"uri_pattern": f"{MODEL}/retrain"})["assets"]
        airflow._answer("POST", "/api/v2/assets/events", json={"asset_id": assets[0]["id"], "extra": {"decision": "doubled"}})
        run = until(
            lambda: next((one for one in airflow.runs(f"{MODEL}.train") if one.id not in earlier), None),
            limit_s=90,
            what="the run that the event starts",
        )
        assert finished(airflow, run).state == "success"
        assert task_states(airflow, run)["freeze"] == "skipped"
    assert trained_versions(installation) == before


def test_a_killed_task_is_tried_again_and_makes_one_version(installation: Installation) -> None:
    before = trained_versions(installation)
    with installation.airflow() as airflow:
        run = airflow.trigger(f"{MODEL}.train", run=f"killed-{time.time():.0f}", note="a task of this run gets killed")
        victim = until(
            lambda: next((task for task in airflow.tasks(run) if task.name.startswith("tune") and task.process), None),
            limit_s=120,
            what="a running tune task",
        )
        assert victim.process is not None
        os.kill(victim.process, signal.SIGKILL)
        assert finished(airflow, run).state == "success"
    assert trained_versions(installation) == [*before, before[-1] + 1]


def test_a_report_needs_a_login_and_is_sandboxed(installation: Installation) -> None:
    url = f"{installation.addresses.airflow}/perennial/reports/{MODEL}/latest"
    stranger = httpx.get(url, headers={"Accept": "text/html"}, follow_redirects=False)
    assert stranger.status_code in {302, 303, 307}
    assert "login" in stranger.headers["location"]
    assert httpx.get(url, headers={"Accept": "application/json"}).status_code == 401
    with installation.airflow() as airflow:
        page = airflow.page(f"/perennial/reports/{MODEL}/latest")
        plots = re.search(r'<iframe[^>]* src="([^"]+)"', page.text)
        assert plots is not None
        framed = airflow.page(f"/perennial/reports/{MODEL}/{plots[1]}")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert framed.headers["content-security-policy"] == "sandbox allow-scripts allow-popups"
    assert (page.status_code, framed.status_code) == (200, 200)


def test_a_broken_declaration_hides_no_other_model(installation: Installation) -> None:
    folder = installation.settings.dags / "broken"
    shutil.copytree(installation.settings.dags / MODEL, folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (folder / "model.yaml").read_text().replace(f"model: {MODEL}", "model: broken").replace("task: binary", "task: binry")
    (folder / "model.yaml").write_text(text)
    try:
        with installation.airflow() as airflow:
            [error] = until(lambda: airflow.import_errors() or None, limit_s=120, what="the import error")
            assert "dags/broken/model.yaml:" in error
            assert "'binry' is not allowed. Write one of" in error
            assert airflow.knows(f"{MODEL}.train")
    finally:
        shutil.rmtree(folder)


def test_real_data_with_a_known_change_leads_to_a_new_champion(installation: Installation, tmp_path: Path, elec2: list[Path]) -> None:
    """Elec2: at row 17,424 the market was linked to another one; the columns that tell of it were constant before."""
    made = installation.perennial("new", "elec2", "--from", str(elec2[0]), "--target", "class", "--json")
    assert made.returncode == 0, made.stderr
    declare(installation.settings.dags / "elec2" / "model.yaml", training={"candidates": [FOREST], "ensembles": [], "trials": 2})
    with installation.airflow() as airflow:
        until(lambda: airflow.knows("elec2.train") or None, limit_s=120, what="the DAGs of the new model")

        def play(dag: str, step: str) -> dict[str, str | None]:
            run = finished(airflow, airflow.trigger(f"elec2.{dag}", run=f"{dag}-{step}", note=step))
            assert run.state == "success", task_states(airflow, run)
            return task_states(airflow, run)

        play("ingest", "first")
        play("train", "first")
        incoming = installation.settings.incoming / "elec2"
        incoming.mkdir(parents=True, exist_ok=True)
        for part in elec2[1:]:
            shutil.copy(part, incoming / part.name)
        play("ingest", "changed")
        status = json.loads(installation.perennial("status", "elec2", "--json").stdout)["models"][0]
        assert status["champion"]["version"] == 1
        play("monitor", "changed")
        window = ledger.last_window(installation.state, "elec2")
        assert window is not None
        drifts, _ = ledger.measurement(installation.state, window.id)
        assert "nswprice" in {one.column for one in drifts if one.drifted}
        decision = ledger.decision_for(installation.state, window.id)
        assert decision is not None
        assert decision.retrain
        until(
            lambda: ((found := ledger.decision_for(installation.state, window.id)) and found.state == "done") or None,
            limit_s=300,
            what="the training",
        )
    newest = trainings.recent(installation.state, "elec2", limit=1)[0]
    assert newest.decision == decision.id
    assert newest.state in {"promoted", "challenger"}
    assert newest.version == 2


@pytest.fixture
def elec2(tmp_path: Path) -> list[Path]:
    """Rows before the change, and two deliveries after it."""
    import pandas as pd

    from tests.conftest import DATA

    source = DATA / "elec2" / "electricity_9col.csv.gz"
    if not source.is_file():
        pytest.skip(f"the data set elec2 is not on this machine: {source}")
    frame = pd.read_csv(source)
    parts = []
    for start, end in ((11_000, 17_000), (18_000, 21_000), (21_000, 24_000)):
        parts.append(tmp_path / f"elec2-{start:05d}.csv")
        frame.iloc[start:end].to_csv(parts[-1], index=False)
    return parts
