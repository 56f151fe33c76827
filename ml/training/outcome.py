"""The gate's answer as a value: stored with the version, logged, and readable in one sentence."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Dependence = Literal["rows", "blocks", "entities"]
Question = Literal["routine", "changed recipe", "first model"]

LEFT_OUT = "left out: "
"""So begins the text of a check that stands for a candidate which was better when tuned, but could not be fitted or saved for the gate."""


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True)


class Check(_Stored):
    """One thing that was looked at. `passed` is None where it could not be tested: that blocks nothing, and praises nothing."""

    name: str
    passed: bool | None
    text: str


class Comparison(_Stored):
    """The paired test that decided, in the metric's unit; a positive gain is better.

    `p` is that of the null hypothesis "worse by at most `margin`" of a routine retraining, "better by at most `margin`" otherwise; `level`
    is the part of the declared one that this attempt may use. `detectable` is the smallest loss (routine) or gain (otherwise) that this
    test would have found with 80 % power. The interval has the confidence 1 - 2·level: it ends at the margin where p is the level.
    """

    rival: str
    challenger: float
    against: float
    gain: float
    standard_error: float
    degrees_of_freedom: float
    low: float
    high: float
    confidence: float
    p: float
    margin: float
    level: float
    attempt: int
    detectable: float
    rows: int
    units: int
    dependence: Dependence


class Outcome(_Stored):
    """Whether the challenger wins, and why: JSON by `model_dump(mode="json")`.

    `gain` is None where the metric is not defined or nothing was compared, `comparison` also where rows could not tell a gain from chance.
    `reasons` has the comparison first, then every other check, the passed ones too.
    """

    wins: bool
    question: Question
    sentence: str
    metric: str
    gain: float | None
    comparison: Comparison | None
    reasons: tuple[Check, ...]
