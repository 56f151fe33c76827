"""Confidence-based estimation of a classifier's quality on rows without labels (CBPE).

What is expected of the labels under calibrated probabilities, with an interval for the labels' own chance and for the calibration's error.
Sources: Kivimäki, Białek, Kuberski & Nurminen, arXiv 2505.05295, and the documentation of NannyML, whose authors they are.

It holds under covariate shift, as far as a probability means the same on the shifted rows, and assumes that there is no concept drift:
where the same features lead to other labels than before, no method without labels can see it. Hence `ml.monitoring.estimated.audit`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.monitoring.estimated.calibrated import OF_CLASS, Calibrated, calibrate
from ml.monitoring.estimated.expected import EXPECTED, Codes, Said
from ml.monitoring.estimated.values import CONFIDENCE, Estimate, Estimated, with_interval, without_value
from ml.spec.rules import METRICS

FEWEST_ROWS = 30
"""With fewer rows in a window its metrics are mostly chance, and normal intervals do not hold."""
FEWEST_REFERENCE_ROWS = 100
FEWEST_EXPECTED = 5
"""Of two classes each must be expected so often, or ROC AUC, balanced accuracy and F1 hang on single rows."""
_OF_BOTH = frozenset({"roc_auc", "balanced_accuracy", "f1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What a classifier said of rows: `said` the predicted class's text, `probabilities` rows x `classes`, or None where it has none."""

    classes: tuple[str, ...]
    said: Sequence[str] | npt.NDArray[Any]
    probabilities: npt.NDArray[Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """What the champion said of rows that it was not fitted on, and what happened (text).

    `units`: the number of the block of time or of the entity that a row belongs to, where rows are not independent of each other.
    """

    scores: Scores
    labels: Sequence[str] | npt.NDArray[Any]
    units: Codes | None = None


def estimate(reference: Labelled | None, window: Scores, *, positive: str | None, confidence: float = CONFIDENCE) -> Estimated:
    """The metrics that the champion probably has on a window.

    Nothing is raised over the rows: where they do not allow an estimate, each metric says why it has none.

    Args:
        reference: The champion's test rows, as its training kept them; None where they are gone.
        window: What it said of the window's rows.
        positive: The positive class's text of two classes; None for several classes.
        confidence: How often the measured metric should fall into the interval, 0-1.
    """
    metrics = METRICS["multiclass" if positive is None else "binary"]
    rows, known = len(window.said), 0 if reference is None else len(reference.labels)
    why = _obstacle(reference, window, positive)
    if reference is None or why:
        found = tuple(without_value(metric, why) for metric in metrics)
    else:
        said = _said(window, window.classes, positive)
        happened = _places(reference.labels, window.classes)
        calibrated = calibrate(reference=_said(reference.scores, window.classes, positive), happened=happened, window=said)
        found = tuple(_estimate(metric, said, calibrated, reference.units, confidence) for metric in metrics)
    return Estimated(method="cbpe", rows=rows, reference_rows=known, confidence=confidence, metrics=found)


def _estimate(metric: str, said: Said, calibrated: Calibrated, units: Codes | None, confidence: float) -> Estimate:
    expected_rows = calibrated.q.sum(axis=0)
    if said.positive is not None and metric in _OF_BOTH and expected_rows.min() < FEWEST_EXPECTED:
        rarer = f"{expected_rows.min():.1f} rows of the rarer class are expected"
        return without_value(metric, f"{rarer}, and {FEWEST_EXPECTED} are needed")
    expected = EXPECTED[metric](said, calibrated.q)
    return with_interval(
        metric,
        expected.value,
        sampling_error=expected.spread(calibrated.q),
        model_error=calibrated.error(expected, units),
        confidence=confidence,
    )


def _obstacle(reference: Labelled | None, window: Scores, positive: str | None) -> str:
    """Why nothing can be estimated; empty where it can."""
    if window.probabilities is None:
        return "the champion gives no probabilities"
    if reference is None or reference.scores.probabilities is None:
        return "what the champion said of its test rows is not kept"
    if len(window.said) < FEWEST_ROWS:
        return f"the window has {len(window.said)} rows, and {FEWEST_ROWS} are needed"
    if len(reference.labels) < FEWEST_REFERENCE_ROWS:
        return f"the champion was tested on {len(reference.labels)} rows, and {FEWEST_REFERENCE_ROWS} are needed"
    if set(reference.scores.classes) != set(window.classes):
        return "the champion's test predictions are of other classes than its predictions now"
    for where, scores in (("test rows", reference.scores), ("window", window)):
        if faulty := int((~np.isfinite(np.asarray(scores.probabilities, dtype=float))).any(axis=1).sum()):
            return f"a probability is no number in {faulty} of {len(scores.said)} rows of the {where}"
    if positive is not None:
        return _of_two(np.asarray(reference.labels, dtype=str) == positive, window, positive)
    return "" if len(set(np.asarray(reference.labels, dtype=str))) > 1 else "the test rows are all of one class"


def _of_two(is_positive: npt.NDArray[np.bool_], window: Scores, positive: str) -> str:
    if len(window.classes) != 2 or positive not in window.classes:
        return f"the champion knows {len(window.classes)} classes, and two with {positive!r} are needed"
    rarest = int(min(is_positive.sum(), (~is_positive).sum()))
    return f"{rarest} test rows are of the rarer class, and {OF_CLASS} are needed" if rarest < OF_CLASS else ""


def _said(scores: Scores, classes: tuple[str, ...], positive: str | None) -> Said:
    order = [scores.classes.index(name) for name in classes]
    probabilities = np.asarray(scores.probabilities, dtype=float)[:, order]
    return Said(probabilities, _places(scores.said, classes), None if positive is None else classes.index(positive))


def _places(texts: Sequence[str] | npt.NDArray[Any], classes: tuple[str, ...]) -> Codes:
    """The place of each text among the classes; -1 where it is none of them."""
    names = np.asarray(classes, dtype=str)
    order = np.argsort(names)
    found = np.asarray(texts, dtype=str)
    places = order[np.minimum(np.searchsorted(names[order], found), len(names) - 1)]
    return np.where(names[places] == found, places, -1).astype(np.intp)
