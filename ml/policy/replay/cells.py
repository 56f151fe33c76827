"""What a replay found, for each cost of a retraining."""

from dataclasses import dataclass
from typing import Literal

from ml.policy.replay.bootstrap import Interval
from ml.policy.replay.costs import Costs
from ml.policy.replay.history import Parts
from ml.policy.replay.playing import Run
from ml.spec import Vote

Kind = Literal["vote", "calendar", "never"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """A policy on the judged windows.

    Args:
        name: Which, with its parameters.
        family: What it was chosen from, on the tuned windows.
        run: What happened.
        total: Loss and cost, summed.
        mean: Interval of loss and cost of a window that can be judged.
        beyond_never: Interval of its total less that of never.
        beyond_calendar: Interval of its total less that of the tuned calendar.
        tuned_total: Its total on the windows that it was chosen by: never to be shown without saying so. None: nothing was chosen.
        shadow: In every so many windows it needs a shadow; 0: never.
    """

    name: str
    family: str
    run: Run
    total: float
    mean: Interval
    beyond_never: Interval
    beyond_calendar: Interval
    tuned_total: float | None = None
    shadow: int = 0

    @property
    def retrainings(self) -> int:
        """New champions."""
        return self.run.retrainings


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """All policies at one cost.

    Args:
        costs: What is paid.
        recommended: What the tuned windows recommend; judged on the others.
        kind: What that is, for who writes it into a declaration: `vote` is then in `vote`, a calendar's windows in `every_windows`.
        is_told: Whether the tuned windows tell it from never; else the simplest is recommended.
        sentence: What to do, in plain words.
        tuned_calendar: The calendar (or never) that the tuned windows recommend.
        hindsight_calendar: The one that was best on the judged windows: known only afterwards.
        never: One champion for ever.
        always: A training before each window.
        oracle: The cheapest path, known only afterwards.
        honest_oracle: What the oracle's path costs on rows that it was not chosen by; None where losses by halves are not known.
        policies: One of each family, and each calendar; those of the families are chosen on the tuned windows.
    """

    costs: Costs
    recommended: Judged
    kind: Kind
    is_told: bool
    sentence: str
    tuned_calendar: Judged
    hindsight_calendar: Judged
    never: Judged
    always: Judged
    oracle: Judged
    honest_oracle: float | None
    policies: tuple[Judged, ...]
    vote: Vote | None = None
    every_windows: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Replayed:
    """All cells of one history.

    Args:
        parts: Which windows were tuned on and judged on.
        cells: One for each cost, in the order in which they were asked.
        unjudged: Windows that could not be judged (no labels, or one class where the metric needs two): they count in no total.
        untrained: Windows before which no model could be trained: nothing is retrained there.
        absent: Families that could not be played, and why.
    """

    parts: Parts
    cells: tuple[Cell, ...]
    unjudged: int
    untrained: int
    absent: dict[str, str]
