"""How a model's own history is replayed, to see which retraining policy pays."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from ml.spec.types import Declared, Schedule, duration, duration_text

_WINDOW = r"^\d+\s*(rows?|batch(es)?|windows?|[smhdw])$"


@dataclass(frozen=True, slots=True)
class Span:
    """How long a window of a replay is, or how late labels come: so many rows, batches or windows, or a time."""

    count: int
    unit: Literal["rows", "batches", "windows", "time"]
    time: timedelta = timedelta(0)

    def __str__(self) -> str:
        if self.unit == "time":
            return duration_text(self.time)
        return f"{self.count}{self.unit if self.count != 1 else {'rows': 'row', 'batches': 'batch', 'windows': 'window'}[self.unit]}"


def span(value: object) -> object:
    """What `336rows`, `7d` or `1batch` say; `ValueError` for anything else."""
    if isinstance(value, Span):
        return value
    match = re.fullmatch(r"(\d+)\s*(rows?|batch(?:es)?|windows?)", value.strip()) if isinstance(value, str) else None
    if match is not None:
        unit: Literal["rows", "batches", "windows"] = {"r": "rows", "b": "batches", "w": "windows"}[match[2][0]]  # type: ignore[assignment]
        return Span(int(match[1]), unit)
    found = duration(value)
    assert isinstance(found, timedelta)
    return Span(1, "time", found)


def _window(value: object) -> object:
    try:
        found = span(value)
    except ValueError as error:
        raise ValueError("write rows, a time or batches, such as 336rows, 7d or 1batch") from error
    assert isinstance(found, Span)
    if found.unit == "windows" or found.count < 1 or (found.unit == "time" and not found.time):
        raise ValueError("write rows, a time or batches above 0, such as 336rows, 7d or 1batch")
    return found


def _delay(value: object) -> object:
    try:
        found = span(value)
    except ValueError as error:
        raise ValueError("write a time or windows, such as 2d or 2windows") from error
    assert isinstance(found, Span)
    if found.unit not in {"time", "windows"}:
        raise ValueError("write a time or windows, such as 2d or 2windows")
    return found


def _schema(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


WindowSpan = Annotated[Span, BeforeValidator(_window), PlainSerializer(str, return_type=str), _schema(_WINDOW, "336rows", "7d", "1batch")]
LabelDelay = Annotated[
    Span, BeforeValidator(_delay), PlainSerializer(str, return_type=str), _schema(r"^\d+\s*(windows?|[smhdw])$", "2d", "2windows")
]


class Replay(Declared):
    """How `perennial replay` plays retraining policies over the accepted history; the command's options stand above these."""

    schedule: Schedule | None = "@monthly"
    """When Airflow replays, to suggest another policy. Null, or no `replay` section at all: only when somebody asks."""
    window: WindowSpan | None = None
    """How the history is cut: `336rows`, `7d` or `1batch`; null: a hundred windows, each of at least `monitoring.minimum_rows` rows."""
    as_delivered: bool = False
    """Rows without `time` that arrived all at once happened in the order in which they stand in the delivery; a window stands for a day."""
    history: Annotated[int, Field(ge=1)] = 8
    """A model learns from so many windows before it."""
    growing: bool = False
    """A model learns from all windows before it, the first one from `history`."""
    lengths: tuple[Annotated[int, Field(ge=1)] | Literal["growing"], ...] = ()
    """Other lengths of training history to compare with that one, each as `history`, or growing. Each fits all models once more."""
    costs: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(0.02, 0.05, 0.1, 0.2, 0.5, 1.0), min_length=1)
    """What a retraining may cost, beside `retraining.cost`: how robust the choice is to it."""
    shadow: Annotated[float, Field(ge=0, le=1)] | None = None
    """Which share of `costs` a fit costs, a shadow's too; null: as in `retraining.cost`, else 0.05."""
    tune_share: Annotated[float, Field(gt=0, lt=1)] = 0.4
    """Policies are chosen on this share of the windows, the oldest, and judged on the rest."""
    label_delay: LabelDelay | None = None
    """How late labels come: `2d` or `2windows`; null: as recorded, or as the model's `label_delay` says."""
    sample: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The share of each window's rows that is learnt from and judged by."""

    @model_validator(mode="after")
    def _costs_differ(self) -> Self:
        if len(set(self.costs)) < len(self.costs):
            raise ValueError("costs: one stands twice; keep each once")
        return self
