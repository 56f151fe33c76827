"""What became of a decision, in words."""

from typing import Any

from ml.state.records import Decision
from ml.wording import counted, moment

_SHORT = {
    "no": "nothing to do",
    "recorded": "only recorded, as retraining is off",
    "suggested": "waiting for a person's word",
    "declined": "declined by a person",
    "expired": "without an answer in time",
    "open": "waiting for a training",
    "claimed": "being worked on",
    "done": "trained",
    "superseded": "replaced by a newer decision",
    "failed": "failed",
}


def short(state: str) -> str:
    """What becomes of a decision in this state, in a few words.

    >>> short("done")
    'trained'
    """
    return _SHORT.get(state, state)


def sentence(made: Decision) -> str:
    """What became of the decision, in one sentence, and what else was written down of that."""
    outcome, answer = made.outcome or {}, made.answer or {}
    if made.kind == "rollback":
        return f"Version {outcome.get('rolled_back')} was taken back, version {outcome.get('champion')} serves again."
    until = f" until {moment(made.until)}" if made.until else ""
    yes = f" ({answer['by']} said yes)" if answer.get("approved") else ""
    said = {
        "no": "No training was asked for.",
        "recorded": "Retraining is switched off, so nothing was started.",
        "suggested": f"A person is asked{until}; without an answer it is no.",
        "declined": f"{answer.get('by') or 'A person'} said no.",
        "expired": "Nobody answered in time, so the answer is no.",
        "open": f"It waits for the next run of the training{yes}.",
        "claimed": f"A training works on it: {made.claimed_by}.",
        "done": f"{_trained(outcome)} {outcome.get('verdict') or ''}".strip(),
        "superseded": f"Something newer took its place{_by(outcome)}.",
        "failed": f"The training failed {counted(made.tries, 'time')}. {outcome.get('cure') or ''}".strip(),
    }
    return said.get(made.state, made.state)


def _trained(outcome: dict[str, Any]) -> str:
    version = outcome.get("version")
    if version is None:
        return "The training has ended without a new version."
    return f"That made version {version}, which {'became champion' if outcome.get('promoted') else 'did not replace the champion'}."


def _by(outcome: dict[str, Any]) -> str:
    newer = outcome.get("superseded_by") or outcome.get("answered_with") or outcome.get("reason")
    return f": {newer}" if newer else ""
