"""A decision as people read it: what each rule said, what became of it. From the state database alone."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from ml.jobs.monitor import RuleResult
from ml.monitoring import decided
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
        standing=decided.sentence(found),
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


def _has_report(window: Window | None) -> bool:
    return bool(window and window.report_url)
