"""Whether a new champion does worse than the former one, looked at as often as one likes.

A betting e-process (Waudby-Smith & Ramdas 2024; Ramdas et al. 2210.01948): a gambler who starts with 1 bets on "worse" at each unit as it
arrives. If the new champion is not worse, his wealth ever reaches 1/level with a probability of at most `level`, however often one
looks and whenever one stops (Ville's inequality). A fixed-level test looked at every week has no such promise.

The promise needs units whose expected difference, given those before, is not positive: a null hypothesis about the mean, for rows that do
not depend on each other. `ml.training.losses` makes the units, and averages rows that do; what it leaves is measured in `benchmarks.gate`.
"""

import math
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

BETS: tuple[float, ...] = tuple(float(bet) for bet in np.geomspace(0.02, 0.8, 12).round(4))
"""Shares of the wealth that are bet. Mixing them finds small losses in long watches and large ones in short."""
_CHUNK = 100_000


class Wealth(BaseModel):
    """What the gambler has. `log_wealth` is the logarithm for each of `BETS`, `peak` the largest logarithm of their mean so far."""

    model_config = ConfigDict(frozen=True)

    log_wealth: tuple[float, ...] = (0.0,) * len(BETS)
    peak: float = 0.0
    units: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _fits_the_bets(self) -> Self:
        if len(self.log_wealth) != len(BETS):
            raise ValueError(f"log_wealth has {len(self.log_wealth)} values, not one for each of {len(BETS)} bets")
        return self


def update(wealth: Wealth, differences: npt.ArrayLike) -> Wealth:
    """The wealth after these units, in their order of arrival; the same however they are divided among calls.

    Args:
        wealth: Before.
        differences: Of each unit the new champion's loss less the former one's, in [-1, 1]: positive where the new one is worse.

    Raises:
        ValueError: A difference is no number or out of range.
    """
    values = np.asarray(differences, dtype=float)
    if not (np.isfinite(values).all() and (np.abs(values) <= 1 + 1e-9).all()):
        raise ValueError("differences must be numbers in [-1, 1]")
    logs, peak = np.array(wealth.log_wealth), wealth.peak
    for start in range(0, len(values), _CHUNK):
        steps = np.log1p(np.outer(np.clip(values[start : start + _CHUNK], -1, 1), BETS))
        steps[0] += logs
        paths = np.cumsum(steps, axis=0)
        highest = paths.max(axis=1)
        mixed = highest + np.log(np.exp(paths - highest[:, None]).mean(axis=1))
        logs, peak = paths[-1], max(peak, float(mixed.max()))
    return Wealth(log_wealth=tuple(float(value) for value in logs), peak=peak, units=wealth.units + len(values))


def worse(wealth: Wealth, level: float) -> bool:
    """Whether the new champion is worse, with an error of at most `level` over the whole watch."""
    return wealth.peak >= -math.log(level)
