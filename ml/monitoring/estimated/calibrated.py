"""What a classifier's probabilities really mean, learnt from rows that it had not seen and whose labels are known.

For each class a logistic regression of "it happened" on ln p, -ln(1 - p) (beta calibration: Kull, Silva Filho & Flach, AISTATS 2017) and
on whether the class was predicted. The last one makes the expected confusion matrix of the reference equal to the counted one, also where
the curve does not fit. A standard normal prior around "as the model says" keeps few rows, or perfect ones, from extremes.

Isotonic regression on 300 rows overrated F1 and ROC AUC more (its steps follow the noise), and has no standard error in closed form.
The reference is not weighted by a density ratio (Białek, Kivimäki, Kuberski & Perrakis, arXiv 2401.08348): in a first trial that won
nothing that could be told from noise. `benchmarks.estimated_quality` does not measure it.
"""

from dataclasses import dataclass

import numpy as np

from ml.monitoring.estimated.expected import Codes, Expectation, Floats, Said

OF_CLASS = 20
"""Classes with fewer reference rows share one curve; of two classes each must have as many."""
_AS_SAID = np.array([1.0, 1.0, 0.0, 0.0])
"""Slopes of ln p and -ln(1 - p), step where the class was predicted, intercept: these change nothing."""
_STEPS, _HALVINGS, _TOLERANCE = 50, 20, 1e-10


@dataclass(frozen=True, slots=True)
class _Curve:
    """`places`: the classes that it serves. `inverse`: of the information about its four weights."""

    places: Codes
    weights: Floats
    inverse: Floats
    residuals: Floats
    """Reference rows x places: what happened, less what the curve says."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The calibrated probabilities `q` (rows x classes) of a window, and what is needed for their error."""

    q: Floats
    reference: Said
    window: Said
    curves: tuple[_Curve, ...]
    single: Floats
    """Window rows x classes, each by its own curve, not yet divided by their sum."""
    least: float

    def error(self, expected: Expectation, units: Codes | None = None) -> float:
        """The standard error that calibrating on few rows leaves in an expected metric.

        Delta method with the robust (sandwich) variance of the curves' weights; reference rows of one unit count as one.
        """
        across = expected.slopes - (expected.slopes * self.q).sum(axis=1, keepdims=True)
        if self.window.positive is None:
            inner = across / self.single.sum(axis=1, keepdims=True)
        else:  # the other class has what is left
            inner = np.zeros_like(across)
            place = self.window.positive
            inner[:, place] = expected.slopes[:, place] - expected.slopes[:, 1 - place]
        pulls = np.zeros(self.reference.rows)
        for curve in self.curves:
            seen, used = _features(self.window, curve.places, self.least), _features(self.reference, curve.places, self.least)
            single = self.single[:, curve.places]
            slope = np.einsum("ij,ijf->f", inner[:, curve.places] * single * (1 - single), seen)
            pulls += np.einsum("ij,ijf,f->i", curve.residuals, used, curve.inverse @ slope)
        sums = pulls if units is None else np.bincount(units, pulls)[np.bincount(units) > 0]
        return float(np.sqrt(len(sums) / max(len(sums) - 1, 1) * np.square(sums).sum()))


def calibrate(*, reference: Said, happened: Codes, window: Said) -> Calibrated:
    """The window's probabilities, calibrated on the reference.

    Args:
        reference: What the model said of rows that it was not fitted on.
        happened: The place of each reference row's true class; -1 for a class that the model does not know.
        window: What it said of rows without labels.
    """
    least = 1 / (reference.rows + 2)
    truth = np.asarray(happened[:, None] == np.arange(window.probabilities.shape[1]), dtype=float)
    curves = tuple(_fit(_features(reference, places, least), truth[:, places], places) for places in _groups(truth, window.positive))
    single = np.empty_like(window.probabilities)
    for curve in curves:
        single[:, curve.places] = _logistic(_features(window, curve.places, least) @ curve.weights)
    if window.positive is None:
        q = single / single.sum(axis=1, keepdims=True)
    else:
        single[:, 1 - window.positive] = 1 - single[:, window.positive]
        q = single
    return Calibrated(q, reference, window, curves, single, least)


def _groups(truth: Floats, positive: int | None) -> list[Codes]:
    """The classes that share a curve: of two the positive one; else each frequent one has its own, and the rare ones share one."""
    if positive is not None:
        return [np.array([positive])]
    counts = truth.sum(axis=0)
    frequent = np.minimum(counts, len(truth) - counts) >= OF_CLASS
    alone = [np.array([place]) for place in np.flatnonzero(frequent)]
    return alone if frequent.all() else [*alone, np.flatnonzero(~frequent)]


def _features(said: Said, places: Codes, least: float) -> Floats:
    """Rows x places x 4; probabilities nearer to 0 or 1 than `least` could not be told from it by the reference."""
    chance = np.clip(said.probabilities[:, places], least, 1 - least)
    return np.stack([np.log(chance), -np.log1p(-chance), said.hits[:, places], np.ones_like(chance)], axis=2)


def _fit(features: Floats, truth: Floats, places: Codes) -> _Curve:
    """The most probable weights, by Newton's method with halved steps; the penalised likelihood has one maximum."""
    rows, target = features.reshape(-1, 4), truth.ravel()
    weights: Floats = _AS_SAID
    loss = _loss(rows, target, weights)
    for _ in range(_STEPS):
        chance = _logistic(rows @ weights)
        gradient = rows.T @ (chance - target) + (weights - _AS_SAID)
        step = np.linalg.solve(_information(rows, chance), gradient)
        for _ in range(_HALVINGS):
            tried = _loss(rows, target, weights - step)
            if tried <= loss:
                break
            step = step / 2
        saved = loss - tried
        weights, loss = weights - step, tried
        if saved < _TOLERANCE * (1 + abs(loss)):
            break
    chance = _logistic(rows @ weights)
    inverse = np.asarray(np.linalg.inv(_information(rows, chance)), dtype=float)
    return _Curve(places, weights, inverse, (target - chance).reshape(truth.shape))


def _information(rows: Floats, chance: Floats) -> Floats:
    found: Floats = (rows * (chance * (1 - chance))[:, None]).T @ rows + np.eye(4)
    return found


def _loss(rows: Floats, target: Floats, weights: Floats) -> float:
    level = rows @ weights
    return float((np.logaddexp(0, level) - target * level).sum() + np.square(weights - _AS_SAID).sum() / 2)


def _logistic(level: Floats) -> Floats:
    from scipy.special import expit

    return np.asarray(expit(level))
