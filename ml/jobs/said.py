"""What the champion and its tested twin said of a window's rows, and what of it is compared."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.casting import label_text
from ml.data.table import AcceptedTable
from ml.spec import ModelSpec
from ml.state.records import Window
from ml.training.evaluation import Predicted, predict

PIECE_CELLS = 16_000_000
"""Values that are scored at a time: as 64-bit floats 128 MB."""
_TEXT_CELLS = 100
"""A text weighs as much as so many numbers: about 750 letters."""


def of_window(champion: Any, table: AcceptedTable, window: Window, *, spec: ModelSpec) -> Predicted:
    """The champion's predictions for the window's rows, in their order. Memory: a piece of the rows at a time."""
    return of_window_by([champion], table, window, spec=spec)[0]


def of_window_by(models: Sequence[Any], table: AcceptedTable, window: Window, *, spec: ModelSpec) -> list[Predicted]:
    """The predictions of each of the models, at least one: rows are read once for all."""
    versions = {"version": window.end_version, "after_version": window.start_version}
    pieces = table.pieces(spec.features.used, **versions, rows=piece_rows(spec))
    said = [[predict(model, piece, task=spec.task) for model in models] for piece in pieces]
    return [joined(list(of)) for of in zip(*said, strict=True)]


def of_places(model: Any, table: AcceptedTable, places: npt.NDArray[np.int64], spec: ModelSpec, *, version: int) -> Predicted:
    """A model's predictions for accepted rows of a version, by their positions (`PLACE`), ascending. Memory: a piece at a time."""
    start, after = 0, -1
    for batch in table.batches(version=version):  # of old batches without such a row nothing is read
        if start + batch.rows > places[0]:
            break
        start, after = start + batch.rows, batch.version
    said = []
    for piece in table.pieces(spec.features.used, version=version, after_version=after, rows=piece_rows(spec)):
        first, end = np.searchsorted(places, [start, start + len(piece)])
        if end > first:
            said.append(predict(model, piece.iloc[places[first:end] - start].reset_index(drop=True), task=spec.task))
        start += len(piece)
    return joined(said)


def piece_rows(spec: ModelSpec) -> int:
    """How many rows are scored at a time; at least 1,000."""
    cells = len(spec.features.used) + (_TEXT_CELLS - 1) * len(spec.features.text)
    return max(1000, PIECE_CELLS // max(cells, 1))


def joined(parts: list[Predicted]) -> Predicted:
    """The predictions of several frames as of one; at least one."""
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    return Predicted(
        np.concatenate([part.values for part in parts]), pd.concat(probabilities, ignore_index=True) if probabilities else None
    )


def taken(said: Predicted, rows: npt.NDArray[Any]) -> Predicted:
    """The predictions of some rows, by position or by a mask."""
    return Predicted(said.values[rows], None if said.probabilities is None else said.probabilities.iloc[rows])


def probability(spec: ModelSpec, said: Predicted) -> pd.Series | None:
    """The probability of a binary model's positive class, where there is one."""
    positive = label_text(spec.positive)
    if spec.task != "binary" or said.probabilities is None or positive not in said.probabilities:
        return None
    return said.probabilities[positive]


def compared_prediction(spec: ModelSpec, said: Predicted) -> pd.Series:
    """What is compared: the positive class's probability where there is one, else numbers or labels."""
    found = probability(spec, said)
    return pd.Series(said.values if found is None else found.to_numpy())
