"""The declared slices of the model, looked at window by window.

They are those of `evaluation.slices`, cut as in the model card, so that one name means the same rows at the gate, in the card and here.
They are shown and raise no alarm: with each of them tested, the promised rate of false alarms would have to be shared by all.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.jobs import judged as judging
from ml.jobs import said as saying
from ml.jobs.tested_rows import HeldOutRows
from ml.monitoring import drift as drifting
from ml.monitoring.segments import Segment
from ml.spec import ModelSpec
from ml.training.assessing.slices import groups
from ml.training.evaluation import Predicted

Mask = npt.NDArray[np.bool_]
_NAME = "prediction"


def measure(
    spec: ModelSpec, *, beside: pd.DataFrame, own: int, said: Predicted, compared: Predicted, judged: pd.DataFrame, tested: HeldOutRows
) -> list[Segment]:
    """Each segment of each declared column, in the order of the model card.

    Args:
        spec: The window's declaration, with what its champion learnt.
        beside: The columns of the segments: the window's rows, then the late ones.
        own: How many of them are the window's.
        said: What the champion says of all of these rows.
        compared: What the tested model says of the window's.
        judged: The labelled ones, indexed by position.
        tested: The champion's test rows.
    """
    found = []
    for column in spec.evaluation.slices:
        now = groups(spec, column, development=tested.learnt[column], test=beside[column])
        before = groups(spec, column, development=tested.learnt[column], test=tested.segments[column])
        for value in dict.fromkeys([*before, *now]):
            sides = [masks.get(value, np.zeros(rows, dtype=bool)) for masks, rows in ((now, len(beside)), (before, len(tested.labels)))]
            found.append(_segment(spec, (column, value), sides, own=own, said=said, compared=compared, judged=judged, tested=tested))
    return found


def _segment(
    spec: ModelSpec,
    named: tuple[str, str],
    sides: list[Mask],
    *,
    own: int,
    said: Predicted,
    compared: Predicted,
    judged: pd.DataFrame,
    tested: HeldOutRows,
) -> Segment:
    now, before = sides
    least = spec.evaluation.minimum_slice_rows
    inside = judged[now[judged.index]]
    mine = saying.taken(said, inside.index.to_numpy()) if len(inside) >= least else None
    theirs = saying.taken(tested.said, before) if before.sum() >= least else None
    drift = _prediction_drift(spec, saying.taken(compared, now[:own]), theirs) if now[:own].sum() >= least else None
    return Segment(
        column=named[0],
        value=named[1],
        rows=int(now[:own].sum()),
        share=float(now[:own].mean()),
        test_share=float(before.mean()),
        labelled_rows=len(inside),
        quality=None if mine is None else judging.metrics(spec, inside["label"], mine),
        test_quality=None if theirs is None else judging.metrics(spec, pd.Series(tested.labels[before]), theirs),
        prediction_drift=None if drift is None else drift[1],
        method=None if drift is None else drift[0],
    )


def _prediction_drift(spec: ModelSpec, now: Predicted, before: Predicted | None) -> tuple[str, float] | None:
    """Method and distance of the predictions."""
    if before is None:
        return None
    window, reference = (saying.compared_prediction(spec, one) for one in (now, before))
    pin = drifting.prediction_pin(spec, _NAME, has_probability=pd.api.types.is_float_dtype(window.dtype))
    found = drifting.compare(pin, reference=drifting.profile_of(pin, reference), window=drifting.profile_of(pin, window))
    return found.method, found.value
