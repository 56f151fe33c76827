"""The champion predicts for a file, and for each accepted batch exactly once."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.data.predictions import PredictionLog
from ml.errors import CallError, DataOwnerError, UnknownVersion
from ml.jobs import champion
from ml.jobs.score import score_file, score_new
from ml.jobs.train import train
from ml.registry import models
from ml.settings import Settings
from ml.state import State, origins
from ml.training.evaluation import predict
from tests.training.worlds import RIDGE, accept, declare, visits, with_mlflow


@pytest.fixture
def home(settings: Settings) -> Settings:
    spec = declare(with_mlflow(settings), time="at")
    accept(settings, spec, visits(200), batch="a" * 32)
    train(settings, "shop")
    return settings


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_gets_a_prediction_for_each_row_in_its_order(home: Settings, tmp_path: Path, suffix: str) -> None:
    rows = visits(40, seed=4).drop(columns="bought")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    out = tmp_path / f"out{suffix}"
    result = score_file(home, "shop", str(tmp_path / "rows.csv"), out)
    assert (result.version, result.rows) == (1, 40)
    found = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    expected = predict(models.load_champion(home, "shop", 1), rows, task="binary")
    assert list(found.columns) == ["visit", "at", "prediction", "probability", "model_version"]
    assert found["visit"].tolist() == rows["visit"].tolist()
    assert found["prediction"].tolist() == expected.values.tolist()
    np.testing.assert_allclose(found["probability"], expected.probabilities["yes"])
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_file_that_cannot_be_scored_says_why(home: Settings, tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    visits(5).drop(columns=["age"]).to_csv(rows, index=False)
    with pytest.raises(DataOwnerError, match="needs the columns 'age'"):
        score_file(home, "shop", str(rows), tmp_path / "out.csv")
    rows.write_bytes(b"")
    with pytest.raises(DataOwnerError, match="the file is empty"):
        score_file(home, "shop", str(rows), tmp_path / "out.csv")
    with pytest.raises(DataOwnerError, match="does not exist"):
        score_file(home, "shop", str(tmp_path / "none.csv"), tmp_path / "out.csv")
    with pytest.raises(CallError, match=r"end the name in \.csv or \.parquet"):
        score_file(home, "shop", str(rows), tmp_path / "out.txt")
    assert not (tmp_path / "out.csv").exists()


def test_each_accepted_batch_is_scored_once_by_each_champion(home: Settings) -> None:
    first = score_new(home, "shop")
    assert (first.version, first.batches, first.rows) == (1, 1, 200)
    assert score_new(home, "shop").batches == 0
    spec = declare(home, time="at")
    accept(home, spec, visits(30, seed=1), batch="b" * 32)
    assert (score_new(home, "shop").rows, score_new(home, "shop").rows) == (30, 0)
    train(home, "shop")
    champion.promote_version(home, "shop", 2, by="ada", reason="")
    assert score_new(home, "shop").rows == 230
    sums = [origins.predictions_of(State.open(home), "shop", version) for version in (1, 2, 3)]
    assert [one and (one.batches, one.rows, one.files) for one in sums] == [(2, 230, 2), (2, 230, 2), None]
    made = PredictionLog.of(home, "shop").read(champion=1)
    assert len(made) == 230
    assert made.groupby("_batch").size().to_dict() == {"a" * 32: 200, "b" * 32: 30}
    expected = predict(models.load_champion(home, "shop", 1), visits(30, seed=1), task="binary")
    second = made[made["_batch"] == "b" * 32].sort_values("_row")
    np.testing.assert_allclose(second["probability"], expected.probabilities["yes"])
    assert second["id"].tolist() == visits(30, seed=1)["visit"].tolist()


def test_a_regression_has_numbers_and_no_probability(settings: Settings) -> None:
    spec = declare(with_mlflow(settings), task="regression", target="paid", positive=None, training={"candidates": [RIDGE]})
    accept(settings, spec, visits(200), batch="a" * 32)
    train(settings, "shop")
    score_new(settings, "shop")
    made = PredictionLog.of(settings, "shop").read()
    assert made["prediction"].dtype == float
    assert "probability" not in made


def test_without_a_champion_a_schedule_is_calm_and_a_person_is_told(settings: Settings, tmp_path: Path) -> None:
    declare(with_mlflow(settings))
    assert score_new(settings, "shop").reason == "no champion yet"
    with pytest.raises(UnknownVersion, match="no champion yet"):
        score_file(settings, "shop", "x.csv", tmp_path / "out.csv")
