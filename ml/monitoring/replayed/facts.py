"""What a replay found: numbers, and nothing else. Kept as JSON in the state database, printed by `perennial replay`, drawn by its page."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Range = tuple[float | None, float | None]
"""Low and high end of a 95 % interval; None: unbounded."""


DECLARED = "as declared"
"""The name of what `model.yaml` declares, among the policies."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True)  # what an earlier version kept beside it is passed over


class PlayedPolicy(_Facts):
    """One policy on the judged windows, at one cost.

    Args:
        name: Which, with its parameters.
        family: What it was chosen from, on the tuned windows; a calendar stands for itself.
        total: Loss and cost of all judged windows.
        loss: Loss alone; `mean_loss` is that of a window that can be judged.
        retrainings: New champions.
        fits: Trainings that were paid for, shadows and new champions.
        shadow: It needs a shadow in every so many windows; 0: in none.
        mean_interval: Of loss and cost of a window that can be judged.
        beyond_never: Of its total less that of "never".
        beyond_calendar: Of its total less that of the tuned calendar.
        tuned_total: Its total on the windows that it was chosen by; None: nothing was chosen.
        retrained: At which windows (numbers from 0, as in `WindowFacts`) a new champion was put into service.
    """

    name: str
    family: str
    total: float
    loss: float
    mean_loss: float
    retrainings: int
    fits: int
    shadow: int = 0
    mean_interval: Range
    beyond_never: Range
    beyond_calendar: Range
    tuned_total: float | None = None
    retrained: tuple[int, ...] = ()

    @property
    def shadows(self) -> int:
        """Fits that never served."""
        return self.fits - self.retrainings

    def total_at(self, *, train: float, promote: float) -> float:
        """What the same decisions would have cost at another price."""
        return self.loss + train * self.fits + promote * self.retrainings


class CostFacts(_Facts):
    """All policies at one cost of a retraining (`cost` = `train` + `promote`), on the judged windows.

    `policies` has one of each family, chosen on the tuned windows, each calendar, and what is declared. `is_declared`: it is the cost that
    `retraining.cost` declares. `is_told`: whether the tuned windows tell the recommended policy from "never". `vote` is as `model.yaml`
    takes it; `rules` are the keys of `retraining` to set, none where nothing can be told.
    `honest_oracle`: the oracle's path on rows that it was not chosen by.
    """

    cost: float
    train: float
    promote: float
    is_declared: bool
    recommended: PlayedPolicy
    kind: Literal["vote", "calendar", "never"]
    is_told: bool
    sentence: str
    tuned_calendar: PlayedPolicy
    hindsight_calendar: PlayedPolicy
    never: PlayedPolicy
    always: PlayedPolicy
    oracle: PlayedPolicy
    honest_oracle: float | None
    policies: tuple[PlayedPolicy, ...]
    vote: dict[str, Any] | None = None
    rules: dict[str, Any] = {}


class WindowFacts(_Facts):
    """One window of the history: rows (a sample's), those with a label, and what models lost in it.

    `recommended` and `never` are what the champion lost under the recommended policy and under "never" (None before the judged part, and
    where the window cannot be judged); `fresh` what a model lost that had learnt from all before it.
    """

    number: int
    start: datetime | None
    rows: int
    labelled_rows: int
    part: Literal["history", "tuned", "purged", "judged"]
    fresh: float | None
    recommended: float | None = None
    never: float | None = None


class Affected(_Facts):
    """How many windows were treated otherwise than the rest.

    Args:
        unlabelled: No row has a label: not judged.
        partly_labelled: Only some rows have one: judged by these.
        one_class: All labels are the same, where the metric needs two: not judged.
        few_rows: Too few rows have a label: not judged.
        untrained: Too few rows or one class before them: no model could be trained there.
        lost_columns: A feature that others have is missing throughout: filled as a missing value.
        late_labels: Some labels came later than the delay that was reckoned with: not learnt from.
        unmeasured: Drift could not be measured where a policy looked: no drift there.
        left_out_rows: Rows in no window: after the last whole one, or without a time where windows follow it.
    """

    unlabelled: int = 0
    partly_labelled: int = 0
    one_class: int = 0
    few_rows: int = 0
    untrained: int = 0
    lost_columns: int = 0
    late_labels: int = 0
    unmeasured: int = 0
    left_out_rows: int = 0


def _learnt(length: str) -> str:
    return "all windows before" if length == "growing" else f"the last {length}"


class LengthFacts(_Facts):
    """Which length of training history the tuned windows tell from the declared one; else that.

    `saved`: what it saved there against the declared one; None where that is the cheapest. `tuned_totals`: of the best policy with each.
    `fresh_means`: what new models lost in the judged windows, with each: more tells than the policy does.
    """

    name: str
    declared: str
    saved: Range | None
    tuned_totals: dict[str, float]
    fresh_means: dict[str, float]

    @property
    def better(self) -> str:
        """What another length saved, and how to replay with it, in one sentence; empty where none can be told from the declared one."""
        if self.name == self.declared or self.saved is None:
            return ""
        low, high = ("any amount" if end is None else f"{end:.2f}" for end in self.saved)
        option = "--growing" if self.name == "growing" else f"--history {self.name.split()[0]}"
        return (
            f"On the windows that policies were chosen on, models that learn from {_learnt(self.name)} saved {low} to {high} (95 %) "
            f"against those that learn from {_learnt(self.declared)}, which this policy was judged with: replay with {option}."
        )


class ReplayFacts(_Facts):
    """A whole replay.

    Args:
        model: Whose history.
        at: When it was played.
        spec_hash: Of the declaration that it was played with.
        dataset_version: The newest accepted rows that it knew.
        metric: Whose loss: itself, or what it lacks to 1, a window.
        settings: The options, as `model.yaml` writes them.
        windows: How many windows the history has.
        tuned_on: How many of them policies were chosen on,
        judged_on: and how many they were judged on, after those.
        delay: After how many further windows labels have come.
        clock: `arrivals`: labels count from when they arrived; `time`: from the rows' own time, since all was loaded at once;
            `delivered`: only their order is known, and a window stands for a day.
        cells: One for each cost; the declared one first, where there is one.
        chosen_cost: The cost that the recommendation is for: the declared one, else the middle of those that were asked for.
        history: The windows, oldest first.
        affected: How many of them were treated otherwise.
        length: How lengths of training history compare; None where no other was asked for.
        absent: Families of policies that could not be played, and why.
        notes: What one must know to read it, in sentences.
        recommendation: What to do, in one sentence.
        html: Where the page is; None where none was written.
    """

    model: str
    at: datetime
    spec_hash: str
    dataset_version: int
    metric: str
    settings: Mapping[str, Any]
    windows: int
    tuned_on: int
    judged_on: int
    delay: int
    clock: Literal["arrivals", "time", "delivered"]
    cells: tuple[CostFacts, ...]
    chosen_cost: float
    history: tuple[WindowFacts, ...]
    affected: Affected = Affected()
    length: LengthFacts | None = None
    absent: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()
    recommendation: str
    html: str | None = None

    @property
    def chosen(self) -> CostFacts:
        """The cell that the recommendation is from."""
        return next(one for one in self.cells if one.cost == self.chosen_cost)

    def robustness(self) -> list[tuple[float, str, float, float, float, float]]:
        """For each cost: cost, what is recommended there, its total, the recommended policy's of `chosen`, never's, the best calendar's."""
        mine = self.chosen.recommended
        return [
            (
                one.cost,
                one.recommended.name,
                one.recommended.total,
                mine.total_at(train=one.train, promote=one.promote),
                one.never.total,
                one.hindsight_calendar.total,
            )
            for one in sorted(self.cells, key=lambda cell: cell.cost)
        ]
