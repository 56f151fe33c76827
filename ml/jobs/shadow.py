"""Which rows a watch counts, and what both champions say of them.

A row counts once: when its label is known and final (`label_delay`), in the order in which that came about. Rows whose label was known
when the champion changed do not count, and so none that either version was fitted on: both were made before. A row that was accepted
before their trainings counts like any other if its label came after the change.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.labels import NO_LABELS
from ml.data.table import ARRIVED, BATCH, ROW, AcceptedTable
from ml.errors import ModelOwnerError
from ml.jobs.said import joined, taken
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state.records import Watch
from ml.training import dataset, losses, reference
from ml.training.champions import Champion
from ml.training.evaluation import Predicted, predict

FRESH, LABEL, GROUP = "fresh", "label", "group"
MOST_EARLIER_ROWS = 200_000
"""So many rows that were counted before are read and scored again, for the metric and the intervals of the realised gain."""


class CannotScoreError(ModelOwnerError):
    """One of both champions raises an error on rows that it should predict for."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """What is known: rows by this dataset version, late labels by this version of theirs, and which moment it is."""

    dataset_version: int
    labels_version: int
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two champions, ready to predict."""

    champion: Champion
    pipeline: Any


@dataclass(frozen=True, slots=True)
class Both:
    """What both said of the same rows, in their order."""

    new: Predicted
    former: Predicted

    def take(self, positions: npt.NDArray[Any]) -> "Both":
        return Both(taken(self.new, positions), taken(self.former, positions))


def present(table: AcceptedTable, as_of: datetime) -> Cursor:
    """What is known now. Before the first accepted row the dataset version is -1."""
    labels, rows = table.labels.version(), table.version()
    return Cursor(-1 if rows is None else rows, NO_LABELS if labels is None else labels, as_of)


def at(table: AcceptedTable, moment: datetime) -> Cursor:
    """What was known at a moment, by the times of the tables' commits."""
    rows = [one.version for one in table.log.commits() if one.at <= moment]
    labels = [one.version for one in table.labels.log.commits() if one.at <= moment]
    return Cursor(max(rows, default=-1), max(labels, default=NO_LABELS), moment)


def counted(table: AcceptedTable, spec: ModelSpec, watch: Watch, now: Cursor) -> pd.DataFrame:
    """The rows that count by now: `_batch`, `_row`, `label`, `group` where declared, and `fresh` for those after the watch's own cursor.

    Those that counted before come first, in the order of the table; then the fresh ones in the order in which they came to count.
    Memory: the target, the id and the time of the rows since both trainings; where labels have come since the change, of one older batch
    at a time too.
    """
    rows, place = _candidates(table, spec, watch, now)
    ripe_at = _ripe_at(rows, spec)

    def labels(version: int) -> pd.Series:
        if spec.id is None or version == NO_LABELS:
            return rows[spec.target]
        return table.labels.filled(rows[spec.id], rows[spec.target], labels_version=version)

    def labelled(dataset_version: int, labels_version: int) -> npt.NDArray[np.bool_]:
        accepted = table.count(version=dataset_version, after_version=watch.after_version) if dataset_version > watch.after_version else 0
        return _is_known(labels(labels_version), spec) & (place < accepted)

    known = labels(now.labels_version)
    counts = _is_known(known, spec) & (ripe_at <= pd.Timestamp(now.as_of)) & ~labelled(watch.known_version, watch.known_labels)
    before = labelled(watch.dataset_version, watch.labels_version) & (ripe_at <= pd.Timestamp(watch.as_of))
    order = np.concatenate([np.flatnonzero(counts & before), _in_order(table, spec, watch, now, rows, ripe_at, counts & ~before)])
    found = pd.DataFrame({BATCH: rows[BATCH], ROW: rows[ROW], LABEL: known, FRESH: ~before})
    if spec.group is not None:
        found[GROUP] = rows[spec.group]
    return found.iloc[order].reset_index(drop=True)


def scored(settings: Settings, rows: pd.DataFrame, *, new: Side, former: Side, version: int) -> Both:
    """What both champions say of the rows of `counted`, in their order; features are read a batch at a time.

    Raises:
        CannotScoreError: One of them raises an error; the message says which.
    """
    parts: list[tuple[npt.NDArray[Any], Predicted, Predicted]] = []
    places = rows.groupby(BATCH, sort=False).indices
    table = AcceptedTable.of(settings, new.champion.spec.model, new.champion.spec)
    for batch in table.batches(version=version):
        if batch.key in places:
            place = np.asarray(places[batch.key])
            mine, theirs = (_said(settings, side, batch.version, batch.key, rows[ROW].to_numpy()[place]) for side in (new, former))
            parts.append((place, mine, theirs))
    order = np.argsort(np.concatenate([place for place, _, _ in parts]), kind="stable")
    return Both(joined([one for _, one, _ in parts]), joined([one for _, _, one in parts])).take(order)


def loss_of(settings: Settings, *, new: Side, former: Side) -> losses.Loss:
    """What a wrong answer costs in the test, fixed by the rows that the gate saw: before the first row of the watch is known."""
    spec = new.champion.spec
    also = sorted({*former.champion.spec.features.used} - {*spec.features.used, spec.target})
    test = dataset.of_training(settings, spec, new.champion.training, also=also).test
    dataset.forget()
    if spec.time is not None:
        test = test.sort_values(spec.time, kind="stable", na_position="first")
    # The new champion has learnt these rows; what the tested model said of them is kept.
    mine = reference.load(settings, new.champion.training, test) or _predicted(new, test)
    return losses.loss_of(spec, test[spec.target].to_numpy(), mine, _predicted(former, test))


def _candidates(table: AcceptedTable, spec: ModelSpec, watch: Watch, now: Cursor) -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    """The rows that may count, without late labels, and each one's place among those since both trainings; older ones have -1.

    Of older rows only those that came without a target, and whose label has come since the champion changed.
    """
    columns = [name for name in (spec.target, spec.id, spec.time, spec.group) if name is not None]
    reading = {"columns": columns, "labels_version": NO_LABELS}
    parts = [table.read(**reading, version=now.dataset_version, after_version=watch.after_version)]  # type: ignore[arg-type]
    places = [np.arange(len(parts[0]))]
    if spec.id is not None and now.labels_version > watch.known_labels:
        late = _first_known(table, version=now.labels_version, after_version=watch.known_labels)
        for batch in reversed(table.batches(version=watch.after_version)):
            older = table.read(**reading, version=batch.version, after_version=batch.version - 1)  # type: ignore[arg-type]
            older = older[older[spec.target].isna() & older[spec.id].isin(late.keys())]
            if len(older):
                parts.insert(0, older)
                places.insert(0, np.full(len(older), -1))
    return pd.concat(parts, ignore_index=True), np.concatenate(places)


def _first_known(table: AcceptedTable, *, version: int, after_version: int) -> dict[Any, datetime]:
    """When a label of each id first came, of the labels in (`after_version`, `version`] of their table."""
    first: dict[Any, datetime] = {}
    commits = table.labels.log.commits(version=version, after_version=after_version)
    for commit, part in zip(commits, table.labels.log.read(commits, ["id"]), strict=True):
        for key in part.column(0).unique().to_pylist():
            first.setdefault(key, commit.at)
    return first


def _said(settings: Settings, side: Side, version: int, batch: str, wanted: npt.NDArray[Any]) -> Predicted:
    spec = side.champion.spec
    table = AcceptedTable.of(settings, spec.model, spec)
    frame = table.read(version=version, after_version=version - 1, columns=spec.features.used)
    frame = frame[frame[BATCH] == batch].set_index(ROW).loc[wanted, list(spec.features.used)]
    return _predicted(side, frame.reset_index(drop=True))


def _predicted(side: Side, frame: pd.DataFrame) -> Predicted:
    try:
        return predict(side.pipeline, frame[list(side.champion.spec.features.used)], task=side.champion.spec.task)
    except Exception as error:  # a foreign class may raise anything on rows that it does not know
        text = f"{type(error).__name__}: {str(error)[:200]}"
        raise CannotScoreError(f"version {side.champion.version} fails on these rows: {text}") from error


def _ripe_at(rows: pd.DataFrame, spec: ModelSpec) -> pd.Series:
    """When each row's label is final: `label_delay` after it happened, or arrived where that is not known."""
    happened = rows[ARRIVED] if spec.time is None else rows[spec.time].fillna(rows[ARRIVED])
    return happened + spec.label_delay if spec.label_delay is not None else pd.Series(pd.Timestamp(0, tz="UTC"), index=rows.index)


def _is_known(labels: pd.Series, spec: ModelSpec) -> npt.NDArray[np.bool_]:
    if spec.task == "regression":
        return np.asarray(np.isfinite(labels.to_numpy(dtype=float, na_value=np.nan)), dtype=bool)
    return np.asarray(labels.notna(), dtype=bool)


def _in_order(
    table: AcceptedTable, spec: ModelSpec, watch: Watch, now: Cursor, rows: pd.DataFrame, ripe_at: pd.Series, fresh: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """The positions of the fresh rows, ordered by when they were accepted, labelled and final, whichever came last."""
    accepted = {one.key: one.at for one in table.batches(version=now.dataset_version)}
    since = _latest(ripe_at, pd.to_datetime(rows[BATCH].map(accepted), utc=True))
    if spec.id is not None and now.labels_version > watch.labels_version:
        first = _first_known(table, version=now.labels_version, after_version=watch.labels_version)
        late = pd.to_datetime(rows[spec.id].where(rows[spec.target].isna()).map(first), utc=True)
        since = _latest(since, late)
    positions = np.flatnonzero(fresh)
    order: npt.NDArray[np.int64] = positions[np.argsort(since.to_numpy()[positions], kind="stable")]
    return order


def _latest(first: pd.Series, second: pd.Series) -> pd.Series:
    """The later of two moments, row by row. Of other resolutions pandas would compare objects, and fail where one is missing."""
    return pd.concat([one.astype("datetime64[us, UTC]") for one in (first, second)], axis=1).max(axis=1)
