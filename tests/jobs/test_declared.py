"""Declarations are read again only when their files change."""

import os
from pathlib import Path

import pytest

from ml import specfile
from ml.jobs.declared import all_declared, declared
from ml.settings import Settings

TEXT = """
model: loans
task: regression
target: y
features: {numeric: [x]}
data: {source: {kind: files, urls: [x]}}
training: {candidates: [{name: a, class: a.B}]}
"""


def write(settings: Settings, text: str, *, model: str = "loans") -> Path:
    path = settings.dags / model / "model.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_file_is_read_once_until_it_changes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(settings, TEXT)
    read: list[Path] = []
    inspect = specfile.inspect
    monkeypatch.setattr(specfile, "inspect", lambda path: read.append(path) or inspect(path))
    first = [declared(settings, "loans"), *all_declared(settings)]
    assert len(read) == 1
    assert first[0] == first[1]
    assert first[0] is not None
    assert first[0].spec is not None
    path.write_text(TEXT + "description: another\n")
    os.utime(path, ns=(1, 1))
    again = declared(settings, "loans")
    assert len(read) == 2
    assert again is not None
    assert again.spec is not None
    assert again.spec.description == "another"


def test_a_broken_file_is_a_model_with_its_faults(settings: Settings) -> None:
    write(settings, TEXT)
    write(settings, "model: broken\ntask: binry\n", model="broken")
    broken, loans = all_declared(settings)
    assert (broken.model, broken.spec, loans.faults) == ("broken", None, ())
    assert "dags/broken/model.yaml:2: task: 'binry' is not allowed" in broken.faults[0]


@pytest.mark.parametrize("name", ["ghosts", "../dags/loans", "..", ""])
def test_only_what_stands_in_the_folder_is_declared(settings: Settings, name: str) -> None:
    write(settings, TEXT)
    assert declared(settings, name) is None
