"""What an assessment says: JSON-able values, every number finite, what is not known None."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat

SuspicionKind = Literal["equal_to_target", "predicts_alone", "carries_the_skill", "same_rows", "like_an_id"]


class Fact(BaseModel):
    """A part of an assessment: fixed once made."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Interval(Fact):
    """A number and its bootstrap interval; `low` and `high` are None where there are too few units to tell."""

    value: FiniteFloat
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None


class Measured(Fact):
    """The metrics of some rows, by name.

    `drawn` says what was drawn with replacement (rows, blocks of rows, groups), `units` how many there were, `drawn_rows` from how
    many of the `rows` they came: fewer where a bootstrap of all would take too long.
    """

    rows: int
    drawn: str
    units: int
    drawn_rows: int
    resamples: int
    confidence: float
    metrics: dict[str, Interval]


class Slice(Fact):
    """The metrics of one slice; `metrics` is None where it has too few rows: it is not tested."""

    column: str
    value: str
    rows: int
    metrics: dict[str, Interval] | None


class GroupRates(Fact):
    """How one group is treated. Rates are 0-1, None where they rest on too few rows."""

    value: str
    rows: int
    selection_rate: FiniteFloat | None
    true_positive_rate: FiniteFloat | None
    false_positive_rate: FiniteFloat | None


class Fairness(Fact):
    """How differently the groups of a sensitive column are treated, `outcome` being the class that counts as selected.

    Differences are 0-1, largest minus smallest rate; 0 is equal treatment. None: fewer than two groups are large enough.
    """

    column: str
    outcome: str
    groups: tuple[GroupRates, ...]
    demographic_parity_difference: FiniteFloat | None
    equalised_odds_difference: FiniteFloat | None
    note: str


class ColumnImportance(Fact):
    """By how much the metric gets worse when this column's values are shuffled: mean and standard deviation over the repeats."""

    column: str
    mean: FiniteFloat
    deviation: FiniteFloat


class Importance(Fact):
    """The most important column first. `note` says why columns are not listed, where they are not."""

    metric: str
    rows: int
    repeats: int
    columns: tuple[ColumnImportance, ...]
    note: str = ""


class Suspicion(Fact):
    """A sign of leakage. `value` is a score or a share that passed its limit; the sentence says what to do."""

    kind: SuspicionKind
    column: str | None
    value: FiniteFloat
    sentence: str


class Latency(Fact):
    """How long predictions take on the machine that trained: one row alone (milliseconds), and each row of a batch (microseconds)."""

    single_ms: FiniteFloat
    single_p95_ms: FiniteFloat
    single_repeats: int
    batch_us_per_row: FiniteFloat
    batch_rows: int


class Assessment(Fact):
    """All that was measured of a model on its test rows. `baseline` has the metrics of a model that knows no feature."""

    metric: str
    measured: Measured
    baseline: dict[str, FiniteFloat]
    slices: tuple[Slice, ...]
    fairness: tuple[Fairness, ...]
    importance: Importance
    suspicions: tuple[Suspicion, ...]
    latency: Latency | None
