"""Processes that fit models do not outlive whoever started them."""

import subprocess
import sys
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
CODE = """
import multiprocessing, os, signal
from concurrent.futures import ProcessPoolExecutor
from ml.jobs.replaying.fitting import begin

if __name__ == "__main__":
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=begin, initargs=(None,))
    print(pool.submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_processes_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(CODE, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert parent.wait(timeout=60) == -9
    try:
        child.wait(timeout=20)
    finally:
        if child.is_running():
            child.kill()
