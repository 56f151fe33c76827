"""Airflow in this process: its folder is set before the first import, and is not the user's."""

import atexit
import os
import shutil
import tempfile

_HOME = tempfile.mkdtemp(prefix="perennial-airflow-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ.update(
    {"AIRFLOW_HOME": _HOME, "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_HOME}/a.db"}
)
