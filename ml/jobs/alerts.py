"""Deciding whom to tell what: a pure function of what is recorded. Nothing here sends or stores anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml.jobs import alert_looks
from ml.jobs.alert_facts import Condition, Facts, sentence
from ml.state import ledger
from ml.state.records import Alert
from ml.wording import moment

_RULES = {
    "drift": ("drift_share", "drift_share", "drift alarm"),
    "quality": ("quality_drop", "quality", "quality has dropped"),
    "estimate": ("estimated_drop", "estimated", "estimated quality has dropped"),
}
"""Kind of an alert → the policy's rule, the part of its evidence without which the rule knows nothing, and the headline."""
_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What changes between what stands and what is: new conditions, number → how it ended, and what is there again."""

    opened: tuple[Condition, ...]
    closed: Mapping[int, str]
    reopened: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, about one condition or several of a kind. `is_end`: they are over."""

    kind: str
    is_end: bool
    numbers: tuple[int, ...]
    title: str
    text: str
    window: str | None


def conditions(facts: Facts) -> list[Condition]:
    """Everything that is the case now."""
    looked = [*alert_looks.failing(facts), *alert_looks.alarms(facts)]
    return [*looked, *_from_rules(facts), *_asking(facts), *_failed(facts), *_quarantined(facts), *_rolled_back(facts)]


def unknown(facts: Facts) -> frozenset[str]:
    """The keys of which nothing can be said now: a rule that could not look has not seen a recovery."""
    return alert_looks.unknown(facts) | _rules_unknown(facts)


def _rules_unknown(facts: Facts) -> frozenset[str]:
    if facts.judged is None:
        return frozenset(f"{kind}/{facts.champion}" for kind in _RULES)
    made, champion = facts.judged
    if champion != facts.champion:  # the new champion has not been looked at; what was known of the former one is over
        return frozenset()
    declared = {rule["rule"] for rule in made.rules if rule["fired"] is not None}
    blind = {kind for kind, (rule, part, _) in _RULES.items() if rule in declared and made.evidence.get(part) is None}
    return frozenset(f"{kind}/{champion}" for kind in blind)


def plan(facts: Facts, standing: Sequence[Alert], *, events: Sequence[str] | None = None) -> Plan:
    """What has begun, ended and come back since the last look, of the kinds in `events` (None: of all)."""
    found = {one.key: one for one in conditions(facts) if events is None or one.kind in events}
    silent = unknown(facts)
    # What is no longer told through this channel has not ended for that.
    watched = [one for one in standing if events is None or one.kind in events]
    still = [one for one in watched if one.closed_at is None]
    ended = [one for one in watched if one.closed_at is not None]
    there = {one.key for one in still}
    back = [one for one in ended if one.key in found and one.key not in there]
    again = {one.key for one in back}
    return Plan(
        opened=tuple(one for key, one in found.items() if key not in there | again),
        closed={one.number: _end(facts, one) for one in still if one.key not in found and one.key not in silent},
        reopened=tuple(one.number for one in back),
    )


def messages(standing: Sequence[Alert], *, events: Sequence[str] | None = None) -> list[Message]:
    """What is to be told of the conditions that stand: one message for all of a kind that began, and one for all that ended."""
    watched = [one for one in standing if events is None or one.kind in events]
    begun = [one for one in watched if one.closed_at is None and one.told_at is None]
    over = [one for one in watched if one.closed_at is not None and one.told_at is not None and one.end_told_at is None]
    return [*_grouped(begun, is_end=False), *_grouped(over, is_end=True)]


def _grouped(found: Sequence[Alert], *, is_end: bool) -> list[Message]:
    by_kind: dict[str, list[Alert]] = {}
    for one in found:
        by_kind.setdefault(one.kind, []).append(one)
    return [_message(kind, of_kind, is_end=is_end) for kind, of_kind in by_kind.items()]


def _message(kind: str, found: Sequence[Alert], *, is_end: bool) -> Message:
    first = found[0]
    model, headline = first.model, first.title
    texts = [one.end_text or "" if is_end else one.text for one in found]
    more = [f"… and {len(texts) - _NAMED} more"] if len(texts) > _NAMED else []
    if len(found) > 1:
        headline = f"{len(found)} times: {headline}"
    return Message(
        kind=kind,
        is_end=is_end,
        numbers=tuple(one.number for one in found),
        title=f"{model}: {'recovered: ' if is_end else ''}{headline}",
        text="\n".join([*texts[:_NAMED], *more]),
        window=found[-1].window,
    )


def _from_rules(facts: Facts) -> list[Condition]:
    if facts.judged is None:
        return []
    made, champion = facts.judged
    if champion != facts.champion:
        return []
    fired = {rule["rule"]: rule["reason"] for rule in made.rules if rule["fired"]}
    return [
        Condition(key=f"{kind}/{champion}", kind=kind, title=headline, text=sentence(fired[rule]), window=made.window)
        for kind, (rule, _, headline) in _RULES.items()
        if rule in fired
    ]


def _asking(facts: Facts) -> list[Condition]:
    asking = [one for one in facts.decisions if one.state in ledger.ASKING]
    if not asking:
        return []
    newest = asking[0]
    reasons = "; ".join(newest.reasons)
    if newest.state == "suggested":
        until = f" until {moment(newest.until)}" if newest.until else ""
        title, what = "a training is suggested", f"It waits for a person's word{until}."
    else:
        title, what = "a training is asked for", "The training is woken for it."
    return [Condition(key="retrain", kind="retrain", title=title, text=f"{sentence(reasons)} {what}", window=newest.window)]


def _failed(facts: Facts) -> list[Condition]:
    training = facts.training
    if training is None or training.state != "failed":
        return []
    asked = next((one for one in facts.decisions if one.id == training.decision), None)
    error = asked.failures[-1]["error"] if asked is not None and asked.failures else f"the log of {training.key} says why"
    text = f"The training that began at {moment(training.started_at)} ({training.reason}) has failed: {sentence(error)}"
    return [Condition(key="training", kind="training", title="a training has failed", text=text)]


def _quarantined(facts: Facts) -> list[Condition]:
    return [
        Condition(
            key=f"quarantine/{one.id}",
            kind="quarantine",
            title="a batch is in quarantine",
            text=f"{one.source} ({one.id[:12]}): {sentence('; '.join(one.reasons[:_NAMED]) or 'no reason was written down')}",
        )
        for one in facts.quarantined
    ]


def _rolled_back(facts: Facts) -> list[Condition]:
    one = facts.change
    if one is None or one.kind != "rollback":
        return []
    changed = f"Version {one.previous} was rolled back to version {one.version} by {one.by} at {moment(one.at)}"
    text = f"{changed}: {sentence(one.reason)}"
    return [Condition(key=f"rollback/{one.number}", kind="rollback", title="the champion was rolled back", text=text)]


def _end(facts: Facts, one: Alert) -> str:
    """How a condition that stood has ended, in words."""
    if one.kind in _RULES:
        return _rule_ended(facts, one)
    if one.kind in alert_looks.KINDS:
        return alert_looks.ended(facts, one)
    if one.kind == "quarantine":
        batch = one.key.split("/", 1)[1]
        return f"Batch {batch[:12]} is in quarantine no longer: it is {facts.batches.get(batch, 'gone')}."
    if one.kind == "training" and facts.training is not None:
        return f"A later training made version {facts.training.version}: {facts.training.state}."
    if one.kind == "rollback" and facts.change is not None:
        return f"Version {facts.change.version} is champion since {moment(facts.change.at)}: {sentence(facts.change.reason)}"
    return _asked_ended(facts)


def _rule_ended(facts: Facts, one: Alert) -> str:
    if one.key != f"{one.kind}/{facts.champion}":
        return f"Version {facts.champion} has become champion; the alarm was about the one before."
    made = facts.judged[0] if facts.judged is not None else None
    rule = _RULES[one.kind][0]
    said = next((found["reason"] for found in made.rules if found["rule"] == rule), "") if made is not None else ""
    return sentence(said or "the rule asks for nothing any more")


def _asked_ended(facts: Facts) -> str:
    """What became of the newest decision that asked."""
    newest = next((one for one in facts.decisions if one.retrain), None)
    if newest is None:
        return "Nothing asks for a training any more."
    if newest.state == "failed":
        return "No training came of it: it was tried as often as may be and has failed."
    if newest.state in {"declined", "expired"}:
        return f"The suggestion was {'declined' if newest.state == 'declined' else 'not answered in time'}: no training was started."
    training = facts.training
    if newest.state == "done" and training is not None and training.version is not None:
        return f"A training made version {training.version}: {training.state}."
    return f"The decision is {newest.state}."
