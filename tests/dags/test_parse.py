"""What Airflow reads when it looks for DAGs, each file in a fresh process."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DAG_FILES = sorted((ROOT / "dags").glob("*/dag.py"))
HEAVY = ("pandas", "numpy", "mlflow", "great_expectations", "evidently", "sklearn", "xgboost", "pyarrow", "deltalake", "optuna")
CODE = f"""
import sys, json, time, runpy
import airflow.sdk
start = time.perf_counter()
space = runpy.run_path(sys.argv[1])
heavy = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps({{"heavy": heavy, "seconds": time.perf_counter() - start}}))
"""


def _read(dag_file: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path / "airflow"), "PYTHONPATH": str(ROOT / "plugins")}
    return subprocess.run(
        [sys.executable, "-c", CODE, str(dag_file)], capture_output=True, text=True, env=environment, timeout=120, check=False
    )


def test_there_are_dag_files() -> None:
    assert DAG_FILES


@pytest.mark.parametrize("dag_file", DAG_FILES, ids=lambda path: path.parent.name)
def test_reading_a_dag_file_loads_nothing_heavy(dag_file: Path, tmp_path: Path) -> None:
    done = _read(dag_file, tmp_path)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["heavy"] == []


def test_airflow_sees_each_dag_file_and_no_feature_code(tmp_path: Path) -> None:
    folder = tmp_path / "dags"
    shutil.copytree(ROOT / "dags", folder)
    (folder / "credit_risk" / "features.py").write_text('"""Airflow and a dag."""\n', encoding="utf-8")
    code = (
        "import sys; from airflow.utils.file import list_py_file_paths; "
        "print('\\n'.join(sorted(list_py_file_paths(sys.argv[1], safe_mode=True))))"
    )
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, env=environment, timeout=120, check=True
    )
    seen = [line for line in done.stdout.splitlines() if line.startswith(str(folder))]
    assert seen == [str(folder / path.relative_to(ROOT / "dags")) for path in DAG_FILES]


def test_a_broken_declaration_is_an_error_that_names_file_line_key_and_cure(tmp_path: Path) -> None:
    folder = tmp_path / "dags" / "credit_risk"
    shutil.copytree(DAG_FILES[0].parent, folder)
    path = folder / "model.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    number = next(index for index, line in enumerate(lines) if line.startswith("task:"))
    lines[number] = "task: ternary"
    path.write_text("\n".join(lines), encoding="utf-8")
    done = _read(folder / "dag.py", tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ml.errors.SpecError: dags/credit_risk/model.yaml:{number + 1}: task: 'ternary' is not allowed. Write one of")
    assert "During handling" not in done.stderr
