"""What the target asks for, and which columns know it too well."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml.data.casting import label_text
from ml.errors import CallError
from ml.scaffold.kinds import Profile
from ml.spec import ModelSpec
from ml.wording import percent

_MOST_CLASSES = 20
_CLOSE = 0.995
_LEFT = 0.5
"""A column that gives the target away leaves at most such a share of the errors of always naming the most frequent class."""
_LOOKED_AT = 20_000


@dataclass(frozen=True, slots=True)
class Task:
    """The task; `positive` is the rarer class of a binary one."""

    name: str
    positive: str | None
    notes: list[str]


def task_of(target: Profile, column: pa.ChunkedArray, *, rows: int) -> Task:
    """The task that the target's values ask for. `CallError` if nothing can be learnt from them."""
    labelled = rows - target.missing
    if target.distinct < 2:
        found = "no value" if target.distinct == 0 else "one value in all rows that have any"
        raise CallError(f"the target {target.name!r} has {found}; there is nothing to predict")
    notes = [f"{target.missing} of {rows} rows have no {target.name!r}: they train nothing"] if target.missing else []
    is_number = target.kind == "numeric" or (not pa.types.is_string(column.type) and target.is_whole)
    if target.distinct == 2:
        counts = _counts(column)
        return Task("binary", min(counts, key=lambda value: (counts[value], value)), notes)
    if is_number and (not target.is_whole or target.distinct > _MOST_CLASSES):
        return Task("regression", None, notes)
    if target.distinct > max(_MOST_CLASSES, labelled / 5):
        raise CallError(
            f"the target {target.name!r} has {target.distinct} different values in {labelled} rows, and they are not numbers; "
            "a model needs several rows of each class"
        )
    if is_number:
        notes.append(f"{target.name!r} has {target.distinct} whole numbers: taken as classes; write `task: regression` if it is a quantity")
    return Task("multiclass", None, notes)


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in pc.value_counts(column.drop_null()).to_pylist():
        text = label_text(one["values"])
        counts[text] = counts.get(text, 0) + one["counts"]
    return {value: number for value, number in counts.items() if value}


def close_to_target(frame: pd.DataFrame, spec: ModelSpec) -> Iterator[str]:
    """A note for each feature that alone nearly gives the target away: often it is filled in after the fact."""
    labelled = frame[frame[spec.target].notna()]
    some = labelled.sample(min(len(labelled), _LOOKED_AT), random_state=0) if len(labelled) else labelled
    if len(some) < 50:
        return
    target = some[spec.target]
    for column in (*spec.features.numeric, *spec.features.categorical):
        closeness = _closeness(some[column], target, spec)
        if closeness >= _CLOSE:
            gives = f"alone gives {spec.target!r} in {percent(closeness, digits=1)}"
            found = gives if spec.task != "regression" else f"goes with {spec.target!r} almost exactly"
            yield f"{column!r} {found}: if it is known only afterwards, move it to features.ignore"


def _closeness(values: "pd.Series[float]", target: "pd.Series[float]", spec: ModelSpec) -> float:
    known = values.notna()
    if known.mean() < 0.5 or values.nunique() < 2:
        return 0.0
    values, target = values[known], target[known]
    if spec.task == "regression":
        if not pd.api.types.is_numeric_dtype(values) or target.nunique() < 2:
            return 0.0
        return abs(float(np.corrcoef(values, target)[0, 1]))
    commonest = float(target.value_counts(normalize=True).iloc[0])
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > 50:
        values = pd.qcut(values, 50, labels=False, duplicates="drop")
    if values.nunique() > 100:
        return 0.0
    closeness = float(pd.crosstab(values, target).max(axis=1).sum() / len(target))
    # Where nearly all rows are of one class, any column seems to know it.
    return closeness if 1 - closeness <= _LEFT * (1 - commonest) else 0.0
