"""Alarms that must persist: the level of one look, so that alarms of one column in k of its last n looks keep the promise.

Disjoint windows are independent only given the reference: all are compared with the same m rows, and where those lie off, every
window of n rows seems to have moved. Two looks' statistics are so correlated by rho = n / (n + m) (1/2 where the window is as large as the
reference), and persisting does less against chance than independent looks would let one believe. The looks are taken as
normal with that common part; given it they are independent, and the persisted rate is an integral over it. A calibration by the
reference's windows adds an error that all looks share too: about another 1 / (B + 1).
"""

from functools import lru_cache

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.optimize import brentq
from scipy.stats import binom, norm

from ml.spec import Persistence

_NODES, _WEIGHTS = hermegauss(200)
_LEAST, _MOST = 1e-12, 0.2


@lru_cache(maxsize=4096)
def level_of_persisting(level: float, persistence: Persistence, *, shared: float = 0.0) -> float:
    """The level of one look at one column, so that it persists by chance at `level` of the looks.

    Args:
        level: The chance that a look may find a persisting false alarm of this column: the family's, divided by its columns. Columns
            persist each by itself, so no step over all of them (Benjamini-Hochberg) may decide a look.
        persistence: In how many of how many looks.
        shared: The correlation of two looks, 0-1: see `shared_part`.
    """
    if persistence.of == 1:
        return level
    if persisted_rate(_MOST, persistence, shared=shared) <= level:
        return _MOST
    found = brentq(lambda log: persisted_rate(float(np.exp(log)), persistence, shared=shared) - level, np.log(_LEAST), np.log(_MOST))
    return float(np.exp(found))


def persisted_rate(level: float, persistence: Persistence, *, shared: float) -> float:
    """How often so many looks at one column without drift alarm at `level`, two-sided."""
    far = norm.isf(level / 2)
    common, own = np.sqrt(shared), np.sqrt(1 - shared)
    given = norm.sf((far - common * _NODES) / own) + norm.cdf((-far - common * _NODES) / own) if shared else np.full(len(_NODES), level)
    return float(_WEIGHTS @ binom.sf(persistence.windows - 1, persistence.of, given) / _WEIGHTS.sum())


def shared_part(*, rows: int, reference_rows: int, windows: int | None = None) -> float:
    """The correlation of two looks, from the rows of window and reference; `windows`: how many the calibration is from, if any is."""
    part = rows / (rows + reference_rows)
    return part if windows is None else min(0.95, part + 1 / (windows + 1))
