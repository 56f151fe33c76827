"""What accepting a batch costs beside bare Great Expectations and a bare parquet write: `python -m benchmarks.ingest`.

Both sides run in processes of their own, in turn, on the same csv: 1M rows x 15 columns, 25 expectations. The bar: the whole
delivery (read, cast, validate, Data Docs, Delta, state) costs at most 1.3 times as much, and its peak memory stays under three
times the batch as a pandas frame.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

BAR_RATIO, BAR_MEMORY = 1.3, 3.0
NUMBERS, LABELS = [f"n{i}" for i in range(8)], [f"c{i}" for i in range(4)]
VALUES = ["alpha", "beta", "gamma", "delta"]


def expectations() -> list[dict[str, Any]]:
    def one(kind: str, **kwargs: Any) -> dict[str, Any]:
        return {"type": f"expect_{kind}", "kwargs": kwargs, "meta": {}}

    found = [one("column_values_to_be_between", column=name, min_value=-9, max_value=9) for name in NUMBERS]
    found += [one("column_values_to_not_be_null", column=name) for name in (*NUMBERS, "y", "id")]
    found += [one("column_values_to_be_in_set", column=name, value_set=VALUES) for name in LABELS]
    found += [one("column_values_to_be_unique", column="id"), one("column_values_to_not_be_null", column="t")]
    return [*found, one("table_row_count_to_be_between", min_value=1, max_value=10**8)]


def write_csv(path: Path, rows: int) -> None:
    random = np.random.default_rng(0)
    columns: dict[str, Any] = {name: random.normal(size=rows).round(6) for name in NUMBERS}
    columns |= {name: random.choice(VALUES, rows) for name in LABELS}
    columns["id"] = [f"R{i}" for i in range(rows)]
    columns["t"] = (pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(rows), unit="s")).astype(str)
    columns["y"] = random.integers(0, 2, rows)
    pd.DataFrame(columns).to_csv(path, index=False)


def declare(project: Path) -> None:
    content = {
        "model": "big",
        "task": "binary",
        "target": "y",
        "positive": 1,
        "id": "id",
        "time": "t",
        "features": {"numeric": NUMBERS, "categorical": LABELS},
        "data": {"source": {"kind": "files", "urls": ["*"]}},
        "training": {"candidates": [{"name": "logistic", "class": "sklearn.linear_model.LogisticRegression"}]},
    }
    (project / "dags" / "big").mkdir(parents=True)
    (project / "expectations").mkdir()
    (project / "dags" / "big" / "model.yaml").write_text(yaml.safe_dump(content))
    (project / "expectations" / "big.json").write_text(json.dumps({"name": "big", "expectations": expectations(), "meta": {}}))


def peak_mb() -> float:
    """Of this process alone: `ru_maxrss` would start at the parent's."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def bare(path: Path) -> dict[str, float]:
    import great_expectations as gx
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    context = gx.get_context(mode="ephemeral")
    started = time.perf_counter()
    frame = pd.read_csv(path, parse_dates=["t"])
    batch = context.data_sources.add_pandas("d").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
    suite = gx.ExpectationSuite(name="s")
    for one in expectations():
        suite.add_expectation_configuration(ExpectationConfiguration(type=one["type"], kwargs=one["kwargs"]))
    assert batch.get_batch({"dataframe": frame}).validate(suite).success
    frame.to_parquet(path.with_suffix(".parquet"))
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "frame_mb": float(frame.memory_usage(deep=True).sum()) / 2**20, "peak_mb": peak_mb()}


def ours(path: Path) -> dict[str, float]:
    import great_expectations  # noqa: F401  # both sides are timed without the import

    from ml.jobs.ingest import ingest
    from ml.settings import Settings
    from ml.validation import quiet

    settings = Settings.from_env()
    quiet.context()
    base_mb = peak_mb()
    started = time.perf_counter()
    (batch,) = ingest(settings, "big", [str(path)]).batches
    seconds = time.perf_counter() - started
    assert batch.status == "accepted", batch.reasons
    return {"seconds": seconds, "base_mb": base_mb, "peak_mb": peak_mb()}


def measured(side: str, path: Path, home: Path, project: Path) -> dict[str, float]:
    environment = os.environ | {"PERENNIAL_HOME": str(home), "PERENNIAL_PROJECT": str(project), "GX_ANALYTICS_ENABLED": "false"}
    command = [sys.executable, "-m", "benchmarks.ingest", "--side", side, "--path", str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--side", choices=["bare", "ours"])
    parser.add_argument("--path", type=Path)
    options = parser.parse_args()
    if options.side:
        print(json.dumps({"bare": bare, "ours": ours}[options.side](options.path)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_csv(folder / "big.csv", options.rows)
        declare(folder / "project")
        runs: dict[str, list[dict[str, float]]] = {"bare": [], "ours": []}
        for turn in range(options.repeat):
            for side, found in runs.items():
                found.append(measured(side, folder / "big.csv", folder / f"home{turn}", folder / "project"))
    report(options.rows, runs)


def report(rows: int, runs: dict[str, list[dict[str, float]]]) -> None:
    seconds = {side: float(np.median([run["seconds"] for run in found])) for side, found in runs.items()}
    frame_mb = runs["bare"][0]["frame_mb"]
    memory = max(run["peak_mb"] - run["base_mb"] for run in runs["ours"])
    ratio, share = seconds["ours"] / seconds["bare"], memory / frame_mb
    print(f"{rows} rows x 15 columns, 25 expectations, median of {len(runs['bare'])}; the batch in memory: {frame_mb:.0f} MiB\n")
    print(f"{'':32}{'seconds':>10}{'peak MiB':>10}")
    print(f"{'bare GX and parquet':32}{seconds['bare']:>10.1f}{max(run['peak_mb'] for run in runs['bare']):>10.0f}")
    print(f"{'ingest':32}{seconds['ours']:>10.1f}{max(run['peak_mb'] for run in runs['ours']):>10.0f}")
    print(f"\ntime: {ratio:.2f} times (bar {BAR_RATIO}); memory beyond the imports: {share:.2f} batches (bar {BAR_MEMORY})")
    holds = ratio <= BAR_RATIO and share < BAR_MEMORY
    facts = {"rows": rows, "seconds": seconds, "memory_batches": round(share, 3), "memory_bar": BAR_MEMORY}
    print(json.dumps({"name": "ingest", "value": round(ratio, 3), "bar": BAR_RATIO, "holds": holds, **facts}))


if __name__ == "__main__":
    main()
