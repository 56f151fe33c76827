"""Estimates without labels, their audit, the quality against fresh models, and segments: on a real champion and by hand."""

import json
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.dummy import DummyClassifier

from ml.jobs import audited, estimating, monitor, segments, tested_rows, usual_quality
from ml.jobs import said as saying
from ml.jobs.judged import judge
from ml.jobs.report import report
from ml.jobs.status import status
from ml.jobs.tested_rows import HeldOutRows
from ml.jobs.train import train
from ml.monitoring.concept import ConceptDrift
from ml.registry import files
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, estimates, ledger, specs, trainings
from ml.state.records import Window
from ml.training import dataset
from ml.training.evaluation import Predicted
from ml.training.paired import Units
from tests.jobs.test_labels_seen import TRAINED, taken, world
from tests.jobs.test_monitor import EVIL, START, accept, declare, label, rows, trained  # noqa: F401
from tests.jobs.test_reference_profile import champion_of
from tests.monitoring.test_report import opened
from tests.state import made
from tests.state.test_estimates import estimate, measured
from tests.state.test_ledger import NOW


def test_a_window_is_estimated_first_and_held_against_its_labels_once_they_come(trained: Settings, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    declare(trained, evaluation={"slices": ["home"], "minimum_slice_rows": 50})
    early = rows(300, seed=2, first=800)
    accept(trained, early.assign(late=None), "b2")
    first = monitor.monitor(trained, "loans")
    assert (first.quality, first.estimated is not None) == ({}, True)
    assert first.estimated is not None
    one = first.estimated.metrics["roc_auc"]
    assert one.value is not None
    assert 0.85 < one.value < 0.97
    assert (one.measured, first.estimated.audit.windows, first.estimated.audit.trusted) == (None, 0, False)
    assert first.concept is not None
    assert "0 labelled rows" in first.concept.obstacle
    assert [one.column for one in first.ranking][:2] == ["income", "age"], "the champion leans on income"
    page = Path(str(first.report)).read_text()
    assert "<h2>Estimated without labels</h2>" in page
    assert "audit: Not trusted: of no earlier window of this champion have the labels come yet, and 5 such windows are needed." in page
    assert "<h2>What probably hurts most</h2>" in page
    assert EVIL not in page
    assert {one.column for one in first.segments} == {"home"}
    assert all(one.quality is None and one.test_share > 0 for one in first.segments)

    monkeypatch.setattr(dataset, "read", None)  # the training's rows are not needed any more
    label(trained, early[:150], "l1")
    accept(trained, rows(100, seed=3, first=1100).assign(late=None), "b3")
    monitor.monitor(trained, "loans")
    state = State.open(trained)
    assert {one.measured for one in estimates.of_window(state, "loans-000001")} == {None}, "half of the labels: it has not matured"
    label(trained, early[150:], "l2")
    accept(trained, rows(200, seed=4, first=1200), "b4")
    third = monitor.monitor(trained, "loans")
    matured = estimates.of_window(state, "loans-000001")
    assert {one.labelled_rows for one in matured} == {300}
    assert {one.labelled_rows for one in estimates.of_window(state, "loans-000003")} == {200}, "its labels came with it"
    assert third.estimated is not None
    assert third.estimated.audit.windows == 1
    page = unescape(Path(str(third.report)).read_text())
    assert f"audit: {third.estimated.audit.sentence}" in page, "the page knows what the decision knows"
    assert third.concept is not None
    assert third.concept.standard_error is not None
    assert third.concept.units > 1
    assert "standard_error" in json.dumps(third.model_dump(mode="json"))
    drawn = {one.metric: one for one in report(trained, "loans").windows[2].qualities}["roc_auc"]
    assert drawn.low is not None
    assert drawn.high is not None
    assert drawn.low < drawn.value < drawn.high

    label(trained, early.assign(late=np.where(early["late"] == "yes", "no", "yes")), "l3")
    accept(trained, rows(200, seed=5, first=1400), "b5")
    fourth = monitor.monitor(trained, "loans")
    assert estimates.of_window(state, "loans-000001") == matured, "a correction changes nothing in what was audited"
    assert fourth.estimated is not None
    assert fourth.estimated.audit.windows == 2
    shown = status(trained, "loans").models[0].last_window
    assert shown is not None
    assert shown.estimated == fourth.estimated
    assert fourth.decision is not None
    told = {one.rule: one.reason for one in fourth.decision.rules}
    assert told["estimated_drop"].startswith("retraining.estimated_drop is null")


def test_without_the_tested_models_words_nothing_is_estimated_and_the_reason_is_told(
    trained: Settings,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "load", lambda *_, **__: None)
    declare(trained, retraining={"minimum_rows": 100, "estimated_drop": 0.01}, label_delay="30d")
    accept(trained, rows(300, seed=2, first=800).assign(at=NOW + timedelta(days=4000)), "b2")
    result = monitor.monitor(trained, "loans")
    assert result.estimated is not None
    assert {one.value for one in result.estimated.metrics.values()} == {None}
    assert {one.why for one in result.estimated.metrics.values()} == {tested_rows.NOT_KEPT}
    assert result.decision is not None
    told = {one.rule: one for one in result.decision.rules}
    assert told["estimated_drop"].fired is False
    assert tested_rows.NOT_KEPT in told["estimated_drop"].reason
    assert (result.quality_rows, result.window is not None) == (0, True), "labels younger than label_delay judge nothing"


def test_the_error_of_a_regression_is_estimated_from_its_features(settings: Settings) -> None:
    ridge = {"candidates": [{"name": "ridge", "class": "sklearn.linear_model.Ridge"}]}
    declare(settings, task="regression", positive=None, training=ridge, group="key")
    rng = np.random.default_rng(0)
    for batch, count, low in (("b1", 1300, -2.0), ("b2", 400, 1.0)):
        frame = rows(count, seed=count, first=0 if batch == "b1" else 2000)
        frame["income"] = rng.uniform(low, 2, count)
        noise = np.where(frame["income"] > 1, 3.0, 0.3) * rng.normal(size=count)
        accept(settings, frame.assign(late=frame["age"] + noise if batch == "b1" else np.nan), batch)
        if batch == "b1":
            assert train(settings, "loans").promoted
    found = monitor.monitor(settings, "loans").estimated
    assert found is not None
    assert (found.method, found.rows, found.reference_rows, found.metric) == ("dle", 400, 260, "mae")
    mae = found.metrics["mae"]
    assert mae.value is not None
    assert mae.value > 1.7, "all rows are of the kind whose error is 2.4 on the mean; over all test rows it is .8"
    assert (found.metrics["r2"].value, found.metrics["rmse"].value is not None) == (None, True)


def with_history(state: State, *estimated: float, metric: str = "accuracy") -> Window:
    """Windows whose estimates were as given, and whose labels said .8 (.9 at promotion); then one more, returned."""
    for number, value in enumerate(estimated):
        window = measured(state, number, estimate(metric, value=value, low=value - 0.05, high=value + 0.05))
        estimates.save_matured(state, window, {metric: 0.8}, labelled_rows=200, at=NOW)
    last = measured(state, 90, estimate(metric, value=0.7, low=0.65, high=0.75))
    found = ledger.find_window(state, last)
    assert found is not None
    return found


def test_the_policy_learns_of_an_estimate_with_its_audit_only(settings: Settings) -> None:
    state = State.open(settings)
    window = with_history(state, 0.81, 0.79, 0.80, 0.82, 0.99)
    found, why = estimating.evidence(state, window, metric="accuracy", usual=0.9)
    assert found is not None
    assert (found.value, found.usual, found.audit_windows, found.audited_share, found.trusted, why) == (0.7, 0.9, 5, 0.8, True, "")
    assert found.audit.startswith("Trusted: 4 of 5 estimates held what was measured later")
    assert estimating.evidence(state, window, metric="f1", usual=0.9) == (None, "nothing was estimated in this window")
    assert "neither a usual accuracy" in estimating.evidence(state, window, metric="accuracy", usual=None)[1]
    estimates.save(state, window.id, [estimate(value=None, low=None, high=None, why="it has one class")], more={})
    assert estimating.evidence(state, window, metric="accuracy", usual=0.9) == (None, "accuracy cannot be estimated: it has one class")


def test_few_labels_widen_the_interval_that_the_audit_uses(settings: Settings) -> None:
    state = State.open(settings)
    window = measured(state, 0, estimate(value=0.8, low=0.75, high=0.85, sampling_error=0.02, model_error=0.0))
    estimates.save_matured(state, window, {"accuracy": 0.7}, labelled_rows=50, at=NOW)
    (one,) = audited.history(state, replace(opened(200), model="m", number=9, champion=1), "accuracy")
    assert (one.low, one.high) == pytest.approx((0.8 - 1.959964 * 0.04, 0.8 + 1.959964 * 0.04))


@pytest.mark.parametrize(("labelled", "delay", "days", "matured"), [
    (160, None, 0, True), (159, None, 0, False),
    (30, "5d", 5, True), (29, "5d", 5, False), (200, "5d", 4, False),
])  # fmt: skip
def test_a_window_matures_by_its_age_or_by_its_labels(labelled: int, delay: str | None, days: int, matured: bool) -> None:
    window = replace(opened(200), end_time=NOW)
    labels = pd.Series(["x"] * labelled + [None] * (200 - labelled))
    by = replace(window, as_of=NOW + timedelta(days=days))
    assert estimating.is_mature(window, labels, spec=spec(label_delay=delay, time="at"), by=by) is matured


def spec(**changes: Any) -> ModelSpec:
    content = {
        "model": "m",
        "task": "binary",
        "target": "y",
        "positive": "yes",
        "features": {"numeric": ["a"], "categorical": ["c"]},
        "data": {"source": {"kind": "files", "urls": ["x"]}},
        "training": {"candidates": [{"name": "l", "class": "a.B"}]},
        "evaluation": {"slices": ["c"], "minimum_slice_rows": 30},
    }
    return ModelSpec.model_validate(content | changes)


def said(count: int, *, seed: int) -> tuple[np.ndarray[Any, Any], Predicted]:
    """Labels, and what a calibrated model says."""
    rng = np.random.default_rng(seed)
    chance = rng.uniform(0, 1, count)
    labels = np.where(rng.random(count) < chance, "yes", "no").astype(object)
    return labels, Predicted(np.where(chance > 0.5, "yes", "no").astype(object), pd.DataFrame({"no": 1 - chance, "yes": chance}))


def held_out() -> HeldOutRows:
    count = 400
    labels, predicted = said(count, seed=1)
    segment = pd.DataFrame({"c": np.where(np.arange(count) < 20, "rare", "often")})
    blocks = np.arange(count) * 20 // count
    return HeldOutRows(
        labels=labels, said=predicted, units=Units(count, blocks), features=pd.DataFrame(), segments=segment, learnt=segment, importances={}
    )


def test_segments_are_shown_beside_the_test_rows_and_small_ones_are_not_tested() -> None:
    labels, predicted = said(200, seed=2)
    labels[150:] = None
    beside = pd.DataFrame({"y": labels, "c": ["often"] * 120 + ["rare"] * 30 + ["new"] * 50})
    judged = judge(spec(), beside["y"], predicted, known={"yes", "no"})[0]
    sides = {"said": predicted, "compared": saying.taken(predicted, np.arange(150))}
    found = {one.value: one for one in segments.measure(spec(), beside=beside, own=150, judged=judged, tested=held_out(), **sides)}
    assert list(found) == ["often", "rare", "new"]
    often, rare, new = found.values()
    assert (often.rows, often.share, often.test_share, often.labelled_rows) == (120, 0.8, 0.95, 120)
    assert often.quality is not None
    assert often.quality["accuracy"] == pytest.approx((labels[:120] == predicted.values[:120]).mean())
    assert often.prediction_drift is not None
    assert (rare.rows, rare.quality is not None, rare.test_quality, rare.prediction_drift) == (30, True, None, None)
    assert (new.rows, new.labelled_rows, new.quality, new.test_share) == (0, 0, None, 0.0), "these rows are from before the window"


def test_a_window_of_one_day_knows_from_the_test_rows_how_far_days_lie_apart(settings: Settings) -> None:
    random, declared = np.random.default_rng(5), spec(promotion={"metric": "accuracy"}, time="at")
    chance = np.repeat(np.linspace(0.4, 0.9, 20), 200)
    labels = np.where(random.random(4000) < chance, "yes", "no").astype(object)
    yes = Predicted(np.full(4000, "yes", dtype=object), pd.DataFrame({"no": np.full(4000, 0.4), "yes": np.full(4000, 0.6)}))
    tested = replace(held_out(), labels=labels, said=yes, units=Units(4000, np.arange(4000) // 200))
    training = made.training(version=1, verdict=verdict({"accuracy": float((labels == "yes").mean())}))
    now = pd.Series(np.where(random.random(200) < 0.5, "yes", "no"))
    judged = judge(declared, now, saying.taken(yes, np.arange(200)), known={"yes", "no"})[0]
    asked = {"spec": declared, "learnt": declared, "trained": training, "tested": tested, "at": NOW}
    one, units = saying.taken(yes, np.arange(200)), Units(200, np.arange(200) // 50)
    found = usual_quality.against_usual(State.open(settings), judged, one, units, **asked)
    assert found.units == 20
    assert found.standard_error is not None
    assert found.standard_error > 0.15, "days differ by more than rows"
    assert not found.drifted
    thin = asked | {"tested": replace(tested, of=8000)}
    assert usual_quality.against_usual(State.open(settings), judged, one, units, **thin).units == 40, "half of the rows stand for a day"
    asked |= {"spec": declared.model_copy(update={"time": None})}
    alone = usual_quality.against_usual(State.open(settings), judged, one, units, **asked)
    assert alone.units == 4


def test_kept_test_rows_know_how_many_they_were_drawn_from(trained: Settings, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(tested_rows, "MOST_ROWS", 40)
    training, learnt = champion_of(trained)
    kept, _ = tested_rows.kept(trained, training, spec=learnt, learnt=learnt)
    assert kept is not None
    assert (len(kept.labels), kept.of, kept.share) == (40, 160, 0.25)
    path = Path(tested_rows.url_of(trained, training))
    table = pq.read_table(path)
    metadata = {key: value.replace(b'"test_rows"', b'"unheard_of"') for key, value in table.schema.metadata.items()}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    old, _ = tested_rows.kept(trained, training, spec=learnt, learnt=learnt)
    assert old is not None
    assert (len(old.labels), old.of, old.share) == (40, None, 1.0)


@pytest.mark.parametrize("metric", ["roc_auc", "f1", "log_loss"])
def test_every_metric_has_a_standard_error_in_blocks_of_time(settings: Settings, metric: str) -> None:
    labels, predicted = said(400, seed=3)
    declared = spec(promotion={"metric": metric})
    judged = judge(declared, pd.Series(labels), predicted, known={"yes", "no"})[0]
    training = made.training(version=1, verdict=verdict({metric: 0.9 if metric != "log_loss" else 0.1}))
    asked = {"spec": declared, "learnt": declared, "trained": training, "tested": held_out(), "at": NOW}
    state, units = State.open(settings), Units(400, np.arange(400) * 5 // 400)
    found = usual_quality.against_usual(state, judged, predicted, units, **asked)
    assert (found.units, found.obstacle) == (5, "")
    assert found.worse_by is not None
    assert found.worse_by > 0
    chance = usual_quality.by_chance(found)
    assert chance is not None
    assert found.standard_error is not None
    assert chance > 2.1 * found.standard_error, "five blocks know less than a normal distribution"
    assert found.drifted is (found.worse_by > chance)
    for level, drifted in ((found.p * 0.99, False), (found.p * 1.01, True)):
        assert usual_quality.against_usual(state, judged, predicted, units, **asked, level=level).drifted is drifted
    few = usual_quality.against_usual(state, judged.head(199), predicted, units, **asked)
    assert "199 labelled rows since it was last judged, 200 (monitoring.minimum_rows)" in few.obstacle
    one = usual_quality.against_usual(state, judged, predicted, Units(400, None, np.zeros(400, dtype=np.intp)), **asked)
    assert "nothing tells their quality from chance" in one.obstacle


def test_what_is_usual_is_that_of_the_windows_own_moment_however_late_it_is_measured(settings: Settings) -> None:
    state, declared = State.open(settings), spec()
    spec_hash = specs.remember(state, declared, at=NOW)
    for number, score in enumerate((0.85, 0.9, 0.92, 0.1, 0.1, 0.1, 0.1)):
        ended = NOW + timedelta(days=number - 2)
        facts = {"key": f"k{number}", "started_at": ended, "finished_at": ended, "verdict": verdict({"roc_auc": score})}
        training = trainings.begin(state, made.training(spec_hash=spec_hash, **facts))
    labels, predicted = said(400, seed=3)
    judged = judge(declared, pd.Series(labels), predicted, known={"yes", "no"})[0]
    asked = {"spec": declared, "learnt": declared, "trained": training, "tested": held_out()}
    found = usual_quality.against_usual(state, judged, predicted, Units(400), **asked, at=NOW)
    assert found.usual == pytest.approx(0.9)


def test_an_interval_ends_where_the_metric_does() -> None:
    said = Predicted(np.array([1.0, 2.0, 9.0]), None)
    judged = pd.DataFrame({"label": [1.0, 2.0, 3.0], "prediction": said.values})
    changes = {"task": "regression", "positive": None, "evaluation": {}}
    found = usual_quality.intervals(judged, said, Units(3), spec=spec(**changes))
    assert (found["mae"][0], found["rmse"][0], found["r2"][1]) == (0.0, 0.0, 1.0)
    assert min(found["mae"][1], found["rmse"][1]) > 1 > 0 > found["r2"][0]


def test_windows_too_young_to_mature_do_not_hide_older_ones(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimating, "_LOOKED_BACK", 2)
    matured: list[int] = []
    monkeypatch.setattr(estimating, "_save", lambda *args: matured.append(args[2].number))
    table, state, declared = world(settings, *[1.0] * 5, label_delay="1h")
    opened = [taken(settings, state, declared, start, start + 1) for start in range(1, 6)]
    for one in opened:
        estimates.save(state, one.id, [estimate("roc_auc")], more={})
        made.measured(state, one)
    now = replace(opened[-1], as_of=START + timedelta(minutes=200 + 60))
    model = DummyClassifier(strategy="constant", constant="no").fit(pd.DataFrame({"a": [0, 1]}), ["no", "yes"])
    estimating.mature_earlier(state, estimating.Subject(table, model, now, declared, TRAINED, {"yes", "no"}))
    assert matured == [1]


def verdict(metrics: dict[str, float]) -> dict[str, Any]:
    names = {"run": "k", "candidate": "l", "sentence": "", "metric": "roc_auc", "mlflow_run": "r", "logged_model": "l", "model_sha256": "0"}
    judged = {"wins": True, "rows": 400, "gain": None, "champion": None, "champion_version": None, "baseline": {}}
    return {**names, **judged, "params": {}, "challenger": metrics, "metrics": metrics}


def test_with_many_rows_chance_is_two_standard_errors() -> None:
    found = ConceptDrift(yardstick="fresh", metric="mae", standard_error=0.5, degrees_of_freedom=1e9)
    assert usual_quality.by_chance(found) == pytest.approx(1.0, abs=1e-4)
    assert usual_quality.by_chance(replace(found, standard_error=None)) is None


@pytest.mark.parametrize("neighbours", [1, 20])
def test_an_interval_is_wider_where_neighbours_are_alike(neighbours: int) -> None:
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(2000 // neighbours) < 0.8, neighbours)
    labels = rng.choice(["yes", "no"], 2000)
    said = Predicted(np.where(right, labels, np.where(labels == "yes", "no", "yes")), None)
    judged = pd.DataFrame({"label": labels, "prediction": said.values})
    units = Units(2000, entities=np.repeat(np.arange(2000 // neighbours), neighbours))
    found = usual_quality.intervals(judged, said, units, spec=spec())
    assert "roc_auc" not in found, "without probabilities"
    low, high = found["accuracy"]
    share = right.mean()
    error = np.sqrt(share * (1 - share) / (2000 // neighbours))
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.05)
