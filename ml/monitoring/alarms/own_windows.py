"""What a column's own past says of it: the reference cut into windows like one that is looked at, in order of time or by whole groups."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.monitoring.alarms import basis, windows
from ml.monitoring.alarms.windows import FEWEST, By, Calibration
from ml.monitoring.profiles import LabelProfile, NumericProfile, Profile

MOST_WINDOWS = 60
"""So many of the windows are compared with the rest, evenly spread over time: more would cost time and change little."""
_LARGER = 5
"""Where windows are cut smaller than the watched one, so many larger ones, or as many as there are of its size, tell what that hides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWindows:
    """How far the reference's own windows lie from its rest; to be kept with the champion.

    Args:
        distance: Of the column's distribution; None where they say nothing.
        missing: Of its share of missing values; None where they say nothing.
        note: Why `distance` is None although rows follow each other in time or belong to groups (`basis.told`); empty where neither is
            declared.
    """

    distance: Calibration | None = None
    missing: Calibration | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """All fields, as JSON types."""
        return {
            "distance": None if self.distance is None else self.distance.to_json(),
            "missing": None if self.missing is None else self.missing.to_json(),
            "note": self.note,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "OwnWindows":
        """What `to_json` wrote."""
        kept = {name: None if found[name] is None else Calibration(**found[name]) for name in ("distance", "missing")}
        return cls(**kept, note=found["note"])


NO_TIME = OwnWindows()
"""Of rows that are taken as independent: neither their time nor their group is declared."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How a reference is cut.

    Args:
        order: The rows' positions, the oldest first, or group by group.
        size: Rows of each window; of groups the least.
        parts: The windows that are compared with the rest, as slices of `order`.
        larger: A few larger windows, where `parts` are smaller than the watched one.
        by: What the windows are.
    """

    order: npt.NDArray[np.int64]
    size: int
    parts: tuple[slice, ...]
    larger: tuple[slice, ...] = ()
    by: By = "time"

    @classmethod
    def of(cls, order: npt.NDArray[np.int64], *, window_rows: int) -> "Cut":
        """At most `MOST_WINDOWS` disjoint windows of as many rows as the watched one, or of fewer where there would be under 20."""
        size, large = windows.cut_rows(len(order), window_rows), min(window_rows, len(order) // _LARGER)
        larger = windows.disjoint(len(order), large) if large > size else []
        return cls(order, size, _spread(windows.disjoint(len(order), size)), tuple(larger))

    @classmethod
    def of_groups(cls, groups: pd.Series, *, window_rows: int) -> "Cut":
        """The same of whole groups, dealt by a hash of their names; a row without a group is one by itself.

        Which groups stand together must not follow from when they came or how they are called.
        """
        codes, names = pd.factorize(groups)
        missing = codes < 0
        hashes = pd.util.hash_array(np.append(names.astype(str), "").astype(object))[codes]
        hashes[missing] = pd.util.hash_array(np.flatnonzero(missing))
        codes = np.where(missing, len(names) + np.cumsum(missing), codes)
        order = np.lexsort((codes, hashes)).astype(np.int64)
        ends = np.append(np.flatnonzero(np.diff(codes[order])) + 1, len(order)) if len(order) else np.empty(0, dtype=np.int64)
        size, parts, start = windows.cut_rows(len(order), window_rows), list[slice](), 0
        while start < len(order) and ends[-1] - start >= size:
            end = int(ends[np.searchsorted(ends, start + size)])
            parts.append(slice(start, end))
            start = end
        return cls(order, size, _spread(parts), by="group")

    def calibrated(self, column: pd.Series, whole: Profile, *, method: str, profile: Callable[[pd.Series], Profile]) -> OwnWindows:
        """What the windows of a column of the reference say.

        Args:
            column: Its rows, in the frame's order.
            whole: Their profile, as it is compared.
            method: The shown distance.
            profile: Makes such a profile of some rows.
        """
        if len(self.parts) < FEWEST:
            return OwnWindows(note=basis.room(len(self.parts), self.size, self.by))
        ordered = column.iloc[self.order]
        found, missing = _measured([profile(ordered.iloc[part]) for part in self.parts], whole, method)
        if self.larger:
            more = _measured([profile(ordered.iloc[part]) for part in self.larger], whole, method)
            found, missing = windows.at_least(found, more[0]), windows.at_least(missing, more[1])
        distance, missing = (None if one is None else replace(one, by=self.by) for one in (found, missing))
        if not isinstance(whole, NumericProfile | LabelProfile):
            return OwnWindows(missing=missing, note=basis.TEXTS)
        return OwnWindows(distance=distance, missing=missing, note="" if distance else basis.ALIKE)


def _measured(parts: Sequence[Profile], whole: Profile, method: str) -> tuple[Calibration | None, Calibration | None]:
    """Of the distribution (None of texts), and of the missing values."""
    missing = windows.calibrate_missing(reference=whole, windows=parts)
    if isinstance(whole, NumericProfile):
        numbers = [one for one in parts if isinstance(one, NumericProfile)]
        return windows.calibrate_numbers(method, reference=whole, windows=numbers), missing
    if isinstance(whole, LabelProfile):
        return windows.calibrate_labels(reference=whole, windows=[one for one in parts if isinstance(one, LabelProfile)]), missing
    return None, missing


def _spread(parts: Sequence[slice]) -> tuple[slice, ...]:
    """At most `MOST_WINDOWS` of them, evenly."""
    if len(parts) <= MOST_WINDOWS:
        return tuple(parts)
    return tuple(parts[place] for place in np.linspace(0, len(parts) - 1, MOST_WINDOWS).astype(int))
