"""Asking a person whether the winner of a training may become champion. What was asked and answered is in the state database.

The one who asks (a task of Airflow) may be killed at any point: an answer that was written down is not asked for again.
"""

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from ml.errors import ModelOwnerError
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, approvals, ledger, specs, trainings
from ml.state.records import Approval, Training
from ml.training import closing
from ml.training.results import GateVerdict, needed_verdict

log = logging.getLogger(__name__)

_MARGIN = timedelta(hours=2)
"""A claim holds longer than the question stands: whoever ends it, and the next step, may be late."""
_LONGEST = 2000


class Question(BaseModel):
    """What a person is asked; `body` is Markdown. `timeout`: without an answer by then the answer is no."""

    model_config = ConfigDict(frozen=True)

    subject: str
    body: str
    timeout: timedelta


class Answer(BaseModel):
    """What was answered; `by` is None where nobody did in time."""

    model_config = ConfigDict(frozen=True)

    approved: bool
    by: str | None


class Approving(BaseModel):
    """How it stands: a `question` to ask, or an `answer` that was given, or (`reason`) why nobody need be asked."""

    model_config = ConfigDict(frozen=True)

    question: Question | None = None
    answer: Answer | None = None
    reason: str | None = None


def ask(settings: Settings, *, run: str) -> Approving:
    """What to ask about the winner of a run, if its frozen declaration says `promotion.approval: manual`. Idempotent.

    The run's claim on decisions holds for as long as the question stands.

    Raises:
        ModelOwnerError: The run has no version yet, or its decision is another run's now.
    """
    state = State.open(settings)
    training = trainings.get(state, run)
    spec = specs.recall(state, training.spec_hash)
    verdict = needed_verdict(training)
    if (reason := _needless(state, spec, training, verdict)) is not None:
        return Approving(reason=reason)
    now, timeout = datetime.now(UTC), spec.promotion.approval_timeout
    if training.decision is not None and ledger.hold(state, training.decision, run=run, at=now, lease=timeout + _MARGIN) is None:
        raise ModelOwnerError(f"nobody is asked: {training.decision}, which asked for training run {run!r}, is another run's now")
    asked = approvals.ask(state, Approval(training=run, model=training.model, asked_at=now, until=now + timeout))
    if asked.answered_at is not None:
        return Approving(answer=_answer(asked))
    log.info("approval asked model=%s run=%s version=%s until=%s", training.model, run, training.version, asked.until)
    return Approving(question=Question(subject=_subject(training), body=_body(settings, training, verdict), timeout=timeout))


def answer(settings: Settings, *, run: str, approved: bool, by: str | None) -> Answer:
    """Writes down what was answered and by whom (None: nobody, in time); the first answer stays. `promote` acts upon it."""
    state = State.open(settings)
    # A "yes" that nobody said is none.
    given = approvals.answer(state, run, approved=approved and by is not None, by=by, at=datetime.now(UTC))
    if given is None:
        raise ModelOwnerError(f"nobody was asked to approve training run {run!r}; run its task `approve` first")
    log.info("approval answered run=%s approved=%s by=%s", run, given.approved, given.by)
    return _answer(given)


def _answer(given: Approval) -> Answer:
    return Answer(approved=bool(given.approved), by=given.by)


def _needless(state: State, spec: ModelSpec, training: Training, verdict: GateVerdict) -> str | None:
    if training.version is None:
        raise ModelOwnerError(f"training run {training.key!r} has registered no version yet; run its task `register` first")
    if not verdict.wins:
        return "the challenger did not win: there is nothing to approve"
    if not closing.needs_approval(spec, verdict):
        return "promotion.approval is auto: nobody need approve"
    if training.state != "running":
        return f"the training is closed ({training.state})"
    if (change := closing.crowned(state, training)) is not None:
        return f"version {training.version} was made champion by {change.by}"
    return None


def _subject(training: Training) -> str:
    return f"Shall version {training.version} of {training.model} become champion?"


def _body(settings: Settings, training: Training, verdict: GateVerdict) -> str:
    """The evidence as Markdown: the verdict, the metrics of both, why it was trained, where to look."""
    from ml.registry import links

    assert training.version is not None, "asked after registering"
    url = links.version_url(settings, training.model, training.version)
    version = f"version {training.version}"
    facts = {
        "trained because": plain(training.reason),
        "candidate": f"{plain(verdict.candidate)} {plain(_parameters(verdict.params))}".strip(),
        "dataset version": str(training.dataset_version),
        "in MLflow": f"[{version}]({url})" if url else version,
        "by hand": f"`perennial promote {training.model} {training.version}`",
    }
    listed = "\n".join(f"- {name}: {text}" for name, text in facts.items() if text)
    warnings = "".join(f"\n- warning: {plain(text)}" for text in [*verdict.warnings, *(check.text for check in verdict.left_out)])
    return f"{plain(verdict.sentence)}\n\n{_table(verdict)}\n\n{listed}{warnings}\n"


def _table(verdict: GateVerdict) -> str:
    sides: dict[str, Mapping[str, float] | None] = {
        "challenger": verdict.challenger,
        f"champion (version {verdict.champion_version})": verdict.champion,
        "baseline": verdict.baseline,
    }
    shown = {name: values for name, values in sides.items() if values}
    names = sorted({metric for values in shown.values() for metric in values}, key=lambda one: (one != verdict.metric, one))
    head = f"| metric on {verdict.rows} test rows | {' | '.join(shown)} |\n| --- |{' ---: |' * len(shown)}"
    rows = [f"| {name} | {' | '.join(_number(values.get(name)) for values in shown.values())} |" for name in names]
    return "\n".join([head, *rows])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _parameters(params: Mapping[str, Any]) -> str:
    return f"({', '.join(f'{name}={value}' for name, value in params.items())})" if params else ""


def plain(text: str) -> str:
    """Text that Markdown shows as it is: names of columns and groups come from data, and must make neither links nor pictures."""
    return re.sub(r"([\\`*_{}\[\]()#!|<>~])", r"\\\1", " ".join(text[:_LONGEST].split()))
