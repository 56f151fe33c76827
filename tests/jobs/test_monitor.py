"""The monitor job on a real table, a real champion, real Evidently and real MLflow."""

import html
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from ml import specfile
from ml.data.table import AcceptedTable
from ml.errors import CallError, ModelOwnerError, StoreUnavailable, UnknownVersion
from ml.jobs import alerting, measuring, monitor, reconcile, suggestion, windows
from ml.jobs.alerts import conditions
from ml.jobs.look_results import drift_result
from ml.jobs.report import report
from ml.jobs.site import documents
from ml.jobs.status import status
from ml.jobs.train import freeze, train
from ml.monitoring import distances, workspace
from ml.registry import models
from ml.registry.client import reaching
from ml.settings import Settings
from ml.state import State, estimates, ledger, trainings
from tests.kept import KeptWorlds
from tests.training.worlds import with_mlflow

EVIL = "</script><script>window.hurt=1</script>"
START = datetime(2026, 1, 1, tzinfo=UTC)
DECLARED = {
    "model": "loans",
    "task": "binary",
    "target": "late",
    "positive": "yes",
    "time": "at",
    "id": "key",
    "features": {"numeric": ["income", "age"], "categorical": ["home", EVIL]},
    "data": {"source": {"kind": "files", "urls": ["loans/*.csv"]}},
    "training": {"candidates": [{"name": "logistic", "class": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 200}}]},
    "monitoring": {"minimum_rows": 100},
    "retraining": {"minimum_rows": 100, "drift_share": 0.5, "quality_drop": 0.2},
}


def declare(settings: Settings, **changes: object) -> None:
    folder = settings.dags / "loans"
    folder.mkdir(exist_ok=True)
    (folder / "model.yaml").write_text(yaml.safe_dump(DECLARED | changes))


def rows(count: int, *, seed: int, shift: float = 0.0, first: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    income, age = rng.normal(shift, 1, count), rng.normal(shift, 1, count)
    chance = 1 / (1 + np.exp(-(2 * income - age - 2 * shift)))
    return pd.DataFrame(
        {
            "key": [f"r{seed}-{number}" for number in range(count)],
            "at": pd.to_datetime([START + timedelta(minutes=first + number) for number in range(count)], utc=True).as_unit("us"),
            "income": income,
            "age": age,
            "home": rng.choice(["own", "rent", EVIL], count),
            EVIL: rng.choice(["a", "b"], count),
            "late": np.where(rng.random(count) < chance, "yes", "no"),
        }
    )


def accept(settings: Settings, frame: pd.DataFrame, batch: str, *, at: datetime = START) -> int:
    spec = specfile.load(settings, "loans")
    return AcceptedTable.of(settings, "loans", spec).append(frame, spec=spec, batch=batch, arrived_at=at)


def label(settings: Settings, frame: pd.DataFrame, delivery: str, *, at: datetime = START) -> None:
    """Labels that arrive late."""
    labels = AcceptedTable.of(settings, "loans").labels
    labels.append(frame[["key", "late"]].set_axis(["id", "label"], axis=1), delivery=delivery, arrived_at=at)


def crown_another(settings: Settings) -> None:
    """Version 2, made from version 1's training, becomes champion."""
    state = State.open(settings)
    first = trainings.of_version(state, "loans", 1)
    assert first is not None
    trainings.begin(state, replace(first, key="second", version=2))
    trainings.crown(state, model="loans", version=2, kind="promote", at=datetime.now(UTC), by="test", reason="", key="second")


def learnt(settings: Settings) -> None:
    declare(with_mlflow(settings))
    accept(settings, rows(800, seed=1), "b1")
    assert train(settings, "loans").promoted


@pytest.fixture
def trained(kept_worlds: KeptWorlds, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A champion that learnt from 800 rows."""
    return kept_worlds.world("loans", learnt, monkeypatch)


def test_without_a_champion_there_is_no_window_and_no_error(settings: Settings) -> None:
    declare(settings)
    result = monitor.monitor(settings, "loans")
    assert (result.window, result.decision) == (None, None)
    assert "no champion yet" in str(result.reason)


def test_a_window_waits_until_it_has_enough_rows_and_leaves_out_what_the_champion_learnt_from(trained: Settings) -> None:
    assert "no new rows" in str(monitor.monitor(trained, "loans").reason)
    accept(trained, rows(99, seed=2, first=800), "b2")
    assert "99 new rows of the 100 that a window needs" in str(monitor.monitor(trained, "loans").reason)
    accept(trained, rows(1, seed=3, first=899), "b3")
    taken = monitor.take_window(trained, "loans")
    window = ledger.find_window(State.open(trained), str(taken.window))
    assert window is not None
    assert (window.rows, window.number, window.champion) == (100, 1, 1)
    assert (window.start_time, window.end_time) == (START + timedelta(minutes=800), START + timedelta(minutes=899))


def test_after_a_pause_each_look_takes_so_many_rows_at_most_and_whole_batches(trained: Settings) -> None:
    for number, count in enumerate((60, 60, 150, 80, 500, 10)):
        accept(trained, rows(count, seed=2 + number, first=800 + 100 * number), f"b{2 + number}")
    declare(trained, monitoring={"minimum_rows": 100, "maximum_rows": 200})
    taken = []
    for _ in range(4):
        one = monitor.take_window(trained, "loans")
        found = None if one.window is None else ledger.find_window(State.open(trained), one.window)
        taken.append((None if found is None else found.rows, one.left))
        if found is not None:
            windows.give_up(State.open(trained), found, "only to take the next one")
    assert taken == [(120, 740), (150, 590), (580, 10), (None, 0)]


def test_drift_is_measured_reported_decided_and_announced_once(trained: Settings) -> None:
    accept(trained, rows(400, seed=2, shift=1.0, first=800), "b2")
    result = monitor.monitor(trained, "loans")

    assert result.drift is not None
    assert result.drift.share == 0.5
    assert set(result.drift.columns) == {"income", "age", "home", EVIL}
    assert result.drift.columns["income"].method == "wasserstein"
    assert result.drift.columns["income"].drifted
    assert not result.drift.columns["home"].drifted
    assert result.drift.target is not None
    assert result.drift.prediction is not None
    assert 0.5 < result.quality["roc_auc"] <= 1
    assert result.window is not None
    assert result.window.labelled_rows == 400
    assert result.decision is not None
    assert result.decision.retrain
    assert result.decision.state == "open"
    assert result.decision.reasons[0].startswith("2 of 4 columns drifted (")
    assert "a share of 0.50, at or above the 0.50 that asks" in result.decision.reasons[0]

    page = Path(str(result.report)).read_text()
    assert "window.hurt" in page, "the label is shown"
    assert EVIL not in page
    assert list(Path(trained.reports_url).rglob("*.part")) == []
    requests = reconcile.open_requests(trained, "loans")
    assert [one.id for one in requests] == [result.decision.id]
    assert requests[0].report == result.report

    snapshot = workspace._snapshot_path(workspace.folder_of(trained), "loans", "loans-000001").read_text()
    assert "measured_wasserstein" in snapshot
    assert f'"value": {result.drift.columns["income"].value!r}' in snapshot, "Evidently's interface shows what was recorded"

    shown = status(trained, "loans").models[0].last_window
    assert shown is not None
    assert (shown.columns, set(shown.drifted)) == (4, {name for name, one in result.drift.columns.items() if one.drifted})
    assert shown.also_drifted == [kind for kind in ("target", "prediction") if getattr(result.drift, kind).drifted]

    again = monitor.monitor(trained, "loans")
    assert again.window is None
    assert "no new rows" in str(again.reason)
    assert len(reconcile.open_requests(trained, "loans")) == 1
    (seen,) = report(trained, "loans").windows
    auc = next(one for one in seen.qualities if one.metric == "roc_auc")
    assert auc.value == result.quality["roc_auc"]
    assert auc.low is not None, "how many rows were positive was written down"


def test_calm_rows_give_a_no_with_all_its_reasons(trained: Settings) -> None:
    accept(trained, rows(2000, seed=2, first=800), "b2")
    decision = monitor.monitor(trained, "loans").decision
    assert decision is not None
    assert (decision.retrain, decision.state) == (False, "no")
    text = "\n".join(decision.reasons)
    assert "0 of 4 columns drifted (the farthest is " in text
    assert re.search(r"roc_auc went from 0\.\d+ at promotion to 0\.\d+ on 2,000 labelled rows", text)
    assert "2,000 labelled rows since the champion's training (≥ 100)" in text
    assert "no cooldown" in text


def test_with_retraining_off_the_decision_is_recorded_and_asks_for_nothing(trained: Settings) -> None:
    declare(trained, retraining={"mode": "off", "minimum_rows": 100})
    accept(trained, rows(400, seed=2, shift=2.0, first=800), "b2")
    decision = monitor.monitor(trained, "loans").decision
    assert decision is not None
    assert (decision.retrain, decision.state) == (True, "recorded")
    assert reconcile.open_requests(trained, "loans") == []


def test_a_suggestion_waits_for_a_person_and_a_yes_lets_one_training_start(trained: Settings) -> None:
    declare(trained, retraining={"mode": "suggest", "minimum_rows": 100, "answer_within": "6h"})
    accept(trained, rows(400, seed=2, shift=2.0, first=800), "b2")
    looked = monitor.monitor(trained, "loans")
    assert looked.decision is not None
    assert (looked.decision.retrain, looked.decision.state, looked.ledger.open) == (True, "suggested", [])
    assert looked.decision.until is not None
    assert timedelta(hours=5) < looked.decision.until - datetime.now(UTC) <= timedelta(hours=6)
    assert freeze(trained, "loans", run="early", trigger="asset") is None
    declare(trained, retraining={"mode": "off"})  # what was asked stays asked

    asking = suggestion.ask(trained, "loans", run="loans.confirm/1")
    assert asking.question is not None
    assert asking.question.timeout <= timedelta(hours=6)
    assert "columns drifted" in asking.question.body
    assert suggestion.ask(trained, "loans", run="loans.confirm/1").decision == asking.decision
    said = suggestion.answer(trained, run="loans.confirm/1", approved=True, by="ada")
    assert said is not None
    assert (said.state, said.approved, said.by) == ("open", True, "ada")
    assert suggestion.answer(trained, run="loans.confirm/1", approved=False, by="bob") is None
    assert [one.id for one in reconcile.reconcile(trained, "loans", announce=True).open] == [asking.decision]
    frozen = freeze(trained, "loans", run="run", trigger="asset")
    assert frozen is not None
    assert frozen.decision == asking.decision
    with pytest.raises(CallError, match="no suggestion waits"):
        suggestion.confirm(trained, "loans", approved=True, by="ada")


def test_after_a_no_the_next_look_asks_nobody_again(trained: Settings) -> None:
    declare(trained, retraining={"mode": "suggest", "minimum_rows": 100})
    accept(trained, rows(400, seed=2, shift=2.0, first=800), "b2")
    monitor.monitor(trained, "loans")
    assert suggestion.confirm(trained, "loans", approved=False, by="ada").state == "declined"
    accept(trained, rows(400, seed=3, shift=2.0, first=1200), "b3")
    again = monitor.monitor(trained, "loans").decision
    assert again is not None
    assert (again.retrain, again.state) == (False, "no")
    assert re.match(r"cooldown of trainings: .* since a person declined a suggestion \(< 1 d\)", again.reasons[0])


def test_a_suggestion_about_a_champion_that_serves_no_longer_ends_by_itself(trained: Settings) -> None:
    declare(trained, retraining={"mode": "suggest", "minimum_rows": 100})
    accept(trained, rows(400, seed=2, shift=2.0, first=800), "b2")
    looked = monitor.monitor(trained, "loans")
    assert looked.decision is not None
    (asked,) = status(trained, "loans").models[0].suggestions
    assert asked.id == looked.decision.id
    crown_another(trained)
    assert reconcile.reconcile(trained, "loans").expired == [asked.id]
    made = ledger.find_decision(State.open(trained), asked.id)
    assert made is not None
    assert (made.state, made.outcome) == ("superseded", {"reason": "version 2 has become champion"})


def test_a_decision_tells_every_rule_and_the_policy_that_made_it(trained: Settings) -> None:
    declare(trained, retraining={"minimum_rows": 100, "cost": {"train": 0.05}, "new_rows": 300, "every_windows": 2, "budget": "2 per 30d"})
    accept(trained, rows(250, seed=2, first=800), "b2")
    first = monitor.monitor(trained, "loans").decision
    assert first is not None
    assert re.fullmatch(r"2-[0-9a-f]{12}", first.policy)
    assert first.id.endswith(first.policy)
    accept(trained, rows(250, seed=3, first=1100), "b3")
    second = monitor.monitor(trained, "loans").decision
    assert second is not None
    assert second.policy == first.policy
    told = {one.rule: one for one in second.rules}
    assert told["new_rows"].reason == "new rows: 500 rows with a final label came since the last training (≥ 300)"
    assert told["every_windows"].reason == "calendar: window 2 since the last training (≥ 2)"
    assert "over 2 windows against its own roc_auc at promotion" in told["regret"].reason
    assert (told["new_rows"].fired, told["every_windows"].fired, told["budget"].fired, told["age"].fired) == (True, True, False, None)
    assert told["data"].reason == "enough data: a training would find 1,300 rows with a final label (≥ 50)"
    assert second.retrain
    (model,) = status(trained, "loans").models
    assert [(one.kind, one.state) for one in model.decisions] == [("retrain", "open"), ("retrain", "no")]


def test_a_claim_of_a_dead_worker_is_announced_again_and_a_last_failure_is_told(trained: Settings) -> None:
    accept(trained, rows(400, seed=2, shift=1.0, first=800), "b2")
    decision = monitor.monitor(trained, "loans").decision
    assert decision is not None
    state = State.open(trained)
    for number in range(ledger.MOST_TRIES):
        long_ago = datetime.now(UTC) - timedelta(hours=9)
        assert ledger.claim(state, "loans", run=f"dead-{number}", at=long_ago) is not None
        found = reconcile.reconcile(trained, "loans", announce=True)
        if number < ledger.MOST_TRIES - 1:
            assert (found.reopened, [one.id for one in found.open]) == ([decision.id], [decision.id])
            assert found.open[0].tries == number + 1
    (failed,) = found.failed
    assert (failed.id, failed.tries, failed.run) == (decision.id, 3, "dead-2")
    assert "neither finished nor failed" in str(failed.error)
    assert "perennial train loans" in str(failed.cure)
    assert reconcile.open_requests(trained, "loans") == []
    assert status(trained, "loans").models[0].decisions[0].state == "failed"


def test_rows_without_labels_are_watched_for_drift_and_the_report_says_what_is_missing(trained: Settings) -> None:
    accept(trained, rows(400, seed=2, shift=2.0, first=800).assign(late=None), "b2")
    result = monitor.monitor(trained, "loans")
    assert result.quality == {}
    assert result.drift is not None
    assert result.drift.target is None
    assert result.drift.columns["age"].drifted
    assert result.decision is not None
    assert not result.decision.retrain, "there is nothing to learn from yet"
    assert "too few new rows: 0 labelled rows" in result.decision.reasons[0]
    assert "No row of this window has a label yet" in Path(str(result.report)).read_text()


def test_labels_that_come_after_their_window_are_judged_once_and_can_ask_for_a_training(trained: Settings) -> None:
    early = rows(300, seed=2, first=800)
    wrong = early.assign(late=np.where(early["late"] == "yes", "no", "yes"))
    accept(trained, early.assign(late=None), "b2")
    first = monitor.monitor(trained, "loans")
    assert (first.quality, first.quality_rows) == ({}, 0)

    accept(trained, rows(200, seed=3, first=1100).assign(late=None), "b3")
    label(trained, wrong, "l1")
    second = monitor.monitor(trained, "loans")
    assert second.window is not None
    assert (second.window.rows, second.window.labelled_rows, second.quality_rows) == (200, 0, 300)
    assert second.quality["roc_auc"] < 0.4, "each label meets the prediction for its own row"
    assert estimates.detail(State.open(trained), second.window.id, "labels") == {"fresh": 300, "known": 300}
    assert second.drift is not None
    assert second.drift.target is not None, "the late labels are drift that no earlier window could see"
    assert second.decision is not None
    assert second.decision.retrain
    assert re.search(
        r"roc_auc went from .* on 300 labelled rows .* (two|\d\.\d) standard errors of the difference", second.decision.reasons[0]
    )
    page = Path(str(second.report)).read_text()
    assert "Quality is of 300 labelled rows: 0 of this window, and 300 that were accepted before it" in page
    assert "No row of this window has a label yet that is final: target drift and quality are of earlier rows." in page

    accept(trained, rows(200, seed=4, first=1300), "b4")
    third = monitor.monitor(trained, "loans")
    assert (third.quality_rows, third.quality["roc_auc"] > 0.5) == (200, True)


def test_target_drift_is_of_final_labels_and_waits_for_late_ones(trained: Settings) -> None:
    """What comes early is all of one class, as defaults are: no drift, but how labels come."""
    declare(trained, label_delay="36500d")
    young = rows(300, seed=2, first=800).assign(at=datetime.now(UTC))
    early = young.assign(late=np.where((young["late"] == "yes") & (young["income"] > 0), "yes", None))
    accept(trained, early, "b2")
    first = monitor.monitor(trained, "loans")
    assert first.drift is not None
    assert first.drift.target is None
    assert "neither target drift nor quality can be seen" in Path(str(first.report)).read_text()

    declare(trained)
    label(trained, young[early["late"].isna()], "l1")
    accept(trained, rows(200, seed=3, first=1100).assign(late=None), "b3")
    second = monitor.monitor(trained, "loans")
    assert second.drift is not None
    assert second.drift.target is not None
    assert not second.drift.target.drifted
    assert second.quality_rows == 300


def test_late_labels_that_are_too_few_to_judge_by_wait_for_more(trained: Settings) -> None:
    early = rows(300, seed=2, first=800)
    accept(trained, early.assign(late=None), "b2")
    monitor.monitor(trained, "loans")
    found = []
    for number in range(3):
        label(trained, early[number * 60 : (number + 1) * 60], f"l{number}")
        accept(trained, rows(100, seed=5 + number, first=1100 + number * 100).assign(late=None), f"c{number}")
        result = monitor.monitor(trained, "loans")
        assert result.decision is not None
        found.append((result.quality_rows, any("are needed to judge" in reason for reason in result.decision.reasons)))
    assert found == [(60, True), (120, False), (60, True)]


def test_labels_that_arrive_after_the_window_was_taken_change_nothing_in_it(trained: Settings) -> None:
    frame = rows(200, seed=2, first=800)
    accept(trained, frame.assign(late=[*frame["late"][:110], *[None] * 90]), "b2")
    window = str(monitor.take_window(trained, "loans").window)
    label(trained, frame[110:], "l1")
    measured = monitor.measure(trained, window)
    assert (measured.window.labelled_rows, measured.quality_rows) == (110, 110)
    assert "110 labelled rows since the champion's training" in "\n".join(monitor.decide(trained, window).reasons)


def test_a_column_that_lost_many_of_its_values_has_drifted(trained: Settings) -> None:
    frame = rows(3000, seed=2, first=800)
    frame.loc[frame.index % 2 == 0, "income"] = np.nan
    accept(trained, frame, "b2")
    result = monitor.monitor(trained, "loans")
    assert result.drift is not None
    lost = result.drift.columns["income"]
    assert lost.drifted
    assert lost.method == "missing_share"
    assert lost.value == pytest.approx(0.5)
    page = Path(str(result.report)).read_text()
    assert "the distance has not, or because there is no value on one side: income." in page


def test_a_column_that_vanished_has_drifted(trained: Settings) -> None:
    accept(trained, rows(400, seed=2, first=800).assign(income=np.nan), "b2")
    result = monitor.monitor(trained, "loans")
    assert result.drift is not None
    gone = result.drift.columns["income"]
    assert (gone.method, gone.value, gone.drifted) == ("missing_share", 1.0, True)


@pytest.mark.parametrize(("task", "estimator", "metric"), [
    ("regression", "sklearn.linear_model.Ridge", "mae"),
    ("multiclass", "sklearn.linear_model.LogisticRegression", "balanced_accuracy"),
])  # fmt: skip
def test_other_tasks_are_watched_in_the_same_way(settings: Settings, task: str, estimator: str, metric: str) -> None:
    candidates = {"candidates": [{"name": "only", "class": estimator}]}
    declare(settings, task=task, positive=None, training=candidates, retraining={"minimum_rows": 100, "drift_share": None})
    for batch, shift in (("b1", 0.0), ("b2", 3.0)):
        frame = rows(600, seed=len(batch) + int(shift), shift=shift, first=int(shift) * 600)
        target = frame["income"] + (frame["age"] if shift == 0 else -frame["age"])  # the world changes its mind
        late = target if task == "regression" else pd.cut(target, [-np.inf, -0.5, 0.5, np.inf], labels=["low", "middle", EVIL]).astype(str)
        accept(settings, frame.assign(late=late), batch)
        if batch == "b1":
            assert train(settings, "loans").promoted
    result = monitor.monitor(settings, "loans")
    assert metric in result.quality
    assert result.drift is not None
    assert result.drift.target is not None
    assert result.drift.prediction is not None
    assert result.drift.prediction.drifted
    assert result.decision is not None
    assert result.decision.retrain
    assert result.decision.reasons[0].startswith(f"{metric} went from")
    assert EVIL not in Path(str(result.report)).read_text()


class Killed(BaseException):
    """A kill: nothing catches it."""


@pytest.fixture(params=["render", "save", "_log_to_mlflow", "save_measurement", "decide"])
def kill(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Ends the run just before (render, decide) or just after (the others) one of its steps."""
    owner = {"render": measuring.report, "save": measuring.report, "_log_to_mlflow": measuring}.get(request.param, ledger)
    real = getattr(owner, request.param)

    def killed(*args: object, **kwargs: object) -> None:
        if request.param not in {"render", "decide"}:
            real(*args, **kwargs)
        raise Killed

    monkeypatch.setattr(owner, request.param, killed)
    return monkeypatch


def test_killed_at_any_step_and_run_again_gives_one_window_one_report_and_one_decision(trained: Settings, kill: pytest.MonkeyPatch) -> None:
    accept(trained, rows(300, seed=2, shift=1.0, first=800), "b2")
    with pytest.raises(Killed):
        monitor.monitor(trained, "loans")
    kill.undo()
    kill.setenv("PERENNIAL_HOME", str(trained.home))
    accept(trained, rows(300, seed=3, shift=1.0, first=1100), "b3")

    result = monitor.monitor(trained, "loans")
    state = State.open(trained)
    assert result.window is not None
    assert (result.window.number, result.window.rows) == (1, 300), "the window that was begun is finished first"
    assert len(ledger.recent_windows(state, "loans", limit=9)) == 1
    assert len(ledger.recent_decisions(state, "loans", limit=9)) == 1
    pages = sorted(path.name for path in Path(trained.reports_url).rglob("*") if path.is_file())
    assert pages == ["history.html", "loans-000001.html"]
    second = monitor.monitor(trained, "loans")
    assert second.window is not None
    assert (second.window.number, second.window.rows) == (2, 300)


def test_each_step_run_twice_says_the_same(trained: Settings) -> None:
    accept(trained, rows(300, seed=2, shift=1.0, first=800), "b2")
    first = monitor.take_window(trained, "loans")
    assert monitor.take_window(trained, "loans") == first
    window = str(first.window)
    with pytest.raises(CallError, match="not measured yet"):
        monitor.decide(trained, window)
    measured = monitor.measure(trained, window)
    page = Path(measured.report).read_bytes()
    assert monitor.measure(trained, window) == measured
    assert monitor.decide(trained, window) == monitor.decide(trained, window)
    assert Path(measured.report).read_bytes() == page


def test_a_window_whose_champion_was_replaced_meanwhile_asks_for_nothing(trained: Settings) -> None:
    accept(trained, rows(400, seed=2, shift=2.0, first=800), "b2")
    window = str(monitor.take_window(trained, "loans").window)
    monitor.measure(trained, window)
    trainings.crown(State.open(trained), model="loans", version=2, kind="promote", at=datetime.now(UTC), by="test", reason="", key="k")
    decision = monitor.decide(trained, window)
    assert not decision.retrain
    assert decision.reasons[0] == "version 2 has become champion since this window was taken"


def test_a_window_whose_champion_is_gone_fails_visibly_and_the_next_run_goes_on(trained: Settings) -> None:
    accept(trained, rows(200, seed=2, first=800), "b2")
    window = str(monitor.take_window(trained, "loans").window)
    with reaching(trained) as client:
        client.delete_model_version("loans", "1")
    with pytest.raises(UnknownVersion, match="loans has no version 1"):
        monitor.monitor(trained, "loans")
    state = State.open(trained)
    made = ledger.decision_for(state, window)
    assert made is not None
    assert (made.retrain, made.state) == (False, "no")
    assert made.reasons[0].startswith("could not be measured: loans has no version 1")
    assert monitor.decide(trained, window).reasons == made.reasons
    with pytest.raises(CallError, match=f"window {window} was given up"):
        monitor.measure(trained, window)

    assert "no new rows" in str(monitor.monitor(trained, "loans").reason)
    accept(trained, rows(200, seed=3, first=1000), "b3")
    assert monitor.take_window(trained, "loans").window == "loans-000002"


def test_a_statistic_that_is_no_number_does_not_end_monitoring(trained: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    accept(trained, rows(200, seed=2, first=800), "b2")
    with monkeypatch.context() as patch:
        patch.setitem(distances.NUMERIC, "wasserstein", lambda reference, window: float("nan"))
        with pytest.raises(ModelOwnerError, match="is nan"):
            monitor.monitor(trained, "loans")
    accept(trained, rows(200, seed=3, first=1000), "b3")
    result = monitor.monitor(trained, "loans")
    assert result.window is not None
    assert (result.window.number, result.quality_rows) == (2, 400), "labels of the window that was given up count in the next"


def test_a_third_label_of_a_binary_model_is_left_out_of_the_quality_and_the_report_says_so(trained: Settings) -> None:
    frame = rows(300, seed=2, first=800)
    accept(trained, frame.assign(late=None), "b2")
    label(trained, frame.assign(late=[*frame["late"][:200], *["perhaps"] * 100]), "l1")
    result = monitor.monitor(trained, "loans")
    assert result.window is not None
    assert (result.window.labelled_rows, result.quality_rows) == (200, 200)
    page = Path(str(result.report)).read_text()
    assert "leaves out 100 rows whose label is neither of the model&#x27;s two classes: &#x27;perhaps&#x27;." in page


def test_a_store_that_does_not_answer_leaves_the_window_to_the_next_run(trained: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    accept(trained, rows(200, seed=2, first=800), "b2")

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("MLflow does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(models, "load_champion", away)
        with pytest.raises(StoreUnavailable):
            monitor.monitor(trained, "loans")
    result = monitor.monitor(trained, "loans")
    assert result.window is not None
    assert result.window.number == 1


def test_a_window_that_was_not_measured_before_its_champion_was_replaced_is_given_up(trained: Settings) -> None:
    accept(trained, rows(200, seed=2, first=800), "b2")
    window = str(monitor.take_window(trained, "loans").window)
    crown_another(trained)
    accept(trained, rows(200, seed=3, first=1000), "b3")
    taken = monitor.take_window(trained, "loans")
    state = State.open(trained)
    assert taken.window == "loans-000002"
    second = ledger.find_window(state, "loans-000002")
    assert second is not None
    assert second.champion == 2
    made = ledger.decision_for(state, window)
    assert made is not None
    assert made.reasons == ["could not be measured in time: version 2 has become champion"]


def test_a_declaration_that_changed_since_the_training_watches_what_the_champion_sees(trained: Settings) -> None:
    declare(trained, features={"numeric": ["income", "age", "new"], "categorical": ["home"]}, monitoring={"minimum_rows": 50})
    accept(trained, rows(60, seed=2, first=800).assign(new=1.0), "b2")
    result = monitor.monitor(trained, "loans")
    assert result.drift is not None
    assert set(result.drift.columns) == {"income", "age", "home", EVIL}
    assert result.drift.columns[EVIL].method == "missing_share"


def test_a_window_that_was_never_taken_is_named(trained: Settings) -> None:
    with pytest.raises(CallError, match="no window 'loans-000009'"):
        monitor.measure(trained, "loans-000009")


PROMISED = {"minimum_rows": 100, "false_alarms": "1 per 90d"}


def test_a_promise_judges_each_column_and_its_verdict_stands_in_state_json_and_report(trained: Settings) -> None:
    declare(trained, monitoring=PROMISED)
    accept(trained, rows(400, seed=2, shift=1.0, first=800).assign(home=[*["tent"] * 60, *["own"] * 340]), "b2")
    result = monitor.monitor(trained, "loans")
    assert result.drift is not None
    income, home = result.drift.columns["income"], result.drift.columns["home"]
    assert (income.drifted, home.drifted, result.drift.columns[EVIL].drifted) == (True, True, False)
    assert income.verdict is not None
    assert income.verdict["level"] == pytest.approx(1 / 90 / 5), "data, data quality, target, prediction and concept drift share a look"
    page = Path(str(result.report)).read_text()
    assert "shared by 5 kinds of drift" in page
    assert "concept drift)" in page
    assert income.verdict["origin"].startswith("from 20 disjoint windows of 40 rows of the reference's own time; provisional")
    assert home.verdict is not None
    assert {one["method"]: one["value"] for one in home.verdict["also"]} == {"unseen_share": 0.15}
    kept, _ = ledger.measurement(State.open(trained), "loans-000001")
    assert drift_result(kept).columns == result.drift.columns, "the words are made again from what is kept"
    page = Path(str(result.report)).read_text()
    head = page[: page.index("</header>")]
    assert "At most 1 per 90d by chance: 90 looks in that time, so one look alarms by chance with probability 0.011" in head
    assert html.escape(str(income.verdict["sentence"])) in head
    assert html.escape(income.verdict["origin"]) in head
    assert EVIL not in page
    assert result.decision is not None
    assert result.decision.reasons[0].startswith("3 of 4 columns drifted (")
    decided = ledger.decision_for(State.open(trained), "loans-000001")
    assert decided is not None
    assert "verdict" not in decided.evidence["drifts"][0], "it stands beside the drift"
    told = {one.key: one.text for one in conditions(alerting.facts(State.open(trained), "loans", at=datetime.now(UTC)))}
    assert next(iter(told)) == "alarm/1/data quality"
    assert told["alarm/1/data quality"].endswith("home (unseen_share 0.15, floor 0.05).")
    assert "income (wasserstein " in told["alarm/1/data"]


def test_alarms_that_must_persist_ask_for_a_training_in_the_second_look_of_the_column(trained: Settings) -> None:
    declare(trained, monitoring=PROMISED, retraining={"minimum_rows": 100, "drift_share": 0.5, "drift_windows": "2 of 3"})
    said, calm = [], rows(200, seed=1)
    for number, (income, age) in enumerate([(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)]):
        frame = calm.assign(key=[f"n{number}-{place}" for place in range(200)], income=calm["income"] + income, age=calm["age"] + age)
        accept(trained, frame, f"c{number}")
        decision = monitor.monitor(trained, "loans").decision
        assert decision is not None
        said.append(next(one for one in decision.rules if one.rule == "drift_share"))
    assert [one.fired for one in said] == [False, False, True]
    assert said[1].reason.startswith("0 of 4 columns alarmed in 2 of their last 3 looks (the farthest now is age")
    assert said[2].reason.startswith("2 of 4 columns alarmed in 2 of their last 3 looks (")
    kept, _ = ledger.measurement(State.open(trained), "loans-000003")
    verdict = {one.column: one.verdict for one in kept}["age"]
    assert verdict is not None
    assert (verdict["looks"], verdict["persists"], verdict["level"]) == ([True, True, False], True, pytest.approx(1 / 90 / 5))
    assert verdict["alone"] > verdict["level"] / 4, "single looks may be looser"
    assert "origin" not in verdict, "words are made when it is shown"
    assert verdict["basis"] == {"windows": 20, "rows": 40, "by": "time"}


def test_pages_of_a_real_window_and_a_real_card_open_with_what_they_mean(trained: Settings) -> None:
    accept(trained, rows(400, seed=2, first=800), "b2")
    window = monitor.monitor(trained, "loans").window
    assert window is not None
    shelf = documents.Shelf.open(trained)
    page, plots, card = (documents.find(shelf, "loans", name) for name in (window.id, f"{window.id}.evidently", "card_1"))
    assert isinstance(page, documents.Document)
    assert isinstance(plots, documents.Document)
    assert isinstance(card, documents.Document)
    told = page.content.decode()
    places = [
        told.index(part) for part in ("What this means", "Decision: ", "Estimated without labels", "What probably hurts most", "<iframe")
    ]
    assert places == sorted(places)
    assert plots.is_foreign
    assert b"location.replace" in plots.content
    assert card.content.index(b"Version 1 is the champion since") < card.content.index(b"Intended use")
    kept = Path(trained.reports_url) / "loans" / "card_1.html"
    assert "What this means" not in kept.read_text(), "what it means now changes, the card does not"
