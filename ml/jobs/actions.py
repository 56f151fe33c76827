"""What a person may do with a model now, with the evidence that speaks for it, or why it cannot be done. From the state database alone."""

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ml import specfile
from ml.jobs.champion import ChampionChange, former_champions
from ml.jobs.ingest import BatchResult
from ml.settings import Settings
from ml.state import State, approvals, batches, ledger, suggestions, trainings
from ml.state.records import Approval, Batch, Training
from ml.training.results import GateVerdict, verdict_of
from ml.wording import counted, moment

_VERSIONS, _BATCHES, _REASONS = 20, 50, 5
_LONGEST_RUN = 200  # a longer name of a DAG run is kept as its beginning and a digest


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=(), from_attributes=True)


class Start(_Result):
    """Starting a training: what asks for one (`open`: sentences), and the run that a new one would wait for."""

    open: list[str]
    under_way: str | None
    refused: str | None = None


class Waiting(_Result):
    """A question that Airflow asks a person: shall a winner become champion (`approve`), or a training start (`confirm`)?

    `run` is its DAG run; None where its name is too long to be kept: then Airflow's list of required actions leads to it. Without an
    answer by `until` it is no. `evidence`: sentences; `scores`: metric → side → value.
    """

    kind: Literal["approve", "confirm"]
    run: str | None
    question: str
    until: datetime
    evidence: list[str]
    scores: dict[str, dict[str, float]]


class Candidate(_Result):
    """A version that could be promoted by hand; `refused` says why not."""

    version: int
    trained_at: datetime
    state: str
    evidence: list[str]
    refused: str | None = None


class Back(_Result):
    """Going back to the former champion, `to`; `refused` says why that is impossible."""

    present: int | None
    to: int | None
    evidence: list[str]
    refused: str | None = None


class Held(_Result):
    """A batch in quarantine. `reasons` are the first ones; `more` are left out."""

    id: str
    source: str
    arrived_at: datetime
    rows: int | None
    failing_rows: int
    reasons: list[str]
    more: int
    docs_url: str | None


class Possible(_Result):
    """What may be done with the model. Of versions the newest 20 are told, of batches the 50 that wait the longest."""

    model: str
    train: Start
    waiting: list[Waiting]
    versions: list[Candidate]
    back: Back
    held: list[Held]
    held_in_all: int


def possible(settings: Settings, model: str) -> Possible:
    """What may be done with the model now.

    Raises:
        UnknownModel: No such model is declared.
    """
    specfile.spec_path(settings, model)
    state, now = State.open(settings).reader, datetime.now(UTC)
    recent = trainings.recent(state, model, limit=_VERSIONS)
    serving = trainings.champion(state, model)
    present = serving.version if serving is not None else None
    return Possible(
        model=model,
        train=_training(state, model, recent, now),
        waiting=[*_approvals(state, model), *_suggestions(state, model, now)],
        versions=[_candidate(one, present) for one in recent if one.version is not None],
        back=_back(state, model),
        held=[_held(one) for one in batches.listed(state, model, status="quarantined", limit=_BATCHES)],
        held_in_all=batches.count(state, model, status="quarantined"),
    )


def _training(state: State, model: str, recent: list[Training], now: datetime) -> Start:
    running = next((one for one in recent if one.state == "running"), None)
    asked = [f"{one.id}: {'; '.join(one.reasons[:2])}" for one in ledger.open_decisions(state, model, at=now)]
    no_rows = not recent and not batches.any_accepted(state, model)
    return Start(
        open=asked,
        under_way=running.key if running is not None else None,
        refused=f"There are no accepted rows yet. A run of {model}.ingest takes deliveries in." if no_rows else None,
    )


def _approvals(state: State, model: str) -> list[Waiting]:
    return [_approval(one, trainings.get(state, one.training)) for one in approvals.waiting(state, model)]


def _approval(asked: Approval, training: Training) -> Waiting:
    verdict = verdict_of(training)
    return Waiting(
        kind="approve",
        run=_run(asked.training),
        question=f"Shall version {training.version} of {training.model} become champion?",
        until=asked.until,
        evidence=_evidence(training, verdict),
        scores=scores(verdict),
    )


def _evidence(training: Training, verdict: GateVerdict | None) -> list[str]:
    if verdict is None:
        return [training.reason]
    warnings = [f"Warning: {text}" for text in verdict.warnings]
    return [str((training.verdict or {}).get("outcome", verdict.sentence)), f"Trained because: {training.reason}", *warnings]


def scores(verdict: GateVerdict | None) -> dict[str, dict[str, float]]:
    """Metric → whose → value, the declared metric first."""
    if verdict is None:
        return {}
    sides = {"challenger": verdict.challenger, f"champion (version {verdict.champion_version})": verdict.champion or {}}
    sides["baseline"] = verdict.baseline
    names = sorted({name for values in sides.values() for name in values}, key=lambda one: (one != verdict.metric, one))
    return {name: {side: values[name] for side, values in sides.items() if name in values} for name in names}


def _suggestions(state: State, model: str, now: datetime) -> list[Waiting]:
    """Those that a run in Airflow asks about; before it does, there is nothing to answer there."""
    found = [one for one in suggestions.waiting(state, model, at=now) if one.claimed_by is not None and one.until is not None]
    return [
        Waiting(
            kind="confirm",
            run=_run(str(one.claimed_by)),
            question=f"Shall {model} be trained again?",
            until=one.until,
            evidence=one.reasons,
            scores={},
        )
        for one in found
        if one.until is not None
    ]


def _run(key: str) -> str | None:
    name = key.partition("/")[2]
    return name if len(name) <= _LONGEST_RUN else None


def _candidate(training: Training, present: int | None) -> Candidate:
    return Candidate(
        version=int(training.version or 0),
        trained_at=training.finished_at or training.started_at,
        state=training.state,
        evidence=_evidence(training, verdict_of(training)),
        refused="It is champion already." if training.version == present else None,
    )


def _back(state: State, model: str) -> Back:
    history = trainings.promotion_history(state, model)
    stack = former_champions(history)
    if len(stack) < 2:
        why = f"Version {stack[-1]} is the first champion: there is none to go back to." if stack else "There is no champion yet."
        return Back(present=stack[-1] if stack else None, to=None, evidence=[], refused=why)
    crowned = next(one for one in reversed(history) if one.version == stack[-2])
    serving = history[-1]
    return Back(
        present=stack[-1],
        to=stack[-2],
        evidence=[
            f"Version {stack[-1]} serves since {moment(serving.at)}, made champion by {serving.by} because: {serving.reason}",
            f"Version {stack[-2]} was made champion by {crowned.by} at {moment(crowned.at)} because: {crowned.reason}",
        ],
    )


def _held(batch: Batch) -> Held:
    facts: dict[str, Any] = {name: getattr(batch, name) for name in ("id", "source", "arrived_at", "rows", "failing_rows", "docs_url")}
    return Held(**facts, reasons=batch.reasons[:_REASONS], more=max(0, len(batch.reasons) - _REASONS))


def said_of_promotion(change: ChampionChange) -> str:
    """What has happened, in one sentence."""
    if not change.changed:
        return f"Version {change.champion} of {change.model} is champion already; nothing was changed."
    before = f"; before it was version {change.previous}" if change.previous is not None else ""
    return f"Version {change.champion} of {change.model} is champion now{before}."


def said_of_release(batch: BatchResult) -> str:
    """What has become of a batch, in one sentence."""
    if batch.status == "quarantined":
        return f"Batch {batch.id[:12]} stays in quarantine: {'; '.join(batch.reasons[:_REASONS])}"
    rows = "" if batch.rows is None else f" with {counted(batch.rows, 'row')}"
    return f"Batch {batch.id[:12]}{rows} is {batch.status}, in dataset version {batch.dataset_version}."
