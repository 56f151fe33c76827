"""Champion and challenger on the same rows: how much better one is, and how far chance alone could have carried it.

One mechanism for every metric: the rows' influence values (`ml.training.influence`) are summed within units that are independent of each
other, and the spread of the sums gives the standard error (cluster-robust, Liang & Zeger 1986). A row is a unit where rows are
exchangeable; a block of consecutive rows where `time` is declared (batch means: Schmeiser 1982; t tests on few groups stay valid when the
groups differ in variance, Ibragimov & Müller 2010); all rows of an entity where `group` is.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml.spec import ModelSpec
from ml.training.evaluation import Predicted, gain
from ml.training.influence import OF_CLASSES, Linearised, Numbers, Undefined, class_codes, linearise
from ml.training.outcome import Dependence

Codes = npt.NDArray[np.intp]

MOST_BLOCKS, FEWEST_BLOCKS, BLOCK_ROWS = 20, 4, 80
"""How rows in time order are cut: into 20 blocks, into fewer where these would have under 80 rows, but into 4 at least.

A block must be long against the memory of the differences. Size of a 5 % test of equal models, differences AR(1), 4,000 simulations: with
20 blocks .055 at 2,000 rows (correlation .9), but .092 at 500 and .160 at 200; by this rule .058 and .068. More than 20 blocks would find
a gain only 3 % smaller (Schmeiser 1982: nothing is won beyond 30), with 30 the size at 500 rows is .119.
"""
_EXACT = 1e-12
"""Standard errors below this share of the gain are rounding: every unit says the same."""


@dataclass(frozen=True, slots=True)
class Units:
    """What counts once: for each row the number of its block of time and of its entity, or None where that is not declared."""

    rows: int
    blocks: Codes | None = None
    entities: Codes | None = None

    def declared(self) -> "list[Codes] | list[None]":
        """Blocks and entities, as far as there are any; else None: rows are independent."""
        return [codes for codes in (self.blocks, self.entities) if codes is not None] or [None]

    def take(self, chosen: npt.NDArray[Any]) -> "Units":
        """The units of some of the rows, by positions or by a mask."""
        rows = len(np.arange(self.rows)[chosen])
        blocks = None if self.blocks is None else self.blocks[chosen]
        return Units(rows, blocks, None if self.entities is None else self.entities[chosen])


def units(frame: pd.DataFrame, spec: ModelSpec) -> Units:
    """The units of these rows by the declared `time` and `group`.

    Rows of the same time stay in one block; rows that all have one time have no order, so each counts by itself. Rows without a time come
    first, in their order; a row without a group is its own entity.
    """
    blocks = None if spec.time is None else _blocks(frame[spec.time])
    entities = None if spec.group is None else _entities(frame[spec.group])
    return Units(len(frame), blocks, entities)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """The challenger's gain over its rival on the same rows. In the metric's unit; positive is better.

    Attributes:
        metric: One of `ml.spec.METRICS`.
        gain: None where the metric is not defined: `obstacle` says why.
        standard_error: Of the gain; 0 where all units say the same. None where the rows cannot tell: `obstacle` says why.
        degrees_of_freedom: Of the t distribution; at most units - 1, fewer where units or classes differ much in size.
        rows: Rows compared.
        units: How many of them count as independent: rows, blocks of time, or entities.
        dependence: Which of these the units are.
        obstacle: Why there is no gain or no standard error; None otherwise.
    """

    metric: str
    gain: float | None
    standard_error: float | None
    degrees_of_freedom: float | None
    rows: int
    units: int
    dependence: Dependence
    obstacle: str | None = None

    def p_better(self, margin: float = 0.0) -> float:
        """One-sided p-value of "the gain is at most `margin`": small where the challenger is better by more. 1 where nothing is known."""
        return 1.0 if self.gain is None else self._p(self.gain - margin)

    def p_worse(self, margin: float = 0.0) -> float:
        """One-sided p-value of "the gain is at least -`margin`": small where it is worse by more. 1 where nothing is known."""
        return 1.0 if self.gain is None else self._p(-self.gain - margin)

    def interval(self, confidence: float) -> tuple[float, float] | None:
        """Two-sided t interval of the gain; None where nothing is known."""
        if self.gain is None or self.standard_error is None:
            return None
        half = self._quantile((1 + confidence) / 2) * self.standard_error
        return self.gain - half, self.gain + half

    def detectable(self, level: float, power: float = 0.8) -> float | None:
        """The smallest distance beyond the margin that a test at `level` finds with probability `power`; None where nothing is known.

        By the usual approximation (quantile of the level plus that of the power) times the standard error.
        """
        if self.standard_error is None:
            return None
        return (self._quantile(1 - level) + self._quantile(power)) * self.standard_error

    def _p(self, beyond: float) -> float:
        if self.standard_error is None:
            return 1.0
        if self.standard_error <= _EXACT * abs(self.gain or 0.0):
            # All units agree to the last digit. The t test would be certain from two of them; the sign test is not.
            return 0.5**self.units if beyond > 0 else 1.0
        from scipy.special import stdtr

        return float(stdtr(self.degrees_of_freedom, -beyond / self.standard_error))

    def _quantile(self, probability: float) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(self.degrees_of_freedom, probability))


def compare(
    spec: ModelSpec, labels: Any, challenger: Predicted, champion: Predicted, of: Units, *, metric: str | None = None
) -> PairedTest:
    """The paired test on rows that neither was fitted on.

    With `time` and `group` declared both kinds of unit are tried and the one that knows less is kept.

    Args:
        spec: Gives the task, the positive class and, by default, the metric.
        labels: What happened: text for classes, numbers for a regression; in the order of the predictions.
        challenger: What the challenger says of these rows.
        champion: What its rival says.
        of: The rows' units.
        metric: Another metric of the task.
    """
    metric = metric or spec.metric
    if len(labels) != of.rows:
        raise ValueError(f"{len(labels)} labels, but units of {of.rows} rows")
    declared: list[tuple[Dependence, Codes]] = []
    if of.blocks is not None:
        declared.append(("blocks", of.blocks))
    if of.entities is not None:
        declared.append(("entities", of.entities))
    kind, count = (declared[0][0], _distinct(declared[0][1])) if declared else ("rows", of.rows)
    facts: dict[str, Any] = {"metric": metric, "rows": of.rows, "units": count, "dependence": kind}
    unknown = PairedTest(**facts, gain=None, standard_error=None, degrees_of_freedom=None)
    try:
        found, influence = _difference(metric, spec, labels, challenger, champion)
    except Undefined as why:
        return replace(unknown, obstacle=f"{metric} is not defined: {why}")
    known = replace(unknown, gain=found)
    tests = [_clustered(known, influence, codes, name) for name, codes in declared] or [_clustered(known, influence, None, "rows")]
    most = _of_classes(influence, class_codes(labels)) if metric in OF_CLASSES else math.inf
    return _least_certain([_limited(test, most) for test in tests])


def _difference(metric: str, spec: ModelSpec, labels: Any, challenger: Predicted, champion: Predicted) -> tuple[float, Numbers]:
    """The gain and each row's influence on it."""
    sides: list[Linearised] = []
    for who, predicted in (("challenger", challenger), ("rival", champion)):
        try:
            sides.append(linearise(metric, spec, labels, predicted))
        except Undefined as why:
            raise Undefined(f"{why} ({who})") from None
    sign = gain(metric, challenger=1.0, champion=0.0)
    found = gain(metric, challenger=sides[0].value, champion=sides[1].value)
    return found, sign * (sides[0].influence - sides[1].influence)


def _clustered(test: PairedTest, influence: Numbers, codes: Codes | None, kind: Dependence) -> PairedTest:
    """The standard error from the units' sums: sqrt(B/(B-1) · Σ sum²) / n.

    The degrees of freedom are those of the effective number of units (Σ rows)² / Σ rows² (Kish 1965) less one: B - 1 where all are alike.
    With B - 1 throughout, 20 entities of log-normal sizes (σ 1.2) rejected 9.2 % at a nominal 5 %; so it is 6.6 %.
    """
    sums = influence if codes is None else np.bincount(codes, influence)
    sizes = np.ones(test.rows) if codes is None else np.bincount(codes).astype(float)
    present = sizes > 0
    count = int(present.sum())
    if count < 2:
        what = {"rows": "there is one row", "blocks": "all rows have the same time", "entities": "all rows are of one entity"}[kind]
        return replace(test, units=count, dependence=kind, obstacle=f"{what}, so nothing tells the difference from chance")
    error = math.sqrt(count / (count - 1) * float(np.square(sums[present]).sum())) / test.rows
    effective = float(sizes.sum()) ** 2 / float(np.square(sizes).sum())
    return replace(test, standard_error=error, degrees_of_freedom=effective - 1, units=count, dependence=kind)


def _of_classes(influence: Numbers, codes: Codes) -> float:
    """Degrees of freedom of a sum of class means (Welch 1947, Satterthwaite 1946): about those of the class that varies most."""
    counts, variances = np.bincount(codes), np.bincount(codes, np.square(influence))
    below = float((np.square(variances) / np.maximum(counts - 1, 1)).sum())
    return float(variances.sum()) ** 2 / below if below > 0 else math.inf


def _limited(test: PairedTest, most: float) -> PairedTest:
    known = test.degrees_of_freedom
    return test if known is None else replace(test, degrees_of_freedom=min(known, most))


def _least_certain(tests: list[PairedTest]) -> PairedTest:
    """The one with the widest interval; first of all one that cannot tell."""
    return max(tests, key=lambda test: math.inf if test.standard_error is None else test.detectable(0.05) or 0.0)


def _distinct(codes: Codes) -> int:
    return int((np.bincount(codes) > 0).sum()) if len(codes) else 0


def _blocks(times: pd.Series) -> Codes | None:
    """Blocks of about equal numbers of rows, in time order, or None where there is one time only.

    Rows of the same time go where their middle one falls.
    """
    rows = len(times)
    wanted = min(max(rows // BLOCK_ROWS, FEWEST_BLOCKS), MOST_BLOCKS)
    moments = pd.factorize(times, sort=True)[0]
    if rows and (moments == 0).all():
        return None
    order = np.argsort(moments, kind="stable")
    sorted_moments = moments[order]
    starts = np.ones(rows, dtype=bool)
    starts[1:] = (sorted_moments[1:] != sorted_moments[:-1]) | (sorted_moments[1:] < 0)
    run = np.cumsum(starts) - 1
    lengths = np.bincount(run) if rows else np.zeros(0, dtype=np.intp)
    middles = np.cumsum(lengths) - lengths / 2
    found = np.empty(rows, dtype=np.intp)
    found[order] = np.floor(middles / max(rows, 1) * wanted).astype(np.intp)[run]
    return found


def _entities(groups: pd.Series) -> Codes:
    codes = pd.factorize(groups)[0]
    missing = codes < 0
    return np.where(missing, codes.max(initial=-1) + np.cumsum(missing), codes).astype(np.intp)
