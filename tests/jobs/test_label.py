import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
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


def accept(settings: Settings, targets: dict[str, str | None], batch: str = "b1", **changes: Any) -> None:
    """Accepted rows with these ids, delivered with or without a target."""
    spec = declare(settings, **changes)
    frame = pd.DataFrame({name: [None] * len(targets) for name in spec.columns}, dtype=object)
    frame = frame.assign(
        loan=list(targets), default=list(targets.values()), income=1.0, age=2.0, applied=pd.Timestamp("2024-01-01", tz="UTC")
    )
    AcceptedTable.of(settings, "loans", spec).append(frame, spec=spec, batch=batch, arrived_at=datetime(2024, 1, 1, tzinfo=UTC))


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
    assert whole.warnings[0] == "the file does not end with a newline: its last row may be cut off (row 3)"
    ended = label(settings, "loans", file_of(tmp_path, "loan,default\nL1,paid late\nL3,paid\n"))
    assert (ended.status, ended.rows) == ("accepted", 2)
    assert not [warning for warning in ended.warnings if "newline" in warning]


def test_numbers_at_the_end_of_a_labels_file_are_only_warned_about(settings: Settings, tmp_path: Path) -> None:
    declare(settings)
    result = label(settings, "loans", file_of(tmp_path, "loan,default\nL1,10\nL2,1"))
    assert result.status == "accepted"
    assert result.warnings[0].startswith("the file does not end with a newline")


def test_what_labels_did_is_counted_told_and_the_same_when_it_is_asked_again(settings: Settings, tmp_path: Path) -> None:
    accept(settings, {"L1": None, "L2": None, "L3": None, "L4": "1", "L5": "1"})
    first = label(settings, "loans", file_of(tmp_path, "loan,default\nL1,1\nL2,0\n"))
    assert (first.matched, first.unknown, first.repeated, first.contradicting, first.not_used) == (2, 0, 0, 0, 0)
    assert first.warnings == []
    file = file_of(tmp_path, "loan,default\nL1,1\nL2,1\nL3,0\nL4,1\nL5,0\nX9,0\nL3,1\n")
    second, again = label(settings, "loans", file), label(settings, "loans", file)
    assert (second.status, second.rows) == ("accepted", 7)
    assert (second.matched, second.unknown, second.repeated, second.contradicting, second.not_used) == (6, 1, 2, 2, 1)
    assert second.warnings == [
        "1 of 7 rows are of no accepted row yet: 'X9'; they count as soon as one arrives",
        "2 rows contradict an earlier label (first: 'L2' was '0', is '1'): the last one counts",
        "1 rows were delivered with another target (first: 'L5' was '1', is '0'), which is never replaced",
    ]
    assert again.status == "duplicate"
    counts = {"matched", "unknown", "repeated", "contradicting", "not_used"}
    assert again.model_dump(include=counts) == second.model_dump(include=counts)
    table = AcceptedTable.of(settings, "loans")
    found = table.read(version=table.version() or 0, columns=["loan", "default"]).set_index("loan")["default"].to_dict()
    assert found == {"L1": "1", "L2": "1", "L3": "1", "L4": "1", "L5": "1"}


def test_numbers_that_are_labels_are_compared_too(settings: Settings, tmp_path: Path) -> None:
    regression = {"task": "regression", "positive": None}
    accept(settings, {"L1": None, "L2": None}, **regression)
    label(settings, "loans", file_of(tmp_path, "loan,default\nL1,2.5\nL2,3\n"))
    result = label(settings, "loans", file_of(tmp_path, "loan,default\nL1,2.5\nL2,4\n"))
    assert (result.repeated, result.contradicting) == (1, 1)
    assert "'L2' was '3', is '4'" in result.warnings[0]


@pytest.mark.parametrize(
    ("targets", "text", "reason"),
    [
        ({"L1": "1", "L2": "0"}, "L3,1\nL4,perhaps\n", "1 values are none of the model's classes, '1' and '0': 'perhaps' (rows 2)"),
        ({"L1": "0", "L2": None}, "L3,yes\nL4,no\n", "2 values are none of the model's classes, '1' and '0': 'yes', 'no' (rows 1, 2)"),
        ({"L1": None}, "L3,0\nL4,perhaps\n", "2 values are none of the model's classes, '1' and one other: '0', 'perhaps' (rows 1, 2)"),
    ],
)
def test_a_label_that_is_no_class_of_a_binary_model_is_refused(
    settings: Settings, tmp_path: Path, targets: dict[str, str | None], text: str, reason: str
) -> None:
    accept(settings, targets)
    result = label(settings, "loans", file_of(tmp_path, f"loan,default\n{text}"))
    assert (result.status, result.labels_version, result.matched) == ("refused", None, None)
    assert result.reasons == [f"column 'default': {reason}"]
    assert AcceptedTable.of(settings, "loans").labels.version() is None


def test_the_classes_of_a_binary_model_without_delivered_targets_are_those_that_were_labelled(settings: Settings, tmp_path: Path) -> None:
    accept(settings, {"L1": None})
    assert label(settings, "loans", file_of(tmp_path, "loan,default\nL1,0\n")).status == "accepted"
    assert label(settings, "loans", file_of(tmp_path, "loan,default\nL1,2\n")).status == "refused"
    assert label(settings, "loans", file_of(tmp_path, "loan,default\nL1,1\n")).status == "accepted"


def test_a_new_class_of_a_multiclass_model_is_a_warning(settings: Settings, tmp_path: Path) -> None:
    accept(settings, {"L1": "a", "L2": "b", "L3": None}, task="multiclass", positive=None)
    result = label(settings, "loans", file_of(tmp_path, "loan,default\nL3,c\n"))
    assert result.status == "accepted"
    assert result.warnings == ["column 'default': 1 values are classes that no row had before: 'c' (rows 1)"]
    assert label(settings, "loans", file_of(tmp_path, "loan,default\nL4,c\n")).warnings[0].startswith("1 of 1 rows are of no accepted row")
