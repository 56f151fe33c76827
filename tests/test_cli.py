"""The command: exit statuses, messages, and JSON that a script can read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml.settings import Settings
from tests.test_specfile import GOOD, write

COMMAND = Path(sys.executable).with_name("perennial")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMMAND), *arguments], capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "COLUMNS": "160"}
    )


@pytest.mark.parametrize("command", ["train", "monitor", "ingest", "status"])
def test_an_unknown_model_fails_with_the_cure(settings: Settings, command: str) -> None:
    done = run(command, "nope")
    assert done.returncode == 1
    assert "no model 'nope'" in done.stderr
    assert "perennial new nope --from FILE --target COLUMN" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("train",), ("promote", "m", "zero"), ("promote", "m", "0"), ("sing",), ("status", "--loud")])
def test_a_wrong_call_has_status_2(settings: Settings, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "Usage: perennial" in done.stderr


def test_status_of_an_empty_project_is_json(settings: Settings) -> None:
    done = run("status", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"models": []}


def test_check_prints_every_fault_and_fails(settings: Settings) -> None:
    write(settings, GOOD.replace("task: binary", "task: binry"))
    done = run("check")
    assert done.returncode == 1
    assert "dags/m/model.yaml:2: task: 'binry' is not allowed" in done.stdout
    as_json = json.loads(run("check", "--json").stdout)
    assert {"model", "file", "line", "key", "problem", "cure"} <= as_json["faults"][0].keys()


def test_nothing_is_written_outside_the_home(settings: Settings, tmp_path: Path) -> None:
    write(settings, GOOD)
    before = sorted(path for path in settings.project.rglob("*"))
    assert run("status").returncode == 0
    assert sorted(path for path in settings.project.rglob("*")) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "project"]


def test_every_report_is_written_as_a_folder(settings: Settings, tmp_path: Path) -> None:
    done = run("report", "--site", str(tmp_path / "site"), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["written"], found["removed"], found["unchanged"]) == (["index.html"], [], 0)
    assert "No model is declared yet." in (tmp_path / "site" / "index.html").read_text()
    unnamed = run("report")
    assert unnamed.returncode == 2
    assert "name a model, or write the pages of all with --site DIR" in unnamed.stderr
