"""Which column's drift the reader should look at first: how far it moved, times how much the champion leans on it.

A ranking and not a test: it has no p-value and raises no alarm. A column that others can stand in for looks less important than it is,
and a column without importance may have moved for a reason that matters elsewhere, so nothing is left out.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml.monitoring import NOT_FEATURES
from ml.state.records import Drift

_ALIKE = {"abs_text_content_drift": 0.5}
"""What a statistic says of two sides that are alike, where that is not 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One column. `effect`: its drift in multiples of its threshold, 0 is alike.

    `importance`: its share, 0-1, of the importance of all columns; None where that is not known. `score` is their product, or None.
    """

    column: str
    effect: float
    importance: float | None
    score: float | None


def rank(drifts: Sequence[Drift], importances: Mapping[str, float]) -> tuple[Ranked, ...]:
    """The feature columns, the one first whose drift probably hurts most; ties by the larger effect, then by name.

    Columns whose importance is not known come after those that have a score above 0, by their effect.

    Args:
        drifts: What was measured; target and predictions are passed over.
        importances: By how much the champion's metric gets worse without the column (permutation, mean absolute SHAP value, or another
            one on one scale). Negative ones are noise and count as 0; columns that are missing here or not finite are not known.
    """
    known = {name: max(value, 0.0) for name, value in importances.items() if math.isfinite(value)}
    total = math.fsum(known.values())
    found = [_ranked(drift, known, total) for drift in drifts if drift.kind not in NOT_FEATURES]
    return tuple(sorted(found, key=_place))


def _ranked(drift: Drift, known: Mapping[str, float], total: float) -> Ranked:
    alike = _ALIKE.get(drift.method, 0.0)
    effect = max(drift.value - alike, 0.0) / (drift.threshold - alike) if drift.threshold > alike else max(drift.value - alike, 0.0)
    share = known[drift.column] / total if drift.column in known and total > 0 else None
    return Ranked(column=drift.column, effect=effect, importance=share, score=None if share is None else share * effect)


def _place(one: Ranked) -> tuple[int, float, float, str]:
    known = one.score is not None
    group = 0 if known and one.score else 1 if not known else 2
    return group, -(one.score or 0.0), -one.effect, one.column
