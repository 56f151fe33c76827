"""One real stack for the end-to-end tests: Airflow and MLflow on ports of their own, in a project and a home of their own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.installation import Installation, throw_away


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """A stack that runs for the whole session; that it leaves no process behind is part of the test."""
    with throw_away() as running:
        yield running
        home = str(running.settings.home)
    assert [line for line in _processes() if home in line] == []


def _processes() -> list[str]:
    """Number, command line and environment of every other process that one may read."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                found.append(f"{entry.name} {(entry / 'cmdline').read_bytes()!r} {(entry / 'environ').read_bytes()!r}")
            except OSError:
                continue
    return found
