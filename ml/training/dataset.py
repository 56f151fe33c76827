"""The rows of a training: read as of its frozen dataset version, labelled for good, and split."""

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
from ml.data.table import ARRIVED, BATCH, ROW, AcceptedTable
from ml.errors import ModelOwnerError, NoData
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state.records import Training
from ml.training.split import Split, by_time, split

MINIMUM_ROWS = 50
"""With fewer labelled rows there is no training: each part would be a handful."""
_LEAST_DEVELOPMENT = 20
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled rows whose labels are final, and their parts. The target is text for classes, float64 for a regression, never missing.

    `frame` has all of them: what is promoted was fitted on these once more, after its recipe was judged on `test`. Of `accepted` rows
    that were old enough (`label_delay`), `blank` had no value in the target.
    """

    frame: pd.DataFrame
    parts: Split
    accepted: int = 0
    blank: int = 0

    @property
    def development(self) -> pd.DataFrame:
        """What candidates are tuned, compared and fitted on."""
        return self.frame.iloc[self.parts.development]

    @property
    def test(self) -> pd.DataFrame:
        """What no tuning saw."""
        return self.frame.iloc[self.parts.test]


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
        as_of: Late labels that had arrived by then count; what is younger than `label_delay` then does not.
        labels_version: Late labels of this version of their table count; None: there were none. Default: all until `as_of`.
        also: Columns to read beside those that the declaration uses.

    Raises:
        NoData: Fewer than `MINIMUM_ROWS` rows have a final label, or those to learn from are too few or of one class.
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
    frame, accepted = _labelled(settings, spec, version=version, as_of=as_of, labels_version=labels_version, columns=columns)
    check(frame, spec, as_of)
    parts = split(frame, spec)
    _check_parts(frame, spec, parts)
    return Dataset(frame, parts, **accepted)


def labelled(
    settings: Settings,
    spec: ModelSpec,
    *,
    version: int,
    as_of: datetime,
    labels_version: int | EllipsisType | None = ...,
    columns: Sequence[str],
    without: pd.MultiIndex | None = None,
) -> pd.DataFrame:
    """The rows with a final label that a training of this version uses, in table order: the newest `history_rows`, or all.

    Columns: `columns`, target, time, group and id where declared, and the table's keys. Rows whose `row_keys` are in `without` are left
    out, as if they had no label. The other arguments are those of `read`.
    """
    return _labelled(settings, spec, version=version, as_of=as_of, labels_version=labels_version, columns=columns, without=without)[0]


def _labelled(
    settings: Settings,
    spec: ModelSpec,
    *,
    version: int,
    as_of: datetime,
    labels_version: int | EllipsisType | None,
    columns: Sequence[str],
    without: pd.MultiIndex | None = None,
) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows of `labelled`, and of how many `accepted` rows, old enough for a label, how many were `blank`."""
    known = None if labels_version is ... else NO_LABELS if labels_version is None else labels_version
    table = AcceptedTable.of(settings, spec.model, spec)
    named = (spec.id, spec.time, spec.group, spec.target, *columns)
    wanted = list(dict.fromkeys(name for name in named if name is not None))
    limit = spec.training.history_rows
    newest = limit
    while True:
        frame = table.read(version=version, columns=wanted, newest_rows=newest, labels_as_of=as_of, labels_version=known)
        read = len(frame)
        has, final = has_label(frame[spec.target], spec), is_final(frame, spec, as_of)
        counts = {"accepted": int(final.sum()), "blank": int((final & ~has).sum())}
        frame = frame[has & final]
        if without is not None and len(without):
            frame = frame[~row_keys(frame).isin(without)]
        # Labels may come late: the newest rows have none yet, so one looks further back until there are enough.
        if limit is None or newest is None or len(frame) >= limit or read < newest:
            break
        newest *= 2
    if limit is not None and len(frame) > limit:
        frame = frame.iloc[_newest(frame, spec, limit)]
    frame = frame.reset_index(drop=True)
    if spec.task == "regression":
        frame[spec.target] = frame[spec.target].astype(float)
    return frame, counts


def labelled_of_training(settings: Settings, spec: ModelSpec, training: Training, columns: Sequence[str]) -> pd.DataFrame:
    """The rows of `labelled` that a training was frozen with; `spec` is its declaration."""
    frozen = {"version": training.dataset_version, "labels_version": training.labels_version, "as_of": training.as_of}
    return labelled(settings, spec, **frozen, columns=columns)  # type: ignore[arg-type]


def row_keys(frame: pd.DataFrame) -> pd.MultiIndex:
    """What names each row for ever: its batch and its number in it."""
    return pd.MultiIndex.from_arrays([frame[BATCH], frame[ROW]])


def has_label(target: pd.Series, spec: ModelSpec) -> pd.Series:
    """Which rows have one: a finite number, or a text that is not blank."""
    if spec.task == "regression":
        return pd.Series(np.isfinite(target.to_numpy(dtype=float, na_value=np.nan)), index=target.index)
    return target.notna() & (target.astype("string").str.strip() != "").fillna(value=False).astype(bool)


def is_final(frame: pd.DataFrame, spec: ModelSpec, as_of: datetime) -> pd.Series:
    """Whether a row is old enough for its label to stay: by its time, or by its arrival where it has none."""
    if spec.label_delay is None:
        return pd.Series(data=True, index=frame.index)
    since = frame[ARRIVED] if spec.time is None else frame[spec.time].fillna(frame[ARRIVED])
    found: pd.Series = since <= pd.Timestamp(as_of) - spec.label_delay
    return found


def _newest(frame: pd.DataFrame, spec: ModelSpec, limit: int) -> npt.NDArray[np.int64]:
    if spec.time is None:
        return np.arange(len(frame) - limit, len(frame))
    return np.sort(by_time(frame[spec.time])[0][-limit:])


def check(frame: pd.DataFrame, spec: ModelSpec, as_of: datetime) -> None:
    """Refuses rows that nothing can be learnt from.

    Raises:
        NoData: They are fewer than `MINIMUM_ROWS`, or of one class.
        ModelOwnerError: The labels do not fit the declared task.
    """
    if len(frame) < MINIMUM_ROWS:
        delay = spec.model_dump(mode="json")["label_delay"]  # as the declaration writes it
        old = "" if delay is None else f" and were {delay} (label_delay) old at {as_of:%Y-%m-%d %H:%M}"
        raise NoData(
            f"{spec.model}: {len(frame)} accepted rows have a value in {spec.target!r}{old}; a training needs {MINIMUM_ROWS}. "
            f"Ingest more data, or deliver labels with `perennial label {spec.model} FILE`."
        )
    if spec.task == "regression":
        return
    counts = frame[spec.target].value_counts()
    shown = _first(counts)
    if len(counts) < 2:
        raise NoData(f"{spec.model}: all {len(frame)} labelled rows have the same {spec.target!r}, {shown}; a training needs at least two.")
    if spec.task == "binary":
        _check_positive(spec, [str(value) for value in counts.index], shown)


def _check_parts(frame: pd.DataFrame, spec: ModelSpec, parts: Split) -> None:
    rows, total = len(parts.development), len(frame)
    how = f"by {spec.time!r} and {spec.group!r}" if spec.time and spec.group else f"by {spec.time or spec.group!r}"
    if rows < _LEAST_DEVELOPMENT or len(parts.test) == 0:
        groups = "" if spec.group is None else f"the {total} rows are of {frame[spec.group].nunique()} groups of {spec.group!r}; "
        cure = "Take in more data" + ("" if spec.group is None else ", or take group out")
        raise NoData(
            f"{spec.model}: of {total} labelled rows, split {how}, {rows} are left to learn from and {len(parts.test)} to judge with; "
            f"{groups}a training needs {_LEAST_DEVELOPMENT} to learn from. {cure}."
        )
    counts = frame[spec.target].iloc[parts.development].value_counts()
    if spec.task != "regression" and len(counts) < 2:
        raise NoData(
            f"{spec.model}: all {rows} rows to learn from (the other {total - rows} of {total} are kept to judge with; split {how}) have "
            f"the same {spec.target!r}, {_first(counts)}; a training needs two. Take in more data, or lower training.test_share "
            f"({spec.training.test_share:g})."
        )


def _first(counts: pd.Series) -> str:
    return ", ".join(repr(str(value)) for value in counts.index[:_SHOWN]) + (" …" if len(counts) > _SHOWN else "")


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
