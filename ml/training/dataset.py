"""The rows of a training: read as of its frozen dataset version, labelled, and split."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import EllipsisType

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.casting import label_text
from ml.data.labels import NO_LABELS
from ml.data.table import BATCH, ROW, AcceptedTable
from ml.errors import ModelOwnerError, NoData
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state.records import Training
from ml.training.split import Split, split

MINIMUM_ROWS = 50
"""With fewer labelled rows there is no training: each part would be a handful."""
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled rows and their parts. The target is text for classes, float64 for a regression, never missing."""

    frame: pd.DataFrame
    parts: Split

    @property
    def train(self) -> pd.DataFrame:
        return self.frame.iloc[self.parts.train]

    @property
    def validation(self) -> pd.DataFrame:
        return self.frame.iloc[self.parts.validation]

    @property
    def test(self) -> pd.DataFrame:
        return self.frame.iloc[self.parts.test]

    @property
    def fitted(self) -> pd.DataFrame:
        """Train and validation part: what the finished model is fitted on."""
        return self.frame.iloc[self.parts.fitted]


def of_training(settings: Settings, spec: ModelSpec, training: Training, *, also: Sequence[str] = ()) -> Dataset:
    """The dataset that a training was frozen with; `spec` is its declaration (by `training.spec_hash`). Else as `read`."""
    frozen = {"version": training.dataset_version, "labels_version": training.labels_version}
    return read(settings, spec, **frozen, as_of=training.as_of, also=also)  # type: ignore[arg-type]


def read(
    settings: Settings,
    spec: ModelSpec,
    *,
    version: int,
    as_of: datetime,
    labels_version: int | EllipsisType | None = ...,
    also: Sequence[str] = (),
) -> Dataset:
    """The rows of a dataset version, the same at each call; kept in this process for the next step.

    Args:
        settings: Where the table is.
        spec: The declaration that the run was frozen with.
        version: The dataset version.
        as_of: Late labels that had arrived by then count.
        labels_version: Late labels of this version of their table count; None: there were none. Default: all until `as_of`.
        also: Columns to read beside those that the declaration uses.

    Raises:
        NoData: Fewer than `MINIMUM_ROWS` rows have a label.
        ModelOwnerError: The labels do not fit the declared task.
    """
    return _read(settings, spec.to_text(), version, as_of, labels_version, tuple(sorted(also)))


def forget() -> None:
    """Frees the rows that this process keeps."""
    _read.cache_clear()


@lru_cache(maxsize=1)
def _read(
    settings: Settings, text: str, version: int, as_of: datetime, labels_version: int | EllipsisType | None, also: tuple[str, ...]
) -> Dataset:
    spec = ModelSpec.from_text(text)
    columns = (*spec.features.used, *also)
    frame = labelled(settings, spec, version=version, as_of=as_of, labels_version=labels_version, columns=columns)
    _check(frame, spec)
    return Dataset(frame, split(frame, spec))


def labelled(
    settings: Settings,
    spec: ModelSpec,
    *,
    version: int,
    as_of: datetime,
    labels_version: int | EllipsisType | None = ...,
    columns: Sequence[str],
) -> pd.DataFrame:
    """The labelled rows that a training of this version uses, in table order: the newest `history_rows`, or all.

    Columns: `columns`, target, time and id where declared, and the table's keys. The other arguments are those of `read`.
    """
    known = None if labels_version is ... else NO_LABELS if labels_version is None else labels_version
    table = AcceptedTable.of(settings, spec.model, spec)
    named = (spec.id, spec.time, spec.target, *columns)
    wanted = list(dict.fromkeys(name for name in named if name is not None))
    limit = spec.training.history_rows
    newest = limit
    while True:
        frame = table.read(version=version, columns=wanted, newest_rows=newest, labels_as_of=as_of, labels_version=known)
        read = len(frame)
        frame = frame[_has_label(frame[spec.target], spec)]
        # Labels may come late: the newest rows have none yet, so one looks further back until there are enough.
        if limit is None or newest is None or len(frame) >= limit or read < newest:
            break
        newest *= 2
    if limit is not None and len(frame) > limit:
        frame = frame.iloc[_newest(frame, spec, limit)]
    frame = frame.reset_index(drop=True)
    if spec.task == "regression":
        frame[spec.target] = frame[spec.target].astype(float)
    return frame


def row_keys(frame: pd.DataFrame) -> pd.MultiIndex:
    """What names each row for ever: its batch and its number in it."""
    return pd.MultiIndex.from_arrays([frame[BATCH], frame[ROW]])


def _has_label(target: pd.Series, spec: ModelSpec) -> pd.Series:
    if spec.task == "regression":
        return pd.Series(np.isfinite(target.to_numpy(dtype=float, na_value=np.nan)), index=target.index)
    return target.notna()


def _newest(frame: pd.DataFrame, spec: ModelSpec, limit: int) -> npt.NDArray[np.int64]:
    if spec.time is None:
        return np.arange(len(frame) - limit, len(frame))
    order = frame[spec.time].reset_index(drop=True).sort_values(kind="stable", na_position="first").index.to_numpy()
    return np.sort(order[-limit:])


def _check(frame: pd.DataFrame, spec: ModelSpec) -> None:
    if len(frame) < MINIMUM_ROWS:
        raise NoData(
            f"{spec.model}: {len(frame)} accepted rows have a value in {spec.target!r}; a training needs {MINIMUM_ROWS}. "
            f"Ingest more data, or deliver labels with `perennial label {spec.model} FILE`."
        )
    if spec.task == "regression":
        return
    counts = frame[spec.target].value_counts()
    shown = ", ".join(repr(str(value)) for value in counts.index[:_SHOWN]) + (" …" if len(counts) > _SHOWN else "")
    if len(counts) < 2:
        raise NoData(f"{spec.model}: all {len(frame)} labelled rows have the same {spec.target!r}, {shown}; a training needs at least two.")
    if spec.task == "binary":
        _check_positive(spec, [str(value) for value in counts.index], shown)


def _check_positive(spec: ModelSpec, values: list[str], shown: str) -> None:
    positive = label_text(spec.positive)
    if positive not in values:
        raise ModelOwnerError(
            f"{spec.model}: positive: {positive!r} is not among the values of {spec.target!r}: {shown}. Write one of them in model.yaml, "
            "in quotes where YAML would read it as something else: an unquoted Yes, No, On or Off becomes 'True' or 'False'."
        )
    if len(values) > 2:
        raise ModelOwnerError(
            f"{spec.model}: task: binary, but {spec.target!r} has {len(values)} values: {shown}. Write task: multiclass without positive, "
            "or deliver two values only."
        )
