"""What was estimated of a window, what became of it, and what else was measured there."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import func, select

from ml.state import State, estimates, forget, ledger
from ml.state.records import Drift, Quality, WindowEstimate
from ml.state.tables import details, metadata
from ml.state.tables import estimates as table
from tests.state import made
from tests.state.test_ledger import NOW
from tests.state.test_ledger import window as opened


def estimate(metric: str = "accuracy", **changes: Any) -> WindowEstimate:
    facts: dict[str, Any] = {"method": "cbpe", "rows": 200, "reference_rows": 500, "confidence": 0.95, "value": 0.8, "sampling_error": 0.02}
    return WindowEstimate(
        metric=metric, **facts | {"model_error": 0.01, "low": 0.75, "high": 0.85, "why": "", "at_promotion": 0.9} | changes
    )


def measured(state: State, start: int, *found: WindowEstimate) -> str:
    """The id of a window that is measured."""
    window = opened(state, start=start)
    estimates.save(state, window.id, found, more={"concept": {"p": 0.5}})
    return made.measured(state, window).id


def test_estimates_come_back_and_a_second_call_replaces_the_first(state: State) -> None:
    window = measured(state, 0, estimate(), estimate("roc_auc", value=None, low=None, high=None, why="one class"))
    assert [one.metric for one in estimates.of_window(state, window)] == ["accuracy", "roc_auc"]
    assert estimates.of_window(state, window)[1].why == "one class"
    estimates.save(state, window, [estimate(value=0.7)], more={"segments": [1]})
    assert estimates.of_window(state, window) == [estimate(value=0.7)]
    assert (estimates.detail(state, window, "segments"), estimates.detail(state, window, "concept")) == ([1], None)


def at_once(work: Callable[[], None], *, workers: int = 4) -> list[BaseException]:
    """What several threads, which begin together, raise."""
    errors: list[BaseException] = []
    start = threading.Barrier(workers)

    def run() -> None:
        start.wait()
        try:
            for _ in range(3):
                work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(workers)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return errors


def test_two_workers_may_save_the_same_window_at_once(state: State) -> None:
    window = opened(state, start=0).id
    drifts = [Drift(column=f"c{n}", kind="numeric", method="psi", value=0.3, threshold=0.1, drifted=True) for n in range(50)]
    qualities = [Quality(metric="accuracy", value=0.5, rows=9)]

    def save() -> None:
        estimates.save(state, window, [estimate(), estimate("roc_auc")], more={"concept": {"p": 0.5}})
        kept = {"labelled_rows": 0, "report_url": "r", "mlflow_run": None, "at": NOW}
        ledger.save_measurement(state, window, drifts=drifts, qualities=qualities, **kept)  # type: ignore[arg-type]

    assert at_once(save) == []
    assert len(ledger.measurement(state, window)[0]) == 50
    assert len(estimates.of_window(state, window)) == 2


def test_what_labels_said_is_written_down_once_also_where_they_define_no_metric(state: State) -> None:
    window = measured(state, 0, estimate(), estimate("roc_auc"))
    estimates.save_matured(state, window, {"accuracy": 0.82}, labelled_rows=150, at=NOW)
    estimates.save_matured(state, window, {"accuracy": 0.1, "roc_auc": 0.1}, labelled_rows=200, at=NOW)
    facts = {"labelled_rows": 150, "matured_at": NOW}
    assert estimates.of_window(state, window) == [estimate(measured=0.82, **facts), estimate("roc_auc", measured=None, **facts)]


def test_a_champions_estimates_come_oldest_first_without_windows_that_are_not_measured(state: State) -> None:
    ids = [measured(state, number, estimate(value=0.5 + number / 10)) for number in range(3)]
    unmeasured = opened(state, start=9).id
    estimates.save(state, unmeasured, [estimate()], more={})
    found = estimates.of_champion(state, "m", champion=1, metric="accuracy", before=9)
    assert [(one.window.id, one.estimate.value) for one in found] == [(ids[0], 0.5), (ids[1], 0.6), (ids[2], 0.7)]
    assert [one.estimate.rows for one in found] == [200] * 3, "not the rows of the window"
    assert [one.window.id for one in estimates.of_champion(state, "m", champion=1, metric="accuracy", before=3)] == ids[:2]
    assert estimates.of_champion(state, "m", champion=2, metric="accuracy", before=9) == []
    assert estimates.of_champion(state, "m", champion=1, metric="f1", before=9) == []


def test_forgetting_a_model_forgets_its_estimates(state: State) -> None:
    measured(state, 0, replace(estimate()))
    forget.forget(state, "m")
    with state.begin() as connection:
        assert [connection.execute(select(func.count()).select_from(one)).scalar() for one in (table, details)] == [0, 0]
        assert {"estimates", "details"} <= metadata.tables.keys()


def test_a_shadow_stays_when_its_window_is_measured_again_and_the_newest_come_first(state: State) -> None:
    first, second = (measured(state, start, estimate()) for start in range(2))
    for window, value in ((first, 0.5), (first, 0.6), (second, 0.7)):
        estimates.keep_shadow(state, window, {"value": value})
    estimates.save(state, first, [estimate()], more={"segments": [1]})
    assert estimates.detail(state, first, "shadow") == {"value": 0.6}
    found = estimates.shadows(state, "m", until=9, limit=9)
    assert [(one.id, kept) for one, kept in found] == [(second, {"value": 0.7}), (first, {"value": 0.6})]
    assert [one.number for one, _ in estimates.shadows(state, "m", until=1, limit=9)] == [1]
    assert len(estimates.shadows(state, "m", until=9, limit=1)) == 1
