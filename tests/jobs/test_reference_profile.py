"""The reference of a champion is read once: afterwards its profile stands for it, whatever becomes of the rows."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ml.data.table import PLACE, AcceptedTable
from ml.errors import NoData
from ml.jobs import monitor, reference_profile, said
from ml.monitoring import profile_file, window_columns
from ml.monitoring.profile_file import BrokenProfile
from ml.monitoring.profiles import NumericProfile
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger, specs, trainings
from ml.state.records import Training
from ml.training import dataset, split, tested_model
from tests.jobs.test_monitor import EVIL, accept, declare, rows, trained  # noqa: F401


def profile_path(settings: Settings) -> Path:
    found = trainings.of_version(State.open(settings), "loans", 1)
    assert found is not None
    return Path(reference_profile.url_of(settings, found))


def remove_reference(settings: Settings) -> None:
    shutil.rmtree(Path(settings.tables_url) / "loans" / "rows" / "_batch=b1")


def test_the_reference_is_read_at_the_first_look_only(trained: Settings, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    accept(trained, rows(300, seed=2, first=800), "b2")
    loads, load = [], tested_model.load
    monkeypatch.setattr(tested_model, "load", lambda *given: loads.append(1) or load(*given))
    first = monitor.monitor(trained, "loans")
    assert len(loads) == 1, "the profile and the window are asked of one model"
    path = profile_path(trained)
    assert path.is_file()
    before = path.read_bytes()

    labelled = dataset.labelled

    def read(*given: Any, columns: Sequence[str], **others: Any) -> pd.DataFrame:
        assert not columns, "the reference's features are read again"
        return labelled(*given, columns=columns, **others)

    monkeypatch.setattr(dataset, "labelled", read)
    remove_reference(trained)
    accept(trained, rows(300, seed=2, first=1100), "b3")
    second = monitor.monitor(trained, "loans")
    assert first.drift is not None
    assert second.drift == first.drift, "the same rows again lie as far away"
    assert path.read_bytes() == before


def test_rows_that_are_gone_hold_a_training_back_and_are_told(trained: Settings) -> None:  # noqa: F811
    declare(trained, retraining={"minimum_rows": 100, "every_windows": 1, "new_rows": 1})
    accept(trained, rows(300, seed=2, first=800), "b2")
    asked = monitor.monitor(trained, "loans").decision
    assert asked is not None
    assert asked.retrain
    remove_reference(trained)
    accept(trained, rows(300, seed=3, first=1100), "b3")
    decision = monitor.monitor(trained, "loans").decision
    assert decision is not None
    assert not decision.retrain
    told = {one.rule: one for one in decision.rules}
    assert (told["every_windows"].fired, told["data"].fired, told["new_rows"].fired) == (True, True, False)
    for rule in ("data", "new_rows"):
        assert "rows that a training would learn from are gone" in told[rule].reason


@pytest.mark.parametrize("lost", ["removed", "other format", "broken"])
def test_a_profile_that_is_lost_is_made_anew(trained: Settings, lost: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    accept(trained, rows(300, seed=2, first=800), "b2")
    first = monitor.monitor(trained, "loans")
    path = profile_path(trained)
    before = path.read_bytes()
    if lost == "removed":
        path.unlink()
    elif lost == "broken":
        path.write_bytes(before[:100])
    else:
        monkeypatch.setattr(profile_file, "FORMAT", profile_file.FORMAT + 1)
    accept(trained, rows(300, seed=2, first=1100), "b3")
    second = monitor.monitor(trained, "loans")
    assert second.drift == first.drift
    assert (path.read_bytes() == before) is (lost != "other format")


def champion_of(settings: Settings) -> tuple[Training, ModelSpec]:
    state = State.open(settings)
    found = trainings.of_version(state, "loans", 1)
    assert found is not None
    return found, specs.recall(state, found.spec_hash)


def judging_model(settings: Settings) -> Any:
    return tested_model.load(settings, *champion_of(settings))


def test_a_profile_with_a_broken_page_is_made_anew_at_the_next_attempt(trained: Settings) -> None:  # noqa: F811
    training, learnt = champion_of(trained)
    with reference_profile.kept(trained, training, learnt=learnt, tested=judging_model(trained), window_rows=300) as found:
        income = found.profile("income")
    assert isinstance(income, NumericProfile)
    path, stored = profile_path(trained), income.values[:10].tobytes()
    whole = path.read_bytes()
    path.write_bytes(whole.replace(stored, bytes(len(stored)), 1))
    with (
        pytest.raises(BrokenProfile),
        reference_profile.kept(trained, training, learnt=learnt, tested=judging_model(trained), window_rows=300) as found,
    ):
        found.profile("income")
    assert not path.exists()
    with reference_profile.kept(trained, training, learnt=learnt, tested=judging_model(trained), window_rows=300) as found:
        assert found.profile("age").rows == 800
    assert path.read_bytes() == whole


def test_the_rows_are_found_once_however_many_chunks_of_columns_there_are(
    trained: Settings,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accept(trained, rows(300, seed=2, first=800), "b2")
    training, learnt = champion_of(trained)
    learnt = learnt.model_copy(update={"training": learnt.training.model_copy(update={"history_rows": 500})})
    asked, labelled = [], dataset.labelled

    def read(*given: Any, columns: Sequence[str], **others: Any) -> pd.DataFrame:
        asked.append(list(columns))
        return labelled(*given, columns=columns, **others)

    splits, newest = [], split._newest
    monkeypatch.setattr(window_columns, "CHUNK_CELLS", 1)
    monkeypatch.setattr(dataset, "labelled", read)
    monkeypatch.setattr(split, "_newest", lambda times, share: splits.append(len(times)) or newest(times, share))
    reference_profile.make(trained, training, learnt=learnt, tested=judging_model(trained), window_rows=300)
    assert asked == [[PLACE]]
    assert splits == [500]
    of = labelled(trained, learnt, version=training.dataset_version, as_of=training.as_of, columns=["income", "home"])
    assert len(of) == 500
    with reference_profile.kept(trained, training, learnt=learnt, tested=judging_model(trained), window_rows=300) as found:
        assert found.drawn("income").tolist() == of["income"].tolist()
        assert found.drawn("home").tolist() == of["home"].tolist()


def test_profiles_of_champions_before_the_former_one_are_removed_when_one_is_made(trained: Settings) -> None:  # noqa: F811
    training, learnt = champion_of(trained)
    state, folder = State.open(trained), profile_path(trained).parent
    folder.mkdir(parents=True)
    for version in (2, 3, 4):
        trainings.begin(state, replace(training, key=f"k{version}", version=version, mlflow_run=f"run{version}"))
        trainings.crown(state, model="loans", version=version, kind="promote", at=training.as_of, by="gate", reason="", key=f"k{version}")
    trainings.crown(state, model="loans", version=3, kind="rollback", at=training.as_of, by="me", reason="", key="back")
    for name in ("run2.parquet", "run2.parquet.0a.part", "run3.parquet", "run4.parquet", "run4.parquet.0b.part", "notes.txt"):
        (folder / name).write_text("x")
    with reference_profile.kept(trained, training, learnt=learnt, tested=judging_model(trained), window_rows=300):
        left = {path.name for path in folder.iterdir()}
    assert left == {profile_path(trained).name, "run3.parquet", "run4.parquet", "run4.parquet.0b.part", "notes.txt"}


def test_texts_are_scored_in_shorter_pieces(trained: Settings) -> None:  # noqa: F811
    _, spec = champion_of(trained)
    with_text = spec.model_copy(update={"features": spec.features.model_copy(update={"text": ["letter"]})})
    assert said.piece_rows(spec) == said.PIECE_CELLS // 4
    assert said.piece_rows(with_text) == said.PIECE_CELLS // 104


def test_without_profile_and_rows_the_window_fails_visibly_and_nothing_says_no_drift(trained: Settings) -> None:  # noqa: F811
    accept(trained, rows(300, seed=2, first=800), "b2")
    remove_reference(trained)
    with pytest.raises(
        NoData, match=r"the rows that version 1 of loans learnt from are gone .* Bring the table's files back, or train again"
    ):
        monitor.monitor(trained, "loans")
    state = State.open(trained)
    made = ledger.decision_for(state, "loans-000001")
    assert made is not None
    assert (made.retrain, made.state) == (False, "no")
    assert made.reasons[0].startswith("could not be measured: the rows that version 1 of loans learnt from are gone")
    assert not profile_path(trained).exists()


def test_a_window_is_scored_in_pieces_with_the_same_result(trained: Settings, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    accept(trained, rows(1500, seed=2, first=800), "b2")
    accept(trained, rows(1500, seed=3, first=2300), "b3")
    table = AcceptedTable.of(trained, "loans")
    first = next(one.version for one in table.batches(version=int(table.version() or 0)) if one.key == "b1")
    window = {"version": int(table.version() or 0), "after_version": first}
    whole = table.read(**window, columns=["income", "home"])
    pieces = list(table.pieces(["income", "home"], **window, rows=1000))
    assert [len(piece) for piece in pieces] == [1000, 1000, 1000]
    assert [value for piece in pieces for value in piece["income"]] == whole["income"].tolist()
    assert [len(piece) for piece in table.pieces(["home"], **window, rows=1400)] == [1400, 1400, 200]
    columns = table.read_columns(["home", "income"], **window)
    assert columns.column("home").to_pylist() == whole["home"].tolist()
    assert columns.column_names == ["home", "income"]
    assert [piece["new"].isna().all() for piece in table.pieces(["new"], **window, rows=3000)] == [True]


def test_a_declared_group_says_which_rows_are_alike_where_no_time_does(trained: Settings) -> None:  # noqa: F811
    training, learnt = champion_of(trained)
    changes = {"time": {}, "group": {"time": None, "group": "home"}, "neither": {"time": None}}
    found = {}
    for name, change in changes.items():
        reference_profile.make(trained, training, learnt=learnt.model_copy(update=change), tested=judging_model(trained), window_rows=600)
        with reference_profile.kept(trained, training, learnt=learnt, tested=judging_model(trained), window_rows=600) as made:
            found[name] = made.own_windows("income")
    by_time, by_group = found["time"].distance, found["group"].distance
    assert by_time is not None
    assert (by_time.by, by_time.windows, by_time.rows) == ("time", 20, 40)
    assert by_group is not None
    assert (by_group.by, by_group.windows) == ("group", 3)
    assert (found["neither"].distance, found["neither"].note) == (None, "")
