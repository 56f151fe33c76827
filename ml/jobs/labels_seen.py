"""Which labelled rows the champion's quality in a window is of: each label counts once, in the window by which it is known and final."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.labels import LabelTable
from ml.data.table import BATCH, ROW, AcceptedTable
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger
from ml.state.records import Training, Window
from ml.training.dataset import is_final

_LOOKED_BACK = 200


@dataclass(frozen=True, slots=True)
class Seen:
    """Labels of rows that the champion did not learn from, as the window knows them.

    Args:
        fresh: `_batch`, `_row` and target of each row that has a final label now and had none when the champion's quality was last judged;
            the last of them are the window's own.
        late: How many of `fresh` were accepted before the window.
        known: Rows with a final label since the champion's training, judged before or not.
    """

    fresh: pd.DataFrame
    late: int
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
    from ml.data.labels import NO_LABELS

    version = LabelTable.of(settings, model).version()
    return NO_LABELS if version is None else version


def seen(table: AcceptedTable, state: State, window: Window, *, spec: ModelSpec, trained: Training) -> Seen:
    """What the window knows about rows since the champion's training."""
    start = trained.dataset_version
    columns = [name for name in (spec.target, spec.time) if name is not None]
    rows = table.read(version=window.end_version, after_version=start, columns=columns, **labels_of(window))
    labelled = is_known(rows, window, spec=spec)
    judged = np.zeros(len(rows), dtype=bool)
    last = _last_judged(state, window, least=spec.monitoring.minimum_rows)
    if last is not None:
        before = table.read(version=last.end_version, after_version=start, columns=columns, **labels_of(last))
        judged[: len(before)] = is_known(before, last, spec=spec)
    earlier = 0 if window.start_version <= start else table.count(version=window.start_version, after_version=start)
    fresh = labelled & ~judged
    return Seen(rows.loc[fresh, [BATCH, ROW, spec.target]], int(fresh[:earlier].sum()), int(labelled.sum()))


def is_known(rows: pd.DataFrame, window: Window, *, spec: ModelSpec) -> npt.NDArray[np.bool_]:
    """Which rows have a label that is final at the window's moment (`label_delay`): earlier ones are not like those that come late."""
    found: npt.NDArray[np.bool_] = (rows[spec.target].notna() & is_final(rows, spec, window.as_of)).to_numpy(dtype=bool)
    return found


def late_rows(
    table: AcceptedTable, window: Window, found: Seen, *, spec: ModelSpec, trained: Training, also: Sequence[str] = ()
) -> Iterator[pd.DataFrame]:
    """The rows of `found` from before the window, with the champion's columns, the target and those of `also`: a batch at a time."""
    late = found.fresh.head(found.late)
    if late.empty:
        return
    by_batch = {str(key): rows.set_index(ROW)[spec.target] for key, rows in late.groupby(BATCH, sort=False)}
    for batch in table.batches(version=window.start_version, after_version=trained.dataset_version):
        if batch.key not in by_batch:
            continue
        labels = by_batch[batch.key]
        wanted = list(dict.fromkeys((*spec.features.used, *also)))
        rows = table.read(version=batch.version, after_version=batch.version - 1, columns=wanted)
        rows = rows[(rows[BATCH] == batch.key) & rows[ROW].isin(labels.index)]
        yield rows.assign(**{spec.target: labels.reindex(rows[ROW]).to_numpy()}).reset_index(drop=True)


def _last_judged(state: State, window: Window, *, least: int) -> Window | None:
    """The newest earlier window of the same champion in which there were labels enough to judge it; those of the others still wait."""
    for one in ledger.recent_windows(state, window.model, limit=_LOOKED_BACK, until=window.number):
        if one.number < window.number and one.champion == window.champion and one.measured_at is not None:
            _, qualities = ledger.measurement(state, one.id)
            if max((quality.rows for quality in qualities), default=0) >= least:
                return one
    return None
