"""How much a watched champion's answers cost beside the former one's: bounded, so that `ml.training.eprocess` may bet on them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from ml.data.casting import label_text
from ml.spec import ModelSpec
from ml.training.evaluation import Predicted

Numbers = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]
_CLIP_SHARE = 0.99
_FEWEST_BLOCKS, _CORRELATED = 20, 0.1
"""A block is long enough when consecutive block means correlate less; of so many blocks at least is that known."""


class Loss(BaseModel):
    """What a wrong answer costs, in [0, 1]. Fixed before a watch starts, on the gate's test rows; follows the declared metric:

    - roc_auc: of a positive and a negative row, 1 where they are ranked wrong, 1/2 for a tie. Its mean is 1 - roc_auc.
    - brier, log_loss: half the squared distance between probabilities and what happened: the Brier score. The log loss has no bound.
    - accuracy: 0 or 1. balanced_accuracy and f1 of several classes: 1 times the class's weight, the inverse of its share. f1 of the
      positive class: a missed positive 2 - F, a false one F, where F is the former champion's f1: the slopes of f1 at that point.
    - mae: the absolute error in units of `clip`, at most 1; rmse and r2: its square.

    Attributes:
        metric: The declared metric.
        clip: In the label's unit; what only 1 % of the errors of the worse of both models exceed. None for classes.
        weights: By class, the largest is 1. A class without one weighs 1.
        block: The mean of so many consecutive values is one unit; 1 where they do not depend on each other.
    """

    model_config = ConfigDict(frozen=True)

    metric: str
    clip: float | None = Field(default=None, gt=0)
    weights: dict[str, float] = Field(default_factory=dict)
    block: int = Field(default=1, ge=1)


def loss_of(spec: ModelSpec, labels: Any, new: Predicted, old: Predicted) -> Loss:
    """The loss of a watch, from the gate's test rows; these in time order where `time` is declared, since that order gives the block."""
    found = Loss(
        metric=spec.metric, clip=_clip(labels, new, old) if spec.task == "regression" else None, weights=_weights(spec, labels, old)
    )
    if spec.time is None:
        return found
    return found.model_copy(update={"block": block_of(_values(spec, labels, new, old, found)[0])})


def differences(spec: ModelSpec, labels: Any, new: Predicted, old: Predicted, loss: Loss, *, groups: Any = None) -> Numbers:
    """The new champion's loss less the former one's, one value a unit, in [-1, 1]: positive where the new one is worse.

    A unit is a row; where `time` is declared, the mean of about `loss.block` rows; where `groups` are given, the mean of an entity's rows
    (of this call: one that comes again later counts again); of both kinds the coarser one. For roc_auc the rows are those of the rarer
    class, each against the rows of the other class that arrived about then; rows of one class only say nothing. A missing prediction is
    wholly wrong.

    Args:
        spec: Gives the task and the positive class.
        labels: What happened, in order of arrival.
        new: What the champion says of these rows.
        old: What the former champion says.
        loss: Fixed by `loss_of` before the watch started.
        groups: The entity of each row, or None.
    """
    values, rows = _values(spec, labels, new, old, loss)
    if groups is None or len(values) == 0:
        return _block_means(values, loss.block)
    codes = pd.factorize(np.asarray(groups, dtype=object)[rows])[0]
    codes = np.where(codes < 0, codes.max() + np.cumsum(codes < 0), codes)
    by_entity, by_block = _means(values, codes), _block_means(values, loss.block)
    # Entities may share what happens at a time: of both kinds of unit the coarser one is taken.
    return by_block if len(by_block) < len(by_entity) else by_entity


def block_of(values: npt.ArrayLike) -> int:
    """How many consecutive values make a block: doubled until block means hardly correlate (Law & Carson 1979), with 20 blocks at least."""
    found, block = np.asarray(values, dtype=float), 1
    while len(found) // (2 * block) >= _FEWEST_BLOCKS:
        means = _block_means(found, block)
        centred = means - means.mean()
        spread = float(np.square(centred).sum())
        correlation = float((centred[1:] * centred[:-1]).sum()) / spread if spread > 0 else 0.0
        if correlation <= _CORRELATED + 1.645 / np.sqrt(len(means)):
            break
        block *= 2
    return block


def _block_means(values: Numbers, block: int) -> Numbers:
    """Means of consecutive runs of about `block` values; fewer than that many are one run."""
    if len(values) == 0 or block == 1:
        return values
    count = max(len(values) // block, 1)
    return _means(values, np.arange(len(values)) * count // len(values))


def _means(values: Numbers, codes: npt.NDArray[Any]) -> Numbers:
    return np.asarray(np.bincount(codes, values) / np.bincount(codes))


def _clip(labels: Any, new: Predicted, old: Predicted) -> float:
    errors = np.maximum(_errors(labels, new), _errors(labels, old))
    errors = errors[np.isfinite(errors)]
    return (float(np.quantile(errors, _CLIP_SHARE)) if len(errors) else 0.0) or 1.0


def _weights(spec: ModelSpec, labels: Any, old: Predicted) -> dict[str, float]:
    if spec.metric not in {"balanced_accuracy", "f1"} or len(labels) == 0:
        return {}
    truth = _texts(labels)
    if spec.task == "binary" and spec.metric == "f1":
        positive = label_text(spec.positive)
        happened, said = truth == positive, _texts(old.values) == positive
        together = int(happened.sum() + said.sum())
        score = 2 * int((happened & said).sum()) / together if together else 0.0
        # Without any right positive the slope says nothing of false ones: then both count alike.
        score = score or 1.0
        return dict.fromkeys(sorted({*truth} - {positive}), score / (2 - score)) | {positive: 1.0}
    shares = pd.Series(truth).value_counts()
    return {str(name): float(shares.min() / share) for name, share in shares.items()}


def _values(spec: ModelSpec, labels: Any, new: Predicted, old: Predicted, loss: Loss) -> tuple[Numbers, npt.NDArray[np.intp]]:
    """The differences before they are averaged, and the row that each belongs to."""
    rows = np.arange(len(labels))
    if len(labels) == 0:
        return np.zeros(0), rows
    if spec.task == "regression":
        return _of_numbers(labels, new, loss) - _of_numbers(labels, old, loss), rows
    truth, sides = _texts(labels), (new, old)
    if loss.metric == "roc_auc":
        positive = label_text(spec.positive)
        return _of_pairs(truth == positive, *(_scores(said, positive) for said in sides))
    if loss.metric in {"brier", "log_loss"} and new.probabilities is not None and old.probabilities is not None:
        return _brier(truth, new.probabilities) - _brier(truth, old.probabilities), rows
    weights = pd.Series(truth).map(loss.weights).fillna(1.0).to_numpy(dtype=float)
    wrong = [(_texts(said.values) != truth).astype(float) for said in sides]
    return weights * (wrong[0] - wrong[1]), rows


def _of_numbers(labels: Any, said: Predicted, loss: Loss) -> Numbers:
    share = np.minimum(_errors(labels, said) / (loss.clip or 1.0), 1.0)
    share = np.where(np.isnan(share), 1.0, share)
    return share if loss.metric == "mae" else np.square(share)


def _errors(labels: Any, said: Predicted) -> Numbers:
    return np.asarray(np.abs(np.asarray(said.values, dtype=float) - np.asarray(labels, dtype=float)))


def _texts(values: Any) -> Texts:
    return np.asarray(pd.Series(np.asarray(values, dtype=object)).astype(str), dtype=object)


def _brier(truth: Texts, probabilities: pd.DataFrame) -> Numbers:
    table = probabilities.to_numpy(dtype=float)
    places = pd.Index([str(name) for name in probabilities.columns]).get_indexer(pd.Index(truth))
    of_truth = np.where(places < 0, 0.0, table[np.arange(len(places)), places])
    found = (np.square(table).sum(axis=1) - 2 * of_truth + 1) / 2
    return np.clip(np.where(np.isnan(found), 1.0, found), 0.0, 1.0)


def _scores(said: Predicted, positive: str) -> Numbers:
    if said.probabilities is None:
        return np.asarray(_texts(said.values) == positive, dtype=float)
    return said.probabilities[positive].to_numpy(dtype=float) if positive in said.probabilities else np.zeros(len(said.values))


def _of_pairs(positive: npt.NDArray[np.bool_], new: Numbers, old: Numbers) -> tuple[Numbers, npt.NDArray[np.intp]]:
    """Each row of the rarer class against its part of the other class, cut in order of arrival: every row is used once."""
    several, others = np.flatnonzero(positive), np.flatnonzero(~positive)
    rare, common = (several, others) if len(several) <= len(others) else (others, several)
    if len(rare) == 0:
        return np.zeros(0), rare
    part = np.arange(len(common)) * len(rare) // len(common)
    sign = 1.0 if rare is several else -1.0
    wrong = []
    for scores in (new, old):
        ahead = sign * (scores[rare][part] - scores[common])
        wrong.append(np.where(np.isnan(ahead), 1.0, (1 - np.sign(ahead)) / 2))
    return _means(wrong[0] - wrong[1], part), rare
