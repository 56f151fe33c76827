"""Airflow in this process: its folder is set before the first import, and is not the user's."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest

from tests.plugins.server import Pages

_HOME = tempfile.mkdtemp(prefix="perennial-airflow-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ.update(
    {"AIRFLOW_HOME": _HOME, "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_HOME}/a.db"}
)


@pytest.fixture(scope="session")
def pages() -> Iterator[Pages]:
    """Perennial's pages in a process of their own; each request is answered for the settings that its test has."""
    with Pages() as running:
        yield running
