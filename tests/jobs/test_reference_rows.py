"""Windows are compared with what they are like: all rows, labelled or not, and the words of one model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import update

from ml.jobs import monitor, reference_profile
from ml.jobs.train import train
from ml.monitoring.alarms import basis
from ml.monitoring.drift import Pin, compare, profile_of
from ml.registry import files
from ml.settings import Settings
from ml.state import State, specs, tables, trainings
from ml.training import dataset, reference, tested_model
from ml.training.evaluation import predict
from tests.jobs.test_monitor import accept, declare, label, rows
from tests.kept import KeptWorlds
from tests.training.worlds import with_mlflow

PROMISED = {"minimum_rows": 100, "false_alarms": "1 per 90d", "schedule": "@daily"}


def weak(count: int, *, seed: int) -> pd.DataFrame:
    """Rows of which nothing tells the label, and without one where the income is large."""
    frame, random = rows(count, seed=seed), np.random.default_rng(seed)
    return frame.assign(late=np.where(frame["income"] > 0.5, None, np.where(random.random(count) < 0.3, "yes", "no")))


def learnt(settings: Settings) -> None:
    declare(with_mlflow(settings), time=None, monitoring=PROMISED)
    accept(settings, weak(900, seed=1), "b1")
    accept(settings, weak(300, seed=2).assign(late=None), "b2")
    train(settings, "loans")
    state = State.open(settings)
    (made,) = trainings.recent(state, "loans", limit=1)
    assert made.version == 1
    trainings.crown(state, model="loans", version=1, kind="promote", at=made.started_at, by="test", reason="", key="mine")


@pytest.fixture
def trained(kept_worlds: KeptWorlds, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A weak champion that learnt from the labelled ones of 1,200 rows: none with a large income, and none of the newest."""
    return kept_worlds.world("weak", learnt, monkeypatch)


def test_neither_missing_labels_nor_the_champions_twin_look_like_drift(trained: Settings) -> None:
    accept(trained, weak(1000, seed=3), "b3")
    looked = monitor.monitor(trained, "loans")
    assert looked.drift is not None
    assert looked.drift.prediction is not None
    assert looked.drift.prediction.verdict is not None
    assert {name: one.drifted for name, one in looked.drift.columns.items()} == dict.fromkeys(looked.drift.columns, False)
    assert not looked.drift.prediction.drifted
    assert not looked.drift.prediction.verdict["is_provisional"]

    state = State.open(trained)
    made = trainings.of_version(state, "loans", 1)
    assert made is not None
    with reference_profile.kept(trained, made, learnt=specs.recall(state, made.spec_hash), tested=None, window_rows=1000) as kept:
        assert (kept.rows, kept.profile("income").rows) == (1200, 1200)
        assert kept.profile("late").rows == int(weak(900, seed=1)["late"].notna().sum())
        before = kept.profile(None)
    assert before.rows == pytest.approx(240, abs=5), "a fifth of all rows, labelled or not"
    model = tested_model.load(trained, made, specs.recall(state, made.spec_hash))
    now = predict(model, weak(1000, seed=3), task="binary").probabilities
    assert now is not None
    pin = Pin("prediction", "prediction", "numeric", "wasserstein", 0.1)
    assert looked.drift.prediction.value == compare(pin, reference=before, window=profile_of(pin, now["yes"])).value


@pytest.mark.parametrize("lost", ["never kept", "gone", "changed"])
def test_where_the_tested_model_is_not_there_prediction_drift_is_provisional_and_says_why(trained: Settings, lost: str) -> None:
    state = State.open(trained)
    made = trainings.of_version(state, "loans", 1)
    assert made is not None
    assert made.verdict is not None
    name = f"tested_model-{made.verdict['tested_sha256'][:16]}.skops"
    if lost == "never kept":
        changed = {key: value for key, value in made.verdict.items() if key != "tested_sha256"}
        with state.engine.begin() as connection:
            connection.execute(update(tables.trainings).values(verdict=changed))
    elif lost == "gone":
        (path,) = Path(trained.home).rglob(name)
        path.unlink()
    else:
        files.save(trained, "loans", mlflow_run=str(made.mlflow_run), files={name: b"something else"})
    accept(trained, weak(1000, seed=3), "b3")
    looked = monitor.monitor(trained, "loans")
    assert looked.drift is not None
    assert looked.drift.prediction is not None
    verdict = looked.drift.prediction.verdict
    assert verdict is not None
    assert verdict["is_provisional"]
    assert basis.told(basis.TWIN) in verdict["origin"]
    assert basis.told(basis.TWIN) in Path(str(looked.report)).read_text()


def test_the_tested_model_is_kept_beside_its_run_and_says_what_it_said_then(trained: Settings) -> None:
    state = State.open(trained)
    made = trainings.of_version(state, "loans", 1)
    assert made is not None
    declared = specs.recall(state, made.spec_hash)
    model = tested_model.load(trained, made, declared)
    assert model is not None
    test = dataset.of_training(trained, declared, made).test
    said, kept = predict(model, test, task="binary"), reference.load(trained, made, test)
    assert kept is not None
    assert said.probabilities is not None
    assert kept.probabilities is not None
    assert said.probabilities.to_numpy().tolist() == kept.probabilities.to_numpy().tolist()
    assert tested_model.load(trained, replace(made, verdict=None), declared) is None


def test_labels_that_come_after_the_training_judge_rows_from_before_it_once(trained: Settings) -> None:
    older = weak(300, seed=2)
    accept(trained, weak(200, seed=3).assign(late=None), "b3")
    label(trained, older.assign(late=np.where(older["age"] > 0, "yes", "no")), "l1")
    first = monitor.monitor(trained, "loans")
    assert first.window is not None
    assert (first.quality_rows, first.window.labelled_rows) == (300, 0)
    assert first.decision is not None
    told = {one.rule: one.reason for one in first.decision.rules}
    assert "300 labelled rows since the champion's training (≥ 100)" in told["minimum_rows"]
    accept(trained, weak(200, seed=4).assign(late=None), "b4")
    second = monitor.monitor(trained, "loans")
    assert second.quality_rows == 0
