"""What can be said without looking at any feature: the least that a first model must beat."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.spec import ModelSpec
from ml.training.evaluation import Predicted


def predictions(spec: ModelSpec, development: pd.DataFrame, test: pd.DataFrame) -> dict[str, Predicted]:
    """What each baseline says of the test rows, by its name.

    `majority` says the most frequent class of the development rows and their shares as probabilities, `mean` (`median` for mae) their mean.
    Where `time` is declared there is also `last value`, the newest of their labels.
    """
    known = development[spec.target]
    if spec.task == "regression":
        name, value = ("median", known.median()) if spec.metric == "mae" else ("mean", known.mean())
        found = {name: Predicted(np.full(len(test), float(value)), None)}
    else:
        shares = known.value_counts(normalize=True).sort_index()
        found = {"majority": _always(str(shares.idxmax()), shares, test)}
    if spec.time is not None:
        newest = known.iloc[_newest(development[spec.time])]
        if spec.task == "regression":
            found["last value"] = Predicted(np.full(len(test), float(newest)), None)
        else:
            certain = pd.Series(np.where(shares.index == newest, 1.0, 0.0), index=shares.index)
            found["last value"] = _always(str(newest), certain, test)
    return found


def _always(label: str, shares: "pd.Series[float]", test: pd.DataFrame) -> Predicted:
    repeated: npt.NDArray[np.float64] = np.tile(shares.to_numpy(dtype=float), (len(test), 1))
    probabilities = pd.DataFrame(repeated, columns=[str(name) for name in shares.index], index=test.index)
    return Predicted(np.full(len(test), label, dtype=object), probabilities)


def _newest(times: pd.Series) -> int:
    """The position of the last row of the newest time; rows without a time count as the oldest."""
    order = times.reset_index(drop=True).sort_values(kind="stable", na_position="first").index
    return int(order[-1])
