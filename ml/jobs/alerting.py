"""Who is to be told what of a model, and noting what was told. Sending is left to whoever calls."""

import hashlib
import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from pydantic import TypeAdapter, ValidationError

from ml import specfile
from ml.errors import OperatorError
from ml.jobs.alert_facts import Facts
from ml.jobs.alert_looks import FEW_SCHEDULES
from ml.jobs.alerts import Message, messages, plan
from ml.settings import Settings
from ml.spec import AlertChannel
from ml.state import State, alerts, batches, estimates, ledger, specs, trainings
from ml.state.records import Alert, Decision, Window

log = logging.getLogger(__name__)

_LOOKED_BACK = 50
_CHANNELS = TypeAdapter(tuple[AlertChannel, ...])


def channels(settings: Settings, model: str) -> tuple[AlertChannel, ...]:
    """Through which channels the model's alerts are told: those of its declaration, else those of the environment.

    Raises:
        OperatorError: `PERENNIAL_ALERTS` cannot be read.
    """
    declared = specfile.load(settings, model).monitoring.alerts
    return of_environment(settings.alerts) if declared is None else declared


def of_environment(text: str) -> tuple[AlertChannel, ...]:
    """What `PERENNIAL_ALERTS` says: ids of Airflow connections, with commas between, or the JSON of `monitoring.alerts`."""
    if not text.strip():
        return ()
    try:
        if text.lstrip().startswith("["):
            return _CHANNELS.validate_json(text)
        return tuple(AlertChannel(connection=one.strip()) for one in text.split(",") if one.strip())
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise OperatorError(
            f"PERENNIAL_ALERTS cannot be read ({fault['msg']}): write ids of Airflow connections with commas between, or a JSON list as "
            "monitoring.alerts has it"
        ) from error


def name_of(channel: AlertChannel) -> str:
    """What is told apart: a channel whose connection, class or parameters change is another one, and is told what stands."""
    content = channel.model_dump(mode="json", include={"connection", "notifier", "params"})
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
    return f"{(channel.connection or channel.notifier or '')[:200]}#{digest}"


def due(settings: Settings, model: str, channel: AlertChannel) -> list[Message]:
    """Looks how the model stands, notes what has begun and ended since the last look, and returns what is to be told now.

    What could not be told stays due. Called twice, it returns the same: only who has claimed a message sends it.
    """
    state, at, name = State.open(settings), datetime.now(UTC), name_of(channel)
    standing = alerts.standing(state, model, name)
    changes = plan(facts(state, model, standing, at=at), standing, events=channel.events)
    if changes.opened or changes.closed or changes.reopened:
        rows = [one.to_row() for one in changes.opened]
        alerts.change(state, model, name, opened=rows, closed=changes.closed, reopened=changes.reopened, at=at)
        log.info("alerts changed model=%s channel=%s opened=%d closed=%d", model, name, len(rows), len(changes.closed))
    return messages(alerts.standing(state, model, name), events=channel.events)


def claimed(settings: Settings, message: Message) -> Message | None:
    """What of a message is to be sent by whoever asks, and by nobody else meanwhile; None where another one tells all of it."""
    mine = alerts.claim(State.open(settings), message.numbers, is_end=message.is_end, at=datetime.now(UTC))
    return next(iter(messages(mine)), None)


def told(settings: Settings, message: Message) -> None:
    """Notes that a message was delivered."""
    alerts.delivered(State.open(settings), message.numbers, is_end=message.is_end, at=datetime.now(UTC))


def not_told(settings: Settings, message: Message, *, error: str) -> None:
    """Notes that a message could not be delivered: the next look tries again."""
    alerts.not_delivered(State.open(settings), message.numbers, error=error)


def facts(state: State, model: str, standing: Sequence[Alert] = (), *, at: datetime) -> Facts:
    """What is known of the model at this moment, as far as somebody may be told of it."""
    recent = ledger.recent_windows(state, model, limit=_LOOKED_BACK)
    measured = next((one for one in recent if one.measured_at is not None), None)
    newest = (recent[0], ledger.decision_for(state, recent[0].id)) if recent else None
    due = _due(state, recent) if newest is not None and newest[1] is None else None
    crowned = trainings.champion(state, model)
    decisions = [one for one in ledger.recent_decisions(state, model, limit=_LOOKED_BACK) if one.kind == "retrain"]
    finished = (one for one in trainings.recent(state, model, limit=_LOOKED_BACK) if one.state != "running")
    told_of = [one.key.split("/", 1)[1] for one in standing if one.kind == "quarantine"]
    found = {batch: batches.find(state, model, batch) for batch in told_of}
    return Facts(
        model=model,
        champion=None if crowned is None else crowned.version,
        judged=_judged(state, decisions),
        decisions=decisions,
        training=next(finished, None),
        quarantined=batches.listed(state, model, status="quarantined"),
        batches={batch: one.status for batch, one in found.items() if one is not None},
        change=crowned,
        looked=None if measured is None else (measured, ledger.measurement(state, measured.id)[0]),
        concept=None if measured is None else estimates.detail(state, measured.id, "concept"),
        newest=newest,
        overdue=due if due is not None and at > due else None,
    )


def _due(state: State, recent: Sequence[Window]) -> datetime:
    """When the newest window should have been decided at the latest."""
    from ml.monitoring.alarms.promise import time_between_looks

    moments = [one.as_of for one in recent]
    schedule = specs.recall(state, recent[0].spec_hash).monitoring.schedule
    between = time_between_looks(schedule, seen=[newer - older for newer, older in pairwise(moments)])
    return recent[0].as_of + FEW_SCHEDULES * between


def _judged(state: State, decisions: Sequence[Decision]) -> tuple[Decision, int] | None:
    """The newest decision in which rules were asked, with the champion that it judged; a window that was given up asked none."""
    made = next((one for one in decisions if one.rules and one.window is not None), None)
    window = ledger.find_window(state, made.window) if made is not None and made.window is not None else None
    return None if made is None or window is None else (made, window.champion)
