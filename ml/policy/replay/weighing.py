"""What each rule's word counts: what following it would have cost on the windows that are tuned on."""

import numpy as np

from ml.policy.replay.costs import Costs
from ml.policy.replay.history import Floats, Parts
from ml.policy.replay.playing import Run, play
from ml.policy.replay.voters import Voting
from ml.spec import AnyVoter, CalendarVoter, NeverVoter, PaybackVoter, RegretVoter, Vote

TEMPERATURE = 0.05
"""Of the usual loss: a rule that is so much dearer a window counts 1/e of the best one."""
_LEAST = 0.005
CALENDARS = (1, 2, 3, 4, 6, 8, 12, 16, 24)


def pool(*, calendars: bool) -> tuple[AnyVoter, ...]:
    """The rules that may vote, each with the weight 1."""
    regrets = [RegretVoter(weight=1, theta=theta) for theta in (0.5, 1, 2, 4)]
    quieter = [RegretVoter(weight=1, theta=theta, kappa=0.5) for theta in (0.5, 1, 2)]
    paybacks = [PaybackVoter(weight=1, windows=windows, newest=newest) for windows in (2, 4, 8, 16) for newest in (0.5, 0.25)]
    every = [CalendarVoter(weight=1, every_windows=windows) for windows in CALENDARS] if calendars else []
    return (*regrets, *quieter, *paybacks, *every, NeverVoter(weight=1))


def weighed(voting: Voting, voters: tuple[AnyVoter, ...], costs: Costs, parts: Parts) -> Vote:
    """The vote of the rules, weighted by what each costs alone on the windows that are tuned on.

    The shadow is paid for by the vote, whichever of its rules look at it, so that it tells none of them from another. Weights are rounded
    as they are written down, and the least are left out: what is judged is what stands in the file.
    """
    alone = [play(voting.history, voting.alone(one, family="vote"), start=parts.start, end=parts.known) for one in voters]
    scores = np.array([_without_shadows(run, costs) for run in alone]) / parts.tuned
    unit = max(TEMPERATURE * voting.yardstick.usual, 1e-9)
    weights = _rounded(np.exp(-(scores - scores.min()) / unit))
    kept = [one.model_copy(update={"weight": float(weight)}) for one, weight in zip(voters, weights, strict=True) if weight > 0]
    return Vote(
        voters=tuple(sorted(kept, key=lambda one: -one.weight)),
        shadow_windows=voting.shadow or None,
        usual_loss=None if voting.shadow else voting.yardstick.usual,
        edge=voting.yardstick.edge if voting.shadow else 0.0,
        noise=voting.noise,
    )


def _without_shadows(run: Run, costs: Costs) -> float:
    return float(run.losses.sum()) + costs.retraining * run.retrainings


def _rounded(weights: Floats) -> Floats:
    shares = weights / weights.sum()
    shares = np.where(shares < _LEAST, 0.0, shares)
    return np.asarray(np.round(shares / shares.sum(), 3))
