"""The rules that hold a training back."""

from collections.abc import Callable

from ml.policy.evidence import Evidence
from ml.policy.finding import Finding, undeclared
from ml.policy.words import span
from ml.spec import Retraining
from ml.wording import counted


def newer_champion(evidence: Evidence, rules: Retraining) -> Finding:  # noqa: ARG001
    """The champion that was measured serves no longer."""
    if evidence.newer_champion is None:
        return Finding("newer_champion", "holds_back", False, "the champion that was measured still serves", worth_saying=False)
    said = f"version {evidence.newer_champion} has become champion since this window was taken"
    return Finding("newer_champion", "holds_back", True, said)


def minimum_rows(evidence: Evidence, rules: Retraining) -> Finding:
    """There is too little that is new to learn."""
    enough = evidence.labelled_rows >= rules.minimum_rows
    since = f"{counted(evidence.labelled_rows, 'labelled row')} since the champion's training"
    said = f"{'enough' if enough else 'too few'} new rows: {since} ({'≥' if enough else '<'} {rules.minimum_rows:,})"
    return Finding("minimum_rows", "holds_back", not enough, said)


def cooldown(evidence: Evidence, rules: Retraining) -> Finding:
    """The last training that a decision asked for was only just now, or a person has only just said no to one."""
    if evidence.since_asked is None:
        return Finding("cooldown", "holds_back", False, "no cooldown: no decision has asked for a training before")
    over = evidence.since_asked >= rules.cooldown
    asked = {"declined": "a person declined a suggestion", "expired": "a suggestion expired without an answer"}
    since = asked.get(evidence.refused or "", "a decision last asked for one")
    compared = f"{span(evidence.since_asked)} since {since} ({'≥' if over else '<'} {span(rules.cooldown)})"
    said = f"{'cooldown of trainings is over' if over else 'cooldown of trainings'}: {compared}"
    return Finding("cooldown", "holds_back", not over, said)


def budget(evidence: Evidence, rules: Retraining) -> Finding:
    """The period's trainings are spent."""
    if rules.budget is None:
        return undeclared("budget", "holds_back", "budget", "no budget")
    spent = sum(ago < rules.budget.period for ago in evidence.asked_ago)
    over = spent >= rules.budget.count
    asked = f"decisions asked for {counted(spent, 'training')} within {span(rules.budget.period)}"
    said = f"{'the budget is spent' if over else 'budget'}: {asked} ({'≥' if over else '<'} {rules.budget.count})"
    return Finding("budget", "holds_back", over, said)


def data(evidence: Evidence, rules: Retraining) -> Finding:
    """There is not enough to make a model of at all."""
    found = evidence.learnable
    if found is None:
        return Finding("data", "holds_back", False, "what a training would learn from was not counted", worth_saying=False)
    if found.unreadable:
        return Finding("data", "holds_back", True, f"no data: {found.unreadable}")
    rows = f"a training would find {counted(found.rows, 'row')} with a final label"
    if found.rows < found.needed:
        return Finding("data", "holds_back", True, f"too little data: {rows} (< {found.needed})")
    if found.classes is not None and found.classes < 2:
        return Finding("data", "holds_back", True, f"too little data: {rows}, all of the class {found.rarest!r}")
    least = rules.minimum_class_rows
    if found.classes is not None and found.rarest_rows < least:
        return Finding(
            "data", "holds_back", True, f"too little data: {rows}, {found.rarest_rows} of the class {found.rarest!r} (< {least})"
        )
    return Finding("data", "holds_back", False, f"enough data: {rows} (≥ {found.needed})", worth_saying=False)


CONDITIONS: tuple[Callable[[Evidence, Retraining], Finding], ...] = (newer_champion, minimum_rows, cooldown, budget, data)
"""In the order in which they speak."""
