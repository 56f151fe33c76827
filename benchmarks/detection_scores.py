"""How well alarms meet the changes of a stream: one scorer for every detector.

Rows count from 0; an alarm is the row with whose arrival it is raised. A change that takes a while has a first and a last row.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Change:
    """The first row of what is new, and the first row after which nothing is as before; both the same where it is abrupt."""

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"a change from row {self.start} to row {self.end}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Counts over `rows` rows of one stream or of several; `delays` in rows, one for each change that was found."""

    changes: int
    alarms: int
    rows: int
    delays: tuple[int, ...]

    @property
    def found(self) -> int:
        return len(self.delays)

    @property
    def false(self) -> int:
        return self.alarms - self.found

    @property
    def recall(self) -> float | None:
        """0-1; None where no change is known."""
        return self.found / self.changes if self.changes else None

    @property
    def precision(self) -> float | None:
        """0-1; None without an alarm."""
        return self.found / self.alarms if self.alarms else None

    @property
    def f1(self) -> float | None:
        """0-1; None where no change is known."""
        return 2 * self.found / (self.changes + self.alarms) if self.changes else None

    @property
    def delay(self) -> float | None:
        """The median, in rows; None where nothing was found."""
        return float(np.median(self.delays)) if self.delays else None

    @property
    def false_per_1000(self) -> float:
        return 1000 * self.false / self.rows


def score(alarms: Sequence[int], changes: Sequence[Change], *, tolerance: int, rows: int) -> Score:
    """How alarms meet changes: the first alarm from a change's first row to `tolerance` rows after its end finds it.

    Whatever comes after the next change has begun counts for that one. All other alarms are false, also those that repeat a find.

    Raises:
        ValueError: The changes are not in order.
    """
    starts = [change.start for change in changes]
    if starts != sorted(starts):
        raise ValueError("the changes must be in order")
    delays = []
    for change, following in zip(changes, [*starts, math.inf][1:], strict=True):
        meets = [alarm for alarm in alarms if change.start <= alarm <= change.end + tolerance and alarm < following]
        delays.extend([min(meets) - change.start] if meets else [])
    return Score(changes=len(changes), alarms=len(alarms), rows=rows, delays=tuple(delays))


def pooled(scores: Sequence[Score]) -> Score:
    """The score of several streams as of one."""
    return Score(
        changes=sum(one.changes for one in scores),
        alarms=sum(one.alarms for one in scores),
        rows=sum(one.rows for one in scores),
        delays=tuple(delay for one in scores for delay in one.delays),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """As the evaluation of arXiv 2606.07789 counts, over streams with one drift each.

    It takes every alarm within the tolerance as a true one, not only the first. `false_per_1000` divides the false alarms of all streams
    by the rows of one, so it grows with the number of streams.
    """

    precision: float
    recall: float
    f1: float
    false_per_1000: float


def as_published(streams: Sequence[tuple[Sequence[int], int]], *, tolerance: int, rows: int) -> Published:
    """Of each stream its alarms and the first row of its drift; a drift's width does not widen the tolerance.

    Args:
        streams: Alarms and drift, stream by stream.
        tolerance: Rows after the drift's first one within which alarms are true.
        rows: Of one stream.
    """
    true = [sum(drift <= alarm <= drift + tolerance for alarm in alarms) for alarms, drift in streams]
    false = sum(len(alarms) for alarms, _ in streams) - sum(true)
    hits, missed = sum(true), true.count(0)
    return Published(
        precision=hits / max(1, hits + false),
        recall=hits / max(1, hits + missed),
        f1=2 * hits / max(1, 2 * hits + false + missed),
        false_per_1000=1000 * false / rows,
    )
