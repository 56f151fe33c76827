"""What Airflow's plugin manager finds, and what it costs each task."""

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
