"""The reference of a champion is read once: afterwards its profile stands for it, whatever becomes of the rows."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ml.data.table import AcceptedTable
from ml.errors import NoData
from ml.jobs import monitor, reference_profile
from ml.monitoring import profile_file
from ml.settings import Settings
from ml.state import State, ledger, trainings
from ml.training import dataset
from tests.jobs.test_monitor import accept, declare, rows, trained  # noqa: F401


def profile_path(settings: Settings) -> Path:
    found = trainings.of_version(State.open(settings), "loans", 1)
    assert found is not None
    return Path(reference_profile.url_of(settings, found))


def remove_reference(settings: Settings) -> None:
    shutil.rmtree(Path(settings.tables_url) / "loans" / "rows" / "_batch=b1")


def test_the_reference_is_read_at_the_first_look_only(trained: Settings, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    accept(trained, rows(300, seed=2, first=800), "b2")
    first = monitor.monitor(trained, "loans")
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
