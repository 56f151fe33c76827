"""What is known already of the rows that a delivery of labels speaks of."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import pandas as pd

from ml.data.casting import label_text
from ml.data.faults import first_few
from ml.data.labels import LabelTable
from ml.data.table import AcceptedTable
from ml.spec import ModelSpec

_MOST_CLASSES = 10_000
_SHOWN_ROWS = 10


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows of a delivery of labels say what.

    Args:
        matched: The id is that of an accepted row.
        unknown: It is not, or not yet: the label waits until such a row is accepted. With `matched` all rows.
        repeated: The same was known before, from an earlier label or with the row itself.
        contradicting: An earlier label, of this file or of another, said something else: the last one counts.
        not_used: The row was delivered with another target, which is never replaced.
    """

    matched: int
    unknown: int
    repeated: int
    contradicting: int
    not_used: int

    def facts(self) -> dict[str, int]:
        """By name, as they are kept with the labels."""
        return asdict(self)

    @classmethod
    def of_facts(cls, facts: dict[str, Any]) -> dict[str, int | None]:
        """By name what was kept; None where labels were stored before these were counted."""
        return {one.name: facts.get(one.name) for one in fields(cls)}


def compared(table: AcceptedTable, labels: LabelTable, frame: pd.DataFrame) -> tuple[Counts, list[str]]:
    """The counts of a delivery, and a warning for each kind of label that does nothing or corrects another.

    Args:
        table: The accepted rows.
        labels: The late labels that are stored, without this delivery.
        frame: `id` and `label`, none missing.
    """
    ids, said = frame["id"].reset_index(drop=True), frame["label"].reset_index(drop=True)
    delivered = table.delivered_targets(ids)
    matched = ids.isin(delivered.index)
    with_row = ids.map(delivered.dropna())
    stored = ids.map(labels.known(ids=ids))
    in_file = said.groupby(ids).shift()  # what this file itself said of the same id before
    earlier = in_file.where(in_file.notna(), stored)
    not_used = with_row.notna() & (with_row != said)
    contradicting = with_row.isna() & earlier.notna() & (earlier != said)
    repeated = (with_row == said) | (with_row.isna() & (earlier == said))
    counts = Counts(*(int(mask.sum()) for mask in (matched, ~matched, repeated, contradicting, not_used)))
    warnings = []
    if counts.unknown:
        first = first_few([str(name) for name in ids[~matched].unique()])
        warnings.append(f"{counts.unknown} of {len(ids)} rows are of no accepted row yet: {first}; they count as soon as one arrives")
    if counts.contradicting:
        example = _example(ids, earlier, said, contradicting)
        warnings.append(f"{counts.contradicting} rows contradict an earlier label ({example}): the last one counts")
    if counts.not_used:
        example = _example(ids, with_row, said, not_used)
        warnings.append(f"{counts.not_used} rows were delivered with another target ({example}), which is never replaced")
    return counts, warnings


def _example(ids: "pd.Series[Any]", before: "pd.Series[Any]", now: "pd.Series[Any]", mask: "pd.Series[Any]") -> str:
    place = int(mask.to_numpy().argmax())
    return f"first: {ids[place]!r} was {label_text(before[place])!r}, is {label_text(now[place])!r}"


def strange_classes(spec: ModelSpec, table: AcceptedTable, labels: LabelTable, frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Reasons against labels that are no class of the model, and warnings where they are a new one.

    A binary model has two classes: the positive, and the one that rows were accepted with (before there is one: the only other that was
    labelled). A model of several may get a new one.
    """
    if spec.task == "regression":
        return [], []
    binary = spec.task == "binary"
    found = dict.fromkeys([label_text(spec.positive)] if binary else [])
    found |= dict.fromkeys(table.classes(most=2 if binary else _MOST_CLASSES))
    if not binary or len(found) < 2:
        found |= dict.fromkeys(str(name) for name in labels.known().unique())
    known = list(found)[:2] if binary else list(found)
    new = frame["label"][~frame["label"].isin(known)]
    if new.empty or len(known) < (1 if binary else 2) or (binary and len(known) == 1 and new.nunique() == 1):
        return [], []
    places = frame["_row"][new.index].tolist()
    rows = ", ".join(map(str, places[:_SHOWN_ROWS])) + (f" and {len(places) - _SHOWN_ROWS} more" if len(places) > _SHOWN_ROWS else "")
    names = first_few([str(name) for name in new.unique()])
    if binary:
        has = " and ".join(map(repr, known)) if len(known) == 2 else f"{known[0]!r} and one other"
        return [f"column {spec.target!r}: {len(new)} values are none of the model's classes, {has}: {names} (rows {rows})"], []
    return [], [f"column {spec.target!r}: {len(new)} values are classes that no row had before: {names} (rows {rows})"]
