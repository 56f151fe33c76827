"""One group of rows of a window beside the same group of the champion's test rows: what is shown, and never alarms by itself."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The rows of a window that have one value (or lie in one range) of a column.

    Attributes:
        column: One of `evaluation.slices`.
        value: The value or the range, as in the model card.
        rows: Rows of the window.
        share: Their share of the window, 0-1.
        test_share: The same share among the champion's test rows.
        labelled_rows: Labelled rows that quality is of: the window's, and late ones from before it.
        quality: The metrics on these; None where they are too few: not tested.
        test_quality: The metrics on the test rows; None where these are too few.
        prediction_drift: The distance of the predictions from those on the test rows, by `method`; None where either side is too small.
        method: The pinned distance of predictions; None with it.
    """

    column: str
    value: str
    rows: int
    share: float
    test_share: float
    labelled_rows: int
    quality: Mapping[str, float] | None
    test_quality: Mapping[str, float] | None
    prediction_drift: float | None
    method: str | None

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON types."""
        return asdict(self)
