"""What is put on a fitted classifier: calibrated probabilities, and from which one on it says yes.

Both are chosen on out-of-fold predictions of the development part, once, and then also serve the model that is refitted on all rows.
"""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.metrics import confusion_matrix_at_thresholds

from ml.data.casting import label_text
from ml.spec import Costs, ModelSpec
from ml.training import calibration
from ml.training.calibration import MINIMUM_OF_CLASS, Calibration, Floats
from ml.training.evaluation import Predicted

MINIMUM_ROWS = 100
"""With fewer out-of-fold rows nothing is chosen: it would be chance."""


class Finishing(BaseModel):
    """Calibration and threshold, JSON-able."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calibration: Calibration = Calibration()
    threshold: float | None = None
    """A binary model says yes from this (calibrated) probability of the positive class on; None: not binary, or no probabilities."""
    sentence: str = ""
    """What was chosen, and why."""


class FinishedClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A fitted classifier with its finishing: what is saved, served and judged.

    scikit-learn's FixedThresholdClassifier would predict twice to give label and probability, and its CalibratedClassifierCV calibrates
    only on rows that it predicts itself.

    Args:
        estimator: The fitted pipeline.
        finishing: `Finishing` as a dict of plain values, so that it is saved as such.
        positive: The positive class's text (binary).
    """

    def __init__(self, estimator: Any, finishing: dict[str, Any], positive: str | None = None) -> None:
        self.estimator = estimator
        self.finishing = finishing
        self.positive = positive

    def fit(self, rows: Any, labels: Any) -> Self:
        """Fits the pipeline again; the finishing stays."""
        self.estimator = clone(self.estimator).fit(rows, labels)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self.estimator, "classes_")

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """The labels' texts, in the order of `predict_proba`."""
        found: npt.NDArray[Any] = self.estimator.classes_
        return found

    def predict_proba(self, rows: Any) -> Floats:
        """Rows x classes, calibrated, in the order of `classes_`."""
        found = np.asarray(self.estimator.predict_proba(rows), dtype=float)
        chosen = Calibration.model_validate(self.finishing["calibration"])
        return calibration.apply(chosen, found, classes=[str(name) for name in self.classes_])

    def predict(self, rows: Any) -> npt.NDArray[Any]:
        """The label of each row, as text."""
        return self.decide(self.predict_proba(rows))

    def decide(self, probabilities: Floats) -> npt.NDArray[Any]:
        """The labels that these probabilities mean: for a binary model by the threshold, else the likeliest."""
        threshold, classes = self.finishing["threshold"], self.classes_.astype(object)
        if threshold is None:
            likeliest: npt.NDArray[Any] = classes[probabilities.argmax(axis=1)]
            return likeliest
        place = 1 if classes[1] == self.positive else 0
        chosen: npt.NDArray[Any] = classes[np.where(probabilities[:, place] >= threshold, place, 1 - place)]
        return chosen


def finish(spec: ModelSpec, labels: Any, oof: Predicted) -> Finishing:
    """The calibration and threshold that the declaration asks for, from predictions for rows that their models had not seen.

    Args:
        spec: The declaration.
        labels: What happened, as text, one for each prediction.
        oof: Out-of-fold predictions.
    """
    if spec.task == "regression":
        return Finishing(sentence="A regression has neither calibration nor threshold.")
    if oof.probabilities is None:
        return Finishing(sentence="It gives no probabilities: nothing to calibrate, no threshold to choose.")
    truth, found = np.asarray(labels, dtype=str), oof.probabilities.to_numpy(dtype=float)
    classes = [str(name) for name in oof.probabilities.columns]
    if why := _too_few(spec, truth, found):
        declared = 0.5 if spec.training.threshold == "auto" else float(spec.training.threshold)
        threshold = declared if spec.task == "binary" else None
        return Finishing(threshold=threshold, sentence=f"Nothing was chosen on out-of-fold rows: {why}.")
    chosen, said = calibration.choose(spec, truth, found, classes)
    if spec.task != "binary":
        return Finishing(calibration=chosen, sentence=said)
    positive = label_text(spec.positive)
    chance = calibration.apply(chosen, found, classes=classes)[:, classes.index(positive)]
    threshold, why = _threshold(spec, truth == positive, chance)
    return Finishing(calibration=chosen, threshold=threshold, sentence=f"{said} {why}")


def finished(pipeline: Any, spec: ModelSpec, finishing: Finishing) -> Any:
    """The fitted pipeline with its finishing on top; without probabilities (a regression, a foreign class) the pipeline itself."""
    if spec.task == "regression" or not hasattr(pipeline, "predict_proba"):
        return pipeline
    positive = None if spec.positive is None else label_text(spec.positive)
    return FinishedClassifier(pipeline, finishing.model_dump(mode="json", exclude={"sentence"}), positive)


def _too_few(spec: ModelSpec, truth: npt.NDArray[Any], probabilities: Floats) -> str:
    if len(truth) < MINIMUM_ROWS:
        return f"they are {len(truth)}, and {MINIMUM_ROWS} are needed"
    if not np.isfinite(probabilities).all():
        return "some probabilities are no numbers"
    if spec.task != "binary":
        return ""
    of_positive = int((truth == label_text(spec.positive)).sum())
    rarest = min(of_positive, len(truth) - of_positive)
    return f"{rarest} are of the rarer class, and {MINIMUM_OF_CLASS} are needed" if rarest < MINIMUM_OF_CLASS else ""


def _threshold(spec: ModelSpec, truth: npt.NDArray[np.bool_], chance: Floats) -> tuple[float, str]:
    """The threshold and why: by costs, else by the metric if it depends on one, else by f1. Of equals the one nearest to 0.5."""
    if spec.training.threshold != "auto":
        return float(spec.training.threshold), f"It says yes from {spec.training.threshold:g} on, as declared."
    _, fp, _, tp, scores = confusion_matrix_at_thresholds(truth, chance)
    # The first threshold says never yes. Each other one stands half-way to the next lower probability, where it decides the same.
    places = np.concatenate([[(1 + scores[0]) / 2], (scores + np.append(scores[1:], scores[-1])) / 2])
    worth, said = _worth(spec, truth, fp=np.append(0.0, fp), tp=np.append(0.0, tp))
    best = places[np.isclose(worth, worth.max(), rtol=1e-12, atol=0.0)]
    threshold = float(best[np.abs(best - 0.5).argmin()])
    return threshold, f"It says yes from {threshold:.4g} on, {said}."


def _worth(spec: ModelSpec, truth: npt.NDArray[np.bool_], *, fp: Floats, tp: Floats) -> tuple[Floats, str]:
    """What each threshold is worth, more is better: `fp` and `tp` are its counts of false and true positives."""
    positives, negatives = truth.sum(), (~truth).sum()
    costs: Costs | None = spec.training.costs
    if costs is not None:
        paid = costs.false_positive * fp + costs.false_negative * (positives - tp)
        return -paid, f"where errors cost least on out-of-fold rows: {paid.min() / len(truth):.4g} a row"
    metric = spec.metric if spec.metric in {"accuracy", "balanced_accuracy"} else "f1"
    worth = {
        "accuracy": (tp + negatives - fp) / len(truth),
        "balanced_accuracy": (tp / positives + 1 - fp / negatives) / 2,
        "f1": 2 * tp / (positives + tp + fp),
    }[metric]
    return worth, f"where {metric} is best on out-of-fold rows: {worth.max():.4f}"
