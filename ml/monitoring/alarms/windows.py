"""Calibration by the reference's own windows: how far do stretches of the reference lie from its rest, in its own time?

Rows that follow each other are alike, and so are those of one group. A test of independent rows then alarms all the time: with AR(.9), at
1 % nominal, in most windows. So the reference is cut into disjoint windows, in time's order, or of whole groups; window b against the rest
gives T_b = distance * sqrt((1/n + 1/m) / (1/n + 1/(m - n))), what a new window would show if nothing has changed.

- Numbers: log T is taken as normal, with mean and deviation from the B windows, so that a new distance has a t tail with B - 1 degrees
  of freedom (a prediction interval, hence sqrt(1 + 1/B)).
- Labels and missing values: G (of the 2 x K table) grows by a design effect, the mean of G_b over the degrees of freedom (Rao & Scott
  1981, JASA 76); with effective degrees of freedom by Satterthwaite above, and B below (G's parts move together), G has an F tail.

The tail beyond the windows is an assumption: with fewer than 20 of them a calibration is provisional, with fewer than 3 there is none. A
reference that has no room for 20 windows of the watched one's rows is cut into smaller ones. Their distances are stretched to its size as
those of independent rows would shrink, but to `MOST_STRETCH` times their rows at most, and never below what a few larger windows show
(`at_least`): rows that stay alike for longer than a small window, as those of one day, shrink less.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution

from ml.monitoring import distances
from ml.monitoring.alarms import among, effects, twosample
from ml.monitoring.alarms import cells as celled
from ml.monitoring.alarms.cells import Cells
from ml.monitoring.profiles import Floats, LabelProfile, NumericProfile, Profile

FEWEST, ENOUGH = 3, 20
"""With fewer windows than the first nothing is calibrated; with fewer than the second it is provisional."""
LEAST_ROWS = 30
"""No reference is cut into windows of fewer rows."""
MOST_STRETCH = 8
"""A window of more rows than so many times those of the reference's windows is taken to vary no less than one of just so many."""
By = Literal["time", "group"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What the reference's windows say about one column; JSON types only, to be kept with the champion.

    Args:
        windows: How many disjoint windows (B).
        rows: The rows of each.
        reference_rows: The rows of the whole reference.
        method: The distance of a numeric column; `G` for labels and missing values.
        center: Numbers: the mean of log T_b. Labels: the mean of G_b over its degrees of freedom.
        spread: Numbers: the standard deviation of log T_b. Labels: the effective share (0-1) of G's degrees of freedom.
        inflation: How many times larger than for independent rows the variance of a window's distance is.
        by: What the windows are: stretches of time, or sets of whole groups.
    """

    windows: int
    rows: int
    reference_rows: int
    method: str
    center: float
    spread: float
    inflation: float
    by: By = "time"

    @property
    def is_provisional(self) -> bool:
        """Whether there are too few windows to rely on the tail."""
        return self.windows < ENOUGH

    def is_far(self, rows: int) -> bool:
        """Whether a window of so many rows is too large for what these windows say to be stretched to it."""
        return rows > MOST_STRETCH * self.rows

    def to_json(self) -> dict[str, Any]:
        """All fields, as JSON types."""
        return asdict(self)

    def p_value(self, found: float, *, rows: int, reference_rows: int, freedom: int = 1) -> float:
        """How often a window without change would show so much.

        Args:
            found: The distance (numbers), or G (labels).
            rows: The rows of the window that it was found in.
            reference_rows: The rows that the window was compared with.
            freedom: G's degrees of freedom.
        """
        if self.method == "G":
            effective = freedom * self.spread
            center = self.center * max(1.0, rows / (MOST_STRETCH * self.rows))
            return float(f_distribution.sf(found / freedom / center, effective, self.windows))
        if found <= 0:
            return 1.0
        away = np.log(found) - self.center - self._stretch(rows, reference_rows)
        return float(t_distribution.sf(away / self._deviation, self.windows - 1))

    def threshold(self, level: float, *, rows: int, reference_rows: int) -> float:
        """The distance of a numeric column whose p-value is `level`; infinite where no float is so large."""
        away = t_distribution.isf(level, self.windows - 1) * self._deviation
        with np.errstate(over="ignore"):  # of three windows the tail may have no end
            return float(np.exp(self.center + self._stretch(rows, reference_rows) + away))

    @property
    def _deviation(self) -> float:
        return max(self.spread, 1e-9) * float(np.sqrt(1 + 1 / self.windows))

    def _stretch(self, rows: int, reference_rows: int) -> float:
        """The logarithm of how much farther off windows of another number of rows lie."""
        rows = min(rows, MOST_STRETCH * self.rows)
        ratio = (1 / rows + 1 / reference_rows) / (1 / self.rows + 1 / self.reference_rows)
        return float(np.log(ratio)) * _power(self.method)


def cut_rows(rows: int, window_rows: int) -> int:
    """The rows of each window that a reference of so many rows is cut into: the watched one's, or fewer where there would be under 20."""
    return max(1, min(window_rows, max(rows // ENOUGH, LEAST_ROWS)))


def at_least(small: Calibration | None, large: Calibration | None) -> Calibration | None:
    """The calibration of many small windows, shifted where a few large ones of the same reference lie farther off than it foretells."""
    if small is None or large is None or small.method != large.method:
        return small
    inflation = max(small.inflation, large.inflation)
    if small.method == "G":
        return replace(small, center=max(small.center, large.center), inflation=inflation)
    foretold = small.center + small._stretch(large.rows, large.reference_rows)
    return replace(small, center=small.center + max(0.0, large.center - foretold), inflation=inflation)


def disjoint(rows: int, size: int) -> list[slice]:
    """The disjoint windows of `size` rows that a reference of so many rows, in time's order, has; the oldest rows may be left over."""
    first = rows % size
    return [slice(start, start + size) for start in range(first, rows, size)]


def calibrate_numbers(method: str, *, reference: NumericProfile, windows: Sequence[NumericProfile]) -> Calibration | None:
    """The calibration of a numeric column; None with fewer than three windows, or where half of the distances or more are zero.

    Args:
        method: The shown distance: wasserstein, jensenshannon or psi.
        reference: The whole reference.
        windows: Disjoint parts of it, all of the same number of rows.
    """
    marks = celled.marks(reference.values)
    whole = coarse(reference, marks)
    present = [coarse(window, marks) for window in windows if 0 < window.present < reference.present]
    parts = [(window, without(whole, window)) for window in present]
    found = np.array([distances.NUMERIC[method](rest, window) for window, rest in parts])
    if len(parts) < FEWEST or np.count_nonzero(found > 0) * 2 <= len(found):
        return None
    found = np.maximum(found, found[found > 0].min())
    logs = np.log(found) + 2 * _power(method) * np.log(_shrinks(reference.present, [window.present for window in present]))
    few = parts[:: max(1, len(parts) // 5)]  # for independent rows the mean hardly depends on which windows it is of
    independent = float(np.mean([effects.numbers(method, rest, window).expected for window, rest in few]))
    return Calibration(
        windows=len(parts),
        rows=round(float(np.mean([window.present for window in present]))),
        reference_rows=reference.present,
        method=method,
        center=float(logs.mean()),
        spread=float(logs.std(ddof=1)),
        inflation=float(found.mean() / independent) ** (1 / _power(method)) if independent > 0 else 1.0,
    )


def calibrate_labels(*, reference: LabelProfile, windows: Sequence[LabelProfile]) -> Calibration | None:
    """The calibration of a column of labels; None with fewer than three windows, or with a single label."""
    parts = [(celled.of_labels(without_labels(reference, window), window), window.present) for window in windows]
    return _design_effect(parts, reference.present)


def calibrate_missing(*, reference: Profile, windows: Sequence[Profile]) -> Calibration | None:
    """The calibration of a share of missing values; None with fewer than three windows, or where nothing or everything is missing."""
    lost = [side.rows - side.present for side in (reference, *windows)]
    parts = []
    for window, missing in zip(windows, lost[1:], strict=True):
        rest = np.array([lost[0] - missing, reference.present - window.present], dtype=np.int64)
        parts.append((Cells(rest, np.array([missing, window.present], dtype=np.int64), np.empty(0)), window.rows))
    return _design_effect(parts, reference.rows)


def without(reference: NumericProfile, window: NumericProfile) -> NumericProfile:
    """The reference without one of its parts.

    Raises:
        ValueError: The window has values that the reference has not.
    """
    places = np.minimum(np.searchsorted(reference.values, window.values), len(reference.values) - 1)
    counts = reference.counts.copy()
    counts[places] -= window.counts
    if (reference.values[places] != window.values).any() or (counts < 0).any():
        raise ValueError("this window is no part of the reference")
    left = counts > 0
    values, kept = reference.values[left], counts[left]
    mean = float(values @ kept) / max(1, int(kept.sum()))
    std = float(np.sqrt((values - mean) ** 2 @ kept / max(1, int(kept.sum()))))
    return NumericProfile(values, kept, reference.rows - window.rows, std)


def without_labels(reference: LabelProfile, window: LabelProfile) -> LabelProfile:
    """The reference without one of its parts.

    Raises:
        ValueError: The window has labels that the reference has not.
    """
    counts = {name: count - window.counts.get(name, 0) for name, count in reference.counts.items()}
    if window.counts.keys() - counts.keys() or min(counts.values(), default=0) < 0:
        raise ValueError("this window is no part of the reference")
    return LabelProfile({name: count for name, count in counts.items() if count}, reference.rows - window.rows)


def coarse(side: NumericProfile, marks: Floats) -> NumericProfile:
    """The profile with each value moved up to the next mark; the same profile where it has no other values."""
    if len(side.values) <= len(marks) and np.isin(side.values, marks).all():
        return side
    counts = celled.up_to(side, marks)
    return NumericProfile(marks[counts > 0], counts[counts > 0], side.rows, side.std)


def table_test(cells: Cells) -> tuple[float, int]:
    """G and its degrees of freedom, with all rare labels in one cell; how rows are dealt out among those adds one degree.

    That is the square of what the deal stands above its mean, in standard deviations, plus 1/2: 1 on average without change, with about the
    upper tail of a chi-square of one degree.
    """
    rare = twosample.is_rare(cells)
    sides = [np.append(side[~rare], side[rare].sum()) if rare.any() else side for side in (cells.reference, cells.window)]
    merged = Cells(sides[0], sides[1], np.empty(0))
    filled = merged.both > 0
    merged = Cells(merged.reference[filled], merged.window[filled], np.empty(0))
    found, freedom = (twosample.likelihood_ratio(merged), len(merged.both) - 1) if len(merged.both) > 1 else (0.0, 0)
    alone = twosample.rare_ones(cells, rare)
    if among.can_differ(alone.both):
        found, freedom = found + max(0.0, among.standing(alone)) ** 2 + 0.5, freedom + 1
    return found, max(1, freedom)


def _power(method: str) -> float:
    """Distances grow with the sampling variance's root, those of `effects.SQUARES` with the variance itself."""
    return 1.0 if method in effects.SQUARES else 0.5


def _shrinks(m: int, sizes: Sequence[int]) -> Floats:
    """The root of the factor by which a window's variance against the rest exceeds that of a new window against all rows."""
    n = np.array(sizes, dtype=float)
    found: Floats = np.sqrt((1 / n + 1 / m) / (1 / n + 1 / (m - n)))
    return found


def _design_effect(parts: Sequence[tuple[Cells, int]], reference_rows: int) -> Calibration | None:
    """The calibration from each window's cells against the rest's; with each its number of rows."""
    tests = [table_test(cells) for cells, _ in parts if min(cells.sizes)]
    if len(tests) < FEWEST or not any(found for found, _ in tests):
        return None
    ratios = np.array([found / freedom for found, freedom in tests])
    freedom = float(np.mean([freedom for _, freedom in tests]))
    mean, variance = float(ratios.mean()), float(ratios.var(ddof=1))
    effective = min(freedom, 2 * mean**2 / variance) if variance > 0 else freedom
    return Calibration(
        windows=len(tests),
        rows=round(float(np.mean([rows for _, rows in parts]))),
        reference_rows=reference_rows,
        method="G",
        center=mean,
        spread=max(effective, min(1.0, freedom)) / freedom,
        inflation=mean,
    )
