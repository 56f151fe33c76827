"""All rows of the time that a training learnt from, labelled or not: what a window, which holds all of its rows, is compared with.

Labelled rows alone are another population where labels do not come by chance (defaults are known early), and lack the newest rows where
labels take time. Both would be drift by construction.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.table import PLACE, AcceptedTable
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.training.split import Positions, drawn_beside

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Span:
    """Accepted rows from the oldest that a training learnt from up to its dataset version, in table order.

    Args:
        keys: `_batch`, `_row`, `_arrived_at`, `PLACE`, and time and group where declared.
        labelled: Positions of the rows that the training learnt from or was tested on, in the order of `used`.
        held_out: Positions of rows that the tested model was not fitted on, labelled or not in the same proportion as all.
    """

    keys: pd.DataFrame
    labelled: Positions
    held_out: Positions


def spanned(settings: Settings, spec: ModelSpec, used: pd.DataFrame, *, test: Positions, version: int) -> Span:
    """The span of the rows that a training used.

    Args:
        settings: Where the tables are.
        spec: The declaration of the training.
        used: Its rows (`ml.training.dataset.labelled`, with `PLACE`), at least one.
        test: Which of them judged it (`ml.training.split.split`).
        version: Its dataset version.
    """
    table = AcceptedTable.of(settings, spec.model, spec)
    if table.count(version=version) == len(used):
        return Span(used, np.arange(len(used), dtype=np.int64), test)
    rows = table.read(version=version, columns=[*(name for name in (spec.time, spec.group) if name is not None), PLACE])
    others = rows[~rows[PLACE].isin(used[PLACE])]
    others = others[_is_within(others, used, spec)].reset_index(drop=True)
    held_out = np.concatenate([np.isin(np.arange(len(used)), test), _is_held_out(others, used, test, spec)])
    keys = pd.concat([used[rows.columns], others], ignore_index=True)
    order = np.argsort(keys[PLACE].to_numpy(), kind="stable")
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return Span(keys.iloc[order].reset_index(drop=True), places[: len(used)], np.sort(places[held_out]))


def _is_within(others: pd.DataFrame, used: pd.DataFrame, spec: ModelSpec) -> Mask:
    """Which of the other rows are no older than the oldest that was used."""
    if spec.time is None:
        return np.asarray(others[PLACE] >= used[PLACE].min(), dtype=bool)
    oldest = bool(used[spec.time].isna().any()) or spec.training.history_rows is None
    found = (others[spec.time] >= used[spec.time].min()) | (others[spec.time].isna() & oldest)
    return np.asarray(found, dtype=bool)


def _is_held_out(others: pd.DataFrame, used: pd.DataFrame, test: Positions, spec: ModelSpec) -> Mask:
    """Which of the other rows belong to the test rows: of their time, of their groups, or drawn likewise."""
    if spec.time is not None:
        return np.asarray(others[spec.time] >= used[spec.time].iloc[test].min(), dtype=bool)
    drawn = drawn_beside(others, spec)
    if spec.group is None:
        return drawn
    named, tested = used[spec.group].notna().to_numpy(), np.isin(np.arange(len(used)), test)
    groups = others[spec.group]
    sides = [groups.isin(used[spec.group].to_numpy()[named & side]).to_numpy() for side in (tested, ~tested)]
    return np.asarray(sides[0] | (drawn & ~sides[1]), dtype=bool)
