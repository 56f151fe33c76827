"""The verdict on a window: which columns are alarms, why, and at which level.

A column is an alarm if its change is more than chance (Benjamini & Hochberg 1995 over the columns of its family, at the family's level)
and is not shown to be smaller than the floor. Nothing is corrected twice: the level is that of one look already.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.monitoring.alarms.basis import Basis
from ml.monitoring.alarms.comparing import Comparison
from ml.monitoring.alarms.persistence import level_of_persisting, shared_part
from ml.spec import Persistence
from ml.wording import chance


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnVerdict:
    """What was found of one column, in JSON types.

    Args:
        column: Its name.
        family: Its kind of drift.
        method: The shown distance.
        value: That distance.
        expected: Its mean without change, at these numbers of rows.
        debiased: The distance without that.
        margin: The one-sided 95 % bound of the truth lies so far above `debiased`.
        by_ranks: Of numbers whose distance is below the floor: that of their ranks' normal scores, without what chance adds; else None.
        floor: The smallest change that matters.
        p_value: How often a window without change would be so far off; None under fixed thresholds.
        level: The family's level at this look; None under fixed thresholds.
        alone: The level at which the column would be significant whatever the others show; None under fixed thresholds.
        threshold: The distance that is significant at `alone`, where the test is of the distance.
        is_significant: More than chance, all columns of the family considered.
        is_alarm: Significant, and not shown to be below the floor.
        basis: Where the p-value comes from; None under fixed thresholds.
        is_provisional: Too few windows of the reference stand behind it, or none although rows have a time or a group.
    """

    column: str
    family: str
    method: str
    value: float
    expected: float
    debiased: float
    margin: float
    by_ranks: float | None
    floor: float
    p_value: float | None
    level: float | None
    alone: float | None
    threshold: float | None
    is_significant: bool
    is_alarm: bool
    basis: Basis | None
    is_provisional: bool

    def to_json(self) -> dict[str, Any]:
        """All fields, as JSON types; no number is infinite."""
        found = {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in asdict(self).items()}
        return {**found, "basis": None if self.basis is None else self.basis.to_json()}

    @classmethod
    def of_json(cls, column: str, found: Mapping[str, Any]) -> "ColumnVerdict":
        """What `to_json` wrote of a column."""
        facts = {one.name: found[one.name] for one in fields(cls) if one.name not in {"column", "basis"}}
        facts |= {name: math.nan for name in ("value", "expected", "debiased", "margin") if facts[name] is None}
        return cls(column=column, basis=None if found["basis"] is None else Basis.of_json(found["basis"]), **facts)

    @property
    def origin(self) -> str:
        """Where the p-value comes from, in plain words."""
        return "a fixed threshold" if self.basis is None else self.basis.words

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""
        size = f"{self.column}: {self.method} {self.value:.3g}, {self.debiased:.3g} without what chance adds"
        if self.p_value is None:
            return f"{self.column}: {self.method} {self.value:.3g} {'≥' if self.is_alarm else '<'} {self.floor:.3g}, a fixed threshold"
        said = f"{chance(self.p_value)}, {'more than' if self.is_significant else 'may be'} chance"
        if self.threshold is not None and not self.is_significant:
            said += f" (significant from {self.threshold:.3g})"
        if self.by_ranks is not None and self.is_alarm:
            return f"{size}, and {self.by_ranks:.3g} by ranks, which reaches the floor {self.floor:.3g}; {said}: alarm"
        if self.is_significant and not self.is_alarm:
            return f"{size}; {said}, but smaller than the floor {self.floor:.3g}: no alarm"
        return f"{size} (floor {self.floor:.3g}); {said}: {'alarm' if self.is_alarm else 'no alarm'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyVerdict:
    """What was found of one kind of drift: its level at this look (None: fixed thresholds), and each of its columns."""

    family: str
    level: float | None
    columns: tuple[ColumnVerdict, ...]

    @property
    def alarms(self) -> tuple[ColumnVerdict, ...]:
        """The columns that are alarms, the least likely by chance first."""
        found = [one for one in self.columns if one.is_alarm]
        return tuple(sorted(found, key=lambda one: (one.p_value or 0.0, -one.value, one.column)))

    @property
    def is_alarm(self) -> bool:
        """Whether any column is."""
        return bool(self.alarms)


def judge(
    comparisons: Sequence[Comparison], *, levels: Mapping[str, float] | None, persistence: Persistence | None = None
) -> tuple[FamilyVerdict, ...]:
    """The verdict on each family, in the order of `levels`, or of the comparisons under fixed thresholds.

    Args:
        comparisons: Those of all families.
        levels: Each family's level at this look; None for fixed thresholds: an alarm is a distance at its floor or above.
        persistence: Only drifts that persist are acted on: `levels` are of those, and each column of this look is tested by itself at
            the looser level that comes from it. Its alarms then count only together (`Persistence.holds`).

    Raises:
        KeyError: A comparison's family has no level.
    """
    if levels is None:
        families = list(dict.fromkeys(one.watched.family for one in comparisons))
        return tuple(_fixed(family, [one for one in comparisons if one.watched.family == family]) for family in families)
    if strange := sorted({one.watched.family for one in comparisons} - levels.keys()):
        raise KeyError(f"no level for {strange[0]}")
    return tuple(
        _family(family, [one for one in comparisons if one.watched.family == family], level, persistence)
        for family, level in levels.items()
    )


def benjamini_hochberg(p_values: Sequence[float], level: float) -> npt.NDArray[np.bool_]:
    """Which hypotheses are rejected: with none false, any is with at most this probability (rows of positively dependent columns)."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    passed = np.flatnonzero(p[order] <= level * np.arange(1, len(p) + 1) / max(1, len(p)))
    rejected = np.zeros(len(p), dtype=bool)
    if len(passed):
        rejected[order[: passed[-1] + 1]] = True
    return rejected


def _family(family: str, comparisons: Sequence[Comparison], level: float, persistence: Persistence | None) -> FamilyVerdict:
    each = [level / len(comparisons) for _ in comparisons]
    if persistence is None or persistence.of == 1:
        significant = benjamini_hochberg([one.p_value for one in comparisons], level)
    else:
        each = [level_of_persisting(share, persistence, shared=_shared(one)) for share, one in zip(each, comparisons, strict=True)]
        significant = np.array([one.p_value <= alone for one, alone in zip(comparisons, each, strict=True)], dtype=bool)
    found = [
        _verdict(one, level=level, alone=alone, is_significant=bool(is_))
        for one, alone, is_ in zip(comparisons, each, significant, strict=True)
    ]
    return FamilyVerdict(family=family, level=level, columns=tuple(found))


def _shared(one: Comparison) -> float:
    windows = None if one.calibration is None else one.calibration.windows
    part = shared_part(rows=one.rows, reference_rows=one.reference_rows, windows=windows)
    return math.ceil(part * 100) / 100  # columns whose missing values differ a little then have one level


def _verdict(one: Comparison, *, level: float, alone: float, is_significant: bool) -> ColumnVerdict:
    return ColumnVerdict(
        **_facts(one),
        p_value=one.p_value,
        level=level,
        alone=alone,
        threshold=one.threshold_at(alone),
        is_significant=is_significant,
        is_alarm=is_significant and one.reaches_floor,
        basis=one.basis,
        is_provisional=one.is_provisional,
    )


def _fixed(family: str, comparisons: Sequence[Comparison]) -> FamilyVerdict:
    found = [
        ColumnVerdict(
            **_facts(one),
            p_value=None,
            level=None,
            alone=None,
            threshold=one.watched.floor,
            is_significant=False,
            is_alarm=one.effect.value >= one.watched.floor,
            basis=None,
            is_provisional=False,
        )
        for one in comparisons
    ]
    return FamilyVerdict(family=family, level=None, columns=tuple(found))


def _facts(one: Comparison) -> dict[str, Any]:
    watched, effect = one.watched, one.effect
    return {
        "column": watched.column,
        "family": watched.family,
        "method": watched.method,
        "value": effect.value,
        "expected": effect.expected,
        "debiased": effect.debiased,
        "margin": effect.margin,
        "by_ranks": None if one.by_ranks is None else one.by_ranks.debiased,
        "floor": watched.floor,
    }
