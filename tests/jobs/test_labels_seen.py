"""Which labels a window knows, counted a block of rows at a time, and without reading where nothing is to be found."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import insert

from ml import specfile
from ml.data.delta import AppendLog, Commit
from ml.data.table import BATCH, ROW, AcceptedTable
from ml.jobs import estimating, evidence, labels_seen
from ml.jobs.labels_seen import Seen
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, estimates, ledger, specs
from ml.state.records import Quality, Training, Window
from ml.state.tables import windows
from ml.training import dataset
from tests.jobs.test_monitor import START, accept, declare, label, rows
from tests.state import made

LATER = START + timedelta(days=1)
TRAINED = made.training(model="loans", as_of=START, started_at=START, version=1)
Reads = list[tuple[int, int]]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """The dataset versions of which rows are read."""
    found: Reads = []
    read = AcceptedTable.read

    def noted(self: AcceptedTable, **named: Any) -> pd.DataFrame:
        if named["version"] > named["after_version"]:
            found.append((named["after_version"] + 1, named["version"]))
        return read(self, **named)

    monkeypatch.setattr(AcceptedTable, "read", noted)
    return found


def world(settings: Settings, *labelled: float, **changes: object) -> tuple[AcceptedTable, State, ModelSpec]:
    """Batches of 100 rows: the champion learnt from the first; such shares of the others were delivered with their labels."""
    declare(settings, **changes)
    for number, share in enumerate((1.0, *labelled)):
        frame = rows(100, seed=number, first=100 * number)
        accept(settings, frame.assign(late=frame["late"].where(np.arange(100) < 100 * share)), f"b{number}")
    spec = specfile.load(settings, "loans")
    return AcceptedTable.of(settings, "loans", spec), State.open(settings), spec


def taken(settings: Settings, state: State, spec: ModelSpec, start: int, end: int, *, judged: str | None = None) -> Window:
    """The window of the dataset versions in (start, end], with the labels that are there; judged by a metric, if one is named."""
    window = made.opened(
        state, spec, start, end_version=end, as_of=LATER, rows=100 * (end - start), end_time=START + timedelta(minutes=100 * end),
        labels_version=labels_seen.present_labels(settings, "loans"),
    )  # fmt: skip
    if judged is not None:
        made.measured(state, window, qualities=[Quality(metric=judged, value=0.5, rows=100)], at=LATER)
    return window


def by(state: State, spec: ModelSpec, **changes: Any) -> Training:
    """The champion's training."""
    return replace(TRAINED, spec_hash=specs.remember(state, spec, at=START), **changes)


def found(seen: Seen) -> tuple[list[tuple[str, int]], int, int]:
    return [*zip(seen.fresh[BATCH].astype(str), seen.fresh[ROW].astype(int), strict=True)], seen.late, seen.known


def of(batch: str, *numbers: range) -> list[tuple[str, int]]:
    return [(batch, number) for one in numbers for number in one]


@pytest.mark.parametrize("block", [1, 150, 10**6])
def test_each_label_is_fresh_once_however_rows_are_read(settings: Settings, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(labels_seen, "_BLOCK_ROWS", block)
    table, state, spec = world(settings, 1.0, 0.5, 0.0, 0.2)
    first = taken(settings, state, spec, 1, 3, judged="roc_auc")
    label(settings, rows(100, seed=2).iloc[60:], "late")
    second = taken(settings, state, spec, 3, 5)
    assert found(labels_seen.seen(table, state, first, spec=spec, trained=by(state, spec))) == (
        [*of("b1", range(1, 101)), *of("b2", range(1, 51))], 0, 150,
    )  # fmt: skip
    seen = labels_seen.seen(table, state, second, spec=spec, trained=by(state, spec))
    assert found(seen) == ([*of("b2", range(61, 101)), *of("b4", range(1, 21))], 40, 210)
    assert seen.fresh[spec.target].notna().all()
    (late,) = labels_seen.late_rows(table, second, seen, spec=spec)
    assert (late[ROW].tolist(), late[spec.target].notna().all()) == ([*range(61, 101)], True)


def test_what_no_label_can_have_reached_and_what_was_judged_whole_is_not_read(settings: Settings, reads: Reads) -> None:
    table, state, spec = world(settings, 1.0, 1.0, 0.0, 0.0, 0.5)
    taken(settings, state, spec, 1, 3, judged="roc_auc")
    window = taken(settings, state, spec, 4, 6)
    reads.clear()
    seen = labels_seen.seen(table, state, window, spec=spec, trained=by(state, spec))
    assert found(seen) == (of("b5", range(1, 51)), 0, 250)
    assert reads == [(5, 6)], "two batches were judged whole, and the window before this one came without any label"


def test_labels_are_final_by_their_delay_in_every_block(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_seen, "_BLOCK_ROWS", 1)
    table, state, spec = world(settings, 1.0, 1.0, 1.0, label_delay="1h")
    young = replace(taken(settings, state, spec, 1, 4), as_of=START + timedelta(minutes=250 + 60))
    training = by(state, spec, as_of=START + timedelta(minutes=160))
    assert found(labels_seen.seen(table, state, young, spec=spec, trained=training)) == (
        [*of("b1", range(1, 101)), *of("b2", range(1, 52))], 0, 151,
    )  # fmt: skip


def test_a_window_on_which_the_metric_was_not_defined_has_judged_nothing(settings: Settings) -> None:
    table, state, spec = world(settings, 1.0, 1.0)
    taken(settings, state, spec, 1, 2, judged="accuracy")
    window = taken(settings, state, spec, 2, 3)
    assert found(labels_seen.seen(table, state, window, spec=spec, trained=by(state, spec)))[1:] == (100, 200), "its labels still wait"


def test_a_label_counts_once_however_many_windows_came_without_any(settings: Settings) -> None:
    table, state, spec = world(settings, 1.0, 1.0)
    first = taken(settings, state, spec, 1, 2, judged="roc_auc")
    empty = [replace(first, id=f"loans-{number:06d}", number=number, start_version=number, measured_at=LATER) for number in range(2, 212)]
    with state.begin() as connection:
        connection.execute(insert(windows), [asdict(one) for one in empty])
    window = replace(first, number=212, start_version=2, end_version=3)
    seen = labels_seen.seen(table, state, window, spec=spec, trained=by(state, spec))
    assert found(seen) == (of("b2", range(1, 101)), 0, 200)


def test_a_label_that_came_after_the_training_counts_once_though_its_row_came_before_it(settings: Settings) -> None:
    declare(settings)
    frame = rows(100, seed=0)
    accept(settings, frame.assign(late=frame["late"].where(np.arange(100) < 60)), "b0")
    label(settings, frame.iloc[60:70], "l1")
    spec = specfile.load(settings, "loans")
    table, state = AcceptedTable.of(settings, "loans", spec), State.open(settings)
    training = by(state, spec, dataset_version=table.version(), labels_version=labels_seen.present_labels(settings, "loans"))
    learnt = dataset.labelled(
        settings, spec, version=training.dataset_version, as_of=START, labels_version=training.labels_version, columns=()
    )
    assert learnt[ROW].tolist() == [*range(1, 71)]
    label(settings, frame.iloc[65:80], "l2")
    accept(settings, rows(100, seed=1, first=100).assign(late=None), "b1")
    first = taken(settings, state, spec, 1, 2, judged="roc_auc")
    seen = labels_seen.seen(table, state, first, spec=spec, trained=training)
    assert found(seen) == (of("b0", range(71, 81)), 10, 10), "what the champion learnt from does not judge it"
    (late,) = labels_seen.late_rows(table, first, seen, spec=spec)
    assert late["income"].tolist() == frame["income"][70:80].tolist()

    label(settings, frame.iloc[78:85], "l3")
    accept(settings, rows(100, seed=2, first=200), "b2")
    second = taken(settings, state, spec, 2, 3)
    seen = labels_seen.seen(table, state, second, spec=spec, trained=training)
    assert found(seen) == ([*of("b0", range(81, 86)), *of("b2", range(1, 101))], 5, 115)


def test_a_label_that_the_training_held_too_young_counts_when_it_is_final(settings: Settings, reads: Reads) -> None:
    table, state, spec = world(settings, 1.0, label_delay="1h")
    training = by(state, spec, as_of=START + timedelta(minutes=130))
    young = replace(taken(settings, state, spec, 1, 2), as_of=START + timedelta(minutes=150))
    assert found(labels_seen.seen(table, state, young, spec=spec, trained=training)) == (of("b0", range(72, 92)), 20, 20)
    reads.clear()
    later = replace(training, as_of=START + timedelta(minutes=160))
    window = replace(young, as_of=START + timedelta(minutes=170))
    assert found(labels_seen.seen(table, state, window, spec=spec, trained=later)) == (of("b1", range(1, 12)), 0, 11)
    assert reads == [(2, 2)], "the file tells that no row of the first batch was too young for the training"


def test_a_file_of_which_much_must_be_told_is_opened_once(settings: Settings, reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    table, state, spec = world(settings, 0.0, label_delay="1h")
    training = by(state, spec, as_of=START + timedelta(minutes=160))
    label(settings, rows(100, seed=1), "l1")
    window = replace(taken(settings, state, spec, 1, 2), as_of=START + timedelta(minutes=200))
    opened: list[str] = []
    footers = AppendLog.footers

    def noted(self: AppendLog, commit: Commit) -> Iterator[Any]:
        opened.append(commit.key)
        return footers(self, commit)

    monkeypatch.setattr(AppendLog, "footers", noted)
    reads.clear()
    assert found(labels_seen.seen(table, state, window, spec=spec, trained=training)) == (of("b1", range(1, 42)), 0, 41)
    assert (opened, reads) == (["b0"], [(2, 2)]), "its labels, its times; its arrival stands in the log"


def test_labels_of_then_are_read_only_where_some_are_known_now(settings: Settings, reads: Reads) -> None:
    table, state, spec = world(settings, 0.5, 0.5, label_delay="1h")
    taken(settings, state, spec, 1, 2, judged="roc_auc")
    window = replace(taken(settings, state, spec, 2, 3), as_of=START + timedelta(minutes=100))
    training = by(state, spec, as_of=START - timedelta(days=1))
    reads.clear()
    assert found(labels_seen.seen(table, state, window, spec=spec, trained=training)) == ([], 0, 41)
    assert reads == [*[(1, 1)] * 3, (2, 2), (3, 3)], "no label of the second and third batch is final"


def test_a_decision_takes_the_labels_as_the_look_counted_them(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    _, state, spec = world(settings, 1.0)
    window, training = taken(settings, state, spec, 1, 2, judged="roc_auc"), by(state, spec)
    asked = {"spec": spec, "learnt": spec, "trained": training, "at": LATER}
    assert evidence.gather(settings, state, window, **asked).labelled_rows == 100, "of an earlier version: nothing is kept"
    estimates.save(state, window.id, [], more={"labels": {"fresh": 90, "known": 170}})
    again = evidence.gather(settings, state, window, **asked, measurement=ledger.measurement(state, window.id))
    assert again.labelled_rows == 100, "what is decided again is counted again"
    monkeypatch.setattr(labels_seen, "seen", lambda *given, **named: pytest.fail("the whole history is counted again"))
    kept = evidence.gather(settings, state, window, **asked)
    assert (kept.labelled_rows, kept.no_quality) == (
        170,
        "90 labelled rows since it was last judged, 100 (monitoring.minimum_rows) are needed to judge",
    )


def test_a_shorter_delay_than_that_of_the_training_makes_no_row_count_that_it_learnt(settings: Settings) -> None:
    table, state, spec = world(settings, 0.0, label_delay="1h")
    training = by(state, spec, as_of=START + timedelta(minutes=130))
    now = spec.model_copy(update={"label_delay": timedelta(hours=2)})
    window = replace(taken(settings, state, spec, 1, 2), as_of=START + timedelta(minutes=200))
    assert found(labels_seen.seen(table, state, window, spec=now, trained=training)) == (of("b0", range(72, 82)), 10, 10)


@pytest.mark.parametrize(
    ("changes", "given", "read"),
    [({}, 0.0, False), ({}, 1.0, True), ({"label_delay": "30d"}, 1.0, False), ({"label_delay": "1h"}, 1.0, True)],
)  # fmt: skip
def test_a_window_that_cannot_have_matured_is_not_read(
    settings: Settings, reads: Reads, changes: dict[str, object], given: float, read: bool
) -> None:
    table, state, spec = world(settings, given, given, **changes)
    earlier, window = (taken(settings, state, spec, start, start + 1) for start in (1, 2))
    reads.clear()
    subject = estimating.Subject(table, None, window, spec, TRAINED, set())
    assert [one.id for one in estimating._mature(subject, [earlier])] == ([earlier.id] if read else [])
    assert reads == ([(2, 2)] if read else [])
