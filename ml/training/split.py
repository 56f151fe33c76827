"""Which rows a model is made with, and which judge it."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.table import BATCH, ROW
from ml.spec import ModelSpec

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of rows in a frame, each row in one part at most, in the frame's order.

    Candidates are tuned, compared and fitted on `development`; the chosen one is judged on `test`. A row is in neither part only where
    `time` is declared: one of an older time whose group also stands in the test part, or whose label was not final yet (`purged`).
    """

    development: Positions
    test: Positions


def split(frame: pd.DataFrame, spec: ModelSpec) -> Split:
    """Splits labelled rows by time where `time` is declared, else by group where `group` is, else by a stable draw.

    By time: the newest `test_share` is the test part; rows without a time count as the oldest. Rows of the same time stay together,
    unless the test part would then be less than half or more than twice as large as declared: then they keep the table's order.
    By group: a hash of the group's value draws it, so it keeps its part while the table grows; a row without a group is one by
    itself. By draw: within each batch and class; a row's part depends on its batch and its number in it only.

    Args:
        frame: The labelled rows, with the table's keys and the declared `time` and `group`.
        spec: The declaration.
    """
    share = spec.training.test_share
    if spec.time is not None:
        test = _newest(frame[spec.time], share)
        groups = None if spec.group is None else group_codes(frame[spec.group])
        left = ~test if groups is None else ~test & ~np.isin(groups, groups[test])
        judged = np.flatnonzero(test)
        return Split(purged(np.flatnonzero(left), judged, frame[spec.time], delay=spec.label_delay), judged)
    test = _drawn_groups(frame, spec.group, share) if spec.group is not None else _by_draw(frame, spec) < share
    return Split(np.flatnonzero(~test), np.flatnonzero(test))


def purged(rows: Positions, judged: Positions, times: pd.Series, *, delay: timedelta | None) -> Positions:
    """The rows whose label was final when the first judged row happened: a model that is put to use then could learn from no others.

    At least the older half of the rows stays, however long the delay. Rows without a time stay.

    Purging: Lopez de Prado, Advances in Financial Machine Learning (2018), chapter 7.

    Args:
        rows: Positions of older rows, to learn from.
        judged: Positions of later ones.
        times: The time of each row of the frame.
        delay: How old a row must be before its label is final.
    """
    if delay is None or not len(judged):
        return rows
    found = times.iloc[rows]
    final: npt.NDArray[np.bool_] = (found.isna() | (found + delay <= times.iloc[judged].min())).to_numpy()
    if 2 * final.sum() < len(rows):
        final = (found.rank(method="first", na_option="top") <= (len(rows) + 1) // 2).to_numpy()
    kept: Positions = rows[final]
    return kept


def group_codes(groups: pd.Series) -> Positions:
    """A number for each group, in the order of rows; rows without a group get one each."""
    codes: Positions = pd.factorize(groups)[0].astype(np.int64)
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(alone.sum())
    return codes


def by_time(times: pd.Series) -> tuple[Positions, Positions]:
    """The rows' positions from the oldest on, and where in that order a later time begins (never at 0).

    Rows without a time come first; rows of the same time keep the frame's order.
    """
    ordered = times.reset_index(drop=True).sort_values(kind="stable", na_position="first")
    ranks = pd.factorize(ordered, use_na_sentinel=False)[0]
    return ordered.index.to_numpy(dtype=np.int64), np.flatnonzero(np.diff(ranks)).astype(np.int64) + 1


def nearest(changes: Positions, place: float) -> int | None:
    """The change nearest to a place, the earlier of two; None where there is none."""
    return int(changes[np.abs(changes - place).argmin()]) if len(changes) else None


def _newest(times: pd.Series, share: float) -> npt.NDArray[np.bool_]:
    order, changes = by_time(times)
    wanted = len(order) - round(len(order) * share)
    cut = nearest(changes, wanted)
    if cut is None or not share / 2 <= (len(order) - cut) / len(order) <= 2 * share:
        cut = wanted
    found = np.zeros(len(order), dtype=bool)
    found[order[cut:]] = True
    return found


def drawn_beside(frame: pd.DataFrame, spec: ModelSpec) -> npt.NDArray[np.bool_]:
    """Which rows without a label the draw of `split` would put into the test part (`time` is not declared): by group, else singly."""
    if spec.group is not None:
        return _drawn_groups(frame, spec.group, spec.training.test_share)
    found: npt.NDArray[np.bool_] = _by_draw(frame.assign(**{spec.target: ""}), spec) < spec.training.test_share
    return found


def _drawn_groups(frame: pd.DataFrame, group: str, share: float) -> npt.NDArray[np.bool_]:
    """Whole groups; with two groups or more neither part is empty."""
    places = pd.util.hash_pandas_object(frame[group].astype(object).reset_index(drop=True), index=False).to_numpy() / 2.0**64
    alone = frame[group].isna().to_numpy()
    if alone.any():
        keys = frame.loc[alone, [BATCH, ROW]].reset_index(drop=True)
        places[alone] = pd.util.hash_pandas_object(keys, index=False).to_numpy() / 2.0**64
    found: npt.NDArray[np.bool_] = places < share
    if found.all() and len(places):
        found = places < places.max()
    return found if found.any() or not len(places) else (places == places.min()) & (places < places.max())


def _by_draw(frame: pd.DataFrame, spec: ModelSpec) -> npt.NDArray[np.float64]:
    """The place of each row in [0, 1): evenly spread over each batch and class, in an order and from a start that a hash draws."""
    keys = pd.DataFrame({BATCH: frame[BATCH].to_numpy(), "class": "" if spec.task == "regression" else frame[spec.target].to_numpy()})
    keys["draw"] = pd.util.hash_pandas_object(frame[[BATCH, ROW]].reset_index(drop=True), index=False).to_numpy()
    groups = keys.groupby([BATCH, "class"], sort=False)["draw"]
    rank = groups.rank(method="first").to_numpy() - 1
    start = pd.util.hash_pandas_object(keys[[BATCH, "class"]], index=False).to_numpy() / 2.0**64
    places: npt.NDArray[np.float64] = (rank + start) / groups.transform("size").to_numpy()
    return places
