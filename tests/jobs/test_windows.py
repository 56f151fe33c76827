"""What an error does to the window that was being measured, and which labels a binary model is judged by."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import pandas as pd
import pytest
from sqlalchemy import insert

from ml.errors import ConcurrentChange, ModelOwnerError, PerennialError, StoreUnavailable
from ml.jobs import judged as judging
from ml.jobs import windows
from ml.monitoring.profile_file import BrokenProfile
from ml.settings import Settings
from ml.state import State, ledger
from ml.state.records import Window
from ml.state.tables import quality
from ml.training.evaluation import Predicted
from tests.data.models import spec_of
from tests.jobs.test_labels_seen import world
from tests.state import made

Step = Callable[[State, Window], AbstractContextManager[None]]
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def opened(state: State) -> Window:
    return made.opened(state, spec_of())


@pytest.mark.parametrize("error", [ValueError("a\nsecond line"), KeyError("x"), FileNotFoundError("gone")])
def test_an_error_that_nobody_foresaw_gives_the_window_up_in_one_sentence(settings: Settings, error: Exception) -> None:
    state = State.open(settings)
    window = opened(state)
    said = f"could not be measured.*{type(error).__name__}: {' '.join(str(error).split())}"
    with pytest.raises(ModelOwnerError, match=f"window {window.id} {said}"), windows.measuring(state, window):
        raise error
    made = ledger.decision_for(state, window.id)
    assert made is not None
    assert made.retrain is False
    assert re.match(said, made.reasons[0])


@pytest.mark.parametrize("error", [ConnectionError("reset by peer"), StoreUnavailable("it did not answer")])
def test_a_store_that_does_not_answer_leaves_the_window_open(settings: Settings, error: Exception) -> None:
    state = State.open(settings)
    window = opened(state)
    with pytest.raises(StoreUnavailable, match="did not answer"), windows.measuring(state, window):
        raise error
    assert ledger.decision_for(state, window.id) is None


def fail_after(work: Callable[[], None]) -> None:
    work()
    raise ValueError("only here")


def measured(state: State, window: Window) -> None:
    kept = {"drifts": [], "qualities": [], "labelled_rows": 0, "report_url": "", "mlflow_run": None, "at": NOW}
    ledger.save_measurement(state, window.id, **kept)  # type: ignore[arg-type]


def test_a_window_that_another_worker_has_measured_meanwhile_is_not_given_up(settings: Settings) -> None:
    state = State.open(settings)
    window = opened(state)
    with pytest.raises(ConcurrentChange, match="was measured by another process"), windows.measuring(state, window):
        fail_after(lambda: measured(state, window))
    assert not windows.give_up(state, window, "its champion was replaced")
    assert ledger.decision_for(state, window.id) is None


def test_writing_what_another_worker_writes_is_tried_again(settings: Settings) -> None:
    state = State.open(settings)
    window = opened(state)
    twice = {"window": window.id, "metric": "accuracy", "value": 0.5, "rows": 1}
    with pytest.raises(ConcurrentChange, match="Run it again"), windows.measuring(state, window), state.begin() as connection:
        connection.execute(insert(quality), [twice, twice])
    assert ledger.decision_for(state, window.id) is None


class Killed(BaseException):
    """What Airflow's time-out is too: nothing that `except Exception` sees."""


def tried(state: State, window: Window, step: Step, error: BaseException) -> None:
    with step(state, window):
        raise error


@pytest.mark.parametrize("step", [windows.measuring, windows.judging])
def test_a_window_that_kills_whoever_tries_it_is_given_up_after_three_tries(settings: Settings, step: Step) -> None:
    state = State.open(settings)
    window = opened(state)
    for _ in range(windows.MOST_TRIES):
        with pytest.raises(Killed):
            tried(state, window, step, Killed())
        assert ledger.decision_for(state, window.id) is None
    with pytest.raises(ModelOwnerError, match=r"tried 3 times.*monitoring\.maximum_rows"):
        tried(state, window, step, Killed())
    made = ledger.decision_for(state, window.id)
    assert made is not None
    assert (made.retrain, made.policy) == (False, ledger.GIVEN_UP)


def test_silent_stores_and_a_person_who_stops_it_are_no_tries_and_measuring_begins_the_tries_of_deciding(
    settings: Settings,
) -> None:
    state = State.open(settings)
    window = opened(state)
    for error in [StoreUnavailable("gone"), KeyboardInterrupt()] * windows.MOST_TRIES:
        with pytest.raises(type(error)):
            tried(state, window, windows.measuring, error)
    for step in (windows.measuring, windows.judging):
        for _ in range(windows.MOST_TRIES - 1):
            with pytest.raises(Killed):
                tried(state, window, step, Killed())
        measured(state, window)
    assert ledger.decision_for(state, window.id) is None


@pytest.mark.parametrize("error", [ConcurrentChange("another process wrote it"), BrokenProfile("a page of a column")])
def test_what_another_try_may_cure_is_no_try(settings: Settings, error: PerennialError) -> None:
    state = State.open(settings)
    window = opened(state)
    for step in (windows.measuring, windows.judging):
        for _ in range(windows.MOST_TRIES + 1):
            with pytest.raises(type(error)):
                tried(state, window, step, error)
    assert ledger.decision_for(state, window.id) is None


def test_a_window_grows_to_the_rows_that_it_needs_though_these_are_more_than_the_most(settings: Settings) -> None:
    table, _, spec = world(settings, 1.0, 1.0, 1.0)
    bounds = spec.monitoring.model_copy(update={"minimum_rows": 150, "maximum_rows": 120})
    assert windows.end_of(table, spec.model_copy(update={"monitoring": bounds}), start=1, newest=4) == 3


def test_a_label_of_a_third_class_is_left_out_of_a_binary_models_quality() -> None:
    labels, known = pd.Series(["1", "0", "perhaps", None]), pd.Series(["0", None, "1"])
    said = Predicted(
        labels.fillna("0").replace("perhaps", "1").to_numpy(), pd.DataFrame({"0": [0.1, 0.9, 0.2, 0.8], "1": [0.9, 0.1, 0.8, 0.2]})
    )
    judged, qualities, notes = judging.judge(spec_of(), labels, said, known=known)
    assert judged.index.tolist() == [0, 1]
    assert {one.metric: (one.value, one.rows) for one in qualities}["accuracy"] == (1.0, 2)
    assert notes == ["Quality leaves out 1 rows whose label is neither of the model's two classes: 'perhaps'."]
