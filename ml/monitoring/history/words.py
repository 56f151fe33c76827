"""What a model's history means, in plain sentences that are made from its numbers."""

from collections.abc import Callable, Sequence
from datetime import datetime

from ml.monitoring.decided import short
from ml.monitoring.history.facts import History, Seen, Value
from ml.state.overview import STANDING
from ml.state.records import Decision, Promotion
from ml.wording import counted, percent


def meaning(history: History) -> list[str]:
    """The paragraph at the top of the page, sentence by sentence."""
    return [sentence for paragraph in paragraphs(history) for sentence in paragraph]


def paragraphs(history: History) -> list[list[str]]:
    """The same, by what it is about: the data, the quality, and what was decided."""
    of: Sequence[Sequence[Callable[[History], list[str]]]] = ((_looked, _drift), (_quality, _estimates), (_decisions, _champions, _now))
    return [[sentence for part in parts for sentence in part(history)] for parts in of]


def number(value: float) -> str:
    """A number as the page writes it: four significant digits.

    >>> number(0.81237)
    '0.8124'
    """
    return f"{value:.4g}"


def day(moment: datetime) -> str:
    """A date as the page writes it."""
    return f"{moment.day} {moment:%B %Y}"


def interval(value: Value) -> str:
    """The interval in words; empty where none is known."""
    return "" if value.low is None or value.high is None else f" (95 % interval {number(value.low)} to {number(value.high)})"


def _looked(history: History) -> list[str]:
    if not history.windows:
        return [f"From {day(history.since)} to {day(history.until)} no window of {history.model} was looked at."]
    rows = sum(one.rows for one in history.windows)
    missing = len(history.windows) - len(history.measured)
    lost = f"; {missing} of them could not be measured, or not yet" if missing else ""
    looked = f"{counted(len(history.windows), 'window')} with {counted(rows, 'row')} of {history.model}"
    return [f"From {day(history.since)} to {day(history.until)} Perennial looked at {looked}{lost}."]


def _drift(history: History) -> list[str]:
    compared = [one for one in history.measured if one.share is not None]
    if not compared:
        return ["No column was compared with what the champion learnt from, so nothing is known of drift."] if history.windows else []
    newest = compared[-1]
    shown = f"in the newest window {newest.drifted} of {counted(newest.columns, 'column')} had drifted"
    if history.drift_limit is None:
        return [f"Drift: {shown}; drift alone asks for nothing here."]
    over = [one for one in compared if (one.share or 0.0) >= history.drift_limit]
    if not over:
        some = sum(one.drifted > 0 for one in compared)
        said = f"Columns drifted in {some} of {counted(len(compared), 'window')}" if some else "No column drifted in any window"
        below = f", never the {percent(history.drift_limit)} of them that ask for a training; {shown}{_farthest(newest)}" if some else ""
        return [f"{said}{below}."]
    often = f"Drift reached the limit of {percent(history.drift_limit)} of the columns in {len(over)} of {counted(len(compared), 'window')}"
    return [f"{often}, last on {day(over[-1].at)}; {shown}{_farthest(newest)}."]


def _farthest(seen: Seen) -> str:
    drifted = [one for one in seen.drifts if one.drifted and one.kind not in {"target", "prediction"} and one.threshold > 0]
    if not drifted:
        return ""
    one = max(drifted, key=lambda found: found.value / found.threshold)
    return f", the farthest {one.column} ({one.method} {number(one.value)}, its threshold is {number(one.threshold)})"


def _quality(history: History) -> list[str]:
    if not history.measured:
        return []
    if not history.judged:
        return [f"No labels have come, so {history.metric} is not known in any window."]
    newest, now = history.judged[-1]
    said = f"{history.metric} was {number(now.value)} on {counted(now.rows or 0, 'labelled row')} in window {newest.number}{interval(now)}"
    if len(history.judged) == 1:
        return [f"{said}, the only one with labels enough."]
    pick = max if history.is_lower_better else min
    worst, low = pick(history.judged, key=lambda one: one[1].value)
    if worst is newest:
        return [f"{said}, the worst of {counted(len(history.judged), 'judged window')}."]
    return [f"{said}; the worst of {counted(len(history.judged), 'judged window')} was {number(low.value)} in window {worst.number}."]


def _estimates(history: History) -> list[str]:
    found = [(one, value) for one in history.measured if (value := one.estimate(history.metric)) is not None]
    if not found:
        return []
    newest, value = found[-1]
    return [f"Without labels {history.metric} was estimated at {number(value.value)} in window {newest.number}{interval(value)}."]


def _decisions(history: History) -> list[str]:
    made = [one for one in history.decisions if one.kind == "retrain"]
    asked = [one for one in made if one.retrain]
    if not made:
        return []
    if not asked:
        return [f"No training was asked for in {counted(len(made), 'decision')}."]
    ends: dict[str, int] = {}
    for one in asked:
        ends[one.state] = ends.get(one.state, 0) + 1
    listed = ", ".join(f"{count} {short(state)}" for state, count in ends.items())
    return [f"In {len(asked)} of {counted(len(made), 'decision')} a training was asked for: {listed}."]


def _champions(history: History) -> list[str]:
    said = [_change(one) for one in history.changes]
    if not said:
        return ["The champion has not changed."] if history.champion is not None else []
    if len(said) > 3:
        back = sum(one.kind == "rollback" for one in history.changes)
        rolled = f" ({counted(back, 'rollback')} among them)" if back else ""
        return [f"The champion changed {len(said)} times{rolled}; the last time, {said[-1]}."]
    text = "; ".join(said)
    return [text[0].upper() + text[1:] + "."]


def _change(one: Promotion) -> str:
    if one.kind == "rollback":
        return f"version {one.previous} was rolled back to version {one.version} by {one.by} on {day(one.at)}"
    return f"version {one.version} became champion on {day(one.at)}"


def _now(history: History) -> list[str]:
    serving = "Nobody serves." if history.champion is None else f"Version {history.champion} serves now."
    waiting = [one for one in history.decisions if one.state in STANDING]
    return [f"{serving} {_waiting(waiting)}"]


def _waiting(found: Sequence[Decision]) -> str:
    if not found:
        return "Nothing waits for anybody."
    newest = found[-1]
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    until = f" until {day(newest.until)}" if newest.state == "suggested" and newest.until else ""
    return f"A decision of {day(newest.decided_at)} is {short(newest.state)}{until}{more}."
