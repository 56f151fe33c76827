import json
import os
from pathlib import Path
from typing import Any

import pytest

from ml.data import deliveries
from ml.data.table import AcceptedTable
from ml.errors import ModelOwnerError
from ml.jobs.label import label
from ml.settings import Settings
from ml.state import batches
from tests.data.models import declare, processes


def file_of(folder: Path, text: str, name: str = "labels.csv") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def label_and_die(settings: Settings, file: str) -> None:
    def dying(*_: Any, **__: Any) -> None:
        os._exit(9)

    batches.save_labels = dying  # type: ignore[assignment]
    label(settings, "loans", file)


def test_labels_are_stored_once_for_each_content(settings: Settings, tmp_path: Path) -> None:
    declare(settings)
    file = file_of(tmp_path, "loan,default,seen\nL1,1,x\nL2,0,y\n")
    first, second = label(settings, "loans", file), label(settings, "loans", file)
    assert (first.status, first.rows, second.status) == ("accepted", 2, "duplicate")
    assert first.labels_version == second.labels_version
    assert json.loads(first.model_dump_json())["reasons"] == []
    assert AcceptedTable.of(settings, "loans").labels.known().to_dict() == {"L1": "1", "L2": "0"}


def test_a_kill_after_the_commit_leaves_the_labels_once(settings: Settings, tmp_path: Path) -> None:
    declare(settings)
    file = file_of(tmp_path, "loan,default\nL1,1\n")
    child = processes().Process(target=label_and_die, args=(settings, file))
    child.start()
    child.join(60)
    assert child.exitcode == 9
    assert label(settings, "loans", file).status == "duplicate"
    labels = AcceptedTable.of(settings, "loans").labels
    assert sum(commit.rows for commit in labels.log.commits()) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("loan,other\nL1,1\n", "missing columns: 'default'"),
        ("loan,default\nL1,\n", "column 'default': 1 values are missing (first in row 1)"),
        ("loan,default\nL1,1\n,0\n", "column 'loan': 1 values are missing (first in row 2)"),
        ("loan,default\nL1\n", "1 rows do not have 2 fields"),
    ],
)
def test_labels_that_cannot_be_used_are_refused_with_the_reason(settings: Settings, tmp_path: Path, text: str, reason: str) -> None:
    declare(settings)
    result = label(settings, "loans", file_of(tmp_path, text))
    assert result.status == "refused"
    assert reason in result.reasons[0]
    assert AcceptedTable.of(settings, "loans").labels.version() is None


def test_a_regression_takes_numbers(settings: Settings, tmp_path: Path) -> None:
    declare(settings, task="regression", positive=None)
    assert label(settings, "loans", file_of(tmp_path, "loan,default\nL1,much\n")).status == "refused"
    assert label(settings, "loans", file_of(tmp_path, "loan,default\nL1,2.5\n")).status == "accepted"
    assert AcceptedTable.of(settings, "loans").labels.known().tolist() == [2.5]


def test_a_model_without_id_takes_no_labels(settings: Settings, tmp_path: Path) -> None:
    declare(settings, id=None)
    with pytest.raises(ModelOwnerError, match="declares no id"):
        label(settings, "loans", file_of(tmp_path, "loan,default\nL1,1\n"))


def test_the_spool_is_empty_afterwards(settings: Settings, tmp_path: Path) -> None:
    declare(settings)
    assert deliveries.SETTLE_S > 0
    label(settings, "loans", file_of(tmp_path, "loan,default\nL1,1\n"))
    assert not list((settings.home / "spool").iterdir())


def test_a_labels_file_is_read_as_its_name_says(settings: Settings, tmp_path: Path) -> None:
    declare(settings, data={"source": {"kind": "files", "urls": ["loans/*"], "format": "parquet"}})
    assert label(settings, "loans", file_of(tmp_path, "loan,default\nL1,1\n")).status == "accepted"


def test_labels_that_no_text_can_hold_are_refused(settings: Settings, tmp_path: Path) -> None:
    declare(settings)
    result = label(settings, "loans", file_of(tmp_path, '{"loan": "L\\ud800", "default": 1}\n', "labels.jsonl"))
    assert (result.status, len(result.reasons)) == ("refused", 1)


def test_a_label_that_was_cut_off_is_refused_and_a_missing_last_newline_is_told(settings: Settings, tmp_path: Path) -> None:
    declare(settings, positive="paid late")
    cut = label(settings, "loans", file_of(tmp_path, "loan,default\nL1,paid late\nL2,paid\nL3,paid la"))
    assert cut.status == "refused"
    assert "its label 'paid la' looks like the start of 'paid late'" in cut.reasons[0]
    whole = label(settings, "loans", file_of(tmp_path, "loan,default\nL1,paid late\nL2,paid\nL3,paid late"))
    assert (whole.status, whole.rows) == ("accepted", 3)
    assert whole.warnings == ["the file does not end with a newline: its last row may be cut off (row 3)"]
    ended = label(settings, "loans", file_of(tmp_path, "loan,default\nL1,paid late\nL3,paid la\n"))
    assert (ended.status, ended.warnings) == ("accepted", [])


def test_numbers_at_the_end_of_a_labels_file_are_only_warned_about(settings: Settings, tmp_path: Path) -> None:
    declare(settings)
    result = label(settings, "loans", file_of(tmp_path, "loan,default\nL1,10\nL2,1"))
    assert (result.status, len(result.warnings)) == ("accepted", 1)
