"""Retrains where what it is forecast to save pays for it, in the spirit of two published methods.

UPF (Regol, Schwinn, Sprague, Coates & Markovich, "When to retrain a machine learning model", ICML 2025, arXiv 2505.14903) forecasts how
models will perform from how they did, and retrains when that pays within a horizon; CARA (Mahadevan & Mathioudakis, "Cost-effective
retraining of machine learning models", arXiv 2310.04216) weighs a model's staleness against the cost. Here a ridge regression forecasts
what a retraining saves; unlike UPF it has no distribution of the forecast, and so no quantile to be careful by. It is a yardstick.
"""

from dataclasses import dataclass

import numpy as np

from ml.policy.replay.history import Flags, Floats, LossHistory, Parts
from ml.policy.replay.playing import Policy, by_row
from ml.policy.replay.yardstick import Yardstick

HORIZONS = (4, 8, 16)
_RIDGE, _RECENT, _LEAST_PAIRS = 1.0, 3, 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forecast:
    """What a retraining saves a window, over the next `horizon` ones, by what the champion lost so far.

    `middle` and `spread` are the facts' means and deviations where it was learnt, `slopes` the weight of each.
    """

    history: LossHistory
    yardstick: Yardstick
    horizon: int
    middle: Floats
    spread: Floats
    level: float
    slopes: Floats

    def saving(self, champion: int) -> Floats:
        """At the start of each window, in loss a window."""
        known = facts(self.history, self.yardstick, champion=champion)
        found: Floats = self.level + (known - self.middle) / self.spread @ self.slopes
        return found

    def policy(self, cost: float) -> Policy:
        """Retrains where the saving exceeds the cost."""

        def row(champion: int) -> Flags:
            found: Flags = self.horizon * self.saving(champion) > cost
            return found

        return Policy(name=f"forecast of {self.horizon} windows", family="forecast", asks=by_row(row))


def learnt(history: LossHistory, yardstick: Yardstick, parts: Parts, *, horizon: int) -> Forecast | None:
    """Learnt from each champion and each window at which it could have been replaced, of those that are tuned on.

    None where there are too few.
    """
    rows, saved = [np.empty((0, 4))], [np.empty(0)]
    sums = np.concatenate([np.zeros((history.windows, 1)), np.nancumsum(history.served, axis=1)], axis=1)
    judged = np.concatenate([[0], np.cumsum(history.judged)])
    for champion in (one for one in range(parts.start, parts.known - horizon) if history.available[one]):
        windows = np.arange(champion + 1, parts.known - horizon + 1)
        counts = judged[windows + horizon] - judged[windows]
        usable = history.available[windows] & (counts > 0)
        windows, counts = windows[usable], counts[usable]
        kept, fresh = (sums[model, windows + horizon] - sums[model, windows] for model in (champion, windows))
        rows.append(facts(history, yardstick, champion=champion)[windows])
        saved.append((kept - fresh) / counts)
    features, target = np.concatenate(rows), np.concatenate(saved)
    if len(target) < _LEAST_PAIRS:
        return None
    middle, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-12)
    standard = (features - middle) / spread
    slopes = np.linalg.solve(standard.T @ standard + _RIDGE * np.eye(standard.shape[1]), standard.T @ (target - target.mean()))
    return Forecast(
        history=history, yardstick=yardstick, horizon=horizon, middle=middle, spread=spread, level=float(target.mean()), slopes=slopes
    )


def facts(history: LossHistory, yardstick: Yardstick, *, champion: int) -> Floats:
    """Windows x 4, as known at the start of each: age in windows, and by how much the champion lost more than is usual.

    That is in the newest judged window, in the newest three, and in all of its service; 0 while there is none.
    """
    windows = np.arange(history.windows)
    own = history.served[champion] - yardstick.usual
    seen = np.flatnonzero(np.isfinite(own))
    values = own[seen]
    sums, counts = np.cumsum(values), np.arange(1, len(values) + 1)
    recent = (sums - np.concatenate([np.zeros(min(_RECENT, len(sums))), sums[:-_RECENT]])) / np.minimum(counts, _RECENT)
    after = np.concatenate([np.zeros((1, 3)), np.column_stack([values, recent, sums / counts])])
    known = np.searchsorted(seen, windows - 1 - history.delay, side="right")
    return np.column_stack([np.maximum(windows - champion, 0), after[known]])
