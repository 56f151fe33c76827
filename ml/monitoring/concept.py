"""Concept drift on matured labels: is the champion worse than a fresh model would be?

It is not compared with its own first window: one that was trained in a bad one is born bad and never "drops". Two yardsticks remain:

- what fresh models usually score (`usual`, `against_fresh`): always at hand, but rows that are harder for every model look like drift;
- a shadow, trained on newer rows and asked about the same ones (`regret`): tells the two apart, and costs a training.

Each row's influence on the metric is summed within blocks of time or entities, whose sums have the variance that dependent rows really
cause (cluster-robust, Liang & Zeger 1986; batch means, Schmeiser 1982); the effective number of units (Kish 1965) gives the degrees of
freedom. Blocks of a window cannot tell what all of them have in common: a window of one day is as good or bad as that day. So stretches of
the test rows that are as long as the window tell how far such stretches lie apart (`of_stretches`). The functions look once at a level that
the caller states: who looks often spends it over the looks.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ml.spec import LOWER_IS_BETTER

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Error = tuple[float, int, float]
"""A standard error, the number of units that it is of, and its degrees of freedom."""

FEWEST_STRETCHES = 4
"""With fewer the test rows do not tell how far stretches of them lie apart."""
SPREAD_SCORES = 5
"""With so many fresh scores their own spread is looked at; with fewer, the newest one's interval alone says how sure it is."""
_NORMAL_MAD = 1.4826
"""Times this the median absolute deviation is the standard deviation of a normal distribution."""
_NORMAL_95 = 1.959964
_MANY = 1e9
"""Degrees of freedom that are as good as infinite, which JSON does not know."""
_EXACT = 1e-12
"""Standard errors below this share of the difference are rounding: every unit says the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """A model's metric on test rows right after its training; `low` and `high` are its 95 % interval, None where there is none."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What fresh models usually score: the median of `scores` ones.

    `error` is the standard deviation of a next one around it, estimated with `degrees_of_freedom` (infinite: known).
    """

    value: float
    error: float
    degrees_of_freedom: float
    scores: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """A model's metric on rows with matured labels.

    Attributes:
        value: The metric, finite.
        influence: How much each row moves it, in its unit, mean about 0: for a mean of losses each row's less the mean.
        units: The number of the block of time or of the entity that each row belongs to; None: rows are independent.
    """

    value: float
    influence: Floats
    units: Codes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConceptDrift:
    """How much worse the champion is than its yardstick; in the metric's unit, positive is worse.

    Attributes:
        yardstick: fresh (what fresh models usually score) or shadow (a newer model on the same rows).
        metric: One of `ml.spec.METRICS`.
        now: The champion's metric; None where it is not known.
        usual: The yardstick's.
        worse_by: Their difference, turned so that positive is worse.
        standard_error: Of `worse_by`; None where the rows cannot tell.
        degrees_of_freedom: Of the t distribution that `worse_by` over its error follows where nothing is worse; None with it.
        units: How many rows, blocks or entities count as independent.
        p: One-sided p-value of "not worse by more than is tolerated"; 1 where nothing is known.
        drifted: `p` is at most the level.
        obstacle: Why nothing is known; empty otherwise. It never means "no drift".
    """

    yardstick: Literal["fresh", "shadow"]
    metric: str
    now: float | None = None
    usual: float | None = None
    worse_by: float | None = None
    standard_error: float | None = None
    degrees_of_freedom: float | None = None
    units: int = 0
    p: float = 1.0
    drifted: bool = False
    obstacle: str = ""

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON types."""
        return asdict(self)


def tested(observed: Observed) -> Fresh:
    """A fresh model's metric with the interval that its own test rows give; without one where they cannot tell."""
    from scipy.special import stdtrit

    if _obstacle(observed):
        return Fresh(value=observed.value)
    error, _, freedom = _error(observed.influence, observed.units)
    half = float(stdtrit(freedom, 0.975)) * error
    return Fresh(value=observed.value, low=observed.value - half, high=observed.value + half)


def usual(scores: Sequence[Fresh]) -> Usual | None:
    """What fresh models usually score, from test results at promotion or replayed ones, the oldest first.

    The median and a robust spread (median absolute deviation) bear single bad births. Never surer than the newest one that has an interval.
    None where there is no score, or a single one without an interval: nothing says then how far the next may lie from it.
    """
    values = np.array([one.value for one in scores if math.isfinite(one.value)])
    if not len(values):
        return None
    middle = float(np.median(values))
    errors = [((one.high - one.low) / (2 * _NORMAL_95), math.inf) for one in scores if one.low is not None and one.high is not None][-1:]
    if len(values) >= SPREAD_SCORES:
        spread = _NORMAL_MAD * float(np.median(np.abs(values - middle)))
        errors.append((spread * math.sqrt(1 + math.pi / (2 * len(values))), len(values) - 1))
    elif len(values) > 1:
        errors.append((float(values.std(ddof=1)) * math.sqrt(1 + 1 / len(values)), len(values) - 1))
    error, freedom = max(errors, default=(0.0, math.inf))
    return Usual(value=middle, error=error, degrees_of_freedom=freedom, scores=len(values)) if error > 0 else None


def of_stretches(tested: Observed, rows: int, *, share: float = 1.0) -> Error | None:
    """How far the metric of so many consecutive rows lies off by chance, from the test rows, in order of time.

    None where they have not `FEWEST_STRETCHES` such stretches. The oldest rows may be left over. Of a draw, a stretch has as much fewer
    rows, whose mean lies about that of all its rows as a simple random sample's does (Cochran 1977, theorem 2.2); that variance is taken
    off, but for one standard error of what it is taken from, to err on the wide side.

    Args:
        tested: The test rows, or a simple random draw of them.
        rows: How many rows are judged.
        share: Which share (0-1) of the test rows was drawn.
    """
    drawn = max(1, round(rows * share))
    count = len(tested.influence) // drawn
    if count < FEWEST_STRETCHES or _obstacle(tested):
        return None
    stretches = tested.influence[-count * drawn :].reshape(count, drawn)
    variance = float(np.square(stretches.mean(axis=1)).sum()) / (count - 1)
    if 1 < drawn < rows:
        within = float(stretches.var(axis=1, ddof=1).mean())
        surplus = within * (1 / drawn - 1 / rows) - variance * math.sqrt(2 / (count - 1))
        variance = max(variance - max(surplus, 0.0), within / rows)
    return math.sqrt(variance), count, float(count - 1)


def against_fresh(
    metric: str, champion: Observed, yardstick: Usual | None, *, tolerated: float = 0.0, level: float = 0.05, error: Error | None = None
) -> ConceptDrift:
    """Whether the champion's matured quality is worse than fresh models usually score.

    Args:
        metric: One of `ml.spec.METRICS`; says which way is worse.
        champion: What it scores now.
        yardstick: As `usual` made it.
        tolerated: A difference that nobody minds, in the metric's unit.
        level: How often chance alone may say "drifted", 0-1.
        error: How far the champion's metric lies off by chance, if not as its rows' units say (`of_stretches`).
    """
    unknown = ConceptDrift(yardstick="fresh", metric=metric)
    if yardstick is None:
        return _known(unknown, champion, None, "nothing says what fresh models usually score")
    if why := _obstacle(champion):
        return _known(unknown, champion, yardstick.value, why)
    own_error, units, freedom = error or _error(champion.influence, champion.units)
    total = math.hypot(own_error, yardstick.error)
    # Welch-Satterthwaite: the degrees of freedom of a sum of two variances.
    own = yardstick.error**4 / yardstick.degrees_of_freedom
    sides = own_error**4 / freedom + own
    freedom = min(total**4 / sides, _MANY) if sides > 0 else _MANY
    return _tested(unknown, champion.value, yardstick.value, (total, units, freedom), tolerated, level)


def regret(metric: str, champion: Observed, shadow: Observed, *, tolerated: float = 0.0, level: float = 0.05) -> ConceptDrift:
    """Whether the champion is worse than a shadow on the same rows, in the same order.

    Raises:
        ValueError: They are of different numbers of rows.
    """
    unknown = ConceptDrift(yardstick="shadow", metric=metric)
    if len(champion.influence) != len(shadow.influence):
        raise ValueError(f"{len(champion.influence)} rows of the champion, but {len(shadow.influence)} of its shadow")
    if why := _obstacle(champion) or _obstacle(shadow):
        return _known(unknown, champion, shadow.value, why)
    found = _error(champion.influence - shadow.influence, champion.units)
    return _tested(unknown, champion.value, shadow.value, found, tolerated, level)


def _tested(drift: ConceptDrift, now: float, usual: float, known: Error, tolerated: float, level: float) -> ConceptDrift:
    from scipy.special import stdtr

    error, units, freedom = known
    worse = now - usual if drift.metric in LOWER_IS_BETTER else usual - now
    beyond = worse - tolerated
    exact = error <= _EXACT * abs(worse)
    # Where all units say the same, the sign test knows how certain so many of them can be.
    p = (0.5**units if beyond > 0 else 1.0) if exact else float(stdtr(freedom, -beyond / error))
    return ConceptDrift(
        yardstick=drift.yardstick,
        metric=drift.metric,
        now=now,
        usual=usual,
        worse_by=worse,
        standard_error=error,
        degrees_of_freedom=freedom,
        units=units,
        p=p,
        drifted=p <= level,
    )


def _known(drift: ConceptDrift, champion: Observed, usual: float | None, why: str) -> ConceptDrift:
    def finite(value: float | None) -> float | None:
        return value if value is not None and math.isfinite(value) else None

    return ConceptDrift(yardstick=drift.yardstick, metric=drift.metric, now=finite(champion.value), usual=finite(usual), obstacle=why)


def _error(influence: Floats, units: Codes | None) -> Error:
    """Standard error of the metric, the number of units, and degrees of freedom."""
    sums = influence if units is None else np.bincount(units, influence)
    sizes = np.ones(len(influence)) if units is None else np.bincount(units).astype(float)
    present = sizes > 0
    count = int(present.sum())
    error = math.sqrt(count / (count - 1) * float(np.square(sums[present]).sum())) / len(influence)
    return error, count, float(sizes.sum()) ** 2 / float(np.square(sizes).sum()) - 1


def _obstacle(observed: Observed) -> str:
    rows = len(observed.influence)
    if not math.isfinite(observed.value) or not np.isfinite(observed.influence).all():
        return "the metric is not defined on the matured rows"
    if rows < 2:
        return f"{rows} rows have a matured label, and nothing tells their quality from chance"
    if observed.units is not None and len(set(observed.units.tolist())) < 2:
        return "all matured rows are of one block or entity, and nothing tells their quality from chance"
    return ""
