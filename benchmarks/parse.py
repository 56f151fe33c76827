"""What reading a DAG file costs beyond importing Airflow, and whether 200 models are read without a time-out.

`python -m benchmarks.parse [--models 200]` prints a table and, as its last line, JSON.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BAR_S = 0.5
TRIES = 5
TIMEOUT_S = 30.0  # Airflow's own limit for one file: [core] dagbag_import_timeout
_ONE = """
import sys, time, runpy
import airflow.sdk
from airflow.providers.standard.operators.empty import EmptyOperator
start = time.perf_counter()
runpy.run_path(sys.argv[1])
print(time.perf_counter() - start)
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--models", type=int, default=200)
    models: int = arguments.parse_args().models
    with tempfile.TemporaryDirectory(prefix="perennial-parse-") as name:
        folder = Path(name)
        own = _own_cost(folder)
        print(f"one DAG file beyond importing Airflow   {statistics.median(own):.3f} s (median of {TRIES}, worst {max(own):.3f} s)")
        print(f"                                        at most {BAR_S} s")
        found = _many(folder, models)
    print(f"{models} models, all read by dag-processor   {found['wall_s']:.1f} s, worst file {found['worst_s']:.2f} s")
    print(f"    DAGs {found['dags']} of {4 * models}, import errors {found['errors']}")
    value = round(statistics.median(own), 3)
    holds = value <= BAR_S and found["dags"] == 4 * models and found["errors"] == 0 and found["worst_s"] < TIMEOUT_S
    print(json.dumps({"name": "parse", "value": value, "bar": BAR_S, "holds": holds, "unit": "s", "models": models, **found}))


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("AIRFLOW")}
    home = folder / "airflow"
    home.mkdir(exist_ok=True)
    return {
        **kept,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "PYTHONPATH": str(ROOT / "plugins"),
    }


def _own_cost(folder: Path) -> list[float]:
    dag_file = ROOT / "dags" / "credit_risk" / "dag.py"
    command = [sys.executable, "-c", _ONE, str(dag_file)]
    runs = [subprocess.run(command, env=_environment(folder), capture_output=True, text=True, check=True) for _ in range(TRIES + 1)]
    return [float(run.stdout.splitlines()[-1]) for run in runs[1:]]  # the first one also compiles


def _many(folder: Path, models: int) -> dict[str, float]:
    text = (ROOT / "dags" / "credit_risk" / "model.yaml").read_text(encoding="utf-8")
    dag_file = (ROOT / "dags" / "credit_risk" / "dag.py").read_text(encoding="utf-8")
    for number in range(models):
        model = folder / "dags" / f"model_{number:04d}"
        model.mkdir(parents=True)
        (model / "model.yaml").write_text(text.replace("model: credit_risk", f"model: {model.name}"), encoding="utf-8")
        (model / "dag.py").write_text(dag_file, encoding="utf-8")
    airflow = str(Path(sys.executable).parent / "airflow")
    environment = _environment(folder)
    subprocess.run([airflow, "db", "migrate"], env=environment, capture_output=True, check=True)
    start = time.perf_counter()
    done = subprocess.run([airflow, "dag-processor", "--num-runs", "1"], env=environment, capture_output=True, text=True, check=True)
    wall = time.perf_counter() - start
    return {"wall_s": round(wall, 1), "worst_s": _worst(done.stdout + done.stderr), **_stored(folder)}


def _worst(output: str) -> float:
    """The longest time that the dag-processor's own table shows for a file."""
    seconds = [float(found) for found in re.findall(r"dag\.py.*?(\d+\.\d+)s", output)]
    return max(seconds, default=0.0)


def _stored(folder: Path) -> dict[str, float]:
    import sqlite3

    with sqlite3.connect(folder / "airflow" / "airflow.db") as database:
        (dags,) = database.execute("SELECT count(*) FROM serialized_dag").fetchone()
        (errors,) = database.execute("SELECT count(*) FROM import_error").fetchone()
    return {"dags": dags, "errors": errors}


if __name__ == "__main__":
    main()
