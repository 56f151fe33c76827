"""A decision as people read it: what each rule said, what became of it. From the state database alone."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from ml.jobs.monitor import RuleResult
from ml.monitoring import decided
from ml.state import State, ledger
from ml.state.records import Decision


class AskedBy(BaseModel):
    """A decision, and the window that it judged; `report`: whether that has an Evidently page."""

    model_config = ConfigDict(frozen=True)

    id: str
    decided_at: datetime
    reasons: list[str]
    window: str | None
    number: int | None
    rows: int | None
    report: bool
    judged_version: int | None


class DecisionFacts(AskedBy):
    """A decision in full. `standing` says in one sentence what became of it; `run`: the training run that works on it or did."""

    model: str
    kind: str
    retrain: bool
    standing: str
    rules: list[RuleResult]
    policy: str
    run: str | None
    failures: list[dict[str, Any]]


def asked_by(state: State, found: Decision) -> AskedBy:
    """A decision and its window."""
    window = ledger.find_window(state, found.window) if found.window is not None else None
    return AskedBy(
        id=found.id,
        decided_at=found.decided_at,
        reasons=found.reasons,
        window=found.window,
        number=window.number if window else None,
        rows=window.rows if window else None,
        report=bool(window and window.report_url),
        judged_version=window.champion if window else None,
    )


def facts(state: State, found: Decision) -> DecisionFacts:
    """What is told of a decision."""
    return DecisionFacts(
        **dict(asked_by(state, found)),
        model=found.model,
        kind=found.kind,
        retrain=found.retrain,
        standing=decided.sentence(found),
        rules=[RuleResult.model_validate(one) for one in found.rules],
        policy=found.policy,
        run=found.claimed_by if found.state in {"claimed", "done"} else None,
        failures=found.failures,
    )
