"""Probabilities that mean what they say: fitted on predictions for rows that their models had not seen."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit, softmax
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from ml.spec import ModelSpec

MINIMUM_OF_CLASS = 20
"""With fewer rows of a class, or of all others, nothing that belongs to this class alone is fitted: it would be chance."""
_PARTS = 5
_CLIP = 1e-9
"""Probabilities of 0 and 1 have no logit: they are taken as so much away from it."""
_NOISE = 2.0
"""Standard errors by which a calibration must lower the log loss to be taken."""

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[Any]


class Curve(BaseModel):
    """A rising line through points: from a probability to a calibrated one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    x: tuple[float, ...]
    y: tuple[float, ...]


class Calibration(BaseModel):
    """How probabilities are changed; JSON-able.

    sigmoid: logit p' = slope · logit p + intercept for the second class of two (Platt, "Probabilistic outputs for support vector
    machines", 1999). temperature: p' = softmax(slope · log p), its counterpart for several classes, which never changes the likeliest one
    (Guo et al., "On calibration of modern neural networks", 2017). isotonic: a curve for each class against the rest, then divided by
    their sum (Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability estimates", 2002).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["none", "sigmoid", "temperature", "isotonic"] = "none"
    slope: float = 1.0
    intercept: float = 0.0
    curves: dict[str, Curve] = {}
    """By class; of two classes for the second one only."""


def apply(calibration: Calibration, probabilities: Floats, *, classes: list[str]) -> Floats:
    """Rows x classes, calibrated; each row's sum stays 1. A class without a curve keeps its probability before the division."""
    if calibration.method == "none":
        return probabilities
    if calibration.method == "temperature":
        return np.asarray(softmax(calibration.slope * np.log(np.clip(probabilities, _CLIP, 1.0)), axis=1))
    if calibration.method == "sigmoid":
        return _pair(np.asarray(expit(calibration.slope * _logit(probabilities[:, 1]) + calibration.intercept)))
    if len(classes) == 2 and (curve := calibration.curves.get(classes[1])) is not None:
        return _pair(np.interp(probabilities[:, 1], curve.x, curve.y))
    found = probabilities.copy()
    for place, name in enumerate(classes):
        if name in calibration.curves:
            found[:, place] = np.interp(found[:, place], calibration.curves[name].x, calibration.curves[name].y)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def choose(spec: ModelSpec, truth: Texts, probabilities: Floats, classes: list[str]) -> tuple[Calibration, str]:
    """The calibration that the declaration asks for, and a sentence that says why.

    auto takes one if it lowers the log loss, cross-fitted on these rows, by more than two standard errors of the rows' differences.
    isotonic must do so against sigmoid or temperature, and is not tried for roc_auc: its steps make ties, which cost order.

    Args:
        spec: The declaration.
        truth: What happened, as text.
        probabilities: Rows x classes, for rows that the models had not seen.
        classes: The columns' classes, sorted.
    """
    smooth: _Method = _fit_sigmoid if spec.task == "binary" else _fit_temperature
    methods: dict[str, _Method] = {"sigmoid": smooth, "isotonic": _fit_isotonic}
    asked = spec.training.calibration
    if asked == "none":
        return Calibration(), "Not calibrated, as declared."
    if asked != "auto":
        made = methods[asked](truth, probabilities, classes)
        return made, f"Calibrated by {made.method}, as declared." if made.method != "none" else f"Not calibrated: {asked} has no sane fit."
    if spec.metric == "roc_auc":
        del methods["isotonic"]
    return _best(methods, truth, probabilities, classes, seed=spec.training.seed)


_Method = Callable[[Texts, Floats, list[str]], Calibration]


def _best(methods: dict[str, _Method], truth: Texts, probabilities: Floats, classes: list[str], *, seed: int) -> tuple[Calibration, str]:
    before = losses = _losses(truth, probabilities, classes)
    made = Calibration()
    for method in methods.values():
        tried = _held_out_losses(method, truth, probabilities, classes, seed=seed)
        saved = losses - tried
        if saved.mean() > _NOISE * saved.std() / np.sqrt(len(saved)):
            made, losses = method(truth, probabilities, classes), tried
    if made.method == "none":
        return made, "Not calibrated: that would not lower the log loss of held-out rows by more than noise."
    return made, f"Calibrated by {made.method}: log loss of held-out rows {before.mean():.4f} before, {losses.mean():.4f} after."


def _fit_sigmoid(truth: Texts, probabilities: Floats, classes: list[str]) -> Calibration:
    """None where it would turn the order round."""
    fitted = LogisticRegression(C=np.inf).fit(_logit(probabilities[:, 1])[:, None], truth == classes[1])
    slope = float(fitted.coef_[0, 0])
    return Calibration(method="sigmoid", slope=slope, intercept=float(fitted.intercept_[0])) if slope > 0 else Calibration()


def _fit_temperature(truth: Texts, probabilities: Floats, classes: list[str]) -> Calibration:
    def loss(log_slope: float) -> float:
        tried = Calibration(method="temperature", slope=float(np.exp(log_slope)))
        return float(_losses(truth, apply(tried, probabilities, classes=classes), classes).mean())

    best = minimize_scalar(loss, bounds=(-5.0, 5.0), method="bounded")
    return Calibration(method="temperature", slope=float(np.exp(best.x)))


def _fit_isotonic(truth: Texts, probabilities: Floats, classes: list[str]) -> Calibration:
    """Never 0 or 1: what n rows have never shown may have a chance of one in n + 2. A class of few rows gets no curve."""
    least = 1 / (len(truth) + 2)
    curves = {}
    for place in [1] if len(classes) == 2 else range(len(classes)):
        happened = truth == classes[place]
        if min(happened.sum(), (~happened).sum()) >= MINIMUM_OF_CLASS / 2:
            line = IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip").fit(probabilities[:, place], happened)
            curves[classes[place]] = Curve(x=tuple(line.X_thresholds_.tolist()), y=tuple(line.y_thresholds_.tolist()))
    return Calibration(method="isotonic", curves=curves) if curves else Calibration()


def _held_out_losses(method: _Method, truth: Texts, probabilities: Floats, classes: list[str], *, seed: int) -> Floats:
    """The log loss of each row by a calibration that was fitted without its fifth of the rows."""
    losses = np.empty(len(truth))
    for train, held_out in KFold(_PARTS, shuffle=True, random_state=seed).split(probabilities):
        made = method(truth[train], probabilities[train], classes)
        losses[held_out] = _losses(truth[held_out], apply(made, probabilities[held_out], classes=classes), classes)
    return losses


def _losses(truth: Texts, probabilities: Floats, classes: list[str]) -> Floats:
    """The log loss of each row; a class that no model knew had probability 0."""
    places = {name: place for place, name in enumerate(classes)}
    place = np.array([places.get(name, -1) for name in truth])
    of_truth = np.where(place < 0, 0.0, probabilities[np.arange(len(truth)), place])
    return np.asarray(-np.log(np.clip(of_truth, _CLIP, 1.0)))


def _logit(chance: Floats) -> Floats:
    return np.asarray(logit(np.clip(chance, _CLIP, 1 - _CLIP)))


def _pair(chance: Floats) -> Floats:
    return np.column_stack([1 - chance, chance])
