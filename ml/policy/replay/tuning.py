"""What the tuned windows say of each policy; nothing here sees a judged one."""

from collections.abc import Iterable
from dataclasses import dataclass

from ml.policy.replay import weighing
from ml.policy.replay.costs import Costs
from ml.policy.replay.families import SHADOWS
from ml.policy.replay.history import LossHistory, Parts
from ml.policy.replay.playing import Policy, Run, play
from ml.policy.replay.voters import Voting
from ml.policy.replay.yardstick import Yardstick
from ml.spec import Vote

_TIE = 9  # decimals


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A policy, and what it cost on the tuned windows. `vote`: what it consists of, if it is one."""

    policy: Policy
    run: Run
    total: float
    vote: Vote | None = None

    @property
    def order(self) -> tuple[float, int, int]:
        """The cheapest first; of equally cheap ones that with the fewest retrainings, then with the fewest fits."""
        return round(self.total, _TIE), self.run.retrainings, int(self.run.fits.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """One history at one cost."""

    history: LossHistory
    parts: Parts
    yardstick: Yardstick
    costs: Costs

    def candidate(self, policy: Policy, vote: Vote | None = None) -> Candidate:
        """The policy, played over the tuned windows."""
        run = play(self.history, policy, start=self.parts.start, end=self.parts.known)
        return Candidate(policy=policy, run=run, total=run.total(self.costs), vote=vote)

    def best(self, policies: Iterable[Policy]) -> Candidate:
        """The cheapest."""
        return min((self.candidate(one) for one in policies), key=lambda one: one.order)

    def votes(self) -> list[Candidate]:
        """The vote with a shadow in every window, in fewer, and without any."""
        found = []
        for shadow in (*SHADOWS, 0):
            voting = Voting(history=self.history, yardstick=self.yardstick, cost=self.costs.retraining, shadow=shadow)
            vote = weighing.weighed(voting, weighing.pool(calendars=True), self.costs, self.parts)
            found.append(self.candidate(voting.together(vote), vote))
        return found
