"""One policy, played over some windows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from ml.policy.replay.costs import Costs
from ml.policy.replay.history import Counts, Flags, Floats, LossHistory

Asks = Callable[[int, int], bool]
"""champion, window: whether the policy asks for a training at the start of `window`, where the model that was put into service at
`champion` serves: each training passes the gate, so that was the last. It may look at what was known then, and at nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When to retrain.

    Args:
        name: Which, with its parameters; unique among those that are compared.
        family: What is tuned together, by one choice among its members.
        shadow: It looks at a shadow challenger in every so many windows since the last training, and pays for its fits; 0: at none.
    """

    name: str
    family: str
    asks: Asks
    shadow: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """What happened when a policy was played over windows [start, end).

    Args:
        champions: At which window what serves in each was put into service.
        losses: Mean loss in each window; 0 in those that cannot be judged.
        judged: How many can be.
        fits: Trainings at the start of each window, shadows included.
        promotions: Models that were put into service at the start of each: 0 or 1.
    """

    policy: str
    start: int
    end: int
    champions: Counts
    losses: Floats
    judged: int
    fits: Counts
    promotions: Counts

    @property
    def retrainings(self) -> int:
        """Models that were put into service; the first champion was there before."""
        return int(self.promotions.sum())

    @property
    def retrained(self) -> tuple[int, ...]:
        """At which windows."""
        return tuple(int(one) + self.start for one in np.flatnonzero(self.promotions))

    @property
    def mean_loss(self) -> float:
        """Of a window that can be judged; 0 where none can."""
        return float(self.losses.sum()) / max(1, self.judged)

    def paid(self, costs: Costs) -> Floats:
        """Loss and cost of each window."""
        found: Floats = self.losses + costs.train * self.fits + costs.promote * self.promotions
        return found

    def total(self, costs: Costs) -> float:
        """Loss and cost of all windows."""
        return float(self.paid(costs).sum())


def play(history: LossHistory, policy: Policy, *, start: int, end: int) -> Run:
    """Plays a policy over windows [start, end): the first champion is fresh and free, and the end is not known to anybody.

    At windows at which no model can be trained nothing is asked.
    """
    windows = end - start
    champions, fits, promotions = (np.zeros(windows, dtype=np.int64) for _ in range(3))
    available, champion = history.available, start
    scored = with_shadow(history, champion=champion, shadow=policy.shadow)
    for place, window in enumerate(range(start, end)):
        known = window - 1 - history.delay
        fits[place] += known >= 0 and scored[known]
        if window > start and available[window] and policy.asks(champion, window):
            fits[place] += 1
            promotions[place] = 1
            champion = window
            scored = with_shadow(history, champion=champion, shadow=policy.shadow)
        champions[place] = champion
    losses = np.nan_to_num(history.served[champions, np.arange(start, end)])
    judged = int(history.judged[start:end].sum())
    return Run(
        policy=policy.name, start=start, end=end, champions=champions, losses=losses, judged=judged, fits=fits, promotions=promotions
    )


def with_shadow(history: LossHistory, *, champion: int, shadow: int) -> Flags:
    """In which windows the champion is held against a shadow; without label delay it is its own in the first."""
    windows = np.arange(history.windows)
    if not shadow:
        return np.zeros(history.windows, dtype=bool)
    due = (windows >= champion) & ((windows - champion) % shadow == 0) & ((windows > champion) | (history.delay > 0))
    found: Flags = due & history.trained & history.judged
    return found


def by_row(row: Callable[[int], Flags]) -> Asks:
    """A policy from all its answers at once: row(champion)[window] is its answer at that window."""
    kept = cache(row)

    def asks(champion: int, window: int) -> bool:
        return bool(kept(champion)[window])

    return asks
