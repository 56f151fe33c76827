"""What a champion has cost beside a fresh model, and when that is more than a retraining costs.

Regret of a window: the champion's loss in it minus that of a model trained anew (a shadow), or minus what fresh models usually lose.
Both rules weigh it against one declared cost, so neither has a threshold of its own.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from ml.policy.evidence import Against, WindowLoss


def accumulated(regrets: Sequence[float], *, slack: float = 0.0) -> float:
    """The regret that has come together, and was not made up for: s = max(0, s + regret - slack), from 0, oldest first.

    Page, "Continuous inspection schemes", Biometrika 41 (1954), 100-115, with the cost of a retraining as the limit. At once the cost
    without slack it is the ski-rental rule: after a jump to a constant regret it pays at most twice the cost (Karlin, Manasse, Rudolph &
    Sleator, "Competitive snoopy caching", Algorithmica 3 (1988), 79-119), and where regret grows evenly with age it retrains as often as
    the best calendar does.

    Args:
        regrets: One number a window.
        slack: What is taken off each, in the loss's unit.
    """
    total = 0.0
    for regret in regrets:
        total = max(0.0, total + regret - slack)
    return total


def of_late(regrets: Sequence[float], *, weight: float) -> float:
    """The exponentially weighted mean of the regrets, oldest first, as if it had always been so: 0 windows are given no say.

    Roberts, "Control chart tests based on geometric moving averages", Technometrics 1 (1959), 239-250; divided by the weights that were
    given out so far, so that the first windows do not count as half of nothing. 0.0 for no window.

    Args:
        regrets: One number a window.
        weight: Of the newest window, in (0, 1].
    """
    mean = 0.0
    for regret in regrets:
        mean = (1 - weight) * mean + weight * regret
    return mean / (1 - (1 - weight) ** len(regrets)) if regrets else 0.0


def beside_shadows(windows: Sequence[WindowLoss], regrets: Mapping[int, float], *, own: Collection[int] = ()) -> tuple[WindowLoss, ...]:
    """The windows with the shadows' losses, as far as there are any; a window without one has the regret of the newest before it.

    The usual loss in these windows would mix two yardsticks: replayed on eleven streams it cost more (`benchmarks.shadow`).

    Args:
        windows: Beside what fresh models usually lose, oldest first.
        regrets: Number of a window → how much less its shadow lost than the champion.
        own: Windows in which the champion itself stood for the shadow.
    """
    found, newest = [], None
    for one in windows:
        newest = regrets.get(one.window, newest)
        if newest is None:
            found.append(one)
        else:
            kind: Against = "carried" if one.window not in regrets else "own" if one.window in own else "shadow"
            found.append(replace(one, fresh=one.loss - newest, against=kind))
    return tuple(found)
