"""What the tested model said of the test rows: the honest yardstick for what its refitted twin says later.

The promoted model is fitted on all rows, so its own words about any of them are surer than its words about new ones.
"""

import io

import numpy as np
import pandas as pd

from ml.data.table import BATCH, ROW
from ml.registry import files
from ml.settings import Settings
from ml.state.records import Training
from ml.training.dataset import row_keys
from ml.training.evaluation import Predicted

FILE = "test_predictions.parquet"
_PROBABILITY = "probability of "


def content(rows: pd.DataFrame, predicted: Predicted) -> bytes:
    """The parquet file of predictions under the rows' keys."""
    frame = rows[[BATCH, ROW]].reset_index(drop=True)
    frame["value"] = predicted.values
    if predicted.probabilities is not None:
        named = predicted.probabilities.reset_index(drop=True).add_prefix(_PROBABILITY)
        frame = pd.concat([frame, named], axis=1)
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def load(settings: Settings, training: Training, rows: pd.DataFrame) -> Predicted | None:
    """What was said of these rows, in their order; None where it was not kept, or not for each of them."""
    kept = files.load(settings, training.model, mlflow_run=str(training.mlflow_run), name=FILE)
    if kept is None:
        return None
    frame = pd.read_parquet(io.BytesIO(kept))
    places = pd.Index(row_keys(frame)).get_indexer(pd.Index(row_keys(rows)))
    if (places < 0).any():
        return None
    found = frame.iloc[places].reset_index(drop=True)
    named = [name for name in found.columns if name.startswith(_PROBABILITY)]
    probabilities = found[named].rename(columns=lambda name: name.removeprefix(_PROBABILITY)) if named else None
    return Predicted(np.asarray(found["value"]), probabilities)
