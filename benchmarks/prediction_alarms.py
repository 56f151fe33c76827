"""How often prediction drift alarms although nothing has changed, by whose words a window is scored with.

The reference is what the tested model said of its test rows. "tested": the same model scores the window, as it ships. "champion": its twin
does, fitted on all rows, as it was once. "out of fold": the twin scores the window, and the reference is what the models of five folds said
of all rows. Each stream draws its rows anew; the features say next to nothing, as those of weak models do.
"""

import argparse
import json
import warnings
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from benchmarks.false_alarms import clustered
from ml.jobs.said import compared_prediction
from ml.monitoring import drift as drifting
from ml.monitoring.alarms.own_windows import NO_TIME
from ml.monitoring.looks import judged, look
from ml.spec import ModelSpec
from ml.training import fitting, making
from ml.training.evaluation import predict
from ml.training.finishing import Finishing
from ml.training.folds import folds
from ml.training.split import split

LEVEL, SEED, FEATURES = 0.01, 20_261, 5
WAYS = ("tested", "champion", "out of fold")
LEARNERS = {
    "logistic": {"name": "l", "class": "sklearn.linear_model.LogisticRegression", "params": {"max_iter": 200}},
    "forest": {
        "name": "f",
        "class": "sklearn.ensemble.RandomForestClassifier",
        "params": {"n_estimators": 30, "max_depth": 3, "min_samples_leaf": 20, "n_jobs": 1},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The rate of alarms of one learner, one way, over so many streams, with its 95 % interval."""

    learner: str
    rows: int
    way: str
    streams: int
    rate: float
    low: float
    high: float

    @property
    def is_kept(self) -> bool:
        return self.low <= LEVEL


def declaration(learner: str) -> ModelSpec:
    """A binary model of five numbers."""
    return ModelSpec.model_validate(
        {
            "model": "weak",
            "task": "binary",
            "target": "y",
            "positive": "1",
            "features": {"numeric": [f"x{number}" for number in range(FEATURES)]},
            "data": {"source": {"kind": "files", "urls": ["x"]}},
            "training": {"candidates": [LEARNERS[learner]]},
        }
    )


def stream(count: int, random: np.random.Generator) -> pd.DataFrame:
    """Rows whose label hardly follows from the first number."""
    found = pd.DataFrame(random.normal(size=(count, FEATURES)), columns=[f"x{number}" for number in range(FEATURES)])
    chance = 1 / (1 + np.exp(1 - 0.1 * found["x0"]))
    return found.assign(y=np.where(random.random(count) < chance, "1", "0"), _batch="b", _row=np.arange(1, count + 1))


def alarms(learner: str, rows: int, window_rows: int, random: np.random.Generator) -> dict[str, bool]:
    """Which ways alarm in one window of one stream."""
    spec, frame, window = declaration(learner), stream(rows, random), stream(window_rows, random)
    name, parts, finish = LEARNERS[learner]["name"], split(frame, spec), Finishing(threshold=0.5)
    tested, champion = (making.refitted(spec, str(name), {}, one, finish) for one in (frame.iloc[parts.development], frame))
    held = fitting.out_of_fold(spec, str(name), {}, frame, folds(frame, spec)).predicted
    mine, twin = (predict(model, window, task=spec.task) for model in (tested, champion))
    said = predict(tested, frame.iloc[parts.test], task=spec.task)
    sides = {"tested": (said, mine), "champion": (said, twin), "out of fold": (held, twin)}
    pin = drifting.prediction_pin(spec, "prediction", has_probability=True)
    found = {}
    for way, pair in sides.items():
        reference, now = (drifting.profile_of(pin, compared_prediction(spec, one).reset_index(drop=True)) for one in pair)
        found[way] = judged([look(pin, reference=reference, window=now, own=NO_TIME)], level=LEVEL)[0].drifted
    return found


def measured(learner: str, rows: int, streams: int, *, window_rows: int = 1_000) -> list[Cell]:
    """One row of the table."""
    random = np.random.default_rng([SEED, rows, len(learner)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = pd.DataFrame([alarms(learner, rows, window_rows, random) for _ in range(streams)])
    cells = []
    for way in WAYS:
        low, high = clustered(said[way].astype(float).tolist())
        cells.append(Cell(learner=learner, rows=rows, way=way, streams=streams, rate=float(said[way].mean()), low=low, high=high))
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=500, help="streams of each cell")
    chosen = parser.parse_args()
    print(f"promised: {LEVEL:.0%} of windows of 1,000 rows\n\n{'learner':>10}{'rows':>8}{'streams':>9}{'way':>14}{'rate':>8}   interval")
    cells = []
    for learner in LEARNERS:
        for rows in (1_000, 5_000):
            for cell in measured(learner, rows, chosen.streams):
                cells.append(cell)
                print(
                    f"{learner:>10}{rows:>8}{cell.streams:>9}{cell.way:>14}{cell.rate:>8.3f}   {cell.low:.3f}–{cell.high:.3f}", flush=True
                )
    shipped = [cell for cell in cells if cell.way == "tested"]
    worst = max(cell.rate for cell in shipped)
    result = {"name": "prediction_alarms", "value": worst, "bar": LEVEL, "holds": all(cell.is_kept for cell in shipped)}
    print(json.dumps({**result, "cells": [asdict(cell) for cell in cells]}))


if __name__ == "__main__":
    main()
