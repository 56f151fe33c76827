"""Two profiles side by side: how many rows of either stand in each cell of common values."""

from dataclasses import dataclass

import numpy as np

from ml.monitoring.profiles import Counts, Floats, LabelProfile, NumericProfile, Profile

_MOST = 4096
"""Beyond so many different values on a side, neighbours share a cell: what is lost is far below the error of sampling."""
_ENDS = 256
"""So many different values at either end always keep their own cell: there a heavy tail decides how far apart the sides are."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The rows of reference and window in the same K cells; of numbers, the cells ascend.

    Args:
        reference: Rows of the reference in each cell, K whole numbers.
        window: Rows of the window in each cell, K whole numbers.
        values: The largest value of each cell; empty for labels.
    """

    reference: Counts
    window: Counts
    values: Floats

    @property
    def both(self) -> Counts:
        """Rows in each cell, whichever side they come from."""
        found: Counts = self.reference + self.window
        return found

    @property
    def sizes(self) -> tuple[int, int]:
        """Rows of the window, and rows of the reference."""
        return int(self.window.sum()), int(self.reference.sum())


def of_numbers(reference: NumericProfile, window: NumericProfile) -> Cells:
    """One cell for each value, or for neighbouring ones where there are thousands."""
    values = np.union1d(marks(reference.values), marks(window.values))
    return Cells(up_to(reference, values), up_to(window, values), values)


def of_labels(reference: LabelProfile, window: LabelProfile) -> Cells:
    """One cell for each label that stands on either side."""
    names = [name for name in dict.fromkeys((*reference.counts, *window.counts)) if reference.counts.get(name) or window.counts.get(name)]
    counts = [np.array([side.counts.get(name, 0) for name in names], dtype=np.int64) for side in (reference, window)]
    return Cells(counts[0], counts[1], np.empty(0))


def of_missing(reference: Profile, window: Profile) -> Cells:
    """Rows without a value and rows with one."""
    counts = [np.array([side.rows - side.present, side.present], dtype=np.int64) for side in (reference, window)]
    return Cells(counts[0], counts[1], np.empty(0))


def marks(values: Floats) -> Floats:
    """The values, or where there are thousands some of them: those at the ends, and evenly many between."""
    if len(values) <= _MOST:
        return values
    places = np.unique(np.linspace(_ENDS, len(values) - _ENDS - 1, _MOST - 2 * _ENDS).astype(int))
    return np.concatenate((values[:_ENDS], values[places], values[-_ENDS:]))


def up_to(side: NumericProfile, values: Floats) -> Counts:
    """The side's rows above each value's predecessor and up to it."""
    until = np.concatenate(([0], np.cumsum(side.counts)))
    found: Counts = np.diff(until[np.searchsorted(side.values, values, "right")], prepend=0)
    return found
