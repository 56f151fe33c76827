"""Whether a window has drifted by Evidently's own default rule: a yardstick, never what a decision is made from."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml.monitoring import distances, load_evidently
from ml.monitoring.drift import Pin
from ml.monitoring.profiles import LabelProfile, NumericProfile, Profile

DRIFT_SHARE = 0.5
"""Of the columns, from which on Evidently's preset calls a whole data set drifted."""


_LARGE_ROWS, _FEW_NUMBERS, _DISTANCE = 1000, 5, 0.1


@dataclass(frozen=True, slots=True)
class Side:
    """The columns of the reference or of a window, and their profiles, by name."""

    columns: Mapping[str, pd.Series]
    profiles: Mapping[str, Profile]


def has_drifted(pins: Sequence[Pin], *, reference: Side, window: Side) -> bool:
    """At least half of the numeric and categorical columns have, by the test or distance that Evidently picks for each.

    It picks by the reference's size: p-values up to 1,000 rows, distances of 0.1 beyond (`_get_default_stattest` of Evidently 0.7). Texts
    are left out: a classifier for each would cost more than all else. A column without a value on one side has drifted.
    """
    columns = [pin for pin in pins if pin.measured_as != "text"]
    if not columns:
        return False
    drifted = []
    for pin in columns:
        known = _by_distance(reference.profiles[pin.column], window.profiles[pin.column])
        sides = (reference.columns[pin.column], window.columns[pin.column])
        drifted.append(_drifted(pin.measured_as == "numeric", *sides) if known is None else known)
    return sum(drifted) >= DRIFT_SHARE * len(columns)


def _by_distance(reference: Profile, window: Profile) -> bool | None:
    """Of a large reference, from profiles: the same distances as Evidently's. None where it picks another test."""
    if reference.present <= _LARGE_ROWS or not window.present:
        return None
    if isinstance(reference, LabelProfile) and isinstance(window, LabelProfile):
        return distances.jensenshannon(reference, window) >= _DISTANCE
    if isinstance(reference, NumericProfile) and isinstance(window, NumericProfile) and len(reference.values) > _FEW_NUMBERS:
        return distances.NUMERIC["wasserstein"](reference, window) >= _DISTANCE
    return None


def _drifted(is_number: bool, reference: pd.Series, window: pd.Series) -> bool:
    load_evidently()
    from evidently.legacy.calculations.stattests.registry import get_stattest
    from evidently.legacy.core import ColumnType

    kind = ColumnType.Numerical if is_number else ColumnType.Categorical
    before, now = (_present(side, is_number=is_number) for side in (reference, window))
    if before.empty or now.empty:
        return before.empty != now.empty
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = get_stattest(before, now, kind, None)(before, now, kind, None)
    return bool(found.drifted)


def _present(column: pd.Series, *, is_number: bool) -> pd.Series:
    if not is_number:
        return column.dropna().astype(str)
    numbers = pd.Series(pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan))
    return numbers[np.isfinite(numbers)]
