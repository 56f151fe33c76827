"""What a retraining by accumulated regret costs in all, with a shadow every so many windows and without, replayed on streams that change.

`python -m benchmarks.shadow`: eleven streams, six costs of a retraining, theta 1. A model of eight windows is fitted before each window
and scored on all later ones, so that every policy can be replayed. The total is the sum of the champion's error rates a window, plus the
cost of each retraining, plus `share` of that cost for each fit of a shadow. What fresh models usually lose is the median of the last 20
champions' test errors, each on the newest fifth of its rows. Bars: carrying a shadow's regret until the next one costs no more than the
usual error in between, and shadows that are paid for cost no more in all than none.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from benchmarks.detection_streams import KNOWN, Stream
from benchmarks.refitting import HISTORY, before_each_window, wrong
from benchmarks.sets import SetMissing
from ml.policy import regret

Floats = npt.NDArray[np.float64]
TEST_SHARE = 0.2
COSTS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
SHARES = (0.0, 0.05)
DELAY = 2
ENOUGH, NEWEST = 3, 20
WINDOWS = {"usenet1": 50, "elec2": 336}
Between = Literal["usual", "carried", "nothing"]


@dataclass(frozen=True, slots=True)
class Matrix:
    """`errors[i, k]`: the error rate in window k of the model fitted before window i; `tests[i]`: its own test error."""

    errors: Floats
    tests: Floats


@dataclass(frozen=True, slots=True)
class Policy:
    """A shadow in the first of every `every` judged windows (None: never), and what counts in the windows `between`.

    `edge`: what champions usually lose more than their shadow in their first judged window is taken off.
    """

    every: int | None
    between: Between = "usual"
    edge: bool = False


def matrix(stream: Stream) -> Matrix:
    """Fits and scores all models of a stream."""
    size = WINDOWS.get(stream.name, 500)
    count = len(stream.labels) // size
    errors, tests = np.full((count, count), np.nan), np.full(count, np.nan)
    for place, later in before_each_window(stream, _model, size):
        start, end = (place - HISTORY) * size, place * size
        held = end - int(TEST_SHARE * HISTORY * size)
        tests[place] = wrong(stream, _model, slice(start, held), slice(held, end)).mean()
        errors[place, place:] = later.mean(axis=1)
    return Matrix(errors, tests)


def _model() -> Any:
    import xgboost

    return xgboost.XGBClassifier(n_estimators=40, max_depth=4, n_jobs=1, random_state=0)


def replay(known: Matrix, policy: Policy, *, cost: float, delay: int) -> tuple[float, int]:
    """The champions' errors with the cost of their trainings, and how many shadows were fitted. Labels come `delay` windows late."""
    first = HISTORY + delay
    current, total, fits = first, 0.0, 0
    tests, regrets, held, births = [known.tests[first - delay]], list[float](), None, list[float]()
    for now in range(first, len(known.errors)):
        newest = now - 1 - delay
        if newest >= current:  # the newest window whose labels have come, of those after the champion's training
            own, fresh = known.errors[current - delay, newest], known.errors[newest, newest]
            is_own_shadow = newest == current - delay
            usual = float(np.median(tests[-NEWEST:])) if len(tests) >= ENOUGH else float(tests[-1])
            if policy.every is not None and len(regrets) % policy.every == 0:
                fits += not is_own_shadow
                births += [own - fresh] if not regrets and not is_own_shadow else []
                held = own - fresh - (max(0.0, float(np.median(births[-NEWEST:]))) if policy.edge and len(births) >= ENOUGH else 0.0)
                regrets.append(held)
            elif policy.between == "usual" or held is None:
                regrets.append(own - usual)
            else:
                regrets.append(held if policy.between == "carried" else 0.0)
            if regret.accumulated(regrets) > cost:
                current, regrets, held, total = now, [], None, total + cost
                tests.append(known.tests[now - delay])
        total += float(known.errors[current - delay, now])
    return total, fits


def policies() -> Iterator[tuple[str, Policy]]:
    """What is compared."""
    yield "no shadow", Policy(None)
    yield "every window", Policy(1)
    for every in (2, 4):
        for between, said in (("carried", "its regret carried"), ("usual", "the usual error between"), ("nothing", "nothing between")):
            yield f"every {every}, {said}", Policy(every, between)  # type: ignore[arg-type]
        yield f"every {every}, its regret carried, less the edge", Policy(every, "carried", edge=True)


def totals(found: dict[str, Matrix], *, delay: int) -> dict[str, dict[str, float]]:
    """By policy and share: the sum over streams and costs."""
    sums: dict[str, dict[str, float]] = {}
    for name, policy in policies():
        runs = [(cost, replay(known, policy, cost=cost, delay=delay)) for known in found.values() for cost in COSTS]
        sums[name] = {f"{share:g}": sum(total + share * cost * fits for cost, (total, fits) in runs) for share in SHARES}
    return sums


def read() -> dict[str, Matrix]:
    """The streams that are on this machine."""
    found: dict[str, Matrix] = {}
    for folder, entries in KNOWN.items():
        try:
            found |= {name: matrix(made()) for name, made in entries}
        except SetMissing:
            print(f"{folder} is not here: left out")
    return found


def main() -> None:
    found, facts = read(), dict[str, Any]()
    for delay in (0, DELAY):
        facts[f"delay_{delay}"] = sums = totals(found, delay=delay)
        print(f"\nlabels {delay} windows late: errors and costs over {len(found)} streams and {len(COSTS)} costs of a retraining")
        print(f"{'shadow':<45}" + "".join(f"{f'a fit costs {share:.0%} of it':>25}" for share in SHARES))
        for name, one in sums.items():
            print(f"{name:<45}" + "".join(f"{value:>25.1f}" for value in one.values()))
    now = facts["delay_0"]
    worse = {
        every: now[f"every {every}, the usual error between"]["0"] / now[f"every {every}, its regret carried"]["0"] for every in (2, 4)
    }
    paid = max(
        one[name]["0.05"] / one["no shadow"]["0.05"] for one in facts.values() for name in one if "carried" in name or "window" in name
    )
    misses = [f"every {every}: carrying costs more" for every, ratio in worse.items() if ratio < 1] + (
        ["shadows cost more"] if paid > 1 else []
    )
    for miss in misses:
        print(f"missed: {miss}")
    shown = {"usual_between_to_carried": {str(every): round(ratio, 4) for every, ratio in worse.items()}, "streams": list(found)}
    print(json.dumps({"name": "shadow", "value": round(paid, 4), "bar": 1.0, "holds": not misses, **shown, **facts}))


if __name__ == "__main__":
    main()
