"""How rules vote on a training: the same in production and where a history is replayed.

Prediction with expert advice: each rule's weight falls exponentially with what following it would have cost (Vovk, "Aggregating
strategies", COLT 1990; Cesa-Bianchi & Lugosi, "Prediction, learning, and games", 2006, ch. 2), and the weighted majority decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml.policy import regret
from ml.policy.evidence import Losses
from ml.spec import AnyVoter, CalendarVoter, PaybackVoter, RegretVoter, Vote


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What voters look at.

    Args:
        regrets: Of the judged windows since the last training, oldest first.
        windows: How many windows were taken since the last training.
        cost: Of one retraining.
    """

    regrets: Sequence[float]
    windows: int
    cost: float


def regrets(vote: Vote, losses: Losses) -> tuple[float, ...]:
    """How much more than a fresh model the champion lost, window by window, as it was reckoned where the weights were learnt."""
    if vote.usual_loss is not None:
        return tuple(one.loss - vote.usual_loss for one in losses.windows)
    return tuple(one - vote.edge for one in losses.regrets)


def asks(voter: AnyVoter, vote: Vote, seen: Seen) -> bool:
    """Whether one of the rules asks for a training.

    A window with a shadow stands for the ones without up to the next: its regret counts as often as there are windows between shadows.
    """
    if isinstance(voter, CalendarVoter):
        return seen.windows >= voter.every_windows
    every = vote.shadow_windows or 1
    if isinstance(voter, RegretVoter):
        total = regret.accumulated([every * one for one in seen.regrets], slack=every * voter.kappa * vote.noise)
        return total > voter.theta * seen.cost
    if isinstance(voter, PaybackVoter):
        late = regret.of_late(seen.regrets, weight=newest(voter, every))
        return late > seen.cost / voter.windows
    return False


def newest(voter: PaybackVoter, every: int) -> float:
    """The weight of the newest judged window, where it stands for so many."""
    return 1 - (1 - voter.newest) ** every


def share(vote: Vote, seen: Seen) -> float:
    """Which share (0-1) of the weight asks for a training."""
    asking = sum(one.weight for one in vote.voters if asks(one, vote, seen))
    return asking / sum(one.weight for one in vote.voters)


def carries(part: Any) -> Any:
    """Whether so large a share, or each of an array of them, is a majority: half is none, however floats add up."""
    return part > 0.5 + 1e-9


def name(voter: AnyVoter) -> str:
    """The rule in words."""
    if isinstance(voter, CalendarVoter):
        return "every window" if voter.every_windows == 1 else f"every {voter.every_windows} windows"
    if isinstance(voter, RegretVoter):
        return f"regret {voter.theta:g}" + (f" less {voter.kappa:g} noise" if voter.kappa else "")
    if isinstance(voter, PaybackVoter):
        return f"payback {voter.windows} by {voter.newest:g}"
    return "never"
