"""How one column of a window compares with the reference: by chance or not, and how much."""

import math
from dataclasses import dataclass

from ml.errors import NoData
from ml.monitoring.alarms import cells as celled
from ml.monitoring.alarms import effects, twosample, windows
from ml.monitoring.alarms.basis import Basis
from ml.monitoring.alarms.cells import Cells
from ml.monitoring.alarms.effects import Effect
from ml.monitoring.alarms.windows import Calibration
from ml.monitoring.profiles import LabelProfile, NumericProfile
from ml.monitoring.profiles import Profile as AnyProfile

_LARGE = 1e150
"""Numbers beyond this are scaled before they are squared."""
Profile = NumericProfile | LabelProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One thing that is compared.

    Args:
        column: Its name.
        family: The kind of drift whose level it shares, such as data, data quality, prediction, target.
        method: What is shown: wasserstein, jensenshannon, psi, TVD, a text's ROC AUC, or the share missing_share, unseen_share or
            out_of_range_share.
        floor: The smallest change that matters, in the distance's unit.
    """

    column: str
    family: str
    method: str
    floor: float

    def __post_init__(self) -> None:
        if not self.floor >= 0 or not math.isfinite(self.floor):
            raise ValueError(f"the floor of {self.column} must be a number of 0 or more, and is {self.floor}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How one watched thing compares with the reference.

    Args:
        watched: What it is.
        p_value: How often a window without change would be so far off.
        effect: The shown distance, with and without what chance adds.
        rows: The window's rows with a value, and
        reference_rows: the reference's.
        calibration: The reference's own windows, if the p-value is from them; else rows are taken as independent.
        note: Why rows are taken as independent although their time or their group is known, or what else speaks against the p-value, as
            `ml.monitoring.alarms.basis.told` tells it.
        by_ranks: Of numbers whose shown distance is below the floor: the same distance of their ranks' normal scores.
    """

    watched: Watched
    p_value: float
    effect: Effect
    rows: int
    reference_rows: int
    calibration: Calibration | None = None
    note: str = ""
    by_ranks: Effect | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.p_value <= 1 or not math.isfinite(self.effect.value):
            raise ValueError(f"column {self.watched.column}: p = {self.p_value}, {self.watched.method} = {self.effect.value}")

    def threshold_at(self, level: float) -> float | None:
        """The shown distance that is significant at a level, of calibrated numbers; None where the test is not of the distance."""
        if self.calibration is None or self.calibration.method != self.watched.method:
            return None
        found = self.calibration.threshold(level, rows=self.rows, reference_rows=self.reference_rows)
        return found if math.isfinite(found) else None

    @property
    def reaches_floor(self) -> bool:
        """Whether the change may be as large as the floor, by the shown distance or by ranks."""
        return any(one.reaches(self.watched.floor) for one in (self.effect, self.by_ranks) if one is not None)

    @property
    def is_provisional(self) -> bool:
        """Whether too little of the reference's own time or groups stands behind the p-value."""
        return bool(self.note) or (self.calibration is not None and (self.calibration.is_provisional or self.calibration.is_far(self.rows)))

    @property
    def basis(self) -> Basis:
        """Where the p-value comes from."""
        if self.calibration is None:
            return Basis(note=self.note)
        far = self.rows if self.calibration.is_far(self.rows) else None
        return Basis(windows=self.calibration.windows, rows=self.calibration.rows, by=self.calibration.by, far=far, note=self.note)


def compare(
    watched: Watched, *, reference: Profile, window: Profile, calibration: Calibration | None = None, note: str = ""
) -> Comparison | None:
    """How a column of numbers or labels compares; None where a side has no value: `compare_missing` sees that.

    Raises:
        NoData: One of the sides has no rows.
    """
    _must_have_rows(watched, reference, window)
    if not reference.present or not window.present:
        return None
    if isinstance(reference, NumericProfile):
        assert isinstance(window, NumericProfile), "both sides are of one kind"
        return _compare_numbers(watched, reference, window, calibration, note)
    assert isinstance(window, LabelProfile), "both sides are of one kind"
    cells = celled.of_labels(reference, window)
    return _compare_table(watched, cells, effects.table(watched.method, reference, window), calibration, note)


def compare_missing(
    watched: Watched, *, reference: AnyProfile, window: AnyProfile, calibration: Calibration | None = None, note: str = ""
) -> Comparison:
    """How a column's share of missing values compares.

    Raises:
        NoData: One of the sides has no rows.
    """
    _must_have_rows(watched, reference, window)
    cells = celled.of_missing(reference, window)
    return _compare_table(watched, cells, effects.missing(cells), calibration, note)


def compare_text(watched: Watched, auc: float, *, rows: int, reference_rows: int, note: str = "") -> Comparison:
    """How texts compare, from the ROC AUC of a classifier on rows that it was not fitted on: so many of either side.

    An AUC of chance is 1/2 on average, so there is nothing to take off.
    """
    error = ((rows + reference_rows + 1) / (12 * rows * reference_rows)) ** 0.5
    effect = Effect(value=auc, expected=0.5, debiased=auc, margin=effects.MARGIN_ERRORS * error)
    p_value = twosample.text(auc, window_rows=rows, reference_rows=reference_rows)
    return Comparison(watched=watched, p_value=p_value, effect=effect, rows=rows, reference_rows=reference_rows, note=note)


def _compare_numbers(
    watched: Watched, reference: NumericProfile, window: NumericProfile, calibration: Calibration | None, note: str
) -> Comparison:
    largest = max(reference.largest, window.largest)
    if largest >= _LARGE:
        reference, window = reference.divided(largest), window.divided(largest)
    cells = celled.of_numbers(reference, window)
    effect, (rows, reference_rows) = effects.numbers(watched.method, reference, window, cells), cells.sizes
    inflation = 1.0 if calibration is None else calibration.inflation
    if calibration is None:
        p_value = twosample.numbers(cells)
    else:
        p_value = calibration.p_value(effect.value, rows=rows, reference_rows=reference_rows)
        effect = effects.inflated(watched.method, effect, inflation)
    by_ranks = None
    if not effect.reaches(watched.floor) and len(cells.both) > 1:
        by_ranks = effects.inflated(watched.method, effects.of_ranks(watched.method, cells), inflation)
    return Comparison(
        watched=watched,
        p_value=p_value,
        effect=effect,
        rows=rows,
        reference_rows=reference_rows,
        calibration=calibration,
        note=note,
        by_ranks=by_ranks,
    )


def _compare_table(watched: Watched, cells: Cells, effect: Effect, calibration: Calibration | None, note: str) -> Comparison:
    rows, reference_rows = cells.sizes
    if calibration is None:
        p_value = twosample.labels(cells)
    else:
        found, freedom = windows.table_test(cells)
        p_value = calibration.p_value(found, rows=rows, reference_rows=reference_rows, freedom=freedom)
        effect = effects.inflated(watched.method, effect, calibration.inflation)
    return Comparison(
        watched=watched, p_value=p_value, effect=effect, rows=rows, reference_rows=reference_rows, calibration=calibration, note=note
    )


def _must_have_rows(watched: Watched, reference: AnyProfile, window: AnyProfile) -> None:
    for side, profile in (("reference", reference), ("window", window)):
        if not profile.rows:
            raise NoData(f"column {watched.column}: the {side} has no rows, so no drift can be measured; wait for data, or train again")
