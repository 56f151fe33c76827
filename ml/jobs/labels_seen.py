"""Which labelled rows the champion's quality in a window is of: each label counts once, in the window by which it is known and final.

So do labels of rows that were accepted before the champion's training, if they were not known and final then: it has not learnt from them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.delta import Commit
from ml.data.labels import NO_LABELS, LabelTable
from ml.data.table import BATCH, ROW, AcceptedTable
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger, specs
from ml.state.records import Training, Window
from ml.training.dataset import is_final

_BLOCK_ROWS = 500_000


@dataclass(frozen=True, slots=True)
class Seen:
    """Labels of rows that the champion did not learn from, as the window knows them.

    Args:
        fresh: `_batch`, `_row` and target of each row that has a final label now and had none when the champion's quality was last judged;
            the last of them are the window's own.
        late: How many of `fresh` were accepted before the window.
        known: Rows whose label became known and final since the champion's training, judged before or not.
    """

    fresh: pd.DataFrame
    late: int
    known: int

    @property
    def counts(self) -> "Counts":
        """How many of them there are."""
        return Counts(fresh=len(self.fresh), known=self.known)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows `Seen` has: what a decision asks of them."""

    fresh: int
    known: int


class Labels(TypedDict, total=False):
    """Arguments of `AcceptedTable.read` that name the labels to fill in."""

    labels_version: int
    labels_as_of: datetime


class Version(TypedDict, total=False):
    """The argument of `ml.training.dataset.labelled` that names them."""

    labels_version: int


def version_of(window: Window) -> Version:
    """The labels version that a window knows; nothing where windows had none yet: its moment says it then."""
    return {} if window.labels_version is None else {"labels_version": window.labels_version}


def labels_of(window: Window) -> Labels:
    """The late labels that a window knows, the same at each read."""
    return {"labels_as_of": window.as_of} if window.labels_version is None else {"labels_version": window.labels_version}


def present_labels(settings: Settings, model: str) -> int:
    """The version of the labels table to freeze now; `NO_LABELS` before the first label."""
    version = LabelTable.of(settings, model).version()
    return NO_LABELS if version is None else version


def seen(table: AcceptedTable, state: State, window: Window, *, spec: ModelSpec, trained: Training) -> Seen:
    """What the window knows about labels since the champion's training.

    Memory: a block of rows, and what is fresh. Batches of which the log and the files' footers tell enough are not read at all.
    """
    then = _Then(trained, specs.recall(state, trained.spec_hash))
    columns = list(dict.fromkeys(name for name in (spec.target, spec.time, then.spec.time) if name is not None))
    last = _last_judged(state, window, spec=spec, trained=trained)
    parts = [table.read(version=window.end_version, after_version=window.end_version, columns=columns)]
    late = known = 0
    for block in _blocks(table.batches(version=window.end_version), trained, window, last):
        is_old = block[-1].version <= trained.dataset_version
        if is_old and then.knew_all(table, block, window):
            continue
        if not is_old and (told := _without_reading(table, block, window, last, spec=spec)) is not None:
            known += told
            continue
        end, start = block[-1].version, block[0].version - 1
        rows = table.read(version=end, after_version=start, columns=columns, **labels_of(window))
        fresh = is_known(rows, window, spec=spec)
        if is_old and fresh.any():
            rows_then = table.read(version=end, after_version=start, columns=columns, labels_version=then.labels)
            fresh &= ~is_known(rows_then, trained, spec=then.spec)
        known += int(fresh.sum())
        if last is not None and block[-1].version <= last.end_version and fresh.any():
            fresh &= ~is_known(table.read(version=end, after_version=start, columns=columns, **labels_of(last)), last, spec=spec)
        late += int(fresh.sum()) if block[-1].version <= window.start_version else 0
        if fresh.any():
            parts.append(rows[fresh])
    whole = pd.concat(parts[1:] or parts, ignore_index=True)
    return Seen(whole[[BATCH, ROW, spec.target]], late, known)


@dataclass(frozen=True, slots=True)
class _Then:
    """What the champion's training knew: `spec` is its declaration, whose `label_delay` said which labels were final."""

    trained: Training
    spec: ModelSpec

    @property
    def labels(self) -> int:
        """The labels version of the training."""
        return NO_LABELS if self.trained.labels_version is None else self.trained.labels_version

    def knew_all(self, table: AcceptedTable, block: Sequence[Commit], window: Window) -> bool:
        """Whether the window can know no more of a block of older rows, as far as that is told without reading it."""
        return all(self._knew(table, batch, window) for batch in block)

    def _knew(self, table: AcceptedTable, batch: Commit, window: Window) -> bool:
        limit = None if self.spec.label_delay is None else self.trained.as_of - self.spec.label_delay
        if limit is not None and ((arrived := table.arrived_at(batch)) is None or arrived > limit):
            return False
        is_same, by_time = window.labels_version == self.labels, None if limit is None else self.spec.time
        if is_same and by_time is None:
            return True
        told = table.footers(batch)
        if not is_same and told.present(self.spec.target) != batch.rows:
            return False
        return limit is None or by_time is None or ((newest := told.latest(by_time)) is not None and newest <= limit)


def _blocks(batches: Sequence[Commit], trained: Training, window: Window, last: Window | None) -> Iterator[list[Commit]]:
    """Batches in their order, so many that a block has about `_BLOCK_ROWS` rows; none on both sides of where a window ends or begins.

    Nor on both sides of the training.
    """
    edges = {trained.dataset_version, window.start_version, *([] if last is None else [last.end_version])}
    block: list[Commit] = []
    for batch in batches:
        crosses = bool(block) and any(block[-1].version <= edge < batch.version for edge in edges)
        if block and (crosses or sum(one.rows for one in block) + batch.rows > _BLOCK_ROWS):
            yield block
            block = []
        block.append(batch)
    if block:
        yield block


def _without_reading(table: AcceptedTable, block: Sequence[Commit], window: Window, last: Window | None, *, spec: ModelSpec) -> int | None:
    """How many rows of a block without a fresh label have a label; None where only reading tells.

    Nothing was delivered with a label, and none has come late; or all rows were, and were judged with the last window.
    """
    was_judged = last is not None and block[-1].version <= last.end_version
    is_unlabelled = window.labels_version == NO_LABELS
    if spec.label_delay is not None or not (was_judged or is_unlabelled):
        return None
    total = sum(batch.rows for batch in block)
    delivered = 0
    for batch in block:
        of_batch = table.footers(batch).present(spec.target)
        if of_batch is None or of_batch not in {0, batch.rows}:
            return None
        delivered += of_batch
    if delivered == 0 and is_unlabelled:
        return 0
    return total if delivered == total and was_judged else None


def is_known(rows: pd.DataFrame, by: Window | Training, *, spec: ModelSpec) -> npt.NDArray[np.bool_]:
    """Which rows have a label that is final at the moment of `by` (`label_delay`): earlier ones are not like those that come late."""
    found: npt.NDArray[np.bool_] = (rows[spec.target].notna() & is_final(rows, spec, by.as_of)).to_numpy(dtype=bool)
    return found


def late_rows(table: AcceptedTable, window: Window, found: Seen, *, spec: ModelSpec, also: Sequence[str] = ()) -> Iterator[pd.DataFrame]:
    """The rows of `found` from before the window, with the champion's columns, the target and those of `also`: a batch at a time."""
    late = found.fresh.head(found.late)
    if late.empty:
        return
    by_batch = {str(key): rows.set_index(ROW)[spec.target] for key, rows in late.groupby(BATCH, sort=False)}
    for batch in table.batches(version=window.start_version):
        if batch.key not in by_batch:
            continue
        labels = by_batch[batch.key]
        wanted = [name for name in dict.fromkeys((*spec.features.used, *also)) if name != spec.target]
        rows = table.read(version=batch.version, after_version=batch.version - 1, columns=wanted)
        rows = rows[(rows[BATCH] == batch.key) & rows[ROW].isin(labels.index)]
        yield rows.assign(**{spec.target: labels.reindex(rows[ROW]).to_numpy()}).reset_index(drop=True)


def _last_judged(state: State, window: Window, *, spec: ModelSpec, trained: Training) -> Window | None:
    """The newest earlier window of the same champion in which the metric was judged by labels enough; those of the others still wait.

    So do those of a window of one class, on which the metric may not be defined.
    """
    before = window.number - 1
    judged = ledger.judged(state, window.model, champion=window.champion, metric=spec.metric, after=trained.as_of, until=before)
    newest = next((number for number, one in reversed(judged) if one.rows >= spec.monitoring.minimum_rows), None)
    return None if newest is None else ledger.recent_windows(state, window.model, limit=1, until=newest)[0]
