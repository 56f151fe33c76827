"""FLAML on one cut of a set. Runs under an interpreter that has FLAML, so it imports nothing of Perennial.

`python flaml_peer.py FOLDER TARGET SECONDS THREADS` reads learn.csv (its target is True or False) and test.csv in the folder, and writes
answer.json: the probability of True for each test row, and which estimator was best.
"""

import json
import sys
from pathlib import Path

import pandas as pd
from flaml import AutoML


def main(folder: Path, target: str, seconds: float, threads: int) -> None:
    learn, test = pd.read_csv(folder / "learn.csv"), pd.read_csv(folder / "test.csv")
    automl = AutoML()
    automl.fit(
        learn.drop(columns=target),
        learn[target].astype(int),
        task="classification",
        metric="roc_auc",
        time_budget=seconds,
        n_jobs=threads,
        seed=0,
        verbose=0,
    )
    found = automl.predict_proba(test)[:, 1]
    answer = {"best": automl.best_estimator, "probability": [float(one) for one in found]}
    (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
