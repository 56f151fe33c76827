"""What a decision is made from: recorded numbers, and nothing else."""

import math
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal

from ml.errors import ModelOwnerError
from ml.spec import LOWER_IS_BETTER
from ml.state.records import Drift

Against = Literal["shadow", "own", "carried", "usual"]
"""Whose a fresh loss is; `WindowLoss` says what each means."""


def loss(metric: str, value: float) -> float:
    """The metric as something that should be small: itself, or what it lacks to 1."""
    return value if metric in LOWER_IS_BETTER else 1 - value


def worse_by(metric: str, value: float, *, than: float) -> float:
    """How much worse the value is, in the metric's unit; negative when it is better. Rounded past what floats can tell apart."""
    return round(loss(metric, value) - loss(metric, than), 12)


def _finite(values: dict[str, float]) -> None:
    for what, value in values.items():
        if not math.isfinite(value):
            raise ModelOwnerError(f"{what} is {value}, and no decision can be made from that; leave it out and say why")


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """What fresh models usually score: the median of a metric on the test rows of the newest `models` trainings.

    `spread`: the median distance of their values from it (MAD), in the metric's unit.
    """

    metric: str
    value: float
    models: int
    spread: float

    def __post_init__(self) -> None:
        _finite({f"the usual {self.metric}": self.value, f"the spread of {self.metric}": self.spread})


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityChange:
    """The champion's metric on rows whose labels the window brought, beside the one that it is compared with.

    All are of rows that the models were not fitted on. `error`: the standard error of their difference, where one is known, and
    `errors`: how many of it chance may reach (2, and more where few independent rows tell how large it is). `usual`: what fresh models
    usually score, where enough of them are known; else the champion's own value at its promotion counts.
    """

    metric: str
    now: float
    at_promotion: float
    rows: int
    error: float | None = None
    usual: Usual | None = None
    errors: float = 2.0

    def __post_init__(self) -> None:
        _finite({f"{self.metric} in the window": self.now, f"{self.metric} at promotion": self.at_promotion})

    @property
    def by_chance(self) -> float | None:
        """How much worse the metric may look by chance; None where its standard error is not known."""
        return None if self.error is None else self.errors * self.error

    @property
    def drop(self) -> float:
        """How much worse it is now, in the metric's unit; negative when it is better."""
        return worse_by(self.metric, self.now, than=self.at_promotion if self.usual is None else self.usual.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedQuality:
    """The champion's metric in a window as it was estimated without labels, and how well such estimates did before.

    Args:
        metric: Which metric.
        value: The estimate.
        low: The interval's lower end,
        high: and its upper one.
        usual: What it is compared with: the metric where nothing is wrong.
        audit_windows: How many earlier windows of the champion were held against their labels.
        audited_share: In which share (0-1) of them the labels' value lay inside of the interval; None where there are none.
        trusted: Whether the audit lets the estimate count (`ml.monitoring.estimated.audit` defines it).
        audit: Why, or why not, in one sentence.
    """

    metric: str
    value: float
    low: float
    high: float
    usual: float
    audit_windows: int
    audited_share: float | None
    trusted: bool
    audit: str

    def __post_init__(self) -> None:
        named = {"": self.value, " at the lower end": self.low, " at the upper end": self.high, " that is usual": self.usual}
        _finite({f"the estimated {self.metric}{where}": value for where, value in named.items()})
        if not self.low <= self.value <= self.high:
            raise ModelOwnerError(f"the estimated {self.metric} {self.value} lies outside of its interval {self.low} to {self.high}")

    @property
    def drop(self) -> float:
        """How much worse than usual it is estimated to be, in the metric's unit; negative when better."""
        return worse_by(self.metric, self.value, than=self.usual)

    @property
    def least_drop(self) -> float:
        """The drop at the interval's better end."""
        return worse_by(self.metric, self.low if self.metric in LOWER_IS_BETTER else self.high, than=self.usual)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowLoss:
    """What the champion lost in a window, and what a fresh model lost or usually loses: means a row, as `loss`.

    `against`: whose the fresh loss is. shadow: a shadow challenger's on the same rows; own: the champion's itself, since a shadow would
    have learnt from the same rows; carried: as much less than the champion's as the
    newest shadow before lost less; usual: what fresh models usually lose.
    """

    window: int
    loss: float
    fresh: float
    rows: int
    against: Against = "usual"

    def __post_init__(self) -> None:
        _finite({f"the loss of window {self.window}": self.loss, f"the fresh loss of window {self.window}": self.fresh})


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """The champion's windows that were judged since its training, oldest first.

    `against`: whose the fresh losses are, in words: a shadow challenger's on the same rows, or what fresh models usually lose.
    `noise`: how far the regret of a window moves where nothing has changed (MAD). `shadow_fits`: how many fits of shadows were begun since
    the last training, and paid for.
    """

    metric: str
    windows: tuple[WindowLoss, ...]
    against: str
    noise: float
    shadow_fits: int = 0

    @property
    def regrets(self) -> tuple[float, ...]:
        """How much less a fresh model loses, window by window."""
        return tuple(one.loss - one.fresh for one in self.windows)


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnableRows:
    """The rows with a final label that a training would use now. `needed`: with fewer there is none.

    `classes`: how many there are, None for a regression; `rarest` of them has `rarest_rows`. `unreadable`: why the rows cannot be read;
    empty where they can.
    """

    rows: int
    needed: int
    classes: int | None = None
    rarest: str | None = None
    rarest_rows: int = 0
    unreadable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The facts about one window that the rules look at.

    Args:
        drifts: The feature columns that were compared; neither target nor predictions.
        quality: None where it could not be measured or compared; `no_quality` then says why.
        labelled_rows: Rows with a label that were accepted after those the champion learnt from.
        since_asked: The time since the last training that a decision asked for, or since the last suggestion that came to nothing; None if
            there was neither.
        refused: How that suggestion ended, `declined` or `expired`; None where `since_asked` is of a training.
        newer_champion: The version that has replaced the one that was measured, if one has.
        persisting: Under a promised rate of false alarms, where a drift must persist: the columns whose alarms do. Else None.
        earlier_shares: The drift shares of the champion's earlier windows, newest first; as many as the rule looks back.
        estimated: None where nothing was estimated; `no_estimate` then says why.
        losses: What regret is made of; None where it is not looked at, or nothing was judged yet: `no_losses` then says which.
        new_rows: Rows whose final label came after the last training; None where it is not looked at, or (`no_new_rows`) cannot be counted.
        age: How old what was learnt from is: the time since the last training that came to an end froze its inputs, whoever won.
        windows: How many windows were taken since the last training, this one included.
        asked_ago: How long ago each training of the budget's period was that a decision asked for, the newest first.
        learnable: What a training would learn from; None where it is not known.
        window_rows: How many rows the window has, labelled or not; None where no cost is declared in money.
    """

    drifts: tuple[Drift, ...]
    quality: QualityChange | None
    no_quality: str
    labelled_rows: int
    since_asked: timedelta | None
    newer_champion: int | None = None
    persisting: tuple[str, ...] | None = None
    earlier_shares: tuple[float | None, ...] = ()
    estimated: EstimatedQuality | None = None
    no_estimate: str = "nothing was estimated"
    losses: Losses | None = None
    no_losses: str = "no window was judged since the champion's training"
    new_rows: int | None = None
    no_new_rows: str = ""
    age: timedelta | None = None
    windows: int | None = None
    asked_ago: tuple[timedelta, ...] = ()
    refused: str | None = None
    learnable: LearnableRows | None = None
    window_rows: int | None = None

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
        """All facts as JSON types; times are in seconds (`…_s`)."""
        facts = asdict(self)
        since, age, ago = facts.pop("since_asked"), facts.pop("age"), facts.pop("asked_ago")
        quality = facts["quality"] and {**facts["quality"], "drop": self.quality.drop if self.quality else None}
        shown = {
            "drifts": [{name: value for name, value in one.items() if name != "verdict"} for one in facts["drifts"]],
            "persisting": None if self.persisting is None else list(self.persisting),
            "drift_share": self.drift_share,
            "earlier_shares": list(self.earlier_shares),
            "quality": quality,
            "since_asked_s": since.total_seconds() if since is not None else None,
            "age_s": age.total_seconds() if age is not None else None,
            "asked_ago_s": [one.total_seconds() for one in ago],
        }
        if facts["losses"] is not None:
            shown["losses"] = {**facts["losses"], "windows": list(facts["losses"]["windows"])}
        return {**facts, **shown}
