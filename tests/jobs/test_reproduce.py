"""A version is trained again from what was recorded of it, whatever has changed since."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from ml.data.labels import LabelTable
from ml.errors import UnknownVersion
from ml.jobs import champion
from ml.jobs.reproduce import TOLERANCE, is_same, reproduce
from ml.jobs.train import train
from ml.registry import lockfile, models
from ml.registry.client import tracking
from ml.registry.runs import candidate_result, trials_of
from ml.settings import Settings
from ml.state import State, trainings
from ml.training import contest
from ml.training.results import Trial, verdict_of
from tests.training.worlds import RIDGE, TREE, XGBOOST, accept, declare, visits, with_mlflow


@pytest.fixture
def home(settings: Settings) -> Settings:
    return with_mlflow(settings)


def test_a_version_comes_out_the_same_after_rows_labels_and_declaration_have_changed(home: Settings) -> None:
    spec = declare(home, time="at", training={"candidates": [XGBOOST, {**TREE, "params": {"max_features": 1}}]})
    frame = visits(300)
    late = frame.tail(50)
    accept(home, spec, frame.assign(bought=frame["bought"].where(frame.index < 250)), batch="a" * 32)
    result = train(home, "shop")
    before = models.versions(home, "shop")
    labels = pd.DataFrame({"id": late["visit"], "label": late["bought"]})
    LabelTable.of(home, "shop").append(labels, delivery="c" * 32, arrived_at=datetime.now(UTC))
    accept(home, spec, visits(300, seed=1, flipped=True, start=300), batch="b" * 32)
    declare(home, training={"seed": 7, "candidates": [TREE]})
    found = reproduce(home, "shop", 1)
    assert found.matches
    assert {name: one.now for name, one in found.metrics.items()} == pytest.approx(result.metrics, abs=TOLERANCE)
    assert {name: one.recorded for name, one in found.metrics.items()} == result.metrics
    assert (found.dataset_version, found.labels_version, found.seed) == (result.dataset_version, None, 42)
    assert found.lock.same
    assert models.versions(home, "shop") == before, "nothing is registered"


def test_a_version_that_met_a_champion_is_measured_on_the_same_rows_again(home: Settings) -> None:
    spec = declare(home, time="at")
    accept(home, spec, visits(300, start=1000), batch="a" * 32)
    train(home, "shop")
    accept(home, spec, visits(300, seed=1), batch="b" * 32)
    train(home, "shop")
    champion.promote_version(home, "shop", 2, by="t", reason="r")
    for version in (1, 2):
        assert reproduce(home, "shop", version).matches
    with pytest.raises(UnknownVersion, match=r"has no version 7 .* knows: 1, 2$"):
        reproduce(home, "shop", 7)


def test_a_network_whose_layers_are_a_list_is_tuned_told_tried_first_again_and_comes_out_the_same(home: Settings) -> None:
    network = {
        "name": "network",
        "class": "sklearn.neural_network.MLPClassifier",
        "params": {"max_iter": 20},
        "search": {"hidden_layer_sizes": {"kind": "choice", "values": [[4], [8, 4], [8]]}},
    }
    spec = declare(home, training={"candidates": [network], "trials": 3, "folds": 2, "sampler": "grid"})
    accept(home, spec, visits(200), batch="a" * 32)
    train(home, "shop")
    [first] = trainings.recent(State.open(home), "shop", limit=1)
    best = verdict_of(first).params["hidden_layer_sizes"]  # type: ignore[union-attr]
    assert best in [[4], [8, 4], [8]]
    with tracking(home, "shop") as mlflow:
        assert mlflow.client.get_run(str(first.mlflow_run)).data.params["model.hidden_layer_sizes"] == str(best)
    assert reproduce(home, "shop", 1).matches
    said: list[str] = []
    accept(home, spec, visits(200, seed=1), batch="b" * 32)
    train(home, "shop", run="again", on_progress=said.append)
    found = candidate_result(home, "shop", run="again", candidate="network")
    assert found is not None
    trials = sorted((Trial.model_validate_json(one) for one in trials_of(home, "shop", mlflow_run=found[0])), key=lambda one: one.number)
    assert trials[0].params["hidden_layer_sizes"] == best, "the champion's layers are tried first"
    assert len(trials) == 3, "and no combination twice"


def test_a_regression_comes_out_the_same(home: Settings) -> None:
    spec = declare(home, task="regression", target="paid", positive=None, training={"candidates": [RIDGE]})
    accept(home, spec, visits(300), batch="a" * 32)
    train(home, "shop")
    found = reproduce(home, "shop", 1)
    assert found.matches
    assert set(found.metrics) == {"mae", "rmse", "r2"}


def test_other_metrics_are_named_and_so_is_what_may_explain_them(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = declare(home)
    accept(home, spec, visits(300), batch="a" * 32)
    result = train(home, "shop")
    monkeypatch.setattr(contest, "rebuild", lambda *_: {**result.metrics, "roc_auc": result.metrics["roc_auc"] + 1e-5})
    monkeypatch.setattr(lockfile, "digest", lambda _: "f" * 64)
    found = reproduce(home, "shop", 1)
    assert not found.matches
    assert [name for name, one in found.metrics.items() if not one.same] == ["roc_auc"]
    assert found.differences[-1].startswith("the lock file's digest is ffffffffffff, the version was made with ")


def test_a_version_that_mlflow_has_lost_is_reproduced_and_the_gap_is_said(home: Settings) -> None:
    from ml.registry.client import reaching

    spec = declare(home)
    accept(home, spec, visits(300), batch="a" * 32)
    train(home, "shop")
    with reaching(home) as client:
        client.delete_model_version("shop", "1")
    state = State.open(home)
    [made] = trainings.recent(state, "shop", limit=1)
    verdict = dict(made.verdict or {})
    assert {"precision", "recall", "average_precision"} < {*verdict["metrics"]}
    fewer = {name: value for name, value in verdict["metrics"].items() if name != "precision"}
    trainings.change(state, made.key, verdict={**verdict, "metrics": fewer})  # as a version made before it was measured
    found = reproduce(home, "shop", 1)
    assert found.matches
    assert "precision" not in found.metrics
    assert found.code.recorded is None
    assert "the version was made with one that is not known" in found.differences[0]


def test_a_version_of_unknown_origin_cannot_be_reproduced(home: Settings) -> None:
    declare(home)
    with pytest.raises(UnknownVersion, match=r"shop has no version 3 .* versions that it knows: none yet"):
        reproduce(home, "shop", 3)
    assert trainings.recent(State.open(home), "shop", limit=1) == []


@pytest.mark.parametrize(
    ("recorded", "now", "same"),
    [
        (0.8, 0.8, True),
        (0.8, 0.8 + 0.9e-6, True),
        (0.8, 0.8 + 1.1e-6, False),
        (4e6, 4e6 + 3.9, True),
        (4e6, 4e6 + 4.1, False),
        (0.8, float("nan"), False),
        (0.8, None, False),
        (None, None, True),
    ],
)
def test_the_same_means_to_a_millionth(recorded: float | None, now: float | None, same: bool) -> None:
    assert is_same(recorded, now) is same
