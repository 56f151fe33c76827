"""What Airflow's plugin manager finds, and what it costs each task."""

import json
import subprocess
import sys
from pathlib import Path

PLUGINS = Path(__file__).parents[2] / "plugins"


def test_airflow_loads_one_plugin_file_and_no_module_of_the_package() -> None:
    from airflow._shared.module_loading import find_path_from_directory

    found = {Path(path).name for path in find_path_from_directory(str(PLUGINS), ".airflowignore") if path.endswith(".py")}
    assert found == {"perennial_plugin.py"}


def test_loading_the_plugin_imports_no_page() -> None:
    code = (
        "import sys; import airflow.plugins_manager; before = set(sys.modules); import perennial_plugin; "
        "new = set(sys.modules) - before; print(sorted(name for name in new if 'fastapi' in name or name.startswith('ml')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PLUGINS, timeout=120)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_every_view_has_a_route_and_stays_on_this_server() -> None:
    code = "import json; from perennial_plugin import PerennialPlugin as p; print(json.dumps(p.external_views))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PLUGINS, timeout=120)
    views = json.loads(done.stdout.strip().splitlines()[-1])
    assert {"Models", "Model", "Reports"} <= {one["name"] for one in views}
    for one in views:
        assert one["url_route"], "without one Airflow shows no tab, and opens a navigation link in another window"
        # No slash at its begin: Airflow puts the path of its base_url there.
        assert one["href"].startswith("perennial/")
        assert ("{DAG_ID}" in one["href"]) == (one["destination"] in {"dag", "dag_run"})
