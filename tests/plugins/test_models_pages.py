"""The Models page and a model's page: facts, rights, empty and broken states, and text that stays text."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ml.jobs import model_view
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, approvals, batches, ledger, replays, specs, trainings
from ml.state.records import Approval, Batch, Drift, Quality, Window
from ml.state.tables import details
from ml.training.outcome import Check
from ml.training.results import GateVerdict
from tests.plugins.server import OPEN, Answer, Pages
from tests.state.made import begun, decision, measured, opened

NOW = datetime.now(UTC).replace(microsecond=0)
SCRIPT = "</script><script>alert(1)</script>"
DECLARED: dict[str, Any] = {
    "model": "loans",
    "description": f"Who pays back. {SCRIPT}",
    "task": "binary",
    "target": "paid",
    "positive": 1,
    "features": {"numeric": ["income", SCRIPT]},
    "data": {"source": {"kind": "files", "urls": ["x.csv"]}},
    "training": {"candidates": [{"name": "a", "class": "a.B"}]},
}


def declare(settings: Settings, model: str, **changes: Any) -> ModelSpec:
    content = {**DECLARED, "model": model, **changes}
    path = settings.dags / model / "model.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return ModelSpec.model_validate(content)


def looked(state: State, spec: ModelSpec, *, start: int, days: float, drifted: bool, value: float) -> Window:
    """A window of so many days ago with its decision."""
    at = NOW - timedelta(days=days)
    found = opened(state, spec, start, as_of=at, rows=1234)
    drifts = [Drift(column=name, kind="numeric", method="psi", value=0.7, threshold=0.5, drifted=drifted) for name in spec.features.numeric]
    qualities = [Quality(metric="roc_auc", value=value, rows=900)]
    measured(state, found, drifts=drifts, qualities=qualities, labelled_rows=900, at=at)
    with state.begin() as connection:
        connection.execute(details.insert().values(window=found.id, kind="intervals", content={"roc_auc": [value - 0.1, value + 0.1]}))
    asks = decision(
        found, id=f"decision-{found.id}", retrain=drifted, reasons=[f"{SCRIPT} drifted: {drifted}"], evidence={"column": SCRIPT},
        report_url="r.html", state="done" if drifted else "no", decided_at=at,
        rules=[{"rule": "drift_share", "role": "asks", "fired": drifted, "reason": f"rule says {SCRIPT}"}],
        outcome={"verdict": f"won {SCRIPT}"} if drifted else None,
    )  # fmt: skip
    ledger.decide(state, asks)
    return found


def trained(state: State, spec: ModelSpec, *, version: int, days: float, promoted: bool) -> None:
    at, key = NOW - timedelta(days=days), f"{spec.model}.train/run+{version}"
    metrics = {"roc_auc": 0.8}
    verdict = GateVerdict(
        run=key, candidate="a", params={}, wins=promoted, sentence=f"The gate's sentence {version} {SCRIPT}",
        reasons=[Check(name="floor", passed=None, text=SCRIPT)], metric="roc_auc", rows=100, gain=None, challenger=metrics, champion=None,
        champion_version=None, baseline=metrics, metrics=metrics, mlflow_run="r", logged_model="m", model_sha256="0" * 64,
    ).model_dump(mode="json")  # fmt: skip
    begun(
        state, spec, key=key, dataset_version=version, as_of=at, reason=f"because {SCRIPT}", state="promoted" if promoted else "challenger",
        started_at=at, finished_at=at, version=version, verdict=verdict,
    )  # fmt: skip
    if promoted:
        trainings.crown(
            state, model=spec.model, version=version, kind="promote", at=at, by="gate", reason=SCRIPT, key=key, evidence=verdict
        )


@pytest.fixture
def loans(settings: Settings, pages: Pages) -> Iterator[State]:
    """A model with a history in which script stands wherever data can put it."""
    spec, state = declare(settings, "loans"), State.open(settings)
    trained(state, spec, version=1, days=9, promoted=True)
    trained(state, spec, version=2, days=3, promoted=False)
    for start, days in enumerate((8, 6, 4, 2)):
        looked(state, spec, start=start, days=days, drifted=start == 1, value=0.8 + start / 100)
    faulty = Batch(
        id="b" * 32, model="loans", source=f"{SCRIPT}.csv", status="quarantined", rows=10, failing_rows=3, reasons=[f"column {SCRIPT}"],
        arrived_at=NOW, decided_at=NOW,
    )  # fmt: skip
    batches.save(state, faulty)
    pages.dags(
        {"dag_id": "loans.train", "next_dagrun_create_after": (NOW + timedelta(days=2)).isoformat(), "timetable_summary": "@daily"},
        {"dag_id": "loans.monitor", "next_dagrun_create_after": (NOW + timedelta(hours=5)).isoformat()},
        {"dag_id": "loans.ingest", "is_paused": True, "next_dagrun_create_after": (NOW + timedelta(minutes=5)).isoformat()},
    )
    yield state
    pages.dags()


def text(page: Answer) -> str:
    """What a reader sees, roughly."""
    from html import unescape

    return " ".join(unescape(re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(script|svg).*?</\1>", " ", page.text))).split())


def is_safe(page: Answer) -> bool:
    """Whether no element of the page came with the data."""
    return "<script>alert" not in page.text and "alert(1)" in page.text


def test_a_row_says_how_the_model_stands(loans: State, pages: Pages) -> None:
    page = pages.get("/perennial/models")
    assert page.status == 200
    seen = text(page)
    assert "binary version 1 since 9 days ago" in seen
    assert "roc_auc 0.83 (0.73–0.93) 900 labelled rows, 2 days ago" in seen
    assert "calm 0 of 2" in seen
    assert "drifted: False" in seen
    assert "monitor in 4 hours paused: ingest" in seen, "a paused DAG is not due"
    assert "1 in quarantine" in seen
    assert 'aria-label="Share of drifted columns in the last 4 windows: from 0 % to 0 %, at most 100 %' in page.text
    assert '<a href="/dags/loans.monitor/plugin/perennial-model" target="_top">' in page.text
    assert is_safe(page)


def test_what_was_seen_of_the_former_champion_is_not_told_as_the_present_ones(loans: State, pages: Pages) -> None:
    looked(loans, declared_as(loans), start=4, days=1, drifted=True, value=0.61)
    assert "drift 2 of 2" in text(pages.get("/perennial/models"))
    trained(loans, declared_as(loans), version=3, days=0, promoted=True)
    seen = text(pages.get("/perennial/models"))
    assert "version 3 since" in seen
    assert "roc_auc 0.61 (0.51–0.71) of version 1: 900 labelled rows" in seen
    assert "too early to tell of version 1: 2 of 2" in seen
    own = text(pages.get("/perennial/models/loans"))
    assert "of version 1: 900 labelled rows, window 5" in own
    assert "too early to tell of version 1: 2 of 2 columns" in own


def declared_as(state: State) -> ModelSpec:
    found = specs.newest(state, "loans")
    assert found is not None
    return found


def test_the_models_page_is_of_what_one_may_see(loans: State, pages: Pages, settings: Settings) -> None:
    declare(settings, f"{OPEN}visits")
    names = [re.findall(r'<th scope="row" data-key="(\w+)"', pages.get("/perennial/models", user=user).text) for user in ("vic", "guest")]
    assert names == [["loans", "open_visits"], ["open_visits"]]


def test_without_a_model_the_page_says_what_to_do(settings: Settings, pages: Pages) -> None:
    page = pages.get("/perennial/models")
    assert page.status == 200
    assert "perennial new NAME --from FILE --target COLUMN" in text(page)


def test_a_model_that_was_never_trained_says_what_comes_first(settings: Settings, pages: Pages) -> None:
    declare(settings, "young")
    seen = text(pages.get("/perennial/models"))
    assert "none yet young.train makes the first" in seen
    assert "no labels yet not measured none yet not in Airflow yet nothing" in seen
    own = text(pages.get("/perennial/models/young"))
    assert "takes one as soon as there are enough new rows" in own
    assert "perennial replay young" in own
    assert "Empty: no delivery waits in it." in own


def test_a_broken_declaration_is_a_row_that_says_so_and_hides_no_other(loans: State, pages: Pages, settings: Settings) -> None:
    path = settings.dags / "loans" / "model.yaml"
    path.write_text(path.read_text().replace("task: binary", "task: binry"))
    declare(settings, "other")
    page = pages.get("/perennial/models")
    assert "model.yaml is broken" in text(page)
    assert re.search(r"dags/loans/model\.yaml:\d+: task: 'binry' is not allowed\. Write one of", text(page))
    assert 'data-key="other"' in page.text
    own = pages.get("/perennial/models/loans")
    assert own.status == 200
    assert "so its DAGs are gone from Airflow until it is mended" in text(own)
    assert "The gate's sentence 1" in text(own), "what was recorded is still there"


def test_a_models_page_tells_versions_decisions_quarantine_and_the_way_to_each(loans: State, pages: Pages) -> None:
    page = pages.get("/perennial/dags/loans.train")
    assert page.status == 200
    seen = text(page)
    assert "What this means From" in seen
    assert "The gate's sentence 2" in seen
    assert "challenger" in seen
    assert seen.count("Rules and evidence") == 4, "also the decisions that said no"
    assert "Failing rows" in seen
    for address in (
        "/dags/loans.train/runs/run%2B1",
        "/dags/loans.monitor",
        "/perennial/reports/loans/latest",
        "/perennial/reports/loans/loans-000001",
        "/perennial/reports/loans/history",
        f"/perennial/models/loans/quarantine/{'b' * 32}",
        "/perennial/models/loans/decisions/decision-loans-000002",
    ):
        assert f'href="{address}"' in page.text, address
    assert is_safe(page)


def test_the_charts_are_data_that_no_name_can_leave(loans: State, pages: Pages) -> None:
    page = pages.get("/perennial/models/loans")
    found = re.search(r'(?s)<script type="application/json" id="charts">(.*?)</script>', page.text)
    assert found is not None
    charts = json.loads(found[1])
    assert set(charts) == {"drift", "quality", "columns"}
    names = [trace.get("name") for trace in charts["drift"]["data"]]
    assert names == ["share of the columns that drifted", "a training was asked for", "training without a new champion", "new champion"]
    champion, lost = charts["drift"]["data"][3], charts["drift"]["data"][2]
    assert "Version 1 promoted by gate" in champion["text"][0]
    assert "because" in lost["text"][0].replace("<br>", " ")
    assert "<script>" not in json.dumps(charts), "plotly reads texts as markup"
    assert "drifted: True" in charts["drift"]["data"][0]["text"][1], "hovering tells what was decided"


@pytest.mark.parametrize(("period", "windows"), [("30d", 4), ("90d", 4), ("1y", 4), ("all", 4)])
def test_the_period_is_chosen(loans: State, pages: Pages, period: str, windows: int) -> None:
    page = pages.get(f"/perennial/models/loans?period={period}")
    assert f"Perennial looked at {windows} windows" in text(page)
    assert f'href="?period={period}" aria-current="true"' in page.text
    assert pages.get("/perennial/models/loans?period=7y").status == 422


def test_a_decision_has_a_page_with_its_rules_and_its_evidence(loans: State, pages: Pages) -> None:
    page = pages.get("/perennial/models/loans/decisions/decision-loans-000002")
    assert page.status == 200
    seen = text(page)
    assert "drift_share asks rule says" in seen
    assert '"column":' in seen
    assert "What became of it verdict won" in seen
    assert is_safe(page)
    assert pages.get("/perennial/models/other/decisions/decision-loans-000002").status == 404, "the right to see is that of its own model"
    assert pages.get("/perennial/models/loans/decisions/none").status == 404


def test_failing_rows_of_a_quarantined_batch_are_shown(loans: State, pages: Pages, settings: Settings, tmp_path: Path) -> None:
    import pandas as pd

    from ml.validation import quarantine

    original = tmp_path / "x.csv"
    original.write_text("income\n-1\n")
    failures = pd.DataFrame([{"row": 7, "column": SCRIPT, "expectation": "e", "value": SCRIPT, "reason": f"not so {SCRIPT}"}])
    facts = {"source": "x.csv", "name": "x.csv", "kind": None, "rows": 10, "failing_rows": 1, "reasons": [], "warnings": []}
    quarantine.keep(settings, "loans", "b" * 32, original=original, failures=failures, arrived_at=NOW, facts=facts)
    page = pages.get(f"/perennial/models/loans/quarantine/{'b' * 32}")
    assert page.status == 200
    assert "not so" in text(page)
    assert is_safe(page)
    gone = pages.get("/perennial/models/loans/quarantine/cccc")
    assert gone.status == 404
    assert "perennial quarantine list loans" in text(gone)


def test_what_waits_for_a_person_stands_on_top_with_the_way_to_answer(loans: State, pages: Pages) -> None:
    key = "loans.train/run+9"
    running = replace(trainings.get(loans, "loans.train/run+2"), key=key, state="running", version=None, verdict=None, finished_at=None)
    trainings.begin(loans, running)
    approvals.ask(loans, Approval(training=key, model="loans", asked_at=NOW, until=NOW + timedelta(days=1)))
    page = pages.get("/perennial/models/loans")
    assert "A winner waits for a person" in text(page)
    assert 'href="/dags/loans.train/runs/run%2B9/tasks/approve/required_actions" target="_top"' in page.text
    assert "1 approval" in text(pages.get("/perennial/models"))


def test_the_newest_replay_is_told(loans: State, pages: Pages) -> None:
    cell = {"cost": 0.1, "recommended": {"name": "every 4 windows"}}
    result = {"recommendation": f"It pays. {SCRIPT}", "windows": 30, "cells": [cell], "chosen_cost": 0.1, "html": None}
    hash_ = trainings.get(loans, "loans.train/run+1").spec_hash
    replays.keep(loans, model="loans", at=NOW, spec_hash=hash_, result=result)
    seen = text(pages.get("/perennial/models/loans"))
    assert "It pays." in seen
    assert "Recommended: every 4 windows , from 30 windows" in seen


def test_older_decisions_are_on_further_pages(loans: State, pages: Pages, settings: Settings) -> None:
    made = ledger.find_decision(loans, "decision-loans-000001")
    assert made is not None
    for number in range(40):
        ledger.decide(loans, replace(made, id=f"old-{number:02d}", window=None, decided_at=NOW - timedelta(days=20 + number)))
    first, second = pages.get("/perennial/models/loans"), pages.get("/perennial/models/loans?skip=30")
    ids = [re.findall(r'<tr id="([^"]+)"', page.text) for page in (first, second)]
    assert [len(one) for one in ids] == [30, 14]
    assert not set(ids[0]) & set(ids[1])
    assert "skip=30" in first.text
    assert "skip=60" not in second.text


def test_the_history_page_has_all_windows_of_the_period(loans: State, pages: Pages, settings: Settings) -> None:
    looked(loans, declare(settings, "visits"), start=0, days=200, drifted=False, value=0.7)
    taken = f"{NOW - timedelta(days=200):%Y-%m-%d %H:%M}"
    found = {period: taken in pages.get(f"/perennial/reports/visits/history{period}").text for period in ("", "?period=30d", "?period=1y")}
    assert found == {"": False, "?period=30d": False, "?period=1y": True}
    assert taken in pages.get("/perennial/reports/visits/history.html?period=all").text
    assert pages.get("/perennial/reports/visits/history?period=ever").status == 422
    for start in range(10, 10 + model_view.SHOWN_WINDOWS):
        opened(loans, ModelSpec.model_validate({**DECLARED, "model": "visits"}), start, as_of=NOW - timedelta(hours=start))
    assert 'href="/perennial/reports/visits/history?period=1y"' in pages.get("/perennial/models/visits?period=1y").text


@pytest.mark.parametrize("dag", ["etl", "loans.other", "ghosts.train", "train", f"{SCRIPT}.train"])
def test_the_tab_on_a_dag_of_no_model_says_so_calmly(loans: State, pages: Pages, dag: str) -> None:
    from urllib.parse import quote

    page = pages.get(f"/perennial/dags/{quote(dag, safe='')}")
    assert page.status == (404 if "/" in dag else 200)
    assert "<script>alert" not in page.text
    if page.status == 200:
        assert "is not one of a model that Perennial keeps current" in text(page)


PRIVATE = ["/models/loans", "/dags/loans.train", "/models/loans/decisions/decision-loans-000001", f"/models/loans/quarantine/{'b' * 32}"]


@pytest.mark.parametrize("path", PRIVATE)
def test_who_may_not_read_the_models_dags_sees_nothing_of_it(loans: State, pages: Pages, path: str) -> None:
    page = pages.get(f"/perennial{path}", user="guest")
    assert page.status == 403
    assert "gate" not in page.text
    assert pages.get(f"/perennial{path}", user=None, accept="*/*").status == 401


def test_another_teams_model_is_seen_by_that_team_alone(loans: State, pages: Pages, settings: Settings) -> None:
    declare(settings, "visits")
    pages.dags(*({"dag_id": f"loans.{kind}", "team": "lenders"} for kind in ("train", "monitor")), {"dag_id": "visits.monitor"})
    for user, (status, is_listed) in {"vic": (403, False), "tess": (200, True), "ada": (200, True)}.items():
        for path in (*PRIVATE[:3], "/reports/loans/index.html"):
            assert pages.get(f"/perennial{path}", user=user).status == status, (user, path)
        for path in ("/models", "/reports/index.html"):
            page = pages.get(f"/perennial{path}", user=user).text
            assert ("loans" in page, "visits" in page) == (is_listed, True), (user, path)


@pytest.mark.parametrize("path", ["/models/..%2fdags", "/models/%2e%2e", "/models/loans/quarantine/..%2f..%2fstate.db", "/models/ghosts"])
def test_an_address_leads_to_no_file(loans: State, pages: Pages, path: str) -> None:
    assert pages.get(f"/perennial{path}").status == 404


def test_a_database_that_does_not_answer_is_told_with_its_cure(settings: Settings, pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(settings, "loans")
    monkeypatch.setenv("PERENNIAL_STATE_URL", f"sqlite:////proc/nowhere-{NOW:%s}/state.db")
    page = pages.get("/perennial/models")
    assert page.status == 503
    assert "Set PERENNIAL_HOME to a writable place" in text(page)


def test_the_examples_of_the_words_hold() -> None:
    import doctest

    from perennial_airflow.pages import words

    from ml import wording
    from ml.monitoring import decided

    for module, least in ((words, 4), (wording, 5), (decided, 1)):
        found = doctest.testmod(module)
        assert (found.failed, found.attempted >= least) == (0, True), module
