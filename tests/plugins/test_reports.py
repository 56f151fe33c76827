"""The pages of reports: what they find, and what they say of a window that has none."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest

from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger, specs
from ml.state.records import Decision, Window

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SPEC = ModelSpec.model_validate(
    {
        "model": "loans",
        "task": "regression",
        "target": "y",
        "features": {"numeric": ["x"]},
        "data": {"source": {"kind": "files", "urls": ["x"]}},
        "training": {"candidates": [{"name": "a", "class": "a.B"}]},
    }
)
CODE = """
import json, sys, warnings
warnings.simplefilter("ignore")  # Airflow's own
from perennial_airflow.pages import reports
from ml.settings import Settings
from ml.state import State
state = State.open(Settings.from_env())
pages = [reports.report(*one) for one in json.loads(sys.argv[1])]
rows = [reports._rows(state, model) for model in json.loads(sys.argv[2])]
print(json.dumps([[(page.status_code, page.body.decode()) for page in pages], rows]))
"""


def look(pages: list[tuple[str, str]], rows: list[str]) -> tuple[list[tuple[int, str]], list[list[str]]]:
    """Status and text of pages, and the lines of models in the list.

    In a process of its own, because Airflow's API server changes what it loads.
    """
    command = [sys.executable, "-c", CODE, json.dumps(pages), json.dumps(rows)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2] / "plugins", timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found, lines = json.loads(done.stdout.splitlines()[-1])
    return [(one[0], one[1]) for one in found], lines


def opened(state: State, *, start: int, model: str = "loans") -> Window:
    window = Window(
        id="", model=model, number=0, start_version=start, end_version=start + 1, as_of=NOW, rows=1, labelled_rows=None, start_time=None,
        end_time=None, champion=1, spec_hash=specs.remember(state, SPEC, at=NOW), report_url=None, mlflow_run=None, measured_at=None,
    )  # fmt: skip
    return ledger.open_window(state, window)


def measured(settings: Settings, state: State, window: Window) -> None:
    path = settings.home / f"{window.id}.html"
    path.write_text(f"page of {window.id}")
    ledger.save_measurement(state, window.id, drifts=[], qualities=[], labelled_rows=0, report_url=str(path), mlflow_run=None, at=NOW)


def test_a_window_is_found_however_many_came_after_it(settings: Settings) -> None:
    state = State.open(settings)
    measured(settings, state, opened(state, start=1))
    for start in range(2, 204):
        opened(state, start=start)
    asked = [("loans", "loans-000001"), ("other", "loans-000001"), ("loans", "loans-000999")]
    old, foreign, unknown = look(asked, [])[0]
    assert old == (200, "page of loans-000001")
    assert foreign[0] == 404, "the right to see is that of its own model"
    assert unknown[0] == 404


def test_a_window_that_was_given_up_is_named_beside_the_last_report(settings: Settings) -> None:
    state = State.open(settings)
    measured(settings, state, opened(state, start=1))
    lost = opened(state, start=2)
    no = Decision(
        id="decision-2", model="loans", window=lost.id, retrain=False, reasons=["could not be measured: <b>"], evidence={}, report_url=None,
        state="no", decided_at=NOW,
    )  # fmt: skip
    ledger.decide(state, no)
    alone = opened(state, start=1, model="other")
    ledger.decide(state, replace(no, id="decision-3", model="other", window=alone.id))
    (given_up, shown), (only,), (none,) = look([], ["loans", "other", "third"])[1]
    assert "given up" in given_up
    assert "could not be measured: &lt;b&gt;" in given_up
    assert "href" not in given_up
    assert "/perennial/reports/loans/loans-000001" in shown
    assert "could not be measured" in only
    assert "no report yet" in none


def test_every_window_is_listed_the_newest_first_up_to_a_limit_that_is_stated(settings: Settings) -> None:
    state = State.open(settings)
    for start in range(3):
        measured(settings, state, opened(state, start=start))
    for start in range(201):
        opened(state, start=start, model="other")
    few, many = look([], ["loans", "other"])[1]
    assert [f"/perennial/reports/loans/loans-00000{number}" in row for number, row in zip((3, 2, 1), few, strict=True)] == [True] * 3
    assert len(many) == 201
    assert "only the newest 200" in many[-1]
    assert "not measured yet" in many[0]


def test_a_report_in_a_store_whose_package_is_missing_is_told_with_its_cure(settings: Settings) -> None:
    if find_spec("s3fs"):
        pytest.skip("the package is there")
    state = State.open(settings)
    window = opened(state, start=1)
    ledger.save_measurement(
        state, window.id, drifts=[], qualities=[], labelled_rows=0, report_url="s3://bucket/a.html", mlflow_run=None, at=NOW
    )
    ((status, text),) = look([("loans", window.id)], [])[0]
    assert status == 503
    assert "install the package s3fs" in text


def test_the_page_of_a_replay_has_an_address_of_its_own_and_its_absence_is_explained(settings: Settings) -> None:
    for model in ("loans", "cars"):
        (settings.dags / model).mkdir()
        (settings.dags / model / "model.yaml").touch()
    page = Path(settings.reports_url) / "loans" / "replay.html"
    page.parent.mkdir(parents=True)
    page.write_text("what pays")
    (shown, unwritten, unknown), _ = look([("loans", "replay"), ("cars", "replay"), ("ghosts", "replay")], [])
    assert shown == (200, "what pays")
    assert unwritten[0] == unknown[0] == 404
    assert "`perennial replay cars` writes it" in unwritten[1]
    assert "ghosts is not declared here" in unknown[1]
