"""Which rows a model is fitted on, which compare candidates, and which judge the winner."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.data.table import BATCH, ROW
from ml.spec import ModelSpec

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of rows in a frame, each row in one part, in the frame's order.

    Candidates are fitted on `train` and compared on `validation`; the chosen one is fitted again on both and judged on `test`.
    """

    train: Positions
    validation: Positions
    test: Positions

    @property
    def fitted(self) -> Positions:
        """The rows that the finished model has seen."""
        return np.sort(np.concatenate([self.train, self.validation]))


def split(frame: pd.DataFrame, spec: ModelSpec) -> Split:
    """Splits labelled rows by time where `time` is declared, else by a stable draw within each batch and class.

    By time: the newest `test_share` is the test part, the `validation_share` before it the validation part; rows without a time
    count as the oldest, rows of the same time keep the table's order. By draw: a row's part depends on its batch and its number
    in it only, so it keeps its part while the table grows.
    """
    places = _by_time(frame[spec.time]) if spec.time is not None else _by_draw(frame, spec)
    test = places < spec.training.test_share
    validation = ~test & (places < spec.training.test_share + spec.training.validation_share)
    return Split(np.flatnonzero(~test & ~validation), np.flatnonzero(validation), np.flatnonzero(test))


def _by_time(times: pd.Series) -> npt.NDArray[np.float64]:
    """The place of each row in [0, 1): the newest at 0."""
    order = times.reset_index(drop=True).sort_values(kind="stable", na_position="first").index.to_numpy()
    places = np.empty(len(times))
    places[order] = (len(times) - 1 - np.arange(len(times))) / max(len(times), 1)
    return places


def _by_draw(frame: pd.DataFrame, spec: ModelSpec) -> npt.NDArray[np.float64]:
    """The place of each row in [0, 1): evenly spread over each batch and class, in an order and from a start that a hash draws."""
    keys = pd.DataFrame({BATCH: frame[BATCH].to_numpy(), "class": "" if spec.task == "regression" else frame[spec.target].to_numpy()})
    keys["draw"] = pd.util.hash_pandas_object(frame[[BATCH, ROW]].reset_index(drop=True), index=False).to_numpy()
    groups = keys.groupby([BATCH, "class"], sort=False)["draw"]
    rank = groups.rank(method="first").to_numpy() - 1
    start = pd.util.hash_pandas_object(keys[[BATCH, "class"]], index=False).to_numpy() / 2.0**64
    places: npt.NDArray[np.float64] = (rank + start) / groups.transform("size").to_numpy()
    return places
