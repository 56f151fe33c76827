"""How a challenger is made."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from ml.spec.types import Column, Declared, Duration, Name, Parameter, Schedule, Share


class IntRange(Declared):
    """Whole numbers to search, both ends included."""

    kind: Literal["int"] = "int"
    low: int
    high: int
    log: bool = False


class FloatRange(Declared):
    """Numbers to search, both ends included."""

    kind: Literal["float"] = "float"
    low: float
    high: float
    log: bool = False


class Choice(Declared):
    """Values to choose from."""

    kind: Literal["choice"] = "choice"
    values: tuple[Parameter, ...] = Field(min_length=1)


class Candidate(Declared):
    """One way to make the model: a class with scikit-learn's `fit` and `predict`, its parameters, and what to search."""

    name: Name
    class_: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*\.[A-Za-z_]\w*$")] = Field(alias="class")
    """Dotted path, such as `sklearn.linear_model.LogisticRegression`."""
    params: dict[str, Parameter] = Field(default_factory=dict)
    search: dict[str, Annotated[IntRange | FloatRange | Choice, Field(discriminator="kind")]] = Field(default_factory=dict)
    """Hyperparameters to tune; the others stay as in `params`."""


class Ensemble(Declared):
    """Several candidates as one: a candidate like the others, made of their best parameters."""

    name: Name
    combine: Literal["voting", "stacking"] = "voting"
    """voting: the mean of what they say; stacking: a linear model learns how much each counts."""
    members: tuple[Name, ...] = Field(min_length=2)
    """Names of candidates."""


class Costs(Declared):
    """What a wrong answer of a binary model costs, in any unit; a right one costs nothing."""

    false_positive: Annotated[float, Field(gt=0)] = 1.0
    false_negative: Annotated[float, Field(gt=0)] = 1.0


class Training(Declared):
    """How a challenger is made."""

    schedule: Schedule | None = "@weekly"
    """When to retrain without being asked; null: only when a decision says so."""
    candidates: tuple[Candidate, ...] = Field(min_length=1)
    ensembles: tuple[Ensemble, ...] = ()
    sampler: Literal["tpe", "random", "grid"] = "tpe"
    """How parameters are chosen: tpe learns from the trials before; grid tries every combination (ranges: 3 values each)."""
    trials: Annotated[int, Field(ge=1, le=1000)] = 8
    """Trials for each candidate that has a `search`."""
    time_limit: Duration | None = None
    """A candidate starts no further trial after so long; null: only `trials` and `timeout` end it."""
    pruning: bool = True
    """Give up a trial that is worse than the median after its first folds."""
    folds: Annotated[int, Field(ge=1, le=20)] = 3
    """Parts of the cross-validation: forward in time where `time` is declared, by `group` where that is, else stratified.

    1: one part of `validation_share` instead, which is faster on many rows.
    """
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    history_rows: Annotated[int, Field(ge=100)] | None = None
    """Train on the newest rows only; null: on all accepted rows."""
    validation_share: Annotated[float, Field(gt=0, lt=0.5)] = 0.2
    """With one fold: the share of all rows on which candidates are compared with each other."""
    test_share: Annotated[float, Field(gt=0, lt=0.5)] = 0.2
    """The most recent rows (by `time`, if declared), on which the challenger meets the champion. No tuning sees them."""
    balance: bool = False
    """Give rare classes the same weight as frequent ones, in candidates that take weights."""
    calibration: Literal["auto", "sigmoid", "isotonic", "none"] = "auto"
    """Make probabilities mean what they say; auto: only if that lowers the log loss on rows that were held out."""
    threshold: Share | Literal["auto"] = "auto"
    """From which probability on a binary model says yes; auto: chosen on held-out rows by `costs`, else by the metric, else by f1."""
    costs: Costs | None = None
    """What errors cost: chooses the threshold of a binary model."""
    timeout: Duration = timedelta(hours=6)
    """A task that tunes or fits is ended after so long; the other candidates go on."""


class Evaluation(Declared):
    """What is looked at beyond the metrics."""

    slices: tuple[Column, ...] = ()
    """Columns whose groups of rows are measured each by itself, in tests and in windows; numbers are cut into quartiles."""
    sensitive: tuple[Column, ...] = ()
    """Columns for the fairness table: selection rates and error rates by group."""
    minimum_slice_rows: Annotated[int, Field(ge=30)] = 200
    """A slice with fewer test rows, or fewer rows in a window, is "not tested"."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    """Of the bootstrap intervals."""
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 1000
    """Bootstrap resamples."""
