"""What champions are held against: what fresh models usually lose, and what shadows lose in the same window."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ml.policy.replay.history import Floats, LossHistory
from ml.policy.replay.playing import with_shadow


@dataclass(frozen=True, slots=True, kw_only=True)
class Yardstick:
    """Taken from windows that are tuned on, and from no other.

    Args:
        usual: What models lose in their first window of service (median).
        usual_noise: How far these lie from it (median distance).
        edge: How much less a model loses that learnt from all before a window than one that could serve in it (median); 0 without delay.
        noise: How far the regret of a model that is one window old moves (median distance from its median).
    """

    usual: float
    usual_noise: float
    edge: float
    noise: float

    @classmethod
    def of(cls, history: LossHistory, *, start: int, known: int) -> "Yardstick":
        """From windows [start, known)."""
        windows = np.arange(start, known)
        served, fresh = history.served, history.fresh
        first = served[windows, windows]
        usual, usual_noise = _middle(first)
        edge, _ = _middle(first - fresh[windows])
        _, noise = _middle(np.array([served[before, window] - fresh[window] for before, window in pairwise(windows)]))
        return cls(usual=usual, usual_noise=usual_noise, edge=edge if history.delay else 0.0, noise=noise)


def regrets(history: LossHistory, yardstick: Yardstick, *, champion: int, shadow: int) -> Floats:
    """How much more than a fresh model the champion loses, in each window of the history; NaN in windows that are no evidence.

    With a shadow: held against a model that learnt from all before that window, less its usual edge; looking back like this tells a change
    after half of the time that a shadow needs which was trained with the labels of that moment. Without one (`shadow` is 0): against what
    models usually lose.

    Args:
        history: The losses.
        yardstick: Of the windows that are tuned on.
        champion: At which window it was put into service; earlier windows are not looked at.
        shadow: In every so many windows it is held against a shadow.
    """
    own: Floats = history.served[champion]
    if not shadow:
        return np.asarray(own - yardstick.usual)
    return np.where(with_shadow(history, champion=champion, shadow=shadow), own - history.fresh - yardstick.edge, np.nan)


def _middle(values: Floats) -> tuple[float, float]:
    """The median, and the median distance from it; 0 of nothing."""
    found = values[np.isfinite(values)]
    if not len(found):
        return 0.0, 0.0
    middle = float(np.median(found))
    return middle, float(np.median(np.abs(found - middle)))
