"""Small amounts that declarations write as words: `2 of 3` windows, `4 per 30d` trainings or false alarms."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from ml.spec.types import duration, duration_text

_MOST_WINDOWS = 50


@dataclass(frozen=True, slots=True)
class Persistence:
    """In at least `windows` of the newest `of` windows, each looked at once; `ValueError` where that cannot be."""

    windows: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.windows <= self.of:
            raise ValueError(f"{self.windows} of {self.of} windows cannot persist: write at least 1, and no more than there are")

    def __str__(self) -> str:
        return f"{self.windows} of {self.of}"

    def holds(self, alarms: Sequence[bool]) -> bool:
        """Whether it persists, from the looks at one column, the newest last."""
        return sum(alarms[-self.of :]) >= self.windows


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in each `period`."""

    count: int
    period: timedelta

    def __str__(self) -> str:
        return f"{self.count} per {duration_text(self.period)}"


def _persistence(value: object) -> object:
    if isinstance(value, Persistence):
        return value
    match = re.fullmatch(r"(\d+) +of +(\d+)", value.strip()) if isinstance(value, str) else None
    if match is None or not 1 <= int(match[1]) <= int(match[2]) <= _MOST_WINDOWS:
        raise ValueError(f"write how many windows of how many (at most {_MOST_WINDOWS}), such as 2 of 3")
    return Persistence(int(match[1]), int(match[2]))


def _rate(value: object) -> object:
    if isinstance(value, Rate):
        return value
    match = re.fullmatch(r"(\d+)\s+per\s+(\d+\s*[smhdw])", value.strip()) if isinstance(value, str) else None
    period = duration(match[2]) if match is not None else None
    if match is None or int(match[1]) < 1 or not isinstance(period, timedelta) or not period:
        raise ValueError("write a whole number, 'per' and a duration, both greater than 0, such as 1 per 90d or 4 per 30d")
    return Rate(int(match[1]), period)


Persisting = Annotated[
    Persistence,
    BeforeValidator(_persistence),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ +of +\d+$", "examples": ["2 of 3"]}),
]
AtMost = Annotated[
    Rate,
    BeforeValidator(_rate),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\s+per\s+\d+\s*[smhdw]$", "examples": ["1 per 90d", "4 per 30d"]}),
]
