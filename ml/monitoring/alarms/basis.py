"""Where a p-value comes from: kept as numbers and short names with each verdict, put into words when it is shown.

A verdict stands in the state database for each window and column, so that words in it would be most of what that holds.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ml.monitoring.alarms.windows import ENOUGH, FEWEST, By
from ml.wording import counted

TEXTS, ALIKE, MISSING, METHOD, TWIN = "texts", "alike", "missing", "method", "twin"
_ROOM = "room"
_NOTES = {
    TEXTS: "texts have no calibration by windows",
    ALIKE: "the reference's own windows hardly differ",
    MISSING: "in the reference's own windows nothing or everything is missing",
    METHOD: "the reference's windows were measured by another distance",
    TWIN: "the tested model was not kept, so that its words on the test rows are compared with those of the champion, a twin that was "
    "fitted on more rows: the two may lie apart by more than chance, whatever becomes of the rows. The next training keeps it",
}


def room(windows: int, rows: int, by: By) -> str:
    """The note of a reference that has room for so few windows of so many rows."""
    return f"{_ROOM} {windows} {rows} {by}"


def told(note: str) -> str:
    """A note, or several with commas between, in words; what is no note's name is told as it is.

    >>> told("room 2 30 time")
    'the reference has room for 2 windows of 30 rows, and 3 are needed'
    """
    return "; ".join(_told(one) for one in note.split(",")) if _is_named(note) else note


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What stands behind a p-value.

    Args:
        windows: The reference's own windows, and
        rows: the rows of each; None where rows were taken as independent.
        by: What these windows are.
        far: The rows of the watched window, where they are too many for the windows to be stretched to; else None.
        note: What speaks against it (`told`); empty where nothing does.
    """

    windows: int | None = None
    rows: int | None = None
    by: By | None = None
    far: int | None = None
    note: str = ""

    @property
    def words(self) -> str:
        """The same in plain words."""
        note = told(self.note) if self.note else ""
        if self.windows is None:
            return "from a test of independent rows" + (f": {note}; provisional" if note else "")
        few = f"; provisional: at least {ENOUGH} are needed" if self.windows < ENOUGH else ""
        far = f"; provisional: {self.far:,} rows are far more" if self.far is not None else ""
        of = f"disjoint windows of {self.rows:,} rows of the reference's own time"
        if self.by == "group":
            of = f"disjoint sets of whole groups of the reference, {self.rows:,} rows on average"
        return f"from {self.windows} {of}{few}{far}" + (f"; provisional: {note}" if note else "")

    def to_json(self) -> dict[str, Any]:
        """What is not empty, as JSON types."""
        return {name: value for name, value in asdict(self).items() if value not in {None, ""}}

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> "Basis":
        """What `to_json` wrote."""
        return cls(**found)


def _is_named(note: str) -> bool:
    return all(one in _NOTES or one.partition(" ")[0] == _ROOM for one in note.split(","))


def _told(note: str) -> str:
    if note in _NOTES:
        return _NOTES[note]
    _, windows, rows, by = note.split()
    of = f"of {int(rows):,} rows" if by == "time" else f"of whole groups, {int(rows):,} rows or more"
    return f"the reference has room for {counted(int(windows), 'window')} {of}, and {FEWEST} are needed"
