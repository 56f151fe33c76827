"""Small amounts that declarations write as words: `2 of 3` windows, `4 per 30d` trainings."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from ml.spec.types import duration, duration_text

_MOST_WINDOWS = 50


@dataclass(frozen=True, slots=True)
class Persistence:
    """In at least `windows` of the newest `of` windows."""

    windows: int
    of: int

    def __str__(self) -> str:
        return f"{self.windows} of {self.of}"


@dataclass(frozen=True, slots=True)
class Budget:
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


def _budget(value: object) -> object:
    if isinstance(value, Budget):
        return value
    match = re.fullmatch(r"(\d+) +per +(\d+\s*[smhdw])", value.strip()) if isinstance(value, str) else None
    period = duration(match[2]) if match is not None else None
    if match is None or int(match[1]) < 1 or not isinstance(period, timedelta) or not period:
        raise ValueError("write how many per how long, such as 4 per 30d")
    return Budget(int(match[1]), period)


Persisting = Annotated[
    Persistence,
    BeforeValidator(_persistence),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ +of +\d+$", "examples": ["2 of 3"]}),
]
Spending = Annotated[
    Budget,
    BeforeValidator(_budget),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+ +per +\d+\s*[smhdw]$", "examples": ["4 per 30d"]}),
]
