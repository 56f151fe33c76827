"""Plays DAGs to their end without a scheduler, in a process of its own: `python -m tests.dags.play DAG…`, a JSON line for each run."""

import json
import os
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> None:
    home = Path(os.environ["PERENNIAL_HOME"]) / "airflow"
    folder = Path(os.environ["PERENNIAL_PROJECT"]) / "dags"
    os.environ.update(
        {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        }
    )
    warnings.simplefilter("ignore")
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag
    from airflow.utils.db import initdb

    initdb()
    DagBundlesManager().sync_bundles_to_db()
    for name in sys.argv[1:]:
        dag = DagBag(folder, bundle_name="dags-folder").dags[name]
        run = dag.test()
        tasks = {}
        for one in run.get_task_instances():
            tasks[f"{one.task_id}[{one.map_index}]" if one.map_index >= 0 else one.task_id] = str(one.state)
        sys.stdout.write("\n" + json.dumps({"dag": name, "state": str(run.state), "tasks": tasks}) + "\n")


if __name__ == "__main__":
    main()
