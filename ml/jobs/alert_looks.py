"""What is told of the looks themselves: alarms under a promised rate, and that monitoring fails.

An alarm is told whether or not a rule asks for a training: one column is no reason to train, and still the one thing that was promised to
be rare.
"""

from collections.abc import Sequence
from typing import Any

from ml.jobs.alert_facts import Condition, Facts, sentence
from ml.state import ledger
from ml.state.records import Alert, Drift
from ml.wording import counted, moment

KINDS = frozenset({"alarm", "monitoring"})
FEW_SCHEDULES = 3
"""A window that is open for longer than so many schedules is not going to be decided by itself."""
_CONCEPT = "concept drift"
_FAMILIES = ("data quality", "data", "prediction", "target", _CONCEPT)
"""In the order in which they are told: what is broken is mended before one asks what has moved."""
_NAMED = 5


def alarms(facts: Facts) -> list[Condition]:
    """One condition for each kind of drift that alarms in the newest look at the champion."""
    if facts.looked is None or facts.looked[0].champion != facts.champion:
        return []
    window, drifts = facts.looked
    found = _alarms(drifts) | _of_concept(facts, drifts)
    return [
        Condition(
            key=f"alarm/{window.champion}/{family}",
            kind="alarm",
            title="drift that is more than chance",
            text=f"{family[0].upper()}{family[1:]}, window {window.number}: {sentence(_listed(found[family]))}",
            window=window.id,
        )
        for family in [*_FAMILIES, *sorted(found.keys() - set(_FAMILIES))]
        if family in found
    ]


def failing(facts: Facts) -> list[Condition]:
    """Nobody looks: the newest window was given up, or is not decided."""
    if facts.newest is None:
        return []
    window, made = facts.newest
    named = f"Window {window.number} ({counted(window.rows, 'row')})"
    if made is not None and made.policy == ledger.GIVEN_UP:
        text = f"{named} was given up, so nothing is known of it: {sentence('; '.join(made.reasons))}"
    elif made is None and facts.overdue is not None:
        taken = f"{named} was taken at {moment(window.as_of)} and is not decided yet"
        text = f"{taken}, which was due by {moment(facts.overdue)}. The log of {facts.model}.monitor says why."
    else:
        return []
    return [Condition(key="monitoring", kind="monitoring", title="monitoring itself fails", text=text)]


def unknown(facts: Facts) -> frozenset[str]:
    """The keys of which nothing can be said now: an open window has not failed yet, and without labels neither target nor concept drift
    was looked at.
    """
    silent = set()
    if facts.newest is not None and facts.newest[1] is None:
        silent.add("monitoring")
    if facts.looked is None:
        silent |= {f"alarm/{facts.champion}/{family}" for family in _FAMILIES}
    else:
        window, drifts = facts.looked
        if not any(one.kind == "target" for one in drifts):
            silent.add(f"alarm/{window.champion}/target")
        if facts.concept is None or facts.concept["obstacle"]:
            silent.add(f"alarm/{window.champion}/{_CONCEPT}")
    return frozenset(silent if facts.looked is None or facts.looked[0].champion == facts.champion else silent & {"monitoring"})


def ended(facts: Facts, one: Alert) -> str:
    """How a condition that stood has ended, in words."""
    if one.kind == "monitoring":
        newest = "" if facts.newest is None else f": window {facts.newest[0].number} was measured and decided"
        return f"Monitoring works again{newest}."
    if one.key.split("/")[1] != str(facts.champion):
        return f"Version {facts.champion} has become champion; the alarm was about the one before."
    number = "" if facts.looked is None else f" ({facts.looked[0].number})"
    return f"The newest window{number} has no alarm of {one.key.split('/')[2]}."


def _alarms(drifts: Sequence[Drift]) -> dict[str, list[str]]:
    """Family → what alarms in it; nothing under fixed thresholds, which promise nothing."""
    found: dict[str, list[str]] = {}
    for drift in drifts:
        for one in drift.verdicts:
            if _is_told(one):
                said = f"{drift.column} ({one['method']} {_short(one['value'])}, floor {_short(one['floor'])})"
                found.setdefault(str(one["family"]), []).append(said)
    return found


def _of_concept(facts: Facts, drifts: Sequence[Drift]) -> dict[str, list[str]]:
    """The champion's alarm as a whole, which shares the promise of its columns."""
    found = facts.concept
    if found is None or not found["drifted"] or not any(one.verdicts for one in drifts):
        return {}
    return {_CONCEPT: [f"{found['metric']} {_short(found['now'])}, fresh models usually {_short(found['usual'])} (p {found['p']:.2g})"]}


def _is_told(verdict: dict[str, Any]) -> bool:
    """Where drift must persist, the promise is about what persists: single looks are judged at a looser level."""
    return bool(verdict["is_alarm"] if verdict.get("persists") is None else verdict["persists"])


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _short(value: float | None) -> str:
    """A number that is not finite was stored as none."""
    return "beyond all numbers" if value is None else f"{value:.3g}"
