"""The rules that vote, as answers for all windows at once.

`ml.policy.voting` asks one rule about one window, as production does; here the same is reckoned on from window to window.
"""

from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from ml.policy import voting
from ml.policy.replay.history import Flags, Floats, LossHistory
from ml.policy.replay.playing import Policy, by_row
from ml.policy.replay.yardstick import Yardstick, regrets
from ml.spec import AnyVoter, CalendarVoter, PaybackVoter, RegretVoter, Vote


@dataclass(frozen=True, slots=True, kw_only=True)
class Voting:
    """What all voters see: a history, its yardstick, what a retraining costs, and in how many windows there is a shadow (0: in none)."""

    history: LossHistory
    yardstick: Yardstick
    cost: float
    shadow: int

    @property
    def noise(self) -> float:
        """Of the regret of a window."""
        return self.yardstick.noise if self.shadow else self.yardstick.usual_noise

    def row(self, voter: AnyVoter, champion: int) -> Flags:
        """The rule's answer at the start of each window."""
        windows = np.arange(self.history.windows)
        if isinstance(voter, CalendarVoter):
            return windows - champion >= voter.every_windows
        found = regrets(self.history, self.yardstick, champion=champion, shadow=self.shadow)
        seen = np.flatnonzero(np.isfinite(found))
        asking = self._asking(voter, found[seen])
        known = np.searchsorted(seen, windows - 1 - self.history.delay, side="right")
        return np.concatenate([[False], asking])[known]

    def _asking(self, voter: AnyVoter, seen: Floats) -> Flags:
        """After each judged window."""
        every = self.shadow or 1
        if isinstance(voter, RegretVoter):
            slack = every * voter.kappa * self.noise
            sums = accumulate((every * seen).tolist(), lambda total, one: max(0.0, total + one - slack), initial=0.0)
            return np.fromiter(sums, dtype=float)[1:] > voter.theta * self.cost
        if isinstance(voter, PaybackVoter):
            weight = voting.newest(voter, every)
            sums = accumulate(seen.tolist(), lambda mean, one: (1 - weight) * mean + weight * one, initial=0.0)
            given = [1 - (1 - weight) ** count for count in range(1, len(seen) + 1)]
            return np.fromiter(sums, dtype=float)[1:] / given > self.cost / voter.windows
        return np.zeros(len(seen), dtype=bool)

    def alone(self, voter: AnyVoter, *, family: str) -> Policy:
        """The rule by itself."""
        looks = isinstance(voter, RegretVoter | PaybackVoter)
        shadow = self.shadow if looks else 0
        named = f"{voting.name(voter)}, {in_words(shadow)}" if looks else voting.name(voter)
        return Policy(name=named, family=family, asks=by_row(lambda champion: self.row(voter, champion)), shadow=shadow)

    def together(self, vote: Vote) -> Policy:
        """The rules as they vote."""
        weights = np.array([one.weight for one in vote.voters])

        def row(champion: int) -> Flags:
            asking = np.stack([self.row(one, champion) for one in vote.voters])
            found: Flags = voting.carries(weights @ asking / weights.sum())
            return found

        shadow = self.shadow if looks_at_shadow(vote) else 0
        return Policy(name=f"vote, {in_words(self.shadow)}", family="vote", asks=by_row(row), shadow=shadow)


def looks_at_shadow(vote: Vote) -> bool:
    """Whether any of its rules needs one."""
    return vote.shadow_windows is not None and any(isinstance(one, RegretVoter | PaybackVoter) for one in vote.voters)


def in_words(shadow: int) -> str:
    """In which windows there is a shadow."""
    if not shadow:
        return "no shadow"
    return "shadow every window" if shadow == 1 else f"shadow every {shadow} windows"
