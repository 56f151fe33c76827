import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ml.data import delta as delta_module
from ml.data import labels as labels_module
from ml.data import table as table_module
from ml.data.delta import AppendLog
from ml.data.labels import NO_LABELS, LabelTable
from ml.data.predictions import PredictionLog
from ml.data.table import PLACE, AcceptedTable
from ml.errors import ModelOwnerError, NoData
from ml.settings import Settings
from tests.data.models import processes, spec_of

AT = datetime(2024, 5, 1, tzinfo=UTC)
SPEC = spec_of()


def frame(rows: int = 3, *, start: int = 0, target: bool = True) -> pd.DataFrame:
    numbers = range(start, start + rows)
    return pd.DataFrame(
        {
            "loan": [f"L{i}" for i in numbers],
            "applied": pd.to_datetime([AT + timedelta(days=i) for i in numbers], utc=True).astype("datetime64[us, UTC]"),
            "income": [float(i) for i in numbers],
            "age": [np.nan] * rows,
            "region": ["north", None, "south"][:rows] if rows <= 3 else ["north"] * rows,
            "note": [None] * rows,
            "default": ["1" if target else None] * rows,
        }
    )


def table_of(settings: Settings) -> AcceptedTable:
    return AcceptedTable.of(settings, "loans", SPEC)


def append_in_process(settings: Settings, batch: str, barrier: object, start: int) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    table_of(settings).append(frame(start=start), spec=SPEC, batch=batch, arrived_at=AT)


def append_and_die(settings: Settings, where: str) -> None:
    target = getattr(AppendLog, where)

    def dying(self: AppendLog, *args: object, **kwargs: object) -> object:
        if where == "_found":
            os._exit(9)
        target(self, *args, **kwargs)
        os._exit(9)

    setattr(AppendLog, where, dying)
    table_of(settings).append(frame(), spec=SPEC, batch="a" * 32, arrived_at=AT)


def together(settings: Settings, batches: list[str]) -> None:
    context = processes()
    barrier = context.Barrier(len(batches))
    workers = [context.Process(target=append_in_process, args=(settings, batch, barrier, 10 * i)) for i, batch in enumerate(batches)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0] * len(batches)


def test_an_empty_table_has_no_version_and_no_rows(settings: Settings) -> None:
    table = table_of(settings)
    assert table.version() is None
    with pytest.raises(NoData, match="no rows yet"):
        table.read(version=1)


def test_rows_come_back_in_their_types_with_batch_row_and_arrival(settings: Settings) -> None:
    table = table_of(settings)
    version = table.append(frame(), spec=SPEC, batch="b1", arrived_at=AT)
    found = table.read(version=version)
    assert list(found.columns) == ["_batch", "_row", "_arrived_at", *SPEC.columns]
    pd.testing.assert_frame_equal(found[list(SPEC.columns)], frame()[list(SPEC.columns)])
    assert found["_batch"].tolist() == ["b1"] * 3
    assert found["_row"].tolist() == [1, 2, 3]
    assert (found["_arrived_at"] == pd.Timestamp(AT)).all()


def test_the_same_batch_again_stays_out_and_gets_its_first_version(settings: Settings) -> None:
    table = table_of(settings)
    first = table.append(frame(), spec=SPEC, batch="b1", arrived_at=AT)
    second = table.append(frame(start=9), spec=SPEC, batch="b2", arrived_at=AT)
    assert table.append(frame(), spec=SPEC, batch="b1", arrived_at=AT) == first
    assert (table.version(), table.count(version=second)) == (second, 6)


def test_the_same_batch_in_four_processes_at_once_is_there_once(settings: Settings) -> None:
    together(settings, ["same"] * 4)
    table = table_of(settings)
    assert table.count(version=table.version() or 0) == 3


def test_different_batches_in_four_processes_at_once_are_all_there(settings: Settings) -> None:
    together(settings, ["p", "q", "r", "s"])
    table = table_of(settings)
    version = table.version() or 0
    assert sorted(table.read(version=version)["_batch"].unique()) == ["p", "q", "r", "s"]
    assert table.count(version=version) == 12


@pytest.mark.parametrize("where", ["_opened", "_write", "_add", "_found"])
def test_a_kill_at_any_point_of_an_append_leaves_the_rows_once_after_another_try(settings: Settings, where: str) -> None:
    child = processes().Process(target=append_and_die, args=(settings, where))
    child.start()
    child.join(60)
    assert child.exitcode == 9
    table = table_of(settings)
    version = table.append(frame(), spec=SPEC, batch="a" * 32, arrived_at=AT)
    assert (table.version(), table.count(version=version)) == (version, 3)


def test_a_window_and_an_old_version_read_only_their_own_rows(settings: Settings) -> None:
    table = table_of(settings)
    versions = [table.append(frame(start=10 * i), spec=SPEC, batch=f"b{i}", arrived_at=AT) for i in range(3)]
    assert table.read(version=versions[1])["_batch"].unique().tolist() == ["b0", "b1"]
    assert table.read(version=versions[2], after_version=versions[0], columns=["income"])["income"].tolist() == [10, 11, 12, 20, 21, 22]
    assert table.count(version=versions[2], after_version=versions[0]) == 6


def test_rows_stay_in_the_order_of_acceptance_whatever_their_batch_ids(settings: Settings) -> None:
    table = table_of(settings)
    for batch in ("z", "a", "m"):
        version = table.append(frame(), spec=SPEC, batch=batch, arrived_at=AT)
    assert table.read(version=version)["_batch"].unique().tolist() == ["z", "a", "m"]


def test_versions_and_keys_survive_checkpoints(settings: Settings) -> None:
    table = table_of(settings)
    versions = {f"b{i}": table.append(frame(1, start=i), spec=SPEC, batch=f"b{i}", arrived_at=AT) for i in range(55)}
    assert {batch: table.append(frame(1), spec=SPEC, batch=batch, arrived_at=AT) for batch in ("b0", "b54")} == {
        "b0": versions["b0"],
        "b54": versions["b54"],
    }
    assert len(table.read(version=versions["b10"])) == 11


@pytest.mark.parametrize(("newest", "expected"), [(1, [2.0]), (2, [2.0, 12.0]), (4, [1.0, 2.0, 11.0, 12.0]), (6, 6), (7, 6)])
def test_newest_rows_are_the_last_by_time_in_table_order(settings: Settings, newest: int, expected: object) -> None:
    table = table_of(settings)
    late = frame(start=10)
    table.append(late.assign(applied=frame()["applied"]), spec=SPEC, batch="b1", arrived_at=AT)
    rows = frame()
    rows.loc[0, "applied"] = pd.NaT
    version = table.append(rows, spec=SPEC, batch="b0", arrived_at=AT)
    found = table.read(version=version, columns=["income"], newest_rows=newest)["income"].tolist()
    if isinstance(expected, int):
        assert len(found) == expected
    else:
        assert sorted(found) == expected


@pytest.mark.parametrize("newest", [None, 3, 4, 100])
def test_columns_are_read_at_the_places_that_rows_were_found_at(settings: Settings, newest: int | None) -> None:
    table = table_of(settings)
    for batch, start in (("a" * 32, 20), ("b" * 32, 0), ("c" * 32, 10)):
        version = table.append(frame(start=start), spec=SPEC, batch=batch, arrived_at=AT)
    found = table.read(version=version, columns=["income", PLACE], newest_rows=newest)
    assert "_place" not in table.read(version=version, newest_rows=newest)
    again = table.read_columns(["income", "region"], version=version, places=found[PLACE].to_numpy())
    assert again["income"].to_pylist() == found["income"].tolist()
    odd = table.read_columns(["income"], version=version, places=np.array([1, 2, 7]))
    assert odd["income"].to_pylist() == [21.0, 22.0, 11.0]


def test_newest_rows_without_time_are_the_last_accepted(settings: Settings) -> None:
    spec = spec_of(time=None)
    table = AcceptedTable.of(settings, "loans", spec)
    for i in range(3):
        version = table.append(frame(start=10 * i), spec=spec, batch=f"b{i}", arrived_at=AT)
    assert table.read(version=version, columns=["income"], newest_rows=4)["income"].tolist() == [12.0, 20.0, 21.0, 22.0]


def test_a_new_column_is_missing_in_old_rows(settings: Settings) -> None:
    table_of(settings).append(frame(), spec=SPEC, batch="b1", arrived_at=AT)
    wider = spec_of(features={"numeric": ["income", "age", "debt"], "categorical": ["region"], "ignore": ["note"]})
    table = AcceptedTable.of(settings, "loans", wider)
    version = table.append(frame().assign(debt=7.0), spec=wider, batch="b2", arrived_at=AT)
    debts = table.read(version=version)["debt"]
    assert debts.isna().tolist() == [True] * 3 + [False] * 3
    assert debts.dtype == float


def test_a_column_that_changes_its_kind_is_refused_with_a_cure(settings: Settings) -> None:
    table_of(settings).append(frame(), spec=SPEC, batch="b1", arrived_at=AT)
    changed = spec_of(features={"numeric": ["income"], "categorical": ["region", "age"], "ignore": ["note"]})
    with pytest.raises(ModelOwnerError, match="column 'age' is kept as double"):
        AcceptedTable.of(settings, "loans", changed).append(frame().assign(age="x"), spec=changed, batch="b2", arrived_at=AT)


def test_late_labels_fill_missing_targets_as_of_a_moment_and_never_replace(settings: Settings) -> None:
    table, labels = table_of(settings), LabelTable.of(settings, "loans")
    rows = frame(target=False)
    rows.loc[0, "default"] = "1"
    version = table.append(rows, spec=SPEC, batch="b1", arrived_at=AT)
    first = pd.DataFrame({"id": ["L0", "L1"], "label": ["0", "0"]})
    for _ in range(2):
        labels.append(first, delivery="d1", arrived_at=AT + timedelta(days=1))
    labels.append(pd.DataFrame({"id": ["L1", "L2"], "label": ["1", "1"]}), delivery="d2", arrived_at=AT + timedelta(days=2))

    def targets(as_of: datetime | None) -> list[str | None]:
        return table.read(version=version, columns=["default"], labels_as_of=as_of)["default"].tolist()

    assert targets(AT) == ["1", None, None]
    assert targets(AT + timedelta(days=1)) == ["1", "0", None]
    assert targets(None) == ["1", "1", "1"]
    assert list(table.read(version=version, columns=["default"]).columns) == ["_batch", "_row", "_arrived_at", "default"]


@pytest.mark.parametrize(("most", "looked_up"), [(1, 3), (5, 2), (10**6, 1)])
def test_many_small_deliveries_of_labels_are_looked_through_at_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, most: int, looked_up: int
) -> None:
    labels, ids = LabelTable.of(settings, "loans"), pd.Series(["L0", "L1", "L3"])
    for number in range(6):
        given = pd.DataFrame({"id": [f"L{number % 4}", "other"], "label": [str(number), "0"]})
        labels.append(given, delivery=f"d{number}", arrived_at=AT + timedelta(days=number))
    calls, is_in = [], labels_module.pc.is_in
    monkeypatch.setattr(labels_module, "_LOOKED_UP_ROWS", most)
    monkeypatch.setattr(labels_module.pc, "is_in", lambda *given, **named: calls.append(1) or is_in(*given, **named))
    assert labels.known(ids=ids).to_dict() == {"L0": "4", "L1": "5", "L3": "3"}
    assert len(calls) == looked_up
    assert labels.arrived(ids).to_dict() == {f"L{number % 4}": AT + timedelta(days=number) for number in (3, 4, 5)}


def test_a_labels_version_names_the_same_labels_whatever_arrives_later(settings: Settings) -> None:
    table, labels = table_of(settings), LabelTable.of(settings, "loans")
    version = table.append(frame(target=False), spec=SPEC, batch="b1", arrived_at=AT)

    def targets(labels_version: int | None) -> list[str | None]:
        return table.read(version=version, columns=["default"], labels_version=labels_version)["default"].tolist()

    assert targets(None) == targets(NO_LABELS) == [None, None, None]
    with pytest.raises(NoData, match="has no version 1"):
        targets(1)
    frozen = labels.append(pd.DataFrame({"id": ["L1"], "label": ["0"]}), delivery="d1", arrived_at=AT + timedelta(days=1))
    # Committed later, but seen first: a slow upload. What was frozen must not change by it.
    labels.append(pd.DataFrame({"id": ["L1", "L2"], "label": ["1", "1"]}), delivery="d2", arrived_at=AT)
    assert targets(frozen) == [None, "0", None]
    assert targets(NO_LABELS) == [None, None, None]
    assert targets(None) == [None, "1", "1"]


def test_ids_of_accepted_rows_are_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(settings)
    ids = pd.Series(["L9", "L4", None, "L1", "L4", "new"], dtype=object)
    assert table.known_ids(ids).tolist() == []
    for start in (0, 3, 6):
        table.append(frame(start=start), spec=SPEC, batch=f"b{start}", arrived_at=AT)
    monkeypatch.setattr(table_module, "_BLOCK_ROWS", 4)
    assert table.known_ids(ids).tolist() == ["L4", "L1"]
    monkeypatch.setattr(table_module, "_LOOKED_AT_ROWS", 4)
    assert table.known_ids(ids).tolist() == ["L4"]


def test_the_log_is_read_only_for_a_key_that_is_there(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(settings)
    for number in range(4):
        table.append(frame(start=3 * number), spec=SPEC, batch=f"b{number}", arrived_at=AT)
    read: list[int] = []
    honest = delta_module._commit

    def counted(version: int, text: bytes) -> delta_module.Commit | None:
        read.append(version)
        return honest(version, text)

    monkeypatch.setattr(delta_module, "_commit", counted)
    monkeypatch.setattr(delta_module, "_COMMITS", {})  # as in a new process
    assert table.find("other") is None
    assert read == []
    found = table.find("b3")
    assert found is not None
    assert table.version() == found.version
    assert read == [found.version]
    assert [commit.key for commit in table.batches(version=found.version)] == ["b0", "b1", "b2", "b3"]


def test_predictions_are_kept_once_for_each_version_and_batch(settings: Settings) -> None:
    log = PredictionLog.of(settings, "loans")
    rows = pd.DataFrame({"_row": [1, 2], "prediction": ["1", "0"], "probability": [0.9, 0.2]})
    for champion in (1, 1, 2):
        assert log.append(rows, champion=champion, batch="b1", scored_at=AT) == 2
    assert log.scored(champion=1) == {"b1"}
    assert len(log.read()) == 4
    assert log.read(champion=2, columns=["probability"])["probability"].tolist() == [0.9, 0.2]
    assert log.read(batches=["other"]).empty


def test_a_killed_writers_file_is_invisible(settings: Settings, tmp_path: Path) -> None:
    table = table_of(settings)
    version = table.append(frame(), spec=SPEC, batch="b1", arrived_at=AT)
    orphan = Path(settings.tables_url) / "loans" / "rows" / "_batch=b1" / "orphan.parquet"
    orphan.write_bytes(b"PAR1")
    assert len(table.read(version=version)) == 3


@pytest.mark.parametrize("name", ["_row", "_Batch", "INCOME"])
def test_a_column_name_that_is_taken_is_refused_with_a_cure(settings: Settings, name: str) -> None:
    features = SPEC.features.model_copy(update={"numeric": ("income", name)})  # as if the declaration had let it pass
    spec = SPEC.model_copy(update={"features": features})
    with pytest.raises(ModelOwnerError, match="the same name as"):
        AcceptedTable.of(settings, "loans", spec).append(frame(), spec=spec, batch="b1", arrived_at=AT)


def test_unusual_column_names_come_back(settings: Settings) -> None:
    names = ["a b", "c,d", "x=(1)", "é", "a.b", 'q"q', "t\tx"]
    spec = spec_of(features={"numeric": names})
    table = AcceptedTable.of(settings, "loans", spec)
    version = table.append(frame().assign(**dict.fromkeys(names, 1.5)), spec=spec, batch="b1", arrived_at=AT)
    assert (table.read(version=version)[names] == 1.5).all().all()


def test_many_files_of_a_remote_store_are_read_at_once_in_their_order(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(settings)
    for number in range(9):
        table.append(frame(start=3 * number), spec=SPEC, batch=f"b{number}", arrived_at=AT)
    alone = table.read(version=9)
    monkeypatch.setattr(delta_module, "_COMMITS", {})
    monkeypatch.setattr(delta_module, "_AT_ONCE_ROWS", 7)
    table.log._is_local = False  # as where each file is waited for
    pd.testing.assert_frame_equal(table.read(version=9), alone)
    assert alone["_batch"].tolist() == [f"b{number}" for number in range(9) for _ in range(3)]
    assert [len(block) for block in delta_module._blocks([(one, file) for one in table.log.commits() for file in one.files])] == [
        2,
        2,
        2,
        2,
        1,
    ]


def test_a_version_that_was_met_is_not_looked_up_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(settings)
    for number in range(3):
        table.append(frame(start=3 * number), spec=SPEC, batch=f"b{number}", arrived_at=AT)
    table.log.commits()
    monkeypatch.setattr(AppendLog, "_table", None)
    for version in (1, 2, 3):
        assert len(table.read(version=version, after_version=version - 1, columns=["income"])) == 3


def test_a_label_that_is_repeated_is_as_old_as_at_first_and_a_correction_is_new(settings: Settings) -> None:
    labels = LabelTable.of(settings, "loans")
    delivered = [{"L1": "0", "L2": "0"}, {"L1": "0", "L2": "1", "L3": "1"}, {"L1": "0", "L2": "1", "L3": "1"}, {"L3": "0"}, {"L3": "1"}]
    for day, values in enumerate(delivered):
        frame = pd.DataFrame({"id": list(values), "label": list(values.values())})
        labels.append(frame, delivery=f"d{day}", arrived_at=AT + timedelta(days=day))
    found = labels.arrived(pd.Series(["L1", "L2", "L3", "L4"]))
    assert found.to_dict() == {"L1": AT, "L2": AT + timedelta(days=1), "L3": AT + timedelta(days=4)}
    assert labels.known().to_dict() == {"L1": "0", "L2": "1", "L3": "1"}
