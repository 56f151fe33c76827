"""All policies on one history, at each cost."""

from collections.abc import Sequence

from ml.policy.replay.bootstrap import Interval, interval, interval_of_total
from ml.policy.replay.cells import Cell, Judged, Replayed
from ml.policy.replay.costs import Costs
from ml.policy.replay.families import Families, calendars, families
from ml.policy.replay.history import LossHistory, Parts
from ml.policy.replay.oracles import honest_oracle, oracle
from ml.policy.replay.playing import Policy, Run, play
from ml.policy.replay.recommend import Advice, advise
from ml.policy.replay.tuning import Candidate, Tuning
from ml.policy.replay.yardstick import Yardstick
from ml.wording import counted, percent


def replay(history: LossHistory, costs: Sequence[Costs], *, share: float = 0.4, own: Sequence[Policy] = ()) -> Replayed:
    """Each policy is chosen on the first `share` of the windows and judged on the rest.

    Args:
        history: What every model would have lost in every window.
        costs: Of a retraining; one cell each.
        share: How much of the windows is tuned on (0-1).
        own: Policies that no cost changes, such as the declared one, to be judged beside the others.

    Raises:
        ModelOwnerError: There are too few windows.
    """
    parts = Parts.of(history, share=share)
    yardstick = Yardstick.of(history, start=parts.start, known=parts.known)
    absent: dict[str, str] = {}
    runs = [(one, play(history, one, start=parts.split, end=parts.end)) for one in own]
    cells = []
    for one in costs:
        tuning = Tuning(history=history, parts=parts, yardstick=yardstick, costs=one)
        found = families(history, yardstick, parts, one)
        absent |= found.absent
        cells.append(_cell(tuning, found, runs))
    later = slice(parts.start, parts.end)
    return Replayed(
        parts=parts,
        cells=tuple(cells),
        unjudged=int((~history.judged[later]).sum()),
        untrained=int((~history.available[later]).sum()),
        absent=absent,
    )


class _Bench:
    """Judges policies beside never and the tuned calendar."""

    def __init__(self, tuning: Tuning, *, never: Policy, calendar: Policy) -> None:
        self._tuning = tuning
        self._never, self._calendar = (self._run(one).paid(tuning.costs) for one in (never, calendar))

    def _run(self, policy: Policy) -> Run:
        parts, tuning = self._tuning.parts, self._tuning
        return play(tuning.history, policy, start=parts.split, end=parts.end)

    def judged(self, policy: Policy, *, tuned_total: float | None = None) -> Judged:
        """A policy that was not chosen here, or `tuned_total` on the windows that chose it."""
        return self.of(self._run(policy), policy, tuned_total=tuned_total)

    def chosen(self, candidate: Candidate) -> Judged:
        """The policy that the tuned windows chose of its family."""
        return self.judged(candidate.policy, tuned_total=candidate.total)

    def of(self, run: Run, policy: Policy, *, tuned_total: float | None = None) -> Judged:
        """A policy of which it is known what happened."""
        paid = run.paid(self._tuning.costs)
        return Judged(
            name=policy.name,
            family=policy.family,
            run=run,
            total=float(paid.sum()),
            mean=interval(paid * len(paid) / max(1, run.judged)),
            beyond_never=interval_of_total(paid - self._never),
            beyond_calendar=interval_of_total(paid - self._calendar),
            tuned_total=tuned_total,
            shadow=policy.shadow,
        )


def _cell(tuning: Tuning, found: Families, own: Sequence[tuple[Policy, Run]]) -> Cell:
    start, end = tuning.parts.split, tuning.parts.end
    every = calendars(tuning.history, tuning.yardstick)
    chosen = {name: tuning.best(members) for name, members in found.members.items()}
    votes = tuning.votes()
    bench = _Bench(tuning, never=every[0], calendar=chosen["calendar"].policy)
    by_calendar = [bench.judged(one) for one in every]
    advice = advise(tuning, votes)
    recommended = bench.judged(advice.policy, tuned_total=advice.tuned_total)
    others = [bench.chosen(one) for name, one in chosen.items() if name != "calendar"] + [bench.chosen(one) for one in votes]
    best = Policy(name="oracle", family="oracle", asks=lambda _champion, _window: False)
    tuned = bench.chosen(chosen["calendar"])
    return Cell(
        costs=tuning.costs,
        recommended=recommended,
        kind=advice.kind,
        is_told=advice.is_told,
        sentence=_sentence(advice, recommended, bench=bench, never=by_calendar[0], calendar=tuned),
        tuned_calendar=tuned,
        hindsight_calendar=min(by_calendar, key=lambda one: (round(one.total, 9), one.retrainings)),
        never=by_calendar[0],
        always=by_calendar[-1],
        oracle=bench.of(oracle(tuning.history, tuning.costs, start=start, end=end), best),
        honest_oracle=honest_oracle(tuning.history, tuning.costs, start=start, end=end),
        policies=(*by_calendar, *others, *(bench.of(run, one) for one, run in own)),
        vote=advice.vote,
        every_windows=advice.every_windows,
    )


def _sentence(advice: Advice, recommended: Judged, *, bench: _Bench, never: Judged, calendar: Judged) -> str:
    """What to do, and what came of it on windows that had no say in it."""
    windows = recommended.run.end - recommended.run.start
    retrained = advice.kind != "never"
    said = [f"{_cost(recommended)} under it"] if retrained else []
    said.append(f"{never.total:.2f} without any retraining" + (f" ({_against(recommended.beyond_never)})" if retrained else ""))
    if calendar.name not in {never.name, recommended.name}:
        said.append(f"{_cost(calendar)} under the best calendar of the earlier windows ({calendar.name})")
    if advice.alternative is not None:
        said.append(f"{_cost(bench.judged(advice.alternative))} under the best policy of the earlier windows ({advice.alternative.name})")
    return f"{advice.sentence}. On the {windows} judged windows loss and cost came to {', '.join(said)}."


def _against(beyond: Interval) -> str:
    verdict = "maybe chance" if beyond.covers_zero else "beyond chance"
    return f"{percent(beyond.level)} interval of the difference {beyond.low:+.2f} to {beyond.high:+.2f}, {verdict}"


def _cost(judged: Judged) -> str:
    return f"{judged.total:.2f} with {counted(judged.retrainings, 'retraining')}"
