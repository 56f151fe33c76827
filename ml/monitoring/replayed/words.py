"""What a replay means, in plain sentences that are made from its numbers."""

from collections.abc import Sequence
from typing import NamedTuple

from ml.monitoring.history.words import day, number
from ml.monitoring.replayed.facts import CostFacts, PlayedPolicy, Range, ReplayFacts
from ml.wording import counted, percent, size

_MEANT = {
    "calendar": "every so many windows, or never, whatever happens",
    "regret": "once the champion has lost so many times a retraining's cost more than a new model would have",
    "payback": "once what a new model would save of late pays for the retraining within so many windows",
    "own loss (CUSUM)": "once the champion's losses have risen for long above that of its own first window",
    "labelled rows": "once so many labelled rows have come since the last training",
    "forecast": "where what a new model is forecast to save in so many windows is more than it costs",
    "drift, as declared": "where as many columns have drifted as model.yaml says",
    "drift, Evidently's default": "where half of the columns have drifted by the tests that Evidently picks",
    "quality drop": "where the metric is worse by so much than new models usually have it",
    "vote": "where regret, payback and calendars, weighted by what each cost on the earlier windows, have a majority for it",
    "as declared": "as `retraining` in model.yaml says now",
    "oracle": "at the cheapest moments of all, which nobody can know beforehand",
}
"""When each family of policies retrains."""
LEGEND = "The names say when a policy retrains:"
_SHADOW = "a new model that is fitted only to be held against the champion, and is paid for as a fit"
_TREATED = {
    "unlabelled": ("no row has a label", "not judged: in no total, and evidence for no policy"),
    "partly_labelled": ("only some rows have a label", "judged by these"),
    "one_class": ("all labels are the same, where the metric needs two classes", "not judged"),
    "few_rows": ("too few rows have a label", "not judged: the metric would be chance"),
    "untrained": ("too few labelled rows, or one class, before it", "no model could be trained there, so none was replaced"),
    "lost_columns": ("a feature that others have is missing throughout", "filled as a missing value"),
    "late_labels": ("some labels came later than the delay that was reckoned with", "not learnt from"),
    "unmeasured": ("drift could not be measured where a policy looked", "counted as not drifted; the log says why"),
}


class Row(NamedTuple):
    """A policy, what it is beside its name, and the names of those that did exactly the same."""

    policy: PlayedPolicy
    mark: str
    same: list[str]


def rows(cell: CostFacts, played: Sequence[PlayedPolicy]) -> list[Row]:
    """The policies, the cheapest first, each once; of those that did the same the recommended one, else never, else the first."""
    first = {cell.recommended.name: 0, cell.never.name: 1}
    found: dict[object, Row] = {}
    for one in sorted({each.name: each for each in played}.values(), key=lambda each: first.get(each.name, 2)):
        row = found.setdefault((one.retrained, one.fits, round(one.total, 9)), Row(one, _mark(cell, one), []))
        if row.policy is not one:
            row.same.append(one.name + (f" ({mark})" if (mark := _mark(cell, one)) else ""))
    return sorted(found.values(), key=lambda row: (row.policy.total, row.policy.retrainings))


def _mark(cell: CostFacts, one: PlayedPolicy) -> str:
    marks = {
        "recommended": cell.recommended.name if cell.is_told else None,
        "tuned calendar": cell.tuned_calendar.name,
        "best calendar in hindsight": cell.hindsight_calendar.name,
    }
    return ", ".join(mark for mark, name in marks.items() if name == one.name)


def legend(played: Sequence[PlayedPolicy]) -> list[tuple[str, str]]:
    """What the names of these policies mean."""
    seen = {one.family for one in played}
    found = [(name, meant) for name, meant in _MEANT.items() if any(family == name or family.startswith(f"{name} ") for family in seen)]
    shadow = [("shadow", _SHADOW)] if any(one.shadow for one in played) else []
    return [*found, ("tuned calendar", "the calendar that was best on the windows that policies were chosen on"), *shadow]


def hindsight(cell: CostFacts) -> str:
    """How far the oracle can be believed; empty where it is not known."""
    if cell.honest_oracle is None:
        return ""
    return (
        "The oracle's moments were picked on the very rows that it is judged by, so part of what it saves is chance: picked on one half "
        f"of each window's rows and judged on the other half, it comes to {cell.honest_oracle:.3f}."
    )


def meaning(facts: ReplayFacts) -> list[str]:
    """The paragraph at the top of the page, sentence by sentence."""
    return [facts.recommendation, *_saved(facts), *_declared(facts), *_afterwards(facts.chosen), *_robust(facts)]


def treated(facts: ReplayFacts) -> list[tuple[str, str, str]]:
    """Windows (or rows) that were treated otherwise: how many, what was the matter, and what was done."""
    counts = facts.affected.model_dump()
    found = [
        (f"{counted(counts[name], 'window')} of {facts.windows}", what, treatment)
        for name, (what, treatment) in _TREATED.items()
        if counts[name]
    ]
    if facts.affected.left_out_rows:
        left = counted(facts.affected.left_out_rows, "row")
        untimed = "" if facts.clock == "delivered" else ", or without a time where windows follow it"
        found.append((left, f"after the last whole window{untimed}", "left out"))
    return found


def between(found: Range, *, digits: int = 2) -> str:
    """An interval; an open end is one that nothing bounds.

    >>> between((-1.5, None))
    '-1.50 to …'
    """
    return " to ".join("…" if end is None else f"{end:.{digits}f}" for end in found)


def period(facts: ReplayFacts) -> str:
    """Which windows were played, and how they were used."""
    parts = f"policies were chosen on {counted(facts.tuned_on, 'window')} and judged on the {facts.judged_on} after them"
    return f"{counted(facts.windows, 'window')} of {size(str(facts.settings.get('window')))}{_when(facts)}; {parts}."


def _when(facts: ReplayFacts) -> str:
    """From when to when; nothing where only the order of the rows is known."""
    days = list(dict.fromkeys(day(one.start) for one in facts.history if one.start is not None))
    if not days:
        return ""
    span = f"on {days[0]}" if len(days) == 1 else f"from {days[0]} to {days[-1]}"
    return f", which arrived {span}" if facts.clock == "arrivals" else f" {span}"


def _saved(facts: ReplayFacts) -> list[str]:
    """What each way cost a window, as people speak of it: the sentence before has the totals."""
    cell, windows = facts.chosen, facts.judged_on
    mine, never = cell.recommended, cell.never
    if windows < 1:
        return []
    if mine.name == never.name:
        return [f"A champion that stays lost {number(never.mean_loss)} a window, a new one in every window {_fresh(facts)}."]
    trained = f"with a new champion in {mine.retrainings} of {counted(windows, 'window')}" + (
        f" and {counted(mine.shadows, 'shadow fit')}" if mine.shadows else ""
    )
    return [
        f"The champion lost {number(mine.mean_loss)} a window under it, {trained}; it would have lost {number(never.mean_loss)} without "
        f"any retraining, and {_fresh(facts)} with a new model in every window."
    ]


def _fresh(facts: ReplayFacts) -> str:
    judged = [one.fresh for one in facts.history if one.part == "judged" and one.fresh is not None]
    return number(sum(judged) / len(judged)) if judged else "an unknown loss"


def _declared(facts: ReplayFacts) -> list[str]:
    cell = facts.chosen
    declared = next((one for one in cell.policies if one.family == "as declared"), None)
    if declared is None or declared.name == cell.recommended.name:
        return []
    gap = declared.total - cell.recommended.total
    said = f"What model.yaml declares now costs {number(declared.total)}, with {counted(declared.retrainings, 'new champion')}"
    if abs(gap) < 1e-9:
        return [f"{said}: as much as {_ours(cell)}."]
    return [f"{said}: {number(abs(gap))} {'more' if gap > 0 else 'less'} than {_ours(cell)}."]


def _ours(cell: CostFacts) -> str:
    return "what is recommended" if cell.is_told else "no retraining at all"


def _afterwards(cell: CostFacts) -> list[str]:
    mine, best, oracle = cell.recommended, cell.hindsight_calendar, cell.oracle
    known = f"Known only afterwards: the best calendar ({best.name}) {number(best.total)}, the best moments of all {number(oracle.total)}"
    return [f"{known}; {_ours(cell)} {number(mine.total)}."]


def _robust(facts: ReplayFacts) -> list[str]:
    """How much it would cost to keep the choice, were the cost another one."""
    mine = facts.chosen.recommended
    rest = [one for one in facts.cells if one.cost != facts.chosen_cost]
    if not rest or not facts.chosen.is_told:
        return []
    other = sum(one.recommended.name != mine.name for one in rest)
    worst, regret = max(((one, _regret(one, mine)) for one in rest), key=lambda item: item[1])
    said = (
        f"At {other} of {len(rest)} other costs of a retraining something else is recommended"
        if other
        else "The same is recommended at every other cost"
    )
    if regret <= 0:
        return [f"{said}; keeping this policy would be no dearer at any of them."]
    return [f"{said}; keeping this policy would cost at most {percent(regret)} more than that, at a cost of {worst.cost:.6g}."]


def _regret(cell: CostFacts, mine: PlayedPolicy) -> float:
    """By which share the policy, kept at another cost, is dearer than what is recommended there."""
    theirs = cell.recommended.total
    return mine.total_at(train=cell.train, promote=cell.promote) / theirs - 1 if theirs > 0 else 0.0


def listed(facts: ReplayFacts) -> Sequence[str]:
    """What one must know to read the numbers."""
    absent = [f"{name[0].upper()}{name[1:]} was not played: {why}." for name, why in facts.absent.items()]
    return [*(one for one in [hindsight(facts.chosen)] if one), *facts.notes, *absent]
