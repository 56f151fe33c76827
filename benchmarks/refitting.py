"""A model fitted before each window of a stream, and where it is wrong in all later ones."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

HISTORY = 8
"""Windows that a model learns from."""
Wrong = npt.NDArray[np.bool_]


class Rows(Protocol):
    """Rows in order: features (rows x columns), and labels from 0."""

    @property
    def features(self) -> npt.NDArray[np.float64]: ...

    @property
    def labels(self) -> npt.NDArray[np.int64]: ...


def before_each_window(stream: Rows, make: Callable[[], Any], size: int) -> Iterator[tuple[int, Wrong]]:
    """Window → where the model that learnt from the `HISTORY` windows before it is wrong, from it on (windows x rows)."""
    windows = len(stream.labels) // size
    for window in range(HISTORY, windows):
        learnt, later = slice((window - HISTORY) * size, window * size), slice(window * size, windows * size)
        yield window, wrong(stream, make, learnt, later).reshape(-1, size)


def wrong(stream: Rows, make: Callable[[], Any], learnt: slice, judged: slice) -> Wrong:
    """Where a model that learnt from some rows is wrong in others; of rows of one class it learns to say that."""
    classes, labels = np.unique(stream.labels[learnt], return_inverse=True)
    if len(classes) == 1:
        return np.asarray(stream.labels[judged] != classes[0])
    model = make().fit(stream.features[learnt], labels)
    return np.asarray(classes[np.asarray(model.predict(stream.features[judged])).astype(int)] != stream.labels[judged])
