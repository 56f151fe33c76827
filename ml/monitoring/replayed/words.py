"""What a replay means, in plain sentences that are made from its numbers."""

from collections.abc import Sequence

from ml.monitoring.history.words import counted, day, number
from ml.monitoring.replayed.facts import CostFacts, PlayedPolicy, Range, ReplayFacts

_TREATED = {
    "unlabelled": ("no row has a label", "not judged: in no total, and evidence for no policy"),
    "partly_labelled": ("only some rows have a label", "judged by these"),
    "one_class": ("all labels are the same, where the metric needs two classes", "not judged"),
    "few_rows": ("too few rows have a label", "not judged: the metric would be chance"),
    "untrained": ("too few labelled rows, or one class, before it", "no model could be trained there, so none was replaced"),
    "lost_columns": ("a feature that others have is missing throughout", "filled as a missing value"),
    "late_labels": ("some labels came later than the delay that was reckoned with", "not learnt from"),
}


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
        rows = counted(facts.affected.left_out_rows, "row")
        found.append((rows, "in no whole window, or without a time where windows follow it", "left out"))
    return found


def between(found: Range, *, digits: int = 2) -> str:
    """An interval; an open end is one that nothing bounds.

    >>> between((-1.5, None))
    '-1.50 to …'
    """
    return " to ".join("…" if end is None else f"{end:.{digits}f}" for end in found)


def period(facts: ReplayFacts) -> str:
    """Which windows were played, and how they were used."""
    starts = [one.start for one in facts.history if one.start is not None]
    when = f" from {day(min(starts))} to {day(max(starts))}" if starts else ""
    size = facts.settings.get("window")
    parts = f"policies were chosen on {counted(facts.tuned_on, 'window')} and judged on the {facts.judged_on} after them"
    return f"{counted(facts.windows, 'window')} of {size}{when}; {parts}."


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
        return [f"{said}: as much as what is recommended."]
    return [f"{said}: {number(abs(gap))} {'more' if gap > 0 else 'less'} than what is recommended."]


def _afterwards(cell: CostFacts) -> list[str]:
    mine, best, oracle = cell.recommended, cell.hindsight_calendar, cell.oracle
    known = f"Known only afterwards: the best calendar ({best.name}) {number(best.total)}, the best moments of all {number(oracle.total)}"
    return [f"{known}; what is recommended {number(mine.total)}."]


def _robust(facts: ReplayFacts) -> list[str]:
    """How much it would cost to keep the choice, were the cost another one."""
    mine = facts.chosen.recommended
    rest = [one for one in facts.cells if one.cost != facts.chosen_cost]
    if not rest:
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
    return [f"{said}; keeping this policy would cost at most {regret:.0%} more than that, at a cost of {worst.cost:.6g}."]


def _regret(cell: CostFacts, mine: PlayedPolicy) -> float:
    """By which share the policy, kept at another cost, is dearer than what is recommended there."""
    theirs = cell.recommended.total
    return mine.total_at(train=cell.train, promote=cell.promote) / theirs - 1 if theirs > 0 else 0.0


def listed(facts: ReplayFacts) -> Sequence[str]:
    """What one must know to read the numbers."""
    return [*facts.notes, *(f"Not played: {name}: {why}." for name, why in facts.absent.items())]
