"""A decision as people read it: what each rule said, what became of it. From the state database alone."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from ml.jobs.monitor import RuleResult
from ml.state import State, ledger
from ml.state.records import Decision, Window


class DecisionFacts(BaseModel):
    """A decision. `standing` says in one sentence what became of it.

    `number` and `rows` are those of its window, which has an Evidently page where `report` says so. `run`: the training run that works on
    it or did.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    model: str
    kind: str
    retrain: bool
    standing: str
    decided_at: datetime
    reasons: list[str]
    rules: list[RuleResult]
    policy: str
    window: str | None
    number: int | None
    rows: int | None
    report: bool
    run: str | None
    failures: list[dict[str, Any]]


def facts(state: State, found: Decision) -> DecisionFacts:
    """What is told of a decision."""
    window = ledger.find_window(state, found.window) if found.window is not None else None
    return DecisionFacts(
        id=found.id,
        model=found.model,
        kind=found.kind,
        retrain=found.retrain,
        standing=standing(found),
        decided_at=found.decided_at,
        reasons=found.reasons,
        rules=[RuleResult.model_validate(one) for one in found.rules],
        policy=found.policy,
        window=found.window,
        number=window.number if window else None,
        rows=window.rows if window else None,
        report=_has_report(window),
        run=found.claimed_by if found.state in {"claimed", "done"} else None,
        failures=found.failures,
    )


def standing(found: Decision) -> str:
    """What became of the decision, in one sentence."""
    outcome, answer = found.outcome or {}, found.answer or {}
    if found.kind == "rollback":
        return f"Version {outcome.get('rolled_back')} was taken back, version {outcome.get('champion')} serves again."
    said = {
        "no": "No training was asked for.",
        "recorded": "It was written down only: retraining is off.",
        "suggested": f"A person is asked until {_moment(found.until)}; without an answer it is no.",
        "declined": f"{answer.get('by') or 'A person'} said no.",
        "expired": "Nobody answered in time, so the answer is no.",
        "open": f"A training is asked for{_yes(answer)} and has not begun yet.",
        "claimed": f"A training works on it: {found.claimed_by}.",
        "done": f"It was trained: {_trained(outcome)}",
        "superseded": f"Something newer took its place{_by(outcome)}.",
        "failed": f"It was tried {found.tries} times and has failed. {outcome.get('cure') or ''}".strip(),
    }
    return said.get(found.state, found.state)


def _yes(answer: dict[str, Any]) -> str:
    return f" ({answer['by']} said yes)" if answer.get("approved") else ""


def _by(outcome: dict[str, Any]) -> str:
    newer = outcome.get("superseded_by") or outcome.get("answered_with")
    return f": {newer}" if newer else f": {outcome['reason']}" if outcome.get("reason") else ""


def _trained(outcome: dict[str, Any]) -> str:
    if outcome.get("version") is None:
        return str(outcome.get("verdict") or "the run says how it ended.")
    became = "became champion" if outcome.get("promoted") else "did not become champion"
    return f"version {outcome['version']} {became}. {outcome.get('verdict') or ''}".strip()


def _moment(at: datetime | None) -> str:
    return "it is answered" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"


def _has_report(window: Window | None) -> bool:
    return bool(window and window.report_url)
