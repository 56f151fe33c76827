"""The rows that a model version was fitted on: what later windows are compared with."""

from collections.abc import Sequence

import pandas as pd

from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state.records import Training
from ml.training.dataset import labelled
from ml.training.split import split


def reference_rows(settings: Settings, training: Training, spec: ModelSpec, columns: Sequence[str]) -> pd.DataFrame:
    """The train and validation part of the training's dataset version, in table order.

    Args:
        settings: Where the table is.
        training: The run that made the version.
        spec: The declaration of that run (by `training.spec_hash`), not the present one.
        columns: What to read; target, time and id where declared, and the table's keys come along.
    """
    frame = labelled(settings, spec, version=training.dataset_version, as_of=training.as_of, columns=columns)
    return frame.iloc[split(frame, spec).fitted].reset_index(drop=True)
