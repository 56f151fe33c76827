"""What a decision is made from: recorded numbers, and nothing else."""

import math
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from ml.errors import ModelOwnerError
from ml.spec import LOWER_IS_BETTER
from ml.state.records import Drift


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityChange:
    """The champion's metric on rows whose labels the window brought, beside the one that it was promoted with.

    Both are of rows that it was not fitted on. `error`: the standard error of their difference, where one is known.
    """

    metric: str
    now: float
    at_promotion: float
    rows: int
    error: float | None = None

    def __post_init__(self) -> None:
        for moment, value in (("in the window", self.now), ("at promotion", self.at_promotion)):
            if not math.isfinite(value):
                raise ModelOwnerError(f"{self.metric} {moment} is {value}, and no decision can be made from that; leave it out and say why")

    @property
    def by_chance(self) -> float | None:
        """How much worse the metric looks by chance: two standard errors; None where those are not known."""
        return None if self.error is None else 2 * self.error

    @property
    def drop(self) -> float:
        """How much worse it is now, in the metric's unit; negative when it is better. Rounded past what floats can tell apart."""
        worse = self.now - self.at_promotion if self.metric in LOWER_IS_BETTER else self.at_promotion - self.now
        return round(worse, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The facts about one window that the rules look at.

    Args:
        drifts: The feature columns that were compared; neither target nor predictions.
        quality: None where it could not be measured or compared; `no_quality` then says why.
        labelled_rows: Rows with a label that were accepted after those the champion learnt from.
        since_asked: The time since the last training that a decision asked for; None if there was none.
        newer_champion: The version that has replaced the one that was measured, if one has.
    """

    drifts: tuple[Drift, ...]
    quality: QualityChange | None
    no_quality: str
    labelled_rows: int
    since_asked: timedelta | None
    newer_champion: int | None = None

    def __post_init__(self) -> None:
        if broken := [drift.column for drift in self.drifts if not math.isfinite(drift.value)]:
            raise ModelOwnerError(f"the drift of {broken[0]!r} is not a number, and no decision can be made from that; measure again")

    @property
    def drifted(self) -> tuple[Drift, ...]:
        """The drifted columns, the farthest beyond its threshold first."""
        return tuple(sorted((one for one in self.drifts if one.drifted), key=lambda one: (-one.value / one.threshold, one.column)))

    @property
    def drift_share(self) -> float | None:
        """The share (0-1) of the columns that drifted; None if no column was compared."""
        return len(self.drifted) / len(self.drifts) if self.drifts else None

    def to_json(self) -> dict[str, Any]:
        """All facts as JSON types; `since_asked_s` is in seconds."""
        facts = asdict(self)
        since = facts.pop("since_asked")
        quality = facts["quality"] and {**facts["quality"], "drop": self.quality.drop if self.quality else None}
        shown = {"drift_share": self.drift_share, "quality": quality, "since_asked_s": since.total_seconds() if since is not None else None}
        return {**facts, "drifts": list(facts["drifts"]), **shown}
