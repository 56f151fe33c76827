"""Opening a window, giving up one that cannot be measured, and how a window is watched."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ml.errors import ModelOwnerError, PerennialError, StoreUnavailable, UnknownVersion
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger, specs, trainings
from ml.state.records import Decision, Training, Window

if TYPE_CHECKING:
    from ml.data.table import AcceptedTable

log = logging.getLogger(__name__)

_SAID_CHARACTERS = 500


def opened(
    settings: Settings,
    state: State,
    spec: ModelSpec,
    table: "AcceptedTable",
    *,
    start: int,
    end: int,
    rows: int,
    champion: int,
    at: datetime,
) -> Window:
    """Opens the window of the rows accepted in (`start`, `end`], with the labels that are known now."""
    from ml.jobs import labels_seen

    first, newest = _period(table, spec, start=start, end=end)
    window = Window(
        id="",
        model=spec.model,
        number=0,
        start_version=start,
        end_version=end,
        as_of=at,
        rows=rows,
        labelled_rows=None,
        start_time=first,
        end_time=newest,
        champion=champion,
        spec_hash=specs.remember(state, spec, at=at),
        report_url=None,
        mlflow_run=None,
        measured_at=None,
        labels_version=labels_seen.present_labels(settings, spec.model),
    )
    return ledger.open_window(state, window)


def _period(table: "AcceptedTable", spec: ModelSpec, *, start: int, end: int) -> tuple[datetime | None, datetime | None]:
    """The first and the last `time` of the window's rows; None where there is none."""
    if spec.time is None:
        return None, None
    times = table.read(version=end, after_version=start, columns=[spec.time])[spec.time].dropna()
    return (None, None) if times.empty else (times.min().to_pydatetime(), times.max().to_pydatetime())


@contextmanager
def giving_up(state: State, window: Window, what: str) -> Iterator[None]:
    """An error that stays however often one tries gives the window up; the error goes on either way.

    What a library raises over rows that nobody thought of is such an error too. It goes on as one of ours, which is a sentence.

    Raises:
        PerennialError: Whatever went wrong.
    """
    try:
        yield
    except PerennialError as error:
        if not error.retryable:
            give_up(state, window, f"{what}: {error}")
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:_SAID_CHARACTERS]}"
        log.info("unforeseen error window=%s", window.id, exc_info=True)
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):  # a file that is gone does not come back
            raise StoreUnavailable(f"window {window.id} {what} now: a store did not answer ({said}). Run it again") from error
        give_up(state, window, f"{what}: {said}")
        raise ModelOwnerError(f"window {window.id} {what} and is given up, the next look takes a new one: {said}") from error


def give_up(state: State, window: Window, reason: str) -> None:
    """Closes a window that has no decision with a "no" and the reason: the next look takes a new one."""
    ledger.decide(
        state,
        Decision(
            id=f"decision-{window.id}-{ledger.GIVEN_UP}",
            model=window.model,
            window=window.id,
            retrain=False,
            reasons=[reason],
            policy=ledger.GIVEN_UP,
            evidence={"given_up": reason},
            report_url=window.report_url,
            state="no",
            decided_at=datetime.now(UTC),
        ),
    )
    log.warning("window given up window=%s champion=%d reason=%r", window.id, window.champion, reason)


def training_of(state: State, model: str, version: int) -> Training:
    """The training that made a version."""
    found = trainings.of_version(state, model, version)
    if found is None:
        raise UnknownVersion(f"no training run of {model} made version {version}, so its reference rows are unknown; train it again")
    return found


def watched(declared: ModelSpec, learnt: ModelSpec) -> ModelSpec:
    """The window's declaration with the columns and the task that its champion learnt: those are what it sees.

    `model.yaml` may have changed since; its new columns matter from the next training on.
    """
    return declared.model_copy(update={name: getattr(learnt, name) for name in ("task", "target", "positive", "features")})
