"""The pages of a version's lineage, and those that lead on to MLflow."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ml.settings import Settings
from ml.state import State, batches, ledger, origins, specs, trainings
from ml.state.records import Decision, Predicted
from tests.plugins.server import Pages
from tests.plugins.test_acts import BAD, MODEL, NOW, held, trained
from tests.plugins.test_acts import state as state  # noqa: PLC0414  # a fixture
from tests.state import made


@pytest.fixture
def asked(state: State) -> Decision:
    """Version 4, which a decision has asked for; it has predicted."""
    first = trainings.of_version(state, MODEL, 3)
    assert first is not None
    spec = specs.recall(state, first.spec_hash)
    window = made.measured(state, made.opened(state, spec, 7, champion=3), mlflow_run="run1")
    asks = made.asked(
        window, reasons=[f"drift in {BAD}"], evidence={"column": BAD}, report_url="r.html",
        rules=[{"rule": "drift", "role": "asks", "fired": True, "reason": f"too much in {BAD}"}],
    )  # fmt: skip
    ledger.decide(state, asks)
    trainings.begin(
        state, replace(trained(state, None, key="other", how="failed"), key=f"{MODEL}.train/asked", decision=asks.id, version=4)
    )
    batches.save(state, held("cd" * 16, status="accepted", dataset_version=6, docs_url="x/y.html"))
    sums = Predicted(version=4, batches=2, rows=1234567, files=2, first_at=NOW, last_at=NOW + timedelta(days=1), url=f"tables/{BAD}")
    origins.save_predictions(state, MODEL, [sums])
    return asks


def test_the_lineage_goes_back_to_data_and_cause_and_forward_to_predictions(pages: Pages, asked: Decision) -> None:
    page = pages.get(f"/perennial/lineage/{MODEL}/4")
    assert page.status == 200
    for link in (
        f"/perennial/models/{MODEL}/decisions/{asked.id}",
        f"/perennial/reports/{MODEL}/{asked.window}",
        f"/perennial/lineage/{MODEL}/3",
        f"/perennial/data-docs/{MODEL}/y.html",
        f"/perennial/runs/{MODEL}.train/asked",
        f"/perennial/mlflow/{MODEL}/versions/4",
    ):
        assert f'href="{link}"' in page.text, link
    assert "1,234,567 rows of 2 batches" in page.text
    assert "Only the newest 100 rows were used" in page.text
    assert "It never was." in page.text
    assert BAD not in page.text
    assert "serves now" in pages.get(f"/perennial/lineage/{MODEL}/3").text


def test_a_link_leads_on_to_mlflow_wherever_that_answers_now(pages: Pages, asked: Decision, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pages.get(f"/perennial/mlflow/{MODEL}/versions/4").status == 404
    assert "PERENNIAL_MLFLOW_PUBLIC_URL" in pages.get(f"/perennial/mlflow/{MODEL}/runs/abc").text
    monkeypatch.setenv("PERENNIAL_MLFLOW_PUBLIC_URL", "https://mlflow.example/base/")
    for path, leads_to in {
        "versions/4": f"models/{MODEL}/versions/4",
        "runs/abc": "runs/abc",
        f"windows/{asked.window}": "runs/run1",
    }.items():
        found = pages.get(f"/perennial/mlflow/{MODEL}/{path}")
        assert (found.status, found.headers["location"]) == (307, f"https://mlflow.example/base/#/{leads_to}")
    assert pages.get(f"/perennial/mlflow/other/windows/{asked.window}").status == 404
    assert pages.get(f"/perennial/mlflow/{MODEL}/runs/a%2F..%2Fb").status in {404, 422}


@pytest.mark.parametrize(
    "path",
    ["lineage/loans/1", "mlflow/loans/versions/1", "mlflow/loans/runs/x", "runs/loans.train/x", "actions/loans"],
)
def test_each_page_needs_a_login_and_the_right_to_see_the_model(pages: Pages, settings: Settings, path: str) -> None:
    assert pages.get(f"/perennial/{path}", user=None).status == 401
    assert pages.get(f"/perennial/{path}", user=None, accept="text/html").status == 307
    assert pages.get(f"/perennial/{path}", user="guest").status == 403


@pytest.mark.parametrize("path", ["lineage/loans/0", "lineage/loans/one", f"lineage/loans/{10**20}", "lineage/loans/1?batches=0"])
def test_an_address_that_names_nothing_is_refused_in_words(pages: Pages, state: State, path: str) -> None:
    assert pages.get(f"/perennial/{path}").status in {404, 422}


def test_a_run_of_a_dag_that_is_not_ours_is_told_nothing_of(pages: Pages, state: State) -> None:
    for run in ("others/x", f"{MODEL}.ingest/x", "etl.train/x", ".monitor/x"):
        page = pages.get(f"/perennial/runs/{run}")
        assert (page.status, "Nothing to tell" in page.text) == (200, True), run
    gone = pages.get(f"/perennial/runs/{MODEL}.train/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
    assert gone.status == 404
    assert BAD not in gone.text
