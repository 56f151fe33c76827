"""The declaration of a model: what `dags/<model>/model.yaml` may say."""

import hashlib
import json
import re
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _duration(value: object) -> object:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+)\s*([smhdw])", value.strip())):
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    if isinstance(value, timedelta):
        return value
    raise ValueError("write a whole number and a unit, such as 30m, 12h, 7d or 2w")


def _duration_text(value: timedelta) -> str:
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
    BeforeValidator(_duration),
    PlainSerializer(_duration_text, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\s*[smhdw]$", "examples": ["30m", "12h", "7d"]}),
]
Schedule = Annotated[str, AfterValidator(_cron)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Column = Annotated[str, StringConstraints(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Scalar = str | bool | int | float


RESERVED_COLUMNS = frozenset({"_batch", "_row", "_arrived_at"})
"""Names that the accepted table gives to columns of its own."""


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Features(_Declared):
    """Which columns the model sees, and how. A column stands in one list only."""

    numeric: tuple[Column, ...] = ()
    """Numbers: missing values are filled with the median."""
    categorical: tuple[Column, ...] = ()
    """Labels: one-hot encoded; values unseen in training are allowed."""
    text: tuple[Column, ...] = ()
    """Free text: TF-IDF of its words."""
    datetime: tuple[Column, ...] = ()
    """Dates and times: taken apart into year, month, weekday and hour."""
    ignore: tuple[Column, ...] = ()
    """Columns that are delivered, kept, and never shown to the model."""

    @property
    def used(self) -> tuple[str, ...]:
        """The columns that the model sees, in the order of the lists."""
        return (*self.numeric, *self.categorical, *self.text, *self.datetime)


class Csv(_Declared):
    """How delivered csv files are written."""

    separator: Annotated[str, StringConstraints(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"
    missing: tuple[str, ...] = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
    """Texts that mean "no value"."""


class Files(_Declared):
    """Deliveries are files: each file is one batch."""

    kind: Literal["files"] = "files"
    urls: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(min_length=1)
    """fsspec URLs or patterns (`s3://bucket/in/*.parquet`); relative ones stand below `<home>/incoming`."""
    format: Literal["csv", "parquet", "jsonl"] | None = None
    """For files whose name does not tell; `.gz` is unpacked."""
    csv: Csv = Csv()


class Sql(_Declared):
    """A delivery is the result of a query: one batch for each different result."""

    kind: Literal["sql"] = "sql"
    url: Annotated[str, StringConstraints(min_length=1)]
    """SQLAlchemy URL. Write passwords as `${VARIABLE}`: the environment fills them in."""
    query: Annotated[str, StringConstraints(min_length=1)]


class Data(_Declared):
    """Where incoming data is found, and how often one looks."""

    source: Annotated[Files | Sql, Field(discriminator="kind")]
    schedule: Schedule | None = "@hourly"


class IntRange(_Declared):
    """Whole numbers to search, both ends included."""

    kind: Literal["int"] = "int"
    low: int
    high: int
    log: bool = False


class FloatRange(_Declared):
    """Numbers to search, both ends included."""

    kind: Literal["float"] = "float"
    low: float
    high: float
    log: bool = False


class Choice(_Declared):
    """Values to choose from."""

    kind: Literal["choice"] = "choice"
    values: tuple[Scalar | None, ...] = Field(min_length=1)


class Candidate(_Declared):
    """One way to make the model: a class with scikit-learn's `fit` and `predict`, its parameters, and what to search."""

    name: Name
    class_: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*\.[A-Za-z_]\w*$")] = Field(alias="class")
    """Dotted path, such as `sklearn.linear_model.LogisticRegression`."""
    params: dict[str, Scalar | None] = {}
    search: dict[str, Annotated[IntRange | FloatRange | Choice, Field(discriminator="kind")]] = {}
    """Hyperparameters to tune; the others stay as in `params`."""


class Training(_Declared):
    """How a challenger is made."""

    schedule: Schedule | None = "@weekly"
    """When to retrain without being asked; null: only when a decision says so."""
    candidates: tuple[Candidate, ...] = Field(min_length=1)
    trials: Annotated[int, Field(ge=1, le=1000)] = 8
    """Trials for each candidate that has a `search`."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    history_rows: Annotated[int, Field(ge=100)] | None = None
    """Train on the newest rows only; null: on all accepted rows."""
    validation_share: Annotated[float, Field(gt=0, lt=0.5)] = 0.2
    """Rows on which candidates are compared with each other."""
    test_share: Annotated[float, Field(gt=0, lt=0.5)] = 0.2
    """The most recent rows (by `time`, if declared), on which the challenger meets the champion."""
    timeout: Duration = timedelta(hours=6)


Metric = Literal["roc_auc", "accuracy", "balanced_accuracy", "f1", "log_loss", "brier", "mae", "rmse", "r2"]
METRICS: dict[str, tuple[str, ...]] = {
    "binary": ("roc_auc", "accuracy", "balanced_accuracy", "f1", "log_loss", "brier"),
    "multiclass": ("accuracy", "balanced_accuracy", "f1", "log_loss"),
    "regression": ("mae", "rmse", "r2"),
}
LOWER_IS_BETTER = frozenset({"log_loss", "brier", "mae", "rmse"})


class Promotion(_Declared):
    """What a challenger must show to become champion."""

    metric: Metric | None = None
    """Default: roc_auc (binary), balanced_accuracy (multiclass), mae (regression)."""
    minimum_gain: Annotated[float, Field(ge=0)] = 0.0
    """How much better than the champion, in the metric's unit, on the same recent rows."""
    approval: Literal["auto", "manual"] = "auto"
    """manual: a challenger that has won waits for `perennial promote`."""


class DriftMethods(_Declared):
    """The pinned drift statistic of each kind of column and the value from which on it counts as drifted."""

    numeric: Literal["wasserstein", "psi", "jensenshannon"] = "wasserstein"
    numeric_threshold: Annotated[float, Field(gt=0)] = 0.1
    categorical: Literal["jensenshannon", "psi", "TVD"] = "jensenshannon"
    categorical_threshold: Annotated[float, Field(gt=0)] = 0.1


class Monitoring(_Declared):
    """How the champion is watched."""

    schedule: Schedule | None = "@daily"
    drift: DriftMethods = DriftMethods()
    minimum_rows: Annotated[int, Field(ge=1)] = 200
    """With fewer new rows the window stays open and waits for more."""
    sample_rows: Annotated[int, Field(ge=1000)] = 100_000
    """A report's plots are drawn from at most so many rows of each side.

    Drift and quality are measured on all rows (text columns: on at most 20,000 a side).
    """


class Retraining(_Declared):
    """When a new training is asked for."""

    mode: Literal["auto", "off"] = "auto"
    """off: decisions are recorded, none starts a training."""
    drift_share: Annotated[float, Field(gt=0, le=1)] | None = 0.3
    """Retrain when at least this share of the feature columns has drifted; null: drift alone never does."""
    quality_drop: Annotated[float, Field(gt=0)] | None = 0.05
    """Retrain when the metric is worse than at promotion by more than this, in the metric's unit; null: never.

    For roc_auc and accuracy of binary models the drop must also exceed two standard errors of the difference.
    """
    minimum_rows: Annotated[int, Field(ge=1)] = 500
    """Fewer labelled rows since the champion's training: wait."""
    cooldown: Duration = timedelta(days=1)
    """The least time between two trainings that decisions ask for."""


class ModelSpec(_Declared):
    """One declared thing that predicts."""

    model: Name
    """The name: the same as the folder's."""
    description: str = ""
    owner: Annotated[str, StringConstraints(min_length=1)] = "perennial"
    """Shown as the owner of the DAGs."""
    task: Literal["binary", "multiclass", "regression"]
    target: Column
    positive: Scalar | None = None
    """The value of the target that a binary model predicts the probability of."""
    time: Column | None = None
    """When a row happened: makes splits and windows follow time."""
    id: Column | None = None
    """What identifies a row: joins late labels to predictions."""
    features: Features
    data: Data
    training: Training
    promotion: Promotion = Promotion()
    monitoring: Monitoring = Monitoring()
    retraining: Retraining = Retraining()

    @model_validator(mode="after")
    def _columns_are_clear(self) -> Self:
        listed: dict[str, str] = {}
        for kind in ("numeric", "categorical", "text", "datetime", "ignore"):
            for column in getattr(self.features, kind):
                if column in listed:
                    raise ValueError(f"features: column {column!r} stands in {listed[column]} and in {kind}; keep one")
                listed[column] = kind
        if not self.features.used:
            raise ValueError("features: no column is used; name at least one in numeric, categorical, text or datetime")
        for key in ("target", "id"):
            column = getattr(self, key)
            if column in self.features.used:
                raise ValueError(f"{key}: {column!r} is also a feature; take it out of features.{listed[column]}")
        folded: dict[str, str] = {}
        for column in self.columns:
            if column.casefold() in RESERVED_COLUMNS:
                raise ValueError(f"features: the column name {column!r} is kept for Perennial; rename the column in the deliveries")
            if (other := folded.setdefault(column.casefold(), column)) != column:
                raise ValueError(f"features: columns {other!r} and {column!r} differ only by case; rename one in the deliveries")
        return self

    @model_validator(mode="after")
    def _task_is_clear(self) -> Self:
        if self.task == "binary" and self.positive is None:
            raise ValueError(f"positive: a binary model needs the value of {self.target!r} that counts as positive")
        if self.task != "binary" and self.positive is not None:
            raise ValueError("positive: only a binary model has one; take it out, or write task: binary")
        if self.promotion.metric is not None and self.promotion.metric not in METRICS[self.task]:
            raise ValueError(f"promotion.metric: for {self.task} choose one of {', '.join(METRICS[self.task])}")
        if self.training.validation_share + self.training.test_share > 0.8:
            raise ValueError("training: validation_share and test_share leave less than a fifth of the rows to fit on")
        names = [candidate.name for candidate in self.training.candidates]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"training.candidates: the name {doubled[0]!r} stands twice; give each its own")
        return self

    @property
    def metric(self) -> str:
        """The metric that promotion and the quality rule use."""
        defaults = {"binary": "roc_auc", "multiclass": "balanced_accuracy", "regression": "mae"}
        return self.promotion.metric or defaults[self.task]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that a delivery is expected to have, without doubles."""
        named = (self.id, self.time, *self.features.used, *self.features.ignore, self.target)
        return tuple(dict.fromkeys(column for column in named if column is not None))

    def candidate(self, name: str) -> Candidate:
        """The candidate of this name; KeyError if there is none."""
        return {candidate.name: candidate for candidate in self.training.candidates}[name]

    def to_text(self) -> str:
        """The resolved declaration as canonical JSON: the same declaration gives the same text."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), sort_keys=True, ensure_ascii=False)

    def hash(self) -> str:
        """Sixteen hex digits of the SHA-256 of `to_text()`: names this exact declaration."""
        return hashlib.sha256(self.to_text().encode()).hexdigest()[:16]

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The declaration that `to_text` wrote."""
        return cls.model_validate_json(text)


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `model.yaml`, for editors."""
    schema = ModelSpec.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
