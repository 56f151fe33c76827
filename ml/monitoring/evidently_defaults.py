"""Whether a window has drifted by Evidently's own default rule: a yardstick, never what a decision is made from."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ml.monitoring import load_evidently
from ml.monitoring.drift import Pin

DRIFT_SHARE = 0.5
"""Of the columns, from which on Evidently's preset calls a whole data set drifted."""


def has_drifted(pins: Sequence[Pin], *, reference: Mapping[str, pd.Series], window: Mapping[str, pd.Series]) -> bool:
    """At least half of the numeric and categorical columns have, by the test or distance that Evidently picks for each.

    It picks by the reference's size: p-values up to 1,000 rows, distances of 0.1 beyond (`_get_default_stattest` of Evidently 0.7). Texts
    are left out: a classifier for each would cost more than all else. A column without a value on one side has drifted.
    """
    columns = [pin for pin in pins if pin.measured_as != "text"]
    if not columns:
        return False
    drifted = [_drifted(pin.measured_as == "numeric", reference[pin.column], window[pin.column]) for pin in columns]
    return sum(drifted) >= DRIFT_SHARE * len(columns)


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
