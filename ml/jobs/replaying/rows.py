"""The accepted history of a model, in order, cut into windows, with the moment at which each label was known."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.casting import label_text
from ml.data.table import ARRIVED, BATCH, ROW, AcceptedTable
from ml.errors import ModelOwnerError, NoData
from ml.settings import Settings
from ml.spec import ModelSpec, Replay, Span
from ml.training.dataset import has_label
from ml.training.split import by_time
from ml.wording import size as said

log = logging.getLogger(__name__)

Clock = Literal["arrivals", "time", "delivered"]
Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
USUAL_WINDOWS = 100
"""Where nobody says how long a window is."""
_FEWEST_WINDOWS = 6
_NEVER = np.iinfo(np.int64).max
_BULK_SHARE, _BULK = 0.5, timedelta(days=1)
"""Arrivals that span less of the rows' own time, or less than that where it is not known, say when somebody loaded them."""
_ARRIVED = 0.95
"""Of the rows of a window, where the next ones do not say when it had arrived."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Accepted:
    """The rows of all windows, oldest first.

    Args:
        frame: Features, target, and time and group where declared; `_batch` and `_row`.
        edges: Positions at which windows begin, and the end of the last: windows + 1.
        moments: At which moment each window begins (UTC, ns since 1970), and the last ends: windows + 1.
        known: When each row's label was known and final (ns); `_NEVER` without one.
        labelled: Which rows have a label that is final by the end of the history.
        clock: What `moments` and `known` go by.
        left_out: Rows that are in no window.
        strange: Rows whose label is neither of a binary model's two: as without a label.
        version: The dataset version.
        size: How long a window is.
        share: Which share (0-1) of the rows a sample has taken.
    """

    frame: pd.DataFrame
    edges: Counts
    moments: Counts
    known: Counts
    labelled: Flags
    clock: Clock
    left_out: int
    strange: int
    version: int
    size: str
    share: float = 1.0

    @property
    def windows(self) -> int:
        """How many there are."""
        return len(self.edges) - 1

    def rows_of(self, window: int | None = None) -> float:
        """Rows of a window, those that a sample left out counted; of the middle one by default, and where a window has none."""
        sizes = np.diff(self.edges)
        own = 0 if window is None else int(sizes[window])
        return (own or max(1.0, float(np.median(sizes)))) / self.share

    def start(self, window: int) -> datetime | None:
        """When a window begins; None where only the order of the rows is known."""
        if self.clock == "delivered":
            return None
        found: datetime = pd.Timestamp(int(self.moments[window]), tz="UTC").to_pydatetime()
        return found

    @property
    def codes(self) -> Counts:
        """The window of each row."""
        return np.repeat(np.arange(self.windows), np.diff(self.edges))


def read(settings: Settings, spec: ModelSpec, asked: Replay) -> Accepted:
    """The whole accepted history. Memory: the columns that a training needs, of all rows.

    Raises:
        NoData: There are no rows, or fewer windows than a replay needs.
        ModelOwnerError: Nothing says in which order the rows happened.
    """
    table = AcceptedTable.of(settings, spec.model, spec)
    version = table.version()
    if version is None:
        raise NoData(f"{spec.model}: no accepted rows yet, so there is nothing to replay. `perennial ingest {spec.model}` takes them in.")
    named = (spec.id, spec.time, spec.group, spec.target, *spec.features.used)
    columns = list(dict.fromkeys(name for name in named if name is not None))
    frame = table.read(version=version, columns=columns)
    total = len(frame)
    _check_order(frame, spec, asked)
    if spec.time is not None:
        frame = frame.iloc[by_time(frame[spec.time])[0]]
        frame = frame[frame[spec.time].notna()]
    frame = frame.reset_index(drop=True)
    edges, size = _edges(frame, spec, asked)
    clock = _clock(frame, spec, edges)
    if clock == "delivered":
        frame = frame.assign(**{ARRIVED: _a_day_each(frame[ARRIVED].min(), edges, len(frame))})
    frame = frame.iloc[: edges[-1]]
    labelled, strange = _labelled(frame, spec)
    moments = _moments(frame, spec, edges, clock)
    known = np.where(labelled, _known(table, frame, spec, asked, clock=clock, edges=edges, moments=moments), _NEVER)
    labelled = known < _NEVER
    found = Accepted(
        frame=frame,
        edges=edges,
        moments=moments,
        known=known,
        labelled=labelled,
        clock=clock,
        left_out=total - len(frame),
        strange=strange,
        version=version,
        size=size,
    )
    log.info("history read model=%s rows=%d windows=%d clock=%s", spec.model, len(frame), found.windows, clock)
    return _sampled(found, asked.sample)


def delay_of(accepted: Accepted, asked: Replay) -> int:
    """After how many further windows the labels of a window have come, in nine windows of ten: 95 % of them.

    Raises:
        NoData: No window's labels had come by the end of the history.
    """
    if asked.label_delay is not None and asked.label_delay.unit == "windows":
        return asked.label_delay.count
    late = []
    for window in range(accepted.windows):
        rows = slice(accepted.edges[window], accepted.edges[window + 1])
        known = np.sort(accepted.known[rows][accepted.labelled[rows]])
        if not len(known):
            continue
        needed = known[int(np.ceil(0.95 * len(known))) - 1]
        at = int(np.searchsorted(accepted.moments, needed, side="left"))
        if at <= accepted.windows:
            late.append(max(0, at - window - 1))
    if not late:
        raise NoData(
            "of no window had the labels come by the end of the history, so no model could be judged; deliver labels "
            "(`perennial label`), wait, or say how late they come with --label-delay 2windows"
        )
    return int(np.quantile(late, 0.9, method="higher"))


def _check_order(frame: pd.DataFrame, spec: ModelSpec, asked: Replay) -> None:
    if spec.time is None and frame[ARRIVED].nunique() < 2 and not asked.as_delivered:
        raise ModelOwnerError(
            f"{spec.model}: nothing says in which order its {len(frame)} rows happened: `time` is not declared, and they all arrived at "
            "once. Name the column that says when a row happened as `time` in model.yaml, or deliver the rows in batches, oldest first, "
            "or, if they stand in that order in the file, add --as-delivered"
        )
    if spec.time is not None and frame[spec.time].nunique() < 2:
        raise ModelOwnerError(
            f"{spec.model}: all rows have the same {spec.time!r}, so they cannot be put in order; deliver rows of several times"
        )


def _clock(frame: pd.DataFrame, spec: ModelSpec, edges: Counts) -> Clock:
    otherwise: Clock = "delivered" if spec.time is None else "time"
    arrived = frame[ARRIVED].max() - frame[ARRIVED].min()
    least = _BULK if spec.time is None else _BULK_SHARE * (frame[spec.time].max() - frame[spec.time].min())
    if arrived < least:
        return otherwise
    # A window without rows arrives with the one before it: that says nothing of how the others did.
    gaps = np.diff(_moments(frame, spec, edges, "arrivals"))[np.diff(edges) > 0]
    return "arrivals" if np.median(gaps) > 0 else otherwise


def _a_day_each(end: pd.Timestamp, edges: Counts, rows: int) -> "pd.Series[pd.Timestamp]":
    """Moments of rows of which only the order is known: each window is a day, its rows evenly spread over it; the last ends at `end`."""
    days = np.interp(np.arange(rows), edges, np.arange(len(edges))) - (len(edges) - 1)
    return pd.Series(end + pd.to_timedelta(days * 86_400e9, unit="ns").floor("us"))


def _edges(frame: pd.DataFrame, spec: ModelSpec, asked: Replay) -> tuple[Counts, str]:
    """Where windows begin and the last ends, and how long one is. What is left after the last whole one is in none."""
    size = asked.window
    if size is None:
        rows = max(spec.monitoring.minimum_rows, len(frame) // USUAL_WINDOWS)
        size = Span(max(1, rows), "rows")
    if size.unit == "rows":
        edges = np.arange(0, len(frame) + 1, size.count, dtype=np.int64)
    elif size.unit == "batches":
        edges = _by_batch(frame, size.count)
    elif spec.time is None and frame[ARRIVED].nunique() < 2:
        only = f"{spec.model}: of its rows only the order is known, so they cannot be cut by time"
        raise ModelOwnerError(f"{only}; cut by rows, such as --window 500rows")
    else:
        edges = _by_span(frame[ARRIVED if spec.time is None else spec.time], size.time)
    needed = asked.history + _FEWEST_WINDOWS
    if len(edges) - 1 < needed:
        raise NoData(
            f"{spec.model}: {len(frame)} accepted rows are {max(0, len(edges) - 1)} windows of {said(str(size))}; a replay whose models "
            f"learn from {asked.history} windows needs {needed} at least, and 40 to say much. Take smaller windows (--window), less "
            "history (--history), or wait for more data"
        )
    return edges, str(size)


def _by_batch(frame: pd.DataFrame, count: int) -> Counts:
    """By the batch's place among all, in the order in which they stand here."""
    places = pd.factorize(frame[BATCH])[0]
    if (np.diff(places) < 0).any():
        raise ModelOwnerError(
            "the rows of several batches overlap in time, so that batches are no windows; cut by rows or by time, such as --window 7d"
        )
    batches = int(places[-1]) + 1 if len(places) else 0
    whole = batches // count * count
    return np.searchsorted(places, np.arange(0, whole + 1, count)).astype(np.int64)


def _by_span(times: "pd.Series[pd.Timestamp]", span: timedelta) -> Counts:
    """Spans since the first row's; the last is kept if it has at least half as many rows as is usual."""
    moments = times.to_numpy(dtype="datetime64[ns]").astype(np.int64)
    if not len(moments):
        return np.zeros(1, dtype=np.int64)
    codes = (moments - moments.min()) // int(span / timedelta(microseconds=1) * 1000)
    count = int(codes.max()) + 1
    if count > 100_000:
        raise ModelOwnerError(f"the history has {count} windows of such a length; take longer ones")
    if (np.diff(codes) < 0).any():
        raise ModelOwnerError("the rows did not arrive in the order of their batches; declare `time`, or cut by rows")
    edges = np.searchsorted(codes, np.arange(count + 1)).astype(np.int64)
    sizes = np.diff(edges)
    return edges[:-1] if count > 1 and 2 * sizes[-1] < np.median(sizes) else edges


def _labelled(frame: pd.DataFrame, spec: ModelSpec) -> tuple[Flags, int]:
    found = has_label(frame[spec.target], spec).to_numpy(dtype=bool)
    if spec.task != "binary":
        return found, 0
    texts = frame[spec.target].astype("string").str.strip()
    positive = label_text(spec.positive)
    others = texts[found & (texts != positive).to_numpy(dtype=bool, na_value=False)].value_counts()
    if not (texts == positive).any():
        raise ModelOwnerError(
            f"{spec.model}: positive: {positive!r} is not among the values of {spec.target!r}: {', '.join(map(repr, others.index[:5]))}"
        )
    two = texts.isin([positive, *others.index[:1]]).to_numpy(dtype=bool, na_value=False)
    return found & two, int((found & ~two).sum())


def _moments(frame: pd.DataFrame, spec: ModelSpec, edges: Counts, clock: Clock) -> Counts:
    """By arrivals: when the rows before a window were there. By time: when its first row happened."""
    column = frame[spec.time] if clock == "time" else frame[ARRIVED]
    ns = column.to_numpy(dtype="datetime64[ns]").astype(np.int64)
    if clock == "time":
        found = ns[np.minimum(edges, len(ns) - 1)]
        found[-1] = ns[edges[-1] - 1]
    else:
        found = _ends(ns, edges)
    return np.asarray(np.maximum.accumulate(found))


def _ends(arrived: Counts, edges: Counts) -> Counts:
    """When each window had arrived, and before them the first row: single rows that came after the next one began make none late."""
    found = [arrived[0]]
    for start, end, after in zip(edges, edges[1:], [*edges[2:], edges[-1]], strict=False):
        own, following = np.sort(arrived[start:end]), np.sort(arrived[end:after])
        if not len(own):
            found.append(found[-1])
            continue
        usual = own[int(_ARRIVED * (len(own) - 1))]
        limit = max(usual, following[int((1 - _ARRIVED) * len(following))]) if len(following) else own[-1]
        found.append(own[np.searchsorted(own, limit, side="right") - 1])
    return np.array(found, dtype=np.int64)


def _known(
    table: AcceptedTable, frame: pd.DataFrame, spec: ModelSpec, asked: Replay, *, clock: Clock, edges: Counts, moments: Counts
) -> Counts:
    """When each label was known and final: it had arrived, and its row was old enough; `_NEVER` where it is not yet."""
    codes = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    if asked.label_delay is not None and asked.label_delay.unit == "windows":
        return np.asarray(moments[np.minimum(codes + 1 + asked.label_delay.count, len(moments) - 1)])
    delay = spec.label_delay if asked.label_delay is None else asked.label_delay.time
    arrived = frame[ARRIVED].to_numpy(dtype="datetime64[ns]").astype(np.int64)
    happened = arrived if spec.time is None else frame[spec.time].to_numpy(dtype="datetime64[ns]").astype(np.int64)
    wait = 0 if delay is None else int(delay / timedelta(microseconds=1)) * 1000
    final: Counts = happened + wait
    if clock == "delivered":
        return final
    if spec.time is None and arrived.max() - arrived.min() < wait:
        raise ModelOwnerError(
            f"{spec.model}: labels are final {delay} after a row's arrival, but all rows arrived within less, so no label of the history "
            "was ever final; declare `time`, or say how late labels come with --label-delay 2windows"
        )
    came = _label_arrivals(table, frame, spec, arrived)
    if delay is None:  # every label is final when it comes, also that of a row whose time is still to come
        return final if clock == "time" else came
    known = final if clock == "time" else np.maximum(final, came)
    return np.where(known > came.max(), _NEVER, known)  # not final yet when the newest row or label came: nobody may judge by it


def _label_arrivals(table: AcceptedTable, frame: pd.DataFrame, spec: ModelSpec, arrived: Counts) -> Counts:
    """When the label arrived: with the row, or later by itself."""
    if spec.id is None or table.labels.version() is None:
        return arrived
    delivered = table.read_columns([spec.id, spec.target], version=int(table.version() or 0)).to_pandas()
    without = delivered.loc[delivered[spec.target].isna(), spec.id].astype("string")
    late = table.labels.arrived(without)
    found = frame[spec.id].astype("string").map(late).to_numpy(dtype="datetime64[ns]")
    came_late = ~np.isnat(found) & frame[spec.id].astype("string").isin(without).to_numpy(dtype=bool, na_value=False)
    return np.asarray(np.where(came_late, np.maximum(found.astype(np.int64), arrived), arrived))


def drawn(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each row, by a hash of its keys: the same at each call."""
    return np.asarray(pd.util.hash_pandas_object(frame[[BATCH, ROW]], index=False).to_numpy() / 2.0**64)


def _sampled(accepted: Accepted, share: float) -> Accepted:
    """A share of each window's rows."""
    if share >= 1:
        return accepted
    kept = drawn(accepted.frame) < share
    codes = accepted.codes[kept]
    return Accepted(
        frame=accepted.frame[kept].reset_index(drop=True),
        edges=np.searchsorted(codes, np.arange(accepted.windows + 1)).astype(np.int64),
        moments=accepted.moments,
        known=accepted.known[kept],
        labelled=accepted.labelled[kept],
        clock=accepted.clock,
        left_out=accepted.left_out,
        strange=accepted.strange,
        version=accepted.version,
        size=accepted.size,
        share=share,
    )
