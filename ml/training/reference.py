"""What the tested model said of the test rows: the honest yardstick for what its refitted twin says later.

The promoted model is fitted on all rows, so its own words about any of them are surer than its words about new ones.
"""

import numpy as np
import pandas as pd

from ml.data.table import BATCH, ROW
from ml.registry import frames
from ml.settings import Settings
from ml.state.records import Training
from ml.training.dataset import row_keys
from ml.training.evaluation import Predicted

_NAME = "test_predictions"
_PROBABILITY = "probability of "


def save(settings: Settings, model: str, *, rows: pd.DataFrame, predicted: Predicted, mlflow_run: str) -> None:
    """Keeps predictions beside the training's MLflow run, under the rows' keys."""
    frame = rows[[BATCH, ROW]].reset_index(drop=True)
    frame["value"] = predicted.values
    if predicted.probabilities is not None:
        named = predicted.probabilities.reset_index(drop=True).add_prefix(_PROBABILITY)
        frame = pd.concat([frame, named], axis=1)
    frames.save(settings, model, frame, mlflow_run=mlflow_run, name=_NAME)


def load(settings: Settings, training: Training, rows: pd.DataFrame) -> Predicted | None:
    """What was said of these rows, in their order; None where it was not kept, or not for each of them."""
    kept = frames.load(settings, training.model, mlflow_run=str(training.mlflow_run), name=_NAME)
    if kept is None:
        return None
    places = pd.Index(row_keys(kept)).get_indexer(pd.Index(row_keys(rows)))
    if (places < 0).any():
        return None
    found = kept.iloc[places].reset_index(drop=True)
    named = [name for name in found.columns if name.startswith(_PROBABILITY)]
    probabilities = found[named].rename(columns=lambda name: name.removeprefix(_PROBABILITY)) if named else None
    return Predicted(np.asarray(found["value"]), probabilities)
