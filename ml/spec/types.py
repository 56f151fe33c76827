"""The small types that declarations are made of."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints, WithJsonSchema

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def duration(value: object) -> object:
    """The time that a declaration writes as `30m`; `ValueError` for anything else."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+)\s*([smhdw])", value.strip())):
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    if isinstance(value, timedelta):
        return value
    raise ValueError("write a whole number and a unit, such as 30m, 12h, 7d or 2w")


def duration_text(value: timedelta) -> str:
    """The time as a declaration writes it, in the largest unit that fits."""
    seconds = int(value.total_seconds())
    for unit, size in (("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _cron(value: str) -> str:
    presets = {"@hourly", "@daily", "@weekly", "@monthly", "@yearly"}
    if value in presets:
        return value
    from croniter import croniter  # Airflow's own reader of cron expressions

    if len(value.split()) != 5 or not croniter.is_valid(value):
        raise ValueError(f"not a schedule: write five cron fields such as '0 6 * * *', or one of {', '.join(sorted(presets))}")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(duration),
    PlainSerializer(duration_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\s*[smhdw]$", "examples": ["30m", "12h", "7d"]}),
]
Schedule = Annotated[str, AfterValidator(_cron)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Column = Annotated[str, StringConstraints(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Scalar = str | bool | int | float


def _parameter(value: object) -> object:
    if isinstance(value, tuple):
        value = list(value)
    if all(one is None or isinstance(one, Scalar) for one in (value if isinstance(value, list) else [value])):
        return value
    raise ValueError("a parameter is a text, a number, true, false, null, or a list of these")


Parameter = Annotated[Scalar | list[Scalar | None] | None, BeforeValidator(_parameter)]
"""What an estimator is made with. A list, not a tuple: it is the same when it comes back from JSON."""


class Declared(BaseModel):
    """A part of a declaration: fixed once read, and without keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
