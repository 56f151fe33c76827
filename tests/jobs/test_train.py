"""A training may be killed anywhere, run again, and finds the same: one version, one champion, the inputs it was frozen with."""

import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from ml import show
from ml.data.labels import LabelTable
from ml.errors import CandidateError, ModelOwnerError, NoData, SpecError
from ml.jobs import champion
from ml.jobs import train as jobs
from ml.registry import files, lockfile, models
from ml.registry.client import tracking
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger, trainings
from ml.state.records import Decision
from ml.training import cards, champions, dataset
from ml.training.evaluation import predict
from ml.training.remarks import remarks
from tests.state import made
from tests.training.worlds import LOGISTIC, NOW, RIDGE, TREE, XGBOOST, accept, declare, visits, with_mlflow

FOREST = {"name": "forest", "class": "sklearn.ensemble.RandomForestRegressor", "params": {"n_estimators": 10}}


@pytest.fixture
def home(settings: Settings) -> Settings:
    return with_mlflow(settings)


@pytest.fixture
def shop(home: Settings) -> ModelSpec:
    """A declared model with one accepted batch."""
    spec = declare(home)
    accept(home, spec, visits(300), batch="a" * 32)
    return spec


def ask(settings: Settings, spec: ModelSpec, number: int = 1) -> Decision:
    """An open decision that asks for a training."""
    state = State.open(settings)
    window = made.opened(state, spec, number)
    decision = Decision(
        id=f"d-{window.id}",
        model="shop",
        window=window.id,
        retrain=True,
        reasons=["4 of 5 columns drifted", "quality fell"],
        evidence={},
        report_url=None,
        state="open",
        decided_at=NOW + timedelta(minutes=number),
    )
    return ledger.decide(state, decision)


def decision_state(settings: Settings, window: str) -> str:
    found = ledger.decision_for(State.open(settings), window)
    assert found is not None
    return found.state


def test_the_first_training_makes_a_champion(home: Settings, shop: ModelSpec) -> None:
    steps: list[str] = []
    result = jobs.train(home, "shop", on_progress=steps.append)
    assert (result.version, result.promoted, result.champion, result.reason) == (1, True, 1, "first training")
    assert result.metrics["roc_auc"] > 0.9
    assert result.verdict.startswith("First model: the challenger is significantly better than the baseline that ignores the features")
    assert models.aliases(home, "shop") == {"champion": 1}
    assert len(steps) == 4
    champion = trainings.champion(State.open(home), "shop")
    assert champion is not None
    assert (champion.version, champion.by, champion.key) == (1, "gate", result.run)
    assert champion.evidence is not None
    assert champion.evidence["metrics"] == result.metrics


def test_whoever_trains_by_hand_is_warned_of_what_looks_like_leakage(
    home: Settings, shop: ModelSpec, capsys: pytest.CaptureFixture[str]
) -> None:
    show.train(jobs.train(home, "shop"))
    assert "\nwarning: Column 'spent' carries" in capsys.readouterr().out


def test_what_is_registered_tells_where_it_comes_from(home: Settings, shop: ModelSpec) -> None:
    result = jobs.train(home, "shop", reason="a new colleague's wish")
    with tracking(home, "shop") as mlflow:
        version = mlflow.client.get_model_version("shop", "1")
        run = mlflow.client.get_run(version.run_id)
        files = {one.path for one in mlflow.client.list_artifacts(version.run_id)}
    assert version.tags["perennial.reason"] == run.data.tags["perennial.reason"] == "a new colleague's wish"
    assert version.tags["perennial.dataset_version"] == str(result.dataset_version)
    assert version.tags["perennial.spec_hash"] == shop.hash()
    for tags in (version.tags, run.data.tags):
        assert tags["perennial.seed"] == run.data.params["seed"] == "42"
        assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", tags["perennial.git_commit"])
        assert re.fullmatch(r"[0-9a-f]{64}", tags["perennial.lock"])
    assert run.data.params["model.max_iter"] == "500"
    assert run.data.metrics["test_roc_auc"] == pytest.approx(result.metrics["roc_auc"])
    assert {"spec.json", "verdict.json"} <= files
    assert run.info.status == "FINISHED"


@pytest.mark.parametrize(
    ("changes", "candidates"),
    [
        ({}, [LOGISTIC, XGBOOST]),
        ({"task": "multiclass", "target": "mood", "positive": None}, [LOGISTIC, TREE, XGBOOST]),
        ({"task": "regression", "target": "paid", "positive": None}, [RIDGE, FOREST]),
        ({"task": "regression", "target": "paid", "positive": None, "time": "at"}, [RIDGE]),
        ({"time": "at"}, [XGBOOST]),
    ],
)
def test_each_task_is_trained_and_what_is_loaded_predicts(
    home: Settings, changes: dict[str, Any], candidates: list[dict[str, Any]]
) -> None:
    spec = declare(home, **changes, training={"candidates": candidates})
    accept(home, spec, visits(300), batch="a" * 32)
    result = jobs.train(home, "shop")
    assert result.promoted
    found = predict(models.load_champion(home, "shop", 1), visits(50, seed=5).assign(city="never seen"), task=spec.task)
    assert len(found.values) == 50


def test_the_lock_file_that_counts_is_the_project_s(home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.project / "requirements.txt").write_text("pandas==2.3.3\n")
    assert lockfile.digest(home.project) == hashlib.sha256(b"pandas==2.3.3\n").hexdigest()
    monkeypatch.setattr("ml.__file__", str(tmp_path / "ml" / "__init__.py"))
    (home.project / "requirements.txt").unlink()
    installed = lockfile.digest(home.project)
    assert installed == lockfile.digest(home.project)
    (tmp_path / "requirements.txt").write_text("")
    assert lockfile.digest(home.project) == hashlib.sha256(b"").hexdigest() != installed


class Seeded(LogisticRegression):  # type: ignore[misc]
    """An estimator whose parameters have names that Perennial uses for its own facts."""

    def __init__(self, seed: int = 0, dataset_version: int = 0, candidate: str = "") -> None:
        super().__init__(max_iter=500)
        self.seed = seed
        self.dataset_version = dataset_version
        self.candidate = candidate


def test_a_parameter_may_be_called_as_one_of_our_own_facts(home: Settings) -> None:
    params = {"seed": 7, "dataset_version": 9, "candidate": "x"}
    spec = declare(home, training={"candidates": [{"name": "seeded", "class": f"{__name__}.Seeded", "params": params}]})
    accept(home, spec, visits(300), batch="a" * 32)
    result = jobs.train(home, "shop")
    assert result.promoted
    champion = champions.of_now(State.open(home), "shop")
    assert champion is not None
    assert champions.load(home, champion).estimator.named_steps["model"].estimator_.seed == 7


def test_training_again_gives_the_same_metrics(home: Settings) -> None:
    spec = declare(home, training={"candidates": [XGBOOST, {**TREE, "params": {"max_features": 1}}]})
    accept(home, spec, visits(300), batch="a" * 32)
    first, second = jobs.train(home, "shop"), jobs.train(home, "shop")
    assert first.metrics == second.metrics
    assert (second.version, second.promoted, second.champion) == (2, False, 1)
    assert "there are only 0 test rows that neither it nor the champion was fitted on" in second.verdict
    assert models.aliases(home, "shop") == {"champion": 1, "challenger": 2}


def test_a_better_challenger_takes_over_and_a_worse_one_does_not(home: Settings) -> None:
    spec = declare(home, time="at")
    accept(home, spec, visits(300), batch="a" * 32)
    jobs.train(home, "shop")
    accept(home, spec, visits(900, seed=1, flipped=True, start=300), batch="b" * 32)
    result = jobs.train(home, "shop")
    assert (result.version, result.promoted, result.champion, result.dataset_version) == (2, True, 2, 2)
    assert "Routine retraining: the challenger is significantly better than the champion (version 1)" in result.verdict
    assert models.aliases(home, "shop") == {"champion": 2}


def test_a_champion_is_not_judged_on_rows_that_it_was_fitted_on(home: Settings) -> None:
    spec = declare(home, time="at")
    accept(home, spec, visits(300, start=1000), batch="a" * 32)
    jobs.train(home, "shop")
    accept(home, spec, visits(50, seed=1, start=2000), batch="b" * 32)  # the test part of 70 reaches into the fitted rows
    frozen = jobs.freeze(home, "shop", run="r", trigger="manual")
    assert frozen is not None
    jobs.tune(home, run="r", candidate="logistic")
    verdict = jobs.gate(home, run="r")
    assert verdict.rows == 50
    jobs.register(home, run="r")
    card = (files.load(home, "shop", mlflow_run=verdict.mlflow_run, name=cards.MARKDOWN) or b"").decode()
    assert "On 70 test rows that no tuning saw." in card
    assert "| metric | this version | baseline |" in card
    assert verdict.champion is not None
    compared = card.partition("Compared on 50 of these rows, from which neither version had learnt:")[2]
    assert "| metric | this version | champion, version 1 | baseline |" in compared.replace("\\_", "_")
    assert f"{verdict.challenger['accuracy']:.4f} | {verdict.champion['accuracy']:.4f} |" in compared


def test_a_first_model_that_is_no_better_than_the_baseline_stays_challenger(home: Settings) -> None:
    spec = declare(home, features={"categorical": ["city"]}, promotion={"metric": "accuracy"})
    accept(home, spec, visits(300).assign(city="Rome"), batch="a" * 32)
    result = jobs.train(home, "shop")
    assert (result.version, result.promoted, result.champion) == (1, False, None)
    assert models.aliases(home, "shop") == {"challenger": 1}
    assert decided(home, result.run) == "challenger"


def test_first_models_that_are_edited_on_the_same_rows_share_the_level(home: Settings) -> None:
    attempts = []
    for seed, batch in ((1, "a"), (1, ""), (2, ""), (2, "b")):
        weak = {"features": {"categorical": ["city"]}, "promotion": {"metric": "brier"}, "training": {"seed": seed}}
        spec = declare(home, **weak)
        if batch:
            accept(home, spec, visits(200), batch=batch * 32)
        run = f"{seed}-{len(attempts)}"
        jobs.freeze(home, "shop", run=run, trigger="manual")
        jobs.tune(home, run=run, candidate="logistic")
        comparison = jobs.gate(home, run=run).comparison
        assert comparison is not None
        attempts.append(comparison.attempt)
    assert attempts == [1, 1, 2, 1]


def decided(settings: Settings, run: str) -> str:
    return trainings.get(State.open(settings), run).state


def play(settings: Settings, run: str, *, trigger: str = "manual", twice: bool = True) -> jobs.TrainResult:
    """Every step, each one twice: what the second call gives must be what the first one gave."""

    def step(act: Callable[[], Any]) -> Any:
        first = act()
        if twice:
            assert act() == first
        return first

    frozen = step(lambda: jobs.freeze(settings, "shop", run=run, trigger=trigger))  # type: ignore[arg-type]
    for name in frozen.candidates:
        step(lambda name=name: jobs.tune(settings, run=run, candidate=name))
    step(lambda: jobs.gate(settings, run=run))
    step(lambda: jobs.register(settings, run=run))
    result: jobs.TrainResult = step(lambda: jobs.promote(settings, run=run))
    return result


def test_each_step_twice_leaves_one_version_and_one_promotion(home: Settings, shop: ModelSpec) -> None:
    result = play(home, "airflow/run'1")
    assert result.promoted
    assert models.versions(home, "shop") == [1]
    assert len(trainings.promotion_history(State.open(home), "shop")) == 1


def test_a_decision_is_claimed_named_as_the_reason_and_closed(home: Settings, shop: ModelSpec) -> None:
    decision = ask(home, shop)
    frozen = jobs.freeze(home, "shop", run="one", trigger="asset")
    assert frozen is not None
    assert frozen.decision == decision.id
    assert frozen.reason == f"asked by {decision.id}: 4 of 5 columns drifted; quality fell"
    assert decision_state(home, decision.window) == "claimed"
    assert jobs.freeze(home, "shop", run="two", trigger="asset") is None
    play(home, "one", trigger="asset")
    assert decision_state(home, decision.window) == "done"


def test_an_asset_event_without_an_open_decision_trains_nothing(home: Settings, shop: ModelSpec) -> None:
    assert jobs.freeze(home, "shop", run="one", trigger="asset") is None
    assert trainings.recent(State.open(home), "shop", limit=5) == []


def test_a_schedule_trains_for_new_rows_or_a_changed_declaration_only(home: Settings, shop: ModelSpec) -> None:
    jobs.train(home, "shop")
    assert jobs.freeze(home, "shop", run="one", trigger="schedule") is None
    declare(home, retraining={"cooldown": "9d"}, owner="ada")
    assert jobs.freeze(home, "shop", run="one", trigger="schedule") is None, "nothing that is learnt has changed"
    declare(home, training={"seed": 1})
    changed = jobs.freeze(home, "shop", run="two", trigger="schedule")
    assert changed is not None
    assert changed.reason == "scheduled"
    declare(home)
    accept(home, shop, visits(100, seed=1), batch="b" * 32)
    assert jobs.freeze(home, "shop", run="three", trigger="schedule") is not None


def test_new_labels_alone_are_new_for_a_schedule(home: Settings) -> None:
    spec = declare(home)
    frame = visits(300)
    late = pd.DataFrame({"id": frame["visit"].head(60), "label": frame["bought"].head(60)})
    frame.loc[:59, "bought"] = None
    accept(home, spec, frame, batch="a" * 32)
    jobs.train(home, "shop")
    labels = LabelTable.of(home, "shop")
    labels.append(late.head(20), delivery="c" * 32, arrived_at=NOW)
    assert jobs.freeze(home, "shop", run="one", trigger="schedule") is not None
    play(home, "one", trigger="schedule")
    assert jobs.freeze(home, "shop", run="two", trigger="schedule") is None
    labels.append(late.tail(40), delivery="d" * 32, arrived_at=NOW)
    assert jobs.freeze(home, "shop", run="two", trigger="schedule") is not None


def test_labels_that_come_after_freezing_wait_for_the_next_run(home: Settings) -> None:
    spec = declare(home)
    frame = visits(300)
    late = pd.DataFrame({"id": frame["visit"].head(200), "label": frame["bought"].head(200)})
    frame.loc[:199, "bought"] = None
    accept(home, spec, frame, batch="a" * 32)
    jobs.freeze(home, "shop", run="one", trigger="manual")
    LabelTable.of(home, "shop").append(late, delivery="c" * 32, arrived_at=NOW)  # arrived before, known to the table after
    jobs.tune(home, run="one", candidate="logistic")
    assert jobs.gate(home, run="one").rows < 40  # a fifth of 100 rows, not of 300
    dataset.forget()


def test_without_rows_a_schedule_is_calm_and_a_person_is_told(home: Settings) -> None:
    declare(home)
    assert jobs.freeze(home, "shop", run="one", trigger="schedule") is None
    with pytest.raises(NoData, match="no accepted rows yet"):
        jobs.train(home, "shop")


def test_a_run_keeps_its_declaration_and_its_rows(home: Settings, shop: ModelSpec) -> None:
    frozen = jobs.freeze(home, "shop", run="one", trigger="manual")
    declare(home, training={"candidates": [TREE]}, features={"numeric": ["age"]})
    accept(home, shop, visits(100, seed=1), batch="b" * 32)
    assert jobs.freeze(home, "shop", run="one", trigger="manual") == frozen
    result = play(home, "one")
    assert result.dataset_version == 1
    assert jobs.gate(home, run="one").candidate == "logistic"
    (home.dags / "shop" / "model.yaml").write_text("model: [")
    assert play(home, "one") == result
    with pytest.raises(SpecError):
        jobs.freeze(home, "shop", run="two", trigger="manual")


class Killed(BaseException):
    """The process ends here."""


def kill(*args: object, **kwargs: object) -> None:
    raise Killed


@pytest.mark.parametrize(
    "where",
    [
        "ml.training.lineage.open_run",
        "ml.registry.runs._inputs",
        "ml.registry.runs._write",
        "ml.registry.runs.save_candidate",
        "ml.registry.models.save",
        "ml.state.trainings.settle",
        "ml.registry.runs.add_to_training",
        "ml.registry.models.keep",
        "ml.registry.models.register",
        "ml.registry.models.set_alias",
        "ml.state.trainings.crown",
        "ml.state.ledger.finish",
        "ml.state.trainings.change",
        "ml.jobs.champion.heal_aliases",
        "ml.registry.runs.end_training",
    ],
)
def test_a_run_that_was_killed_ends_as_if_it_had_not_been(home: Settings, shop: ModelSpec, where: str) -> None:
    decision = ask(home, shop)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, kill)
        with pytest.raises(Killed):
            play(home, "one", trigger="asset", twice=False)
    result = play(home, "one", trigger="asset", twice=False)
    assert (result.version, result.promoted, result.champion) == (1, True, 1)
    assert models.versions(home, "shop") == [1]
    assert models.aliases(home, "shop") == {"champion": 1}
    assert len(trainings.promotion_history(State.open(home), "shop")) == 1
    assert decision_state(home, decision.window) == "done"
    assert decided(home, "one") == "promoted"
    run, files = told(home, "one")
    assert run.data.params["seed"] == "42"
    assert run.data.metrics["test_roc_auc"] == pytest.approx(result.metrics["roc_auc"])
    assert [one.dataset.digest for one in run.inputs.dataset_inputs] == ["version 1"]
    assert {"spec.json", "verdict.json"} <= files


def told(settings: Settings, run: str) -> tuple[Any, set[str]]:
    """The MLflow run of a training, and its files."""
    mlflow_run = trainings.get(State.open(settings), run).mlflow_run
    with tracking(settings, "shop") as mlflow:
        return mlflow.client.get_run(mlflow_run), {one.path for one in mlflow.client.list_artifacts(mlflow_run)}


@pytest.mark.parametrize("where", ["ml.state.ledger.finish", "ml.state.trainings.change"])
def test_a_run_that_was_killed_after_the_champion_changed_is_closed_as_promoted(home: Settings, shop: ModelSpec, where: str) -> None:
    decision = ask(home, shop)
    gated(home, "one", trigger="asset")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, kill)
        with pytest.raises(Killed):
            jobs.promote(home, run="one")
    assert decided(home, "one") == "running"
    assert [jobs.abandon(home, run="one", error="killed") for _ in range(2)] == ["promoted", "finished"]
    assert decided(home, "one") == "promoted"
    assert decision_state(home, decision.window) == "done"
    assert jobs.freeze(home, "shop", run="two", trigger="asset") is None
    assert models.aliases(home, "shop") == {"champion": 1}
    assert told(home, "one")[0].info.status == "FINISHED"


def gated(settings: Settings, run: str, *, trigger: str = "manual") -> None:
    """Everything but the last step."""
    jobs.freeze(settings, "shop", run=run, trigger=trigger)  # type: ignore[arg-type]
    jobs.tune(settings, run=run, candidate="logistic")
    jobs.gate(settings, run=run)
    jobs.register(settings, run=run)


def test_what_is_abandoned_is_said(home: Settings, shop: ModelSpec) -> None:
    decision = ask(home, shop)
    ledger.claim(State.open(home), "shop", run="one", at=NOW)
    assert jobs.abandon(home, run="one", error="killed before it began") == "none"
    assert decision_state(home, decision.window) == "open"
    jobs.freeze(home, "shop", run="one", trigger="asset")
    assert [jobs.abandon(home, run="one", error="worker lost") for _ in range(2)] == ["failed", "failed"]


def test_a_second_attempt_that_runs_beside_the_first_gives_one_verdict_and_one_saved_model(home: Settings, shop: ModelSpec) -> None:
    jobs.freeze(home, "shop", run="one", trigger="manual")
    jobs.tune(home, run="one", candidate="logistic")
    save, faster = models.save, []

    def slow(*args: Any, **kwargs: Any) -> models.Saved:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(models, "save", save)
            faster.append(jobs.gate(home, run="one"))
            assert jobs.register(home, run="one") == 1
        return save(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "save", slow)
        found = jobs.gate(home, run="one")
    assert [found] == faster
    assert jobs.gate(home, run="one") == found
    with tracking(home, "shop") as mlflow:
        assert [one.model_id for one in mlflow.client.search_logged_models([mlflow.experiment])] == [found.logged_model]
    assert jobs.promote(home, run="one").promoted
    models.load_champion(home, "shop", 1, sha256=found.model_sha256)


def test_a_gate_that_ends_after_its_run_was_abandoned_settles_nothing(home: Settings, shop: ModelSpec) -> None:
    jobs.freeze(home, "shop", run="one", trigger="manual")
    jobs.tune(home, run="one", candidate="logistic")
    save = models.save

    def slow(*args: Any, **kwargs: Any) -> models.Saved:
        jobs.abandon(home, run="one", error="no heartbeat")
        return save(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "save", slow)
        with pytest.raises(ModelOwnerError, match="was abandoned meanwhile"):
            jobs.gate(home, run="one")
    assert decided(home, "one") == "failed"


def test_a_gate_that_was_killed_may_choose_another_candidate(home: Settings) -> None:
    spec = declare(home, training={"candidates": [LOGISTIC, TREE]})
    accept(home, spec, visits(300), batch="a" * 32)
    jobs.freeze(home, "shop", run="one", trigger="manual")
    jobs.tune(home, run="one", candidate="tree")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ml.state.trainings.settle", kill)
        with pytest.raises(Killed):
            jobs.gate(home, run="one")
    jobs.tune(home, run="one", candidate="logistic")  # tried again, and it is the better one
    assert jobs.gate(home, run="one").candidate == "logistic"
    assert told(home, "one")[0].data.params["candidate"] == "logistic"


def test_a_claim_is_renewed_by_each_step_for_as_long_as_the_step_may_take(home: Settings) -> None:
    spec = declare(home, training={"timeout": "30h"})
    accept(home, spec, visits(300), batch="a" * 32)
    decision = ask(home, spec)
    state = State.open(home)
    jobs.freeze(home, "shop", run="one", trigger="asset")
    for step in (lambda: jobs.tune(home, run="one", candidate="logistic"), lambda: jobs.gate(home, run="one")):
        ledger.hold(state, decision.id, run="one", at=NOW, lease=timedelta(hours=8))
        step()
        held = ledger.decision_for(state, decision.window)
        assert held is not None
        assert held.lease_until is not None
        assert timedelta(hours=30) < held.lease_until - datetime.now(UTC) < timedelta(hours=33)
    for last in (lambda: jobs.register(home, run="one"), lambda: jobs.promote(home, run="one")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ml.state.ledger.hold", kill)
            with pytest.raises(Killed):
                last()


@pytest.mark.parametrize("trigger", ["asset", "schedule", "manual"])
def test_a_failed_run_whose_decision_another_run_has_finished_ends_calmly(home: Settings, shop: ModelSpec, trigger: str) -> None:
    decision = ask(home, shop)
    jobs.freeze(home, "shop", run="one", trigger=trigger)  # type: ignore[arg-type]
    jobs.abandon(home, run="one", error="worker lost")
    play(home, "two", trigger="asset", twice=False)
    assert decision_state(home, decision.window) == "done"
    again = jobs.freeze(home, "shop", run="one", trigger=trigger)  # type: ignore[arg-type]
    if trigger == "manual":
        assert again is not None
        assert again.decision is None
    else:
        assert again is None
        assert decided(home, "one") == "failed"


def test_a_failed_schedule_is_started_again_as_long_as_nobody_else_trained(home: Settings, shop: ModelSpec) -> None:
    assert jobs.freeze(home, "shop", run="one", trigger="schedule") is not None
    jobs.abandon(home, run="one", error="worker lost")
    assert jobs.freeze(home, "shop", run="one", trigger="schedule") is not None
    jobs.abandon(home, run="one", error="worker lost again")
    play(home, "two", twice=False)
    assert jobs.freeze(home, "shop", run="one", trigger="schedule") is None


def test_a_failed_run_may_be_started_again_from_any_step(home: Settings, shop: ModelSpec) -> None:
    decision = ask(home, shop)
    jobs.freeze(home, "shop", run="one", trigger="asset")
    jobs.tune(home, run="one", candidate="logistic")
    jobs.abandon(home, run="one", error="the store was away")
    jobs.gate(home, run="one")
    assert decision_state(home, decision.window) == "claimed"
    jobs.register(home, run="one")
    assert jobs.promote(home, run="one").promoted
    assert decision_state(home, decision.window) == "done"


def test_of_two_trainings_that_beat_the_same_champion_one_takes_its_place(home: Settings) -> None:
    spec = declare(home, time="at")
    accept(home, spec, visits(300), batch="a" * 32)
    jobs.train(home, "shop")
    accept(home, spec, visits(900, seed=1, flipped=True, start=300), batch="b" * 32)
    for run in ("one", "two"):
        gated(home, run)
        assert jobs.gate(home, run=run).wins
    crown, first = trainings.crown, []

    def late(*args: Any, **kwargs: Any) -> Any:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(trainings, "crown", crown)
            first.append(jobs.promote(home, run="one"))
        return crown(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainings, "crown", late)
        second = jobs.promote(home, run="two")
    assert (first[0].promoted, second.promoted, second.champion) == (True, False, 2)
    assert "Not promoted: version 2 became champion meanwhile" in second.verdict
    assert [one.version for one in trainings.promotion_history(State.open(home), "shop")] == [1, 2]
    assert decided(home, "two") == "challenger"
    assert models.aliases(home, "shop") == {"champion": 2, "challenger": 3}


@pytest.mark.parametrize("rolled_back", [False, True])
def test_a_version_that_a_person_promoted_before_its_run_did_counts_as_promoted(home: Settings, rolled_back: bool) -> None:
    spec = declare(home, time="at")
    accept(home, spec, visits(300), batch="a" * 32)
    jobs.train(home, "shop")
    accept(home, spec, visits(900, seed=1, flipped=True, start=300), batch="b" * 32)
    gated(home, "one")
    champion.promote_version(home, "shop", 2, by="ada", reason="now")
    if rolled_back:
        champion.rollback(home, "shop", by="ada", reason="oh")
    result = jobs.promote(home, run="one")
    assert (result.promoted, result.champion) == (True, 1 if rolled_back else 2)
    assert result.verdict.endswith("Version 2 was made champion by ada.")
    assert decided(home, "one") == "promoted"


def test_a_champion_whose_file_is_broken_is_no_measure(home: Settings, shop: ModelSpec) -> None:
    jobs.train(home, "shop")
    next((home.home / "mlflow").rglob("model.skops")).write_bytes(b"nonsense")
    result = jobs.train(home, "shop")
    assert (result.promoted, result.champion) == (True, 2)
    assert (
        "The champion (version 1) cannot be compared (its file is missing or not the one that was registered), so judged as a first model"
        in result.verdict
    )


def test_what_was_done_before_the_kill_but_not_written_down_is_found_again(home: Settings, shop: ModelSpec) -> None:
    """The version is registered, its number is not in the state database yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ml.registry.models.set_alias", kill)
        with pytest.raises(Killed):
            play(home, "one", twice=False)
    assert models.versions(home, "shop") == [1]
    assert trainings.get(State.open(home), "one").version is None
    assert play(home, "one").version == 1


def test_an_alias_that_disagrees_is_healed_at_the_next_freeze(home: Settings, shop: ModelSpec) -> None:
    jobs.train(home, "shop")
    jobs.train(home, "shop")
    models.set_alias(home, "shop", "champion", 2)
    jobs.freeze(home, "shop", run="one", trigger="manual")
    assert models.aliases(home, "shop")["champion"] == 1


def test_a_failed_run_gives_its_decision_back_and_may_be_started_again(home: Settings, shop: ModelSpec) -> None:
    decision = ask(home, shop)
    jobs.freeze(home, "shop", run="one", trigger="asset")
    for _ in range(2):
        jobs.abandon(home, run="one", error="worker lost")
    assert decided(home, "one") == "failed"
    assert decision_state(home, decision.window) == "open"
    result = play(home, "one", trigger="asset")
    assert result.promoted
    assert decision_state(home, decision.window) == "done"
    jobs.abandon(home, run="one", error="too late")
    assert decided(home, "one") == "promoted"


def test_a_training_that_cannot_be_done_is_marked_as_failed(home: Settings) -> None:
    spec = declare(home)
    accept(home, spec, visits(20), batch="a" * 32)
    decision = ask(home, spec)
    with pytest.raises(NoData, match="20 accepted rows"):
        jobs.train(home, "shop", run="one")
    assert decided(home, "one") == "failed"
    assert decision_state(home, decision.window) == "open"
    assert models.versions(home, "shop") == []


def test_rows_without_a_label_and_columns_that_teach_nothing_are_told(home: Settings) -> None:
    spec = declare(home, id=None, features={"numeric": ["age", "spent"], "categorical": ["city", "mood"], "ignore": ["visit"]})
    rows = visits(300).assign(age=np.nan, city="Rome")
    rows.loc[:14, "bought"] = [None, " ", ""] * 5
    accept(home, spec, rows, batch="a" * 32)
    steps: list[str] = []
    result = jobs.train(home, "shop", on_progress=steps.append)
    told = [
        "15 of 300 accepted rows have no value in 'bought' yet and train nothing",
        "constant: 'city'; always missing: 'age': in the rows to learn from they teach nothing (features.ignore takes them out)",
    ]
    assert steps[1:3] == told
    assert result.warnings[-2:] == told


def test_rows_whose_labels_are_not_due_are_not_missed(home: Settings) -> None:
    spec = declare(home, time="at", label_delay="10d")
    rows = visits(300)
    late = rows["at"] > pd.Timestamp("2026-01-05", tz="UTC")
    rows.loc[late | (rows.index < 1), "bought"] = None
    accept(home, spec, rows, batch="a" * 32)
    labelled = dataset.read(home, spec, version=1, as_of=datetime(2026, 1, 15, tzinfo=UTC))
    assert remarks(spec, labelled) == [
        "1 of 97 accepted rows that are old enough (label_delay) has no value in 'bought' yet and trains nothing; "
        "`perennial label shop FILE` takes late ones in"
    ]


def test_a_candidate_that_fails_does_not_stop_the_others(home: Settings) -> None:
    bad = {"name": "bad", "class": "sklearn.linear_model.LogisticRegression", "params": {"C": -1.0}}
    spec = declare(home, training={"candidates": [bad, LOGISTIC]})
    accept(home, spec, visits(300), batch="a" * 32)
    steps: list[str] = []
    assert jobs.train(home, "shop", on_progress=steps.append).promoted
    assert any(step.startswith("left out: candidate 'bad'") for step in steps)
    declare(home, training={"candidates": [bad]})
    with pytest.raises(CandidateError, match="candidate 'bad'"):
        jobs.train(home, "shop", run="none")
    assert decided(home, "none") == "failed"


def test_steps_out_of_order_say_what_is_missing(home: Settings, shop: ModelSpec) -> None:
    with pytest.raises(ModelOwnerError, match="no training run 'one' was begun"):
        jobs.tune(home, run="one", candidate="logistic")
    jobs.freeze(home, "shop", run="one", trigger="manual")
    with pytest.raises(CandidateError, match="no candidate of run 'one' was tuned"):
        jobs.gate(home, run="one")
    with pytest.raises(ModelOwnerError, match="has no verdict yet"):
        jobs.register(home, run="one")
    jobs.tune(home, run="one", candidate="logistic")
    jobs.gate(home, run="one")
    with pytest.raises(ModelOwnerError, match="has registered no version yet"):
        jobs.promote(home, run="one")


def test_a_winner_waits_where_approval_is_manual(home: Settings) -> None:
    spec = declare(home, promotion={"approval": "manual"})
    accept(home, spec, visits(300), batch="a" * 32)
    waiting = jobs.train(home, "shop", run="one")
    assert (waiting.promoted, waiting.champion) == (False, None)
    assert "It waits for approval: `perennial promote shop 1`" in waiting.verdict
    assert models.aliases(home, "shop") == {"challenger": 1}
    approved = jobs.promote(home, run="one", approved_by="ada")
    assert (approved.promoted, approved.champion) == (True, 1)
    champion = trainings.champion(State.open(home), "shop")
    assert champion is not None
    assert champion.by == "ada"
    assert jobs.promote(home, run="one", approved_by="ada") == approved


def test_a_verdict_about_a_former_champion_promotes_nothing(home: Settings, shop: ModelSpec) -> None:
    for run in ("one", "two"):
        jobs.freeze(home, "shop", run=run, trigger="manual")
        jobs.tune(home, run=run, candidate="logistic")
        assert jobs.gate(home, run=run).wins
        jobs.register(home, run=run)
    assert jobs.promote(home, run="two").promoted
    late = jobs.promote(home, run="one")
    assert (late.promoted, late.champion) == (False, 2)
    assert "version 2 became champion meanwhile" in late.verdict


def test_a_champion_that_answers_another_question_is_no_measure(home: Settings, shop: ModelSpec) -> None:
    jobs.train(home, "shop")
    declare(home, positive="no")
    result = jobs.train(home, "shop")
    assert result.promoted
    assert "version 1) cannot be compared (it predicts 'bought' (binary)" in result.verdict


def test_champion_and_challenger_may_use_different_columns(home: Settings) -> None:
    spec = declare(home, features={"numeric": ["age", "spent"]})
    accept(home, spec, visits(300), batch="a" * 32)
    jobs.train(home, "shop")
    declare(home, features={"numeric": ["age"]})
    result = jobs.train(home, "shop")
    assert not result.promoted
    assert (
        "Changed recipe, attempt 1: the challenger is not significantly better than the recipe of the champion (version 1)"
        in result.verdict
    )
    verdict = jobs.gate(home, run=result.run)
    assert verdict.champion is not None
    assert verdict.champion["roc_auc"] > 0.9 > verdict.challenger["roc_auc"]
