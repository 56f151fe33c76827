"""Who was champion when, made so by whom and why, and what each change has brought. Read from the state database alone."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from ml import specfile
from ml.errors import CallError
from ml.jobs.champion import heal_missed
from ml.settings import Settings
from ml.state import State, trainings, watches
from ml.state.records import Promotion, Watch


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class WatchStatus(_Result):
    """How a new champion did beside the one that it replaced. `gain` is `ml.training.realised.Gain`, None before the first row.

    `state`: `watching`, `kept`, `rolled_back`, `ended`; `reason` says why it is over.
    """

    state: str
    former: int
    until: datetime
    rows: int
    gain: dict[str, Any] | None
    reason: str | None


class Change(_Result):
    """One change of champion. `evidence` is what spoke for it, in one sentence; `ended_at` is when another version took over."""

    number: int
    at: datetime
    version: int
    previous: int | None
    kind: str
    by: str
    reason: str
    evidence: str | None
    ended_at: datetime | None
    watch: WatchStatus | None


class ChampionAt(_Result):
    """Who was champion `at` a moment (None: nobody yet), and every change until then, oldest first."""

    model: str
    at: datetime
    champion: Change | None
    changes: list[Change]


def champion_at(settings: Settings, model: str, at: str | None = None) -> ChampionAt:
    """The champion of a moment (ISO 8601, UTC where it names no zone; default: now) and the history that led to it.

    Raises:
        CallError: The moment cannot be read.
    """
    specfile.spec_path(settings, model)
    moment = datetime.now(UTC) if at is None else _moment(at)
    heal_missed(settings, model)
    state = State.open(settings)
    history = trainings.promotion_history(state, model)
    found = watches.of_model(state, model)
    nexts: list[Promotion | None] = [*history[1:], None]
    changes = [
        _change(state, one, after=after, watch=found.get(one.number), moment=moment)
        for one, after in zip(history, nexts, strict=True)
        if one.at <= moment
    ]
    return ChampionAt(model=model, at=moment, champion=changes[-1] if changes else None, changes=changes)


def watch_status(watch: Watch) -> WatchStatus:
    """What is shown of a watch."""
    return WatchStatus.model_validate(watch, from_attributes=True)


def _change(state: State, one: Promotion, *, after: Promotion | None, watch: Watch | None, moment: datetime) -> Change:
    return Change(
        number=one.number,
        at=one.at,
        version=one.version,
        previous=one.previous,
        kind=one.kind,
        by=one.by,
        reason=one.reason,
        evidence=_evidence(state, one),
        ended_at=after.at if after is not None and after.at <= moment else None,
        watch=watch_status(watch) if watch is not None else None,
    )


def _evidence(state: State, one: Promotion) -> str | None:
    """What spoke for it in one sentence: the gate's, or what a person's rollback undid; the watch's has its evidence in its reason."""
    if one.evidence is not None and "sentence" in one.evidence:
        return str(one.evidence["sentence"])
    if one.kind != "promote":
        return None
    # Promotions by hand that were written before they had evidence of their own.
    made_by = trainings.of_version(state, one.model, one.version)
    sentence = (made_by.verdict or {}).get("sentence") if made_by is not None else None
    return None if sentence is None else str(sentence)


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise CallError(f"--at {text!r} is no time; write one like 2026-03-01, 2026-03-01T12:30 or 2026-03-01T12:30+02:00") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
