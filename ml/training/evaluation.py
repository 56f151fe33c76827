"""What a model predicts for rows, and how good that is."""

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.spec import LOWER_IS_BETTER, MEASURED, METRICS

Task = Literal["binary", "multiclass", "regression"]
_SMALLEST = 1e-15
"""A probability of zero for what happened counts as this one, so that the log loss stays finite."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """One prediction a row. `values` is text for classes, float64 for a regression; `probabilities` is rows x classes, or None."""

    values: npt.NDArray[Any]
    probabilities: pd.DataFrame | None


def predict(model: Any, rows: Any, *, task: Task) -> Predicted:
    """What the model says of each row, in order: its own `predict`, so that a threshold counts, beside its probabilities.

    Args:
        model: A fitted pipeline (or only its last step), finished or not. One that can `decide` from probabilities is asked for them once.
        rows: A raw frame, or the matrix that the step takes.
        task: The task.
    """
    with warnings.catch_warnings():
        # Unseen categories and missing values are not worth a warning.
        warnings.simplefilter("ignore")
        if task == "regression":
            return Predicted(np.asarray(model.predict(rows), dtype=float).ravel(), None)
        if not hasattr(model, "predict_proba"):
            return Predicted(np.asarray(model.predict(rows), dtype=object), None)
        found = np.asarray(model.predict_proba(rows), dtype=float)
        chosen = model.decide(found) if hasattr(model, "decide") else model.predict(rows)
        probabilities = pd.DataFrame(found, columns=[str(name) for name in model.classes_], index=getattr(rows, "index", None))
        return Predicted(np.asarray(chosen, dtype=object), probabilities)


def measure(
    task: Task,
    *,
    labels: Any,
    predictions: Any,
    probabilities: pd.DataFrame | pd.Series | None = None,
    positive: str | None = None,
    further: bool = False,
) -> dict[str, float]:
    """The metrics of `ml.spec.METRICS` for the task, by name; the field's names and signs.

    What these rows do not define is left out, never NaN: roc_auc where all rows are of one class, r2 where all labels are equal,
    precision where nothing was predicted positive, recall where nothing is, everything where there are no rows. `f1`, `precision` and
    `recall` are those of the positive class (binary) or the mean over the classes that happened or were predicted, 0 of one that is not
    defined (multiclass), as scikit-learn has it.

    Args:
        task: The task.
        labels: What happened: text for classes, numbers for a regression; none missing.
        predictions: What was predicted, of the same kind.
        probabilities: For classes, rows x classes with a column for each class; for binary also the positive class's alone.
        positive: The positive class's text (binary).
        further: Also those of `ml.spec.MEASURED`.
    """
    if len(labels) == 0:
        return {}
    if task == "regression":
        found = _of_numbers(np.asarray(labels, dtype=float), np.asarray(predictions, dtype=float))
    else:
        found = _of_classes(task, np.asarray(labels, dtype=str), np.asarray(predictions, dtype=str), probabilities, positive)
    wanted = (MEASURED if further else METRICS)[task]
    return {name: float(found[name]) for name in wanted if name in found and np.isfinite(found[name])}


def gain(metric: str, *, challenger: float, champion: float) -> float:
    """How much better the challenger is, in the metric's unit: positive is better, whichever way the metric points."""
    return champion - challenger if metric in LOWER_IS_BETTER else challenger - champion


def _of_numbers(labels: npt.NDArray[np.float64], predictions: npt.NDArray[np.float64]) -> dict[str, float]:
    errors = predictions - labels
    spread = float(np.square(labels - labels.mean()).sum())
    found = {"mae": float(np.abs(errors).mean()), "rmse": float(np.sqrt(np.square(errors).mean()))}
    if spread > 0:
        found["r2"] = 1 - float(np.square(errors).sum()) / spread
    return found


def _of_classes(
    task: Task,
    labels: npt.NDArray[Any],
    predictions: npt.NDArray[Any],
    probabilities: pd.DataFrame | pd.Series | None,
    positive: str | None,
) -> dict[str, float]:
    hits = labels == predictions
    found = {"accuracy": float(hits.mean()), "balanced_accuracy": float(pd.Series(hits).groupby(labels).mean().mean())}
    classes = [str(positive)] if task == "binary" else sorted({*labels, *predictions})
    found |= _of_labels(labels, predictions, classes, undefined=np.nan if task == "binary" else 0.0)
    if probabilities is None:
        return found
    if task == "binary":
        return found | _of_probability(labels == str(positive), _positive(probabilities, str(positive)))
    return found | {"log_loss": _log_loss(_of_truth(labels, probabilities))}


def _of_labels(labels: npt.NDArray[Any], predictions: npt.NDArray[Any], classes: list[str], *, undefined: float) -> dict[str, float]:
    """The means over these classes; `undefined` is the precision and the recall of one that was not predicted, or did not happen."""
    found = []
    for name in classes:
        truth, predicted = labels == name, predictions == name
        hits, happened, said = int((truth & predicted).sum()), int(truth.sum()), int(predicted.sum())
        f1 = 2 * hits / (happened + said) if happened + said else 0.0
        found.append((f1, hits / said if said else undefined, hits / happened if happened else undefined))
    return dict(zip(("f1", "precision", "recall"), np.mean(found, axis=0).tolist(), strict=True))


def _positive(probabilities: Any, positive: str) -> npt.NDArray[np.float64]:
    if isinstance(probabilities, pd.DataFrame):
        probabilities = probabilities[positive] if positive in probabilities else np.zeros(len(probabilities))
    return np.asarray(probabilities, dtype=float)


def _of_truth(labels: npt.NDArray[Any], probabilities: Any) -> npt.NDArray[np.float64]:
    """The probability that was given to what happened; 0 for a class that the model does not know."""
    places = pd.Index([str(name) for name in probabilities.columns]).get_indexer(pd.Index(labels))
    values: npt.NDArray[np.float64] = probabilities.to_numpy(dtype=float)[np.arange(len(labels)), places]
    return np.where(places < 0, 0.0, values)


def _of_probability(truth: npt.NDArray[np.bool_], probability: npt.NDArray[np.float64]) -> dict[str, float]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    found = {
        "brier": float(np.square(probability - truth).mean()),
        "log_loss": _log_loss(np.where(truth, probability, 1 - probability)),
    }
    if truth.any() and np.isfinite(probability).all():
        found["average_precision"] = float(average_precision_score(truth, probability))
        if not truth.all():
            found["roc_auc"] = float(roc_auc_score(truth, probability))
    return found


def _log_loss(of_truth: npt.NDArray[np.float64]) -> float:
    return float(-np.log(np.clip(of_truth, _SMALLEST, 1.0)).mean()) + 0.0  # a perfect one is 0, not -0
