"""How far each column of a window lies from the reference: the statistics that the declaration pins, with Evidently's values.

Four things are decided here, because Evidently leaves them open:

- Distances are blind to missing values: they compare the values that are there. So the change of the share of missing values
  (`missing_share`, 0-1) is measured of each column too, and drifts from 0.1 on. A column is reported by its distance; by
  `missing_share` where only that has drifted, and where a side without a single value has no distance. So a column that is
  lost wholly or in part has drifted, one that was always empty has not, and neither is passed over. The target is the exception:
  its labels may come late, so its share of missing values says nothing.
- `TVD` is the distance itself (0-1, high is drift). Evidently's test of that name returns a p-value from a permutation test.
- Numbers of which the reference has one or two (flags) are compared as labels where the pin is Wasserstein: its norm, the standard
  deviation, is near zero for a rare flag, so that one row more of a hundred would count as ten standard deviations. Evidently does
  so by default up to five numbers. Numbers that the reference has not are one label.
- Dates and times are not compared: they move on with the calendar, and would drift in each window.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml.errors import ModelOwnerError
from ml.monitoring import distances, load_evidently, profiles
from ml.monitoring.profiles import LabelProfile, NumericProfile, Profile, TextProfile
from ml.spec import ModelSpec
from ml.state.records import Drift

MISSING_SHARE = "missing_share"
MISSING_SHARE_THRESHOLD = 0.1
TEXT_METHOD = "abs_text_content_drift"
"""ROC AUC of a classifier that tells window from reference by their words: 0.5 says "alike"."""
TEXT_THRESHOLD = 0.6
"""Above Evidently's 0.55: with 200 rows on each side, chance alone passes that in one window of ten."""
TEXT_ROWS = 20_000
"""A classifier is fitted for each text column: at most so many rows of each side go into it."""
_FEW_ROWS = 10
"""Texts without words are compared as labels only if each stands, on average, in so many rows of either side."""
_FLAG_VALUES = 2
_LARGE = 1e150
"""Numbers beyond this are scaled before they are squared; all numeric statistics here are blind to scale."""


@dataclass(frozen=True, slots=True)
class Pin:
    """The statistic of one column. `kind`: numeric, categorical, text, target or prediction; `measured_as`: one of the first three.

    `as_label` is the method and the threshold of a numeric column whose reference has no more than two numbers.
    """

    column: str
    kind: str
    measured_as: str
    method: str
    threshold: float
    as_label: tuple[str, float] = ("jensenshannon", 0.1)


def feature_pins(spec: ModelSpec) -> list[Pin]:
    """What is measured of each feature column, in the order of the declaration; datetime columns are left out."""
    features = spec.features
    return [
        *(_pin(spec, column, kind="numeric", measured_as="numeric") for column in features.numeric),
        *(_pin(spec, column, kind="categorical", measured_as="categorical") for column in features.categorical),
        *(Pin(column, "text", "text", TEXT_METHOD, TEXT_THRESHOLD) for column in features.text),
    ]


def target_pin(spec: ModelSpec) -> Pin:
    """What is measured of the target: as a number for regression, else as a label."""
    return _pin(spec, spec.target, kind="target", measured_as="numeric" if spec.task == "regression" else "categorical")


def prediction_pin(spec: ModelSpec, column: str, *, has_probability: bool) -> Pin:
    """What is measured of the champion's predictions: numbers, or a binary model's probabilities, as numbers; else labels."""
    as_number = spec.task == "regression" or has_probability
    return _pin(spec, column, kind="prediction", measured_as="numeric" if as_number else "categorical")


def _pin(spec: ModelSpec, column: str, *, kind: str, measured_as: str) -> Pin:
    chosen = spec.monitoring.drift
    if measured_as == "numeric":
        as_label = (chosen.categorical, chosen.categorical_threshold)
        return Pin(column, kind, measured_as, chosen.numeric, chosen.numeric_threshold, as_label)
    return Pin(column, kind, measured_as, chosen.categorical, chosen.categorical_threshold)


def profile_of(pin: Pin, column: profiles.Column) -> Profile:
    """What is kept of a column to measure it as the pin says."""
    if pin.measured_as == "numeric":
        return profiles.numeric(column)
    return profiles.labels(column) if pin.measured_as == "categorical" else profiles.text(column, rows=TEXT_ROWS)


def compare(pin: Pin, *, reference: Profile, window: Profile) -> Drift:
    """The drift of one column, by its distance or by its share of missing values; `drifted` means `value >= threshold`.

    Raises:
        ModelOwnerError: The statistic is not a finite number, or the sides are not of the pin's kind.
    """
    match reference, window:
        case NumericProfile(), NumericProfile():
            return compare_numbers(pin, reference=reference, window=window)
        case LabelProfile(), LabelProfile():
            return compare_labels(pin, reference=reference, window=window)
        case TextProfile(), TextProfile():
            return _reported(pin, reference, window, lambda: compare_texts(pin, reference.drawn, window.drawn))
    raise other_kind(pin)


def other_kind(pin: Pin) -> ModelOwnerError:
    """What is raised where the two sides of a column are not of one kind."""
    return ModelOwnerError(f"column {pin.column!r} has another kind now than in the champion's reference; train again")


def compare_numbers(pin: Pin, *, reference: NumericProfile, window: NumericProfile) -> Drift:
    """The drift of a numeric column from its profiles."""

    def distance() -> Drift:
        if is_flag(pin, reference):
            method, threshold = pin.as_label
            sides = (flags(reference, reference), flags(reference, window))
            return _drift(pin, method, distances.LABELS[method](*sides), threshold)
        largest = max(reference.largest, window.largest)
        numbers = (reference, window) if largest < _LARGE else (reference.divided(largest), window.divided(largest))
        return _drift(pin, pin.method, distances.NUMERIC[pin.method](*numbers), pin.threshold)

    return _reported(pin, reference, window, distance)


def is_flag(pin: Pin, reference: Profile) -> bool:
    """Whether the column's numbers are compared as labels, by `pin.as_label`."""
    return isinstance(reference, NumericProfile) and pin.method == "wasserstein" and len(reference.values) <= _FLAG_VALUES


def flags(reference: NumericProfile, side: NumericProfile) -> LabelProfile:
    """The numbers of a side as labels: those that the reference has, and all others as one."""
    counts = {repr(value): int(side.counts[side.values == value].sum()) for value in reference.values}
    return LabelProfile({**counts, "other": side.present - sum(counts.values())}, side.rows)


def compare_labels(pin: Pin, *, reference: LabelProfile, window: LabelProfile) -> Drift:
    """The drift of a column of labels from its profiles."""
    return _reported(
        pin, reference, window, lambda: _drift(pin, pin.method, distances.LABELS[pin.method](reference, window), pin.threshold)
    )


def _reported(pin: Pin, reference: Profile, window: Profile, distance: Callable[[], Drift]) -> Drift:
    """The distance, or the change of the missing share where that is what has drifted."""
    change = round(abs(reference.missing_share - window.missing_share), 12)  # 0.2 - 0.1 is 0.1, whatever floats say
    lost = _drift(pin, MISSING_SHARE, change, MISSING_SHARE_THRESHOLD)
    if not reference.present or not window.present:
        return lost
    found = distance()
    return lost if lost.drifted and not found.drifted and pin.kind != "target" else found


def is_missing(column: pd.Series) -> pd.Series:
    """Which values count as missing: infinities too, as Evidently has it."""
    if pd.api.types.is_float_dtype(column.dtype):
        return pd.Series(~np.isfinite(column.to_numpy(dtype=float, na_value=np.nan)), index=column.index)
    return column.isna()


def _drift(pin: Pin, method: str, value: float, threshold: float) -> Drift:
    if not math.isfinite(value):
        raise ModelOwnerError(
            f"the {method} of column {pin.column!r} is {value}: its drift cannot be measured. Choose another method in monitoring.drift"
        )
    return Drift(column=pin.column, kind=pin.kind, method=method, value=value, threshold=threshold, drifted=value >= threshold)


def _told_apart(reference: pd.Series, window: pd.Series) -> float:
    """Evidently's own statistic for texts."""
    load_evidently()
    from evidently.legacy.calculations.stattests.registry import get_registered_stattest
    from evidently.legacy.core import ColumnType

    test = get_registered_stattest(TEXT_METHOD, ColumnType.Text)
    return float(test(reference, window, ColumnType.Text, None).drift_score)


def compare_texts(pin: Pin, reference: pd.Series, window: pd.Series) -> Drift:
    """The drift of texts that are there.

    Those without a single telling word (codes, one letter, one row) are compared as labels, if they are few different ones.

    Else nothing tells the sides apart: 0.5. As labels, texts that are nearly all different would have drifted in each window.

    Not to be called in a thread beside others: it sets the warnings of the whole process while it runs.
    """
    from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=ConvergenceWarning)  # a classifier that finds nothing need not converge
        warnings.simplefilter("error", category=UndefinedMetricWarning)
        try:
            value = _told_apart(reference, window)
        except (ValueError, UndefinedMetricWarning):
            value = math.nan
    if not math.isnan(value):
        return _drift(pin, TEXT_METHOD, value, TEXT_THRESHOLD)
    before, now = profiles.labels(reference), profiles.labels(window)
    if _FEW_ROWS * len(before.counts | now.counts) > min(before.present, now.present):
        return _drift(pin, TEXT_METHOD, 0.5, TEXT_THRESHOLD)
    return _drift(pin, "jensenshannon", distances.jensenshannon(before, now), 0.1)
