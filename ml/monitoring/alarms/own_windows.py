"""What a column's own past says of it: the reference, in order of time, cut into windows of the size of one that is looked at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.monitoring.alarms import windows
from ml.monitoring.alarms.windows import FEWEST, Calibration
from ml.monitoring.profiles import LabelProfile, NumericProfile, Profile
from ml.wording import counted

MOST_WINDOWS = 60
"""So many of the windows are compared with the rest, evenly spread over time: more would cost time and change little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWindows:
    """How far the reference's own windows lie from its rest; to be kept with the champion.

    Args:
        distance: Of the column's distribution; None where they say nothing.
        missing: Of its share of missing values; None where they say nothing.
        note: Why `distance` is None although rows follow each other in time; empty where their time is not known.
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
"""Of rows whose time is not known."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How a reference is cut.

    Args:
        order: The rows' positions, the oldest first.
        size: Rows of each window.
        parts: The windows that are compared with the rest, as slices of `order`.
    """

    order: npt.NDArray[np.int64]
    size: int
    parts: tuple[slice, ...]

    @classmethod
    def of(cls, order: npt.NDArray[np.int64], *, size: int) -> "Cut":
        """At most `MOST_WINDOWS` disjoint windows of `size` rows."""
        parts = windows.disjoint(len(order), size)
        if len(parts) > MOST_WINDOWS:
            parts = [parts[place] for place in np.linspace(0, len(parts) - 1, MOST_WINDOWS).astype(int)]
        return cls(order, size, tuple(parts))

    def calibrated(self, column: pd.Series, whole: Profile, *, method: str, profile: Callable[[pd.Series], Profile]) -> OwnWindows:
        """What the windows of a column of the reference say.

        Args:
            column: Its rows, in the frame's order.
            whole: Their profile, as it is compared.
            method: The shown distance.
            profile: Makes such a profile of some rows.
        """
        if len(self.parts) < FEWEST:
            held = f"the reference has room for {counted(len(self.parts), 'window')} of {self.size:,} rows, and {FEWEST} are needed"
            return OwnWindows(note=held)
        ordered = column.iloc[self.order]
        parts = [profile(ordered.iloc[part]) for part in self.parts]
        missing = windows.calibrate_missing(reference=whole, windows=parts)
        if isinstance(whole, NumericProfile):
            distance = windows.calibrate_numbers(method, reference=whole, windows=[one for one in parts if isinstance(one, NumericProfile)])
        elif isinstance(whole, LabelProfile):
            distance = windows.calibrate_labels(reference=whole, windows=[one for one in parts if isinstance(one, LabelProfile)])
        else:
            return OwnWindows(missing=missing, note="texts have no calibration by windows")
        return OwnWindows(distance=distance, missing=missing, note="" if distance else "the reference's own windows hardly differ")
