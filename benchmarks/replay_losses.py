"""What a model of each window loses in all later ones: one training a window, scored on what follows."""

import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from benchmarks.refitting import HISTORY, before_each_window
from benchmarks.replay_streams import Stream
from ml.policy.replay import LossHistory

Learner = Literal["trees", "logistic"]
_SEED = 20_262


def losses(stream: Stream, *, learner: Learner = "trees", cache: Path | None = None, delay: int = 0) -> LossHistory:
    """Error rates; with a `cache` they are kept there, by all that they depend on but the learner's library."""
    file = cache / f"{stream.name}-{learner}-{_digest(stream)}.npz".replace(" ", "_") if cache is not None else None
    if file is not None and file.is_file():
        kept = np.load(file)
        found: tuple[np.ndarray, ...] = kept["losses"], kept["one"], kept["other"]
    else:
        found = _trained(stream, learner)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, losses=found[0], one=found[1], other=found[2])
    rows = np.full(len(found[0]), stream.window)
    return LossHistory(losses=found[0], rows=rows, delay=delay, halves=(found[1], found[2]))


def _digest(stream: Stream) -> str:
    found = hashlib.sha256(f"{stream.window} {stream.features.shape} {HISTORY} {_SEED}".encode())
    for values in (stream.features, stream.labels):
        found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()[:12]


def _trained(stream: Stream, learner: Learner) -> tuple[npt.NDArray[np.float64], ...]:
    """All rows of a window, and a random half of them, and the other half."""
    size, windows = stream.window, len(stream.labels) // stream.window
    is_in_one = np.argsort(np.random.default_rng(_SEED).random((windows, size)), axis=1) < size // 2
    found = [np.full((windows, windows), np.nan) for _ in range(3)]
    for model, wrong in before_each_window(stream, lambda: _model(learner), size):
        half = is_in_one[model:]
        found[0][model, model:] = wrong.mean(axis=1)
        found[1][model, model:] = (wrong & half).sum(axis=1) / half.sum(axis=1)
        found[2][model, model:] = (wrong & ~half).sum(axis=1) / (~half).sum(axis=1)
    return tuple(found)


def _model(learner: Learner) -> Any:
    if learner == "trees":
        from xgboost import XGBClassifier

        return XGBClassifier(n_estimators=100, max_depth=4, n_jobs=1, random_state=0)
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1_000))
