"""How much history a model should learn from: the declared length, unless the tuned windows tell another one from it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ml.policy.replay.bootstrap import Interval, interval_of_total
from ml.policy.replay.costs import Costs
from ml.policy.replay.history import Floats, LossHistory, Parts
from ml.policy.replay.recommend import LEAST_TUNED, best
from ml.policy.replay.tuning import Tuning
from ml.policy.replay.yardstick import Yardstick


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """Which one, what it saved on the tuned windows against the declared one (95 % interval), and the total there of each."""

    name: str
    saved: Interval | None
    tuned_totals: dict[str, float]


def length(histories: Mapping[str, LossHistory], *, declared: str, costs: Costs, share: float = 0.4) -> Length:
    """The length whose best policy costs least on the tuned windows, if that is more than chance; else the declared one.

    Chosen by the least total alone, lengths were no better on average than one length throughout: the choice is shrunk to what is declared.

    Args:
        histories: The same windows, learnt from with other lengths (sliding or growing), by name.
        declared: The name of the one that is in use.
        costs: Of a retraining.
        share: How much of the windows is tuned on (0-1), as in `replay`.

    Raises:
        ModelOwnerError: There are too few windows.
    """
    parts = {name: Parts.of(one, share=share) for name, one in histories.items()}
    start, known = max(one.start for one in parts.values()), min(one.known for one in parts.values())
    while start < known and not all(one.available[start] for one in histories.values()):
        start += 1
    if known - start < 2:
        return Length(name=declared, saved=None, tuned_totals=dict.fromkeys(histories, 0.0))
    # All from the same window on: a later start would be a fresh champion for nothing.
    paid = {name: _paid(one, replace(parts[name], start=start, known=known), costs) for name, one in histories.items()}
    totals = {name: float(one.sum()) for name, one in paid.items()}
    name = min(totals, key=lambda one: (totals[one], one != declared))
    if name == declared:
        return Length(name=declared, saved=None, tuned_totals=totals)
    saved = interval_of_total(paid[declared] - paid[name])
    told = saved.low > 0 and known - start >= LEAST_TUNED
    return Length(name=name if told else declared, saved=saved, tuned_totals=totals)


def _paid(history: LossHistory, parts: Parts, costs: Costs) -> Floats:
    yardstick = Yardstick.of(history, start=parts.start, known=parts.known)
    tuning = Tuning(history=history, parts=parts, yardstick=yardstick, costs=costs)
    return best(tuning, tuning.votes()).run.paid(costs)
