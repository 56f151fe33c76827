"""The policies that are compared: families, of each of which the tuned windows choose one member."""

from dataclasses import dataclass

import numpy as np

from ml.policy.replay import forecast
from ml.policy.replay.costs import Costs
from ml.policy.replay.history import Counts, Flags, Floats, LossHistory, Parts
from ml.policy.replay.playing import Policy, by_row
from ml.policy.replay.voters import Voting
from ml.policy.replay.weighing import CALENDARS, pool
from ml.policy.replay.yardstick import Yardstick
from ml.spec import AnyVoter, CalendarVoter, NeverVoter

DROPS = (0.01, 0.02, 0.05, 0.1, 0.2)
LIMITS = (1.0, 2.0, 4.0, 8.0, 16.0)
ROWS = (1, 2, 4, 8, 16)
SHADOWS = (1, 2, 4)
_ALLOWANCE, _SD_OF_MAD = 0.5, 1.4826
_NOT_PLAYED = {"estimated quality": "quality is not estimated in a replay"}
"""On no history: an estimate takes a model's answer to each row, and only what it lost is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Families:
    """By name; `absent` are those that cannot be played on this history, and why."""

    members: dict[str, tuple[Policy, ...]]
    absent: dict[str, str]


def families(history: LossHistory, yardstick: Yardstick, parts: Parts, costs: Costs) -> Families:
    """All but the vote, which is made of some of them."""
    found: dict[str, tuple[Policy, ...]] = {"calendar": calendars(history, yardstick)}
    for shadow in (*SHADOWS, 0):
        voting = Voting(history=history, yardstick=yardstick, cost=costs.retraining, shadow=shadow)
        where = "against a shadow" if shadow else "without a shadow"
        for kind in ("regret", "payback"):
            name = f"{kind} {where}"
            members = tuple(voting.alone(one, family=name) for one in pool(calendars=False) if one.kind == kind)
            found[name] = (*found.get(name, ()), *members)
    found["own loss (CUSUM)"] = tuple(_cusum(history, yardstick, limit) for limit in LIMITS)
    found["labelled rows"] = tuple(_rows(history, parts, count) for count in ROWS)
    learnt = [forecast.learnt(history, yardstick, parts, horizon=horizon) for horizon in forecast.HORIZONS]
    absent = dict(_NOT_PLAYED)
    if forecasts := tuple(one.policy(costs.retraining) for one in learnt if one is not None):
        found["forecast"] = forecasts
    else:
        absent["forecast"] = "the windows that policies are chosen on are too few to learn it from"
    signalled, missing = _signalled(history)
    return Families(members=found | signalled, absent=absent | missing)


def calendars(history: LossHistory, yardstick: Yardstick) -> tuple[Policy, ...]:
    """Never, and every so many windows."""
    voting = Voting(history=history, yardstick=yardstick, cost=1.0, shadow=0)
    every = [CalendarVoter(weight=1, every_windows=windows) for windows in reversed(CALENDARS)]
    voters: tuple[AnyVoter, ...] = (NeverVoter(weight=1), *every)
    return tuple(voting.alone(one, family="calendar") for one in voters)


def _signalled(history: LossHistory) -> tuple[dict[str, tuple[Policy, ...]], dict[str, str]]:
    signals = history.signals
    found: dict[str, tuple[Policy, ...]] = {}
    absent: dict[str, str] = {}
    for name, flags in (("drift, as declared", signals.drift), ("drift, Evidently's default", signals.default_drift)):
        if flags is None:
            absent[name] = "no drift was measured"
        else:
            found[name] = (_signal(name, name, history, flags, lag=1),)
    name, drops = "quality drop", signals.quality_drop
    if drops is None:
        absent[name] = "no drop of quality was measured"
    else:
        found[name] = tuple(_signal(f"{name} {drop:g}", name, history, drops > drop, lag=1 + history.delay) for drop in DROPS)
    return found, absent


def _signal(name: str, family: str, history: LossHistory, flags: Flags, *, lag: int) -> Policy:
    """Asks where the newest window that is known, `lag` windows before, has the flag. NaN compares false and asks for nothing."""

    def row(champion: int) -> Flags:
        found = np.zeros(history.windows, dtype=bool)
        found[lag:] = flags[champion - history.delay, : history.windows - lag]
        found[: champion + lag] = False
        return found

    return Policy(name=name, family=family, asks=by_row(row))


def _cusum(history: LossHistory, yardstick: Yardstick, limit: float) -> Policy:
    """Page's sum of the champion's loss beyond that in its own first judged window, in deviations of what fresh models lose, less half.

    (Page, "Continuous inspection schemes", Biometrika 41 (1954), 100-115.) A yardstick: a champion that was born bad never drops.
    """
    deviation = max(_SD_OF_MAD * yardstick.usual_noise, 1e-9)

    def row(champion: int) -> Flags:
        own = history.served[champion]
        seen = np.flatnonzero(np.isfinite(own))
        sums = np.zeros(len(seen) + 1)
        for place, window in enumerate(seen[1:], start=2):
            sums[place] = max(0.0, sums[place - 1] + (own[window] - own[seen[0]]) / deviation - _ALLOWANCE)
        found: Flags = _as_known(history, seen, sums) > limit
        return found

    return Policy(name=f"own loss (CUSUM) beyond {limit:g}", family="own loss (CUSUM)", asks=by_row(row))


def _as_known(history: LossHistory, seen: Counts, values: Floats) -> Floats:
    """At the start of each window, what `values` says after so many of the `seen` windows."""
    found: Floats = values[np.searchsorted(seen, np.arange(history.windows) - 1 - history.delay, side="right")]
    return found


def _rows(history: LossHistory, parts: Parts, count: int) -> Policy:
    """Asks once as many rows have got their labels as so many usual windows have."""
    tuned = history.rows[parts.start : parts.known]
    judged = tuned[tuned > 0]
    needed = int(count * np.median(judged)) if len(judged) else 1
    known = np.concatenate([np.zeros(1 + history.delay, dtype=np.int64), np.cumsum(history.rows)])[: history.windows]

    def row(champion: int) -> Flags:
        found: Flags = known - known[champion] >= max(1, needed)
        return found

    return Policy(name=f"{needed} labelled rows", family="labelled rows", asks=by_row(row))
