"""The least that any sequence of retrainings could have cost, known only afterwards."""

import numpy as np

from ml.policy.replay.costs import Costs
from ml.policy.replay.history import Floats, LossHistory
from ml.policy.replay.playing import Run

_TIE = 1e-12


def oracle(history: LossHistory, costs: Costs, *, start: int, end: int) -> Run:
    """The cheapest path over windows [start, end), by dynamic programming; of equally cheap ones that with the fewest retrainings.

    It needs no shadow. It is the minimum over thousands of paths on the very losses that it is judged by, so chance flatters it.
    """
    return _run(history, _path(history, history.served, costs, start=start, end=end), start=start, end=end)


def honest_oracle(history: LossHistory, costs: Costs, *, start: int, end: int) -> float | None:
    """What the oracle's path costs on rows that it was not chosen by: from one half of each window's rows, judged by the other, both ways.

    A window of which a half cannot be judged counts as a whole on both sides. None without halves. It may cost more than never: then all
    that the oracle seems to gain is chance.
    """
    if history.halves is None:
        return None
    whole = ~np.isfinite(history.halves[0] + history.halves[1])
    one, other = (history.as_served(np.where(whole, history.losses, half)) for half in history.halves)
    return (_crossed(history, costs, one, other, start, end) + _crossed(history, costs, other, one, start, end)) / 2


def _crossed(history: LossHistory, costs: Costs, chosen_by: Floats, judged_by: Floats, start: int, end: int) -> float:
    path = _path(history, chosen_by, costs, start=start, end=end)
    return float(_served_by(judged_by, path, start=start, end=end).sum()) + costs.retraining * (len(path) - 1)


def _path(history: LossHistory, served: Floats, costs: Costs, *, start: int, end: int) -> list[int]:
    """At which windows models are put into service, the first at `start`.

    least[j] is what windows before j and the models in them cost at least, where one is put into service at j or j is the end.
    """
    sums = np.concatenate([np.zeros((history.windows, 1)), np.nancumsum(served, axis=1)], axis=1)
    least, count, before = np.full(end + 1, np.inf), np.zeros(end + 1, dtype=np.int64), np.full(end + 1, -1)
    least[start] = 0.0
    for window in range(start + 1, end + 1):
        if window < end and not history.available[window]:
            continue
        earlier = np.arange(start, window)
        found = least[earlier] + sums[earlier, window] - sums[earlier, earlier] + costs.retraining  # of the first one too: for all alike
        ties = earlier[found <= found.min() + _TIE]
        best = int(ties[np.argmin(count[ties] + (ties > start))])
        least[window], before[window], count[window] = found[best - start], best, count[best] + (best > start)
    path, window = [], end
    while (window := int(before[window])) >= 0:
        path.append(window)
    return path[::-1]


def _served_by(served: Floats, path: list[int], *, start: int, end: int) -> Floats:
    champions = np.repeat(path, np.diff([*path, end]))
    return np.asarray(np.nan_to_num(served[champions, np.arange(start, end)]))


def _run(history: LossHistory, path: list[int], *, start: int, end: int) -> Run:
    promotions = np.zeros(end - start, dtype=np.int64)
    promotions[np.asarray(path[1:], dtype=np.int64) - start] = 1
    return Run(
        policy="oracle",
        start=start,
        end=end,
        champions=np.repeat(path, np.diff([*path, end])),
        losses=_served_by(history.served, path, start=start, end=end),
        judged=int(history.judged[start:end].sum()),
        fits=promotions.copy(),
        promotions=promotions,
    )
