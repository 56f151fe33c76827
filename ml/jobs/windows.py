"""Opening a window, giving up one that cannot be measured, and how a window is watched."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError

from ml.errors import ConcurrentChange, ModelOwnerError, PerennialError, StoreUnavailable, UnknownVersion
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger, specs, trainings, unmeasured
from ml.state.records import Decision, Training, Window

if TYPE_CHECKING:
    from ml.data.table import AcceptedTable

log = logging.getLogger(__name__)

MOST_TRIES = 3
"""A step that was begun so often and never came to an end gives its window up; a shadow's fit gives up after fewer kills."""
_SAID_CHARACTERS = 500
_KILLED = (
    f"it was tried {MOST_TRIES} times, and each try was killed or took too long, as for want of memory. Give the worker more memory, or "
    "the window fewer rows (monitoring.maximum_rows)"
)


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


def end_of(table: "AcceptedTable", spec: ModelSpec, *, start: int, newest: int) -> int:
    """Up to which dataset version a window goes that starts after `start`: the newest, unless it would have too many rows.

    A batch is never divided: with one alone, or with those that `monitoring.minimum_rows` needs, a window may have more.
    """
    most, least = spec.monitoring.maximum_rows, spec.monitoring.minimum_rows
    end, rows = start, 0
    for batch in table.batches(version=newest, after_version=start):
        if rows >= least and rows + batch.rows > most:
            return end
        end, rows = batch.version, rows + batch.rows
    return newest


def _period(table: "AcceptedTable", spec: ModelSpec, *, start: int, end: int) -> tuple[datetime | None, datetime | None]:
    """The first and the last `time` of the window's rows; None where there is none."""
    if spec.time is None:
        return None, None
    times = table.read(version=end, after_version=start, columns=[spec.time])[spec.time].dropna()
    return (None, None) if times.empty else (times.min().to_pydatetime(), times.max().to_pydatetime())


@contextmanager
def measuring(state: State, window: Window) -> Iterator[None]:
    """Around measuring a window: an error that stays however often one tries gives it up; the error goes on either way.

    So does a window that has killed, or outlasted, whoever tried it `MOST_TRIES` times.

    Raises:
        ConcurrentChange: It went wrong, and another process has measured the window meanwhile, or is writing the same.
        PerennialError: Whatever else went wrong.
    """
    with _ending(state, window, "could not be measured", lambda reason: _give_up_unmeasured(state, window, reason)):
        yield


@contextmanager
def judging(state: State, window: Window) -> Iterator[None]:
    """The same around deciding about a measured window."""
    with _ending(state, window, "could not be judged", lambda reason: ledger.decide(state, _given_up(window, reason))):
        yield


@contextmanager
def _ending(state: State, window: Window, what: str, give_up: Callable[[str], object]) -> Iterator[None]:
    """Counts the try; one that a person has ended does not count, nor what another try may cure: a store that is silent, another process.

    What a library raises over rows that nobody thought of stays too. It goes on as an error of ours, which is a sentence.
    """
    if unmeasured.begin(state, window.id) > MOST_TRIES:
        give_up(f"{what}: {_KILLED}")
        raise ModelOwnerError(f"window {window.id} {what} and is given up, the next look takes a new one: {_KILLED}")
    try:
        with _as_ours(window, what, give_up):
            yield
    except (PerennialError, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt) or error.retryable:
            unmeasured.not_counted(state, window.id)
        raise


@contextmanager
def _as_ours(window: Window, what: str, give_up: Callable[[str], object]) -> Iterator[None]:
    try:
        yield
    except PerennialError as error:
        if not error.retryable:
            give_up(f"{what}: {error}")
        raise
    except IntegrityError as error:
        raise ConcurrentChange(f"window {window.id} {what} now: another process wrote the same ({_said(error)}). Run it again") from error
    except Exception as error:
        said = _said(error)
        log.info("unforeseen error window=%s", window.id, exc_info=True)
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):  # a file that is gone does not come back
            raise StoreUnavailable(f"window {window.id} {what} now: a store did not answer ({said}). Run it again") from error
        give_up(f"{what}: {said}")
        raise ModelOwnerError(f"window {window.id} {what} and is given up, the next look takes a new one: {said}") from error


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:_SAID_CHARACTERS]}"


def give_up(state: State, window: Window, reason: str) -> bool:
    """Closes a window that is not measured with a "no" and the reason: the next look takes a new one.

    False where it has been measured meanwhile: it stays, and waits for its decision.
    """
    if unmeasured.give_up(state, _given_up(window, reason)) is None:
        return False
    log.warning("window given up window=%s champion=%d reason=%r", window.id, window.champion, reason)
    return True


def _give_up_unmeasured(state: State, window: Window, reason: str) -> None:
    if not give_up(state, window, reason):
        raise ConcurrentChange(f"window {window.id} was measured by another process meanwhile, here it {reason}. Run it again")


def _given_up(window: Window, reason: str) -> Decision:
    return Decision(
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
    )


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
