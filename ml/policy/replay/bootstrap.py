"""How far chance carries a mean over windows that follow each other."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ml.policy.replay.history import Counts, Floats

LEVEL = 0.95
BLOCK = 6
"""Windows that are drawn together, as long as there are four such blocks."""
_DRAWS, _SEED = 2_000, 20_261


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Where a value lies with a probability of `level`."""

    low: float
    high: float
    level: float = LEVEL

    @property
    def covers_zero(self) -> bool:
        """Whether it may as well be nothing."""
        return self.low <= 0 <= self.high


def block_of(windows: int) -> int:
    """How many windows are drawn together."""
    return max(1, min(BLOCK, windows // 4))


def interval(values: Floats, *, level: float = LEVEL, block: int | None = None) -> Interval:
    """The interval of the mean of one number a window, in order; only for the decisions as they were taken.

    Blocks of windows are drawn, wrapped around the end so that each window is drawn equally often (Künsch, "The jackknife and the bootstrap
    for general stationary observations", Annals of Statistics 17 (1989), 1217-1241; Politis & Romano, "The stationary bootstrap", JASA 89
    (1994), 1303-1313). The percentiles are expanded as a t distribution of so many blocks asks (Hesterberg, "What teachers should know
    about the bootstrap", American Statistician 69 (2015), 371-386): as they stand they are too narrow with the few blocks that there are.

    With fewer than two windows it is unbounded.
    """
    from scipy.special import ndtr, stdtrit

    if len(values) < 2:
        return Interval(low=-math.inf, high=math.inf, level=level)
    block = block or block_of(len(values))
    blocks = len(values) / block
    tail = float(ndtr(math.sqrt(blocks / (blocks - 1)) * stdtrit(blocks - 1, (1 - level) / 2)))
    means = values[_drawn(len(values), block)].mean(axis=1)
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(low=float(low), high=float(high), level=level)


def interval_of_total(values: Floats, *, level: float = LEVEL) -> Interval:
    """The same of their sum."""
    mean = interval(values, level=level)
    return Interval(low=mean.low * len(values), high=mean.high * len(values), level=level)


@lru_cache(maxsize=16)
def _drawn(windows: int, block: int) -> Counts:
    """Draws x windows: which windows each draw has. The same for all policies, so that they are compared on the same draws."""
    starts = np.random.default_rng(_SEED).integers(windows, size=(_DRAWS, math.ceil(windows / block)))
    return ((starts[:, :, None] + np.arange(block)) % windows).reshape(_DRAWS, -1)[:, :windows]
