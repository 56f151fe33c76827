"""What drift costs on long and on wide tables, beside plain Evidently: `python -m benchmarks.drift_speed [long] [wide] [linear]`.

long: 1M rows x 15 columns against 1M, the same frames in the same process: the window's profiles and statistics against the kept
reference, and `Report([DataDriftPreset()])` with the same pinned methods. Bar: at least 50 times faster, values equal within 1e-9, under
a promised rate of false alarms, as scaffolded models are; the same under fixed thresholds stands beside it.
wide: 350k x 800 columns in Delta tables, in a process of its own. Bars: under 60 s, and peak memory beyond the imports under 1.5 times
the widest chunk of columns that is read. Champion's scoring and the page are not in it.
linear: 1M, 2M and 3M rows x 100 columns in the same way: seconds and memory.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

BAR_RATIO, BAR_SAME, BAR_WIDE_S, BAR_MEMORY = 50.0, 1e-9, 60.0, 1.5
PARTS = ("long", "wide", "linear")
NUMBERS, LABELS = [f"n{i}" for i in range(12)], [f"c{i}" for i in range(3)]
_BATCH_CELLS = 20_000_000


def long_frame(rows: int, *, seed: int) -> pd.DataFrame:
    """Twelve columns of numbers (continuous, heavy-tailed, rounded, whole, with holes) and three of labels."""
    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for place, name in enumerate(NUMBERS):
        values = random.normal(seed * place / 100, 1, rows)
        if place % 4 == 1:
            values = np.exp(2 * values)
        elif place % 4 == 2:
            values = values.round(2)
        elif place % 4 == 3:
            values = np.where(random.random(rows) < 0.05, np.nan, np.floor(values * 20))
        columns[name] = values
    for name in LABELS:
        columns[name] = random.choice(["alpha", "beta", "gamma", "delta"], rows, p=[0.4, 0.3, 0.2, 0.1])
    return pd.DataFrame(columns)


def pins() -> list[Any]:
    from ml.monitoring.drift import Pin

    found = [Pin(name, "numeric", "numeric", "wasserstein", 0.1) for name in NUMBERS]
    return [*found, *(Pin(name, "categorical", "categorical", "jensenshannon", 0.1) for name in LABELS)]


def evidently(reference: pd.DataFrame, window: pd.DataFrame) -> tuple[float, dict[str, float]]:
    from ml.monitoring import load_evidently

    load_evidently()
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    definition = DataDefinition(numerical_columns=NUMBERS, categorical_columns=LABELS)
    preset = DataDriftPreset(num_method="wasserstein", cat_method="jensenshannon", num_threshold=0.1, cat_threshold=0.1)
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sides = [Dataset.from_pandas(side, data_definition=definition) for side in (window, reference)]
        metrics = Report([preset]).run(sides[0], sides[1]).dict()["metrics"]
    seconds = time.perf_counter() - started
    return seconds, {one["config"]["column"]: float(one["value"]) for one in metrics if "column" in one["config"]}


def run_long(folder: Path, rows: int, *, repeat: int) -> dict[str, Any]:
    from ml.monitoring import profile_file
    from ml.monitoring.drift import profile_of
    from ml.monitoring.profile_file import KeptColumn
    from ml.monitoring.window_columns import measure_columns

    reference, window = long_frame(rows, seed=0), long_frame(rows, seed=1)
    url, of = str(folder / "long.parquet"), {"run": "long"}
    places = profile_file.positions(rows, 100_000)
    started = time.perf_counter()
    columns = (KeptColumn(pin.column, profile_of(pin, reference[pin.column]), reference[pin.column].iloc[places]) for pin in pins())
    profile_file.write(url, columns, of=of, rows=rows, tested={})
    making = time.perf_counter() - started
    seconds: dict[bool, list[float]] = {True: [], False: []}
    ours: dict[bool, dict[str, float]] = {}
    for is_promised in [True, False] * repeat:
        started = time.perf_counter()
        with profile_file.opened(url, of=of) as kept:
            assert kept is not None, "the profile was just made"
            found = measure_columns(
                pins(), reference=kept, read=lambda names: window[list(names)], rows=rows, draw=100_000, is_promised=is_promised
            )
        seconds[is_promised].append(time.perf_counter() - started)
        shown = {one.pin.column: one.comparisons[0].effect.value for one in found.looks}
        ours[is_promised] = shown if is_promised else {one.column: one.value for one in found.drifts}
    theirs_s, theirs = evidently(reference, window)
    assert ours[True].keys() == ours[False].keys() == theirs.keys(), "the same columns"
    promised, fixed = (float(np.median(seconds[way])) for way in (True, False))
    return {
        "rows": rows,
        "seconds": round(promised, 3),
        "fixed_s": round(fixed, 3),
        "making_s": round(making, 3),
        "evidently_s": round(theirs_s, 2),
        "ratio": round(theirs_s / promised, 1),
        "ratio_fixed": round(theirs_s / fixed, 1),
        "ratio_with_making": round(theirs_s / (promised + making), 1),
        "largest_difference": max(abs(values[name] - theirs[name]) for values in ours.values() for name in values),
    }


def spec(columns: Sequence[str]) -> Any:
    from ml.spec import ModelSpec

    return ModelSpec.model_validate(
        {
            "model": "wide",
            "task": "binary",
            "target": "y",
            "positive": "1",
            "features": {"numeric": list(columns)},
            "data": {"source": {"kind": "files", "urls": ["x"]}},
            "training": {"candidates": [{"name": "a", "class": "a.B"}]},
        }
    )


def generate(home: Path, rows: int, columns: int) -> None:
    """The reference and the window as Delta commits of at most `_BATCH_CELLS` values: a delivery each, versions 1 … k and k + 1 … 2k."""
    from ml.data.table import AcceptedTable

    names = [f"f{i}" for i in range(columns)]
    table, random = _table(home, names), np.random.default_rng(0)
    most = _BATCH_CELLS // columns
    for side, shift in (("reference", 0.0), ("window", 0.02)):
        for start in range(0, rows, most):
            count = min(most, rows - start)
            arrays = {name: pa.array(random.normal(shift, 1, count)) for name in names}
            arrived = pa.repeat(pa.scalar(datetime(2026, 1, 1, tzinfo=UTC), pa.timestamp("us", "UTC")), count)
            keys = {"_row": pa.array(np.arange(1, count + 1)), "_arrived_at": arrived, "y": pa.repeat(pa.scalar("1"), count)}
            assert isinstance(table, AcceptedTable)
            table.log.append(pa.table({**keys, **arrays}), key=f"{side}{start}", facts={})


def _table(home: Path, names: Sequence[str]) -> Any:
    from ml.data.table import AcceptedTable
    from ml.settings import Settings

    os.environ |= {"PERENNIAL_HOME": str(home), "PERENNIAL_PROJECT": str(home)}
    return AcceptedTable.of(Settings.from_env(), "wide", spec(names))


def keep(home: Path, rows: int, columns: int) -> None:
    """The reference's profile, made from its rows a chunk of columns at a time."""
    from ml.monitoring import profile_file
    from ml.monitoring.profile_file import KeptColumn
    from ml.monitoring.profiles import numeric
    from ml.monitoring.window_columns import chunks

    names = [f"f{i}" for i in range(columns)]
    table, (middle, _) = _table(home, names), _versions(home, names)
    places = pa.array(profile_file.positions(rows, profile_file.plot_rows(100_000, columns=columns)))

    def kept() -> Any:
        for chunk in chunks(names, rows=rows):
            found = table.read_columns(chunk, version=middle)
            for name in chunk:
                yield KeptColumn(name, numeric(found[name]), found[name].take(places).to_pandas())

    profile_file.write(str(home / "kept.parquet"), kept(), of={"run": "wide"}, rows=rows, tested={})


def _versions(home: Path, names: Sequence[str]) -> tuple[int, int]:
    commits = _table(home, names).log.commits()
    return max(one.version for one in commits if one.key.startswith("reference")), max(one.version for one in commits)


def look(home: Path, rows: int, columns: int) -> dict[str, float]:
    """One window against the kept reference: seconds, and peak memory beyond what stood before it."""
    from ml.monitoring import profile_file
    from ml.monitoring.alarms.own_windows import OwnWindows
    from ml.monitoring.drift import Pin
    from ml.monitoring.looks import look as look_at
    from ml.monitoring.profiles import numeric
    from ml.monitoring.window_columns import measure_columns

    names = [f"f{i}" for i in range(columns)]
    table, (middle, newest) = _table(home, names), _versions(home, names)
    wanted = [Pin(name, "numeric", "numeric", "wasserstein", 0.1) for name in names]
    small = numeric(np.arange(3.0))
    look_at(wanted[0], reference=small, window=small, own=OwnWindows())  # imports what is imported late
    before = memory_mb("VmRSS")
    started = time.perf_counter()
    with profile_file.opened(str(home / "kept.parquet"), of={"run": "wide"}) as kept:
        assert kept is not None, "the profile was made before"
        measure_columns(
            wanted,
            reference=kept,
            read=lambda chosen: table.read_columns(chosen, version=newest, after_version=middle),
            rows=rows,
            draw=100_000,
            is_promised=True,
        )
    return {"seconds": time.perf_counter() - started, "memory_mb": memory_mb("VmHWM") - before}


def memory_mb(name: str) -> float:
    """VmRSS or VmHWM of this process alone: `ru_maxrss` would start at the parent's."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def run_table(folder: Path, rows: int, columns: int) -> dict[str, Any]:
    """Writes the rows, makes the profile and looks, each in a process of its own; the files are removed afterwards."""
    from ml.monitoring.window_columns import chunks

    with tempfile.TemporaryDirectory(dir=folder) as name:
        _step("generate", name, rows, columns)
        started = time.perf_counter()
        _step("keep", name, rows, columns)
        making = time.perf_counter() - started
        size = (Path(name) / "kept.parquet").stat().st_size / 2**20
        found = _step("look", name, rows, columns)
    widest = len(next(iter(chunks([""] * columns, rows=rows)))) * rows * 8 / 2**20
    return {
        "rows": rows,
        "columns": columns,
        "seconds": round(found["seconds"], 1),
        "making_s": round(making, 1),
        "profile_mb": round(size),
        "memory_mb": round(found["memory_mb"]),
        "chunk_mb": round(widest),
        "memory_chunks": round(found["memory_mb"] / widest, 2),
    }


def _step(step: str, home: str, rows: int, columns: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.drift_speed", "--step", step, "--home", home, "--size", str(rows), str(columns)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--long-rows", type=int, default=1_000_000)
    parser.add_argument("--wide", type=int, nargs=2, default=(350_000, 800), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--linear-rows", type=int, nargs="+", default=[1_000_000, 2_000_000, 3_000_000])
    parser.add_argument("--linear-columns", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where gigabytes may be written for a while")
    parser.add_argument("--step", choices=["generate", "keep", "look"], help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps({"generate": generate, "keep": keep, "look": look}[options.step](options.home, *options.size) or {}))
        return
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    wanted = options.parts or PARTS
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        if "long" in wanted:
            found["long"] = run_long(Path(name), options.long_rows, repeat=options.repeat)
        if "wide" in wanted:
            found["wide"] = run_table(Path(name), *options.wide)
        if "linear" in wanted:
            found["linear"] = [run_table(Path(name), rows, options.linear_columns) for rows in options.linear_rows]
    report(found)


def report(found: dict[str, Any]) -> None:
    held = []
    if one := found.get("long"):
        held += [one["ratio"] >= BAR_RATIO, one["largest_difference"] <= BAR_SAME]
        print(f"{one['rows']:,} rows x 15 columns against as many, median of the looks")
        print(f"  a look {one['seconds']:.2f} s, Evidently's preset {one['evidently_s']:.1f} s")
        print(f"  {_bar(one['ratio'], BAR_RATIO, held[-2])} times as fast")
        print(f"  {one['ratio_fixed']} times under fixed thresholds ({one['fixed_s']:.2f} s)")
        print(f"  {one['ratio_with_making']} times with the reference's profile, which is made once in {one['making_s']:.2f} s")
        print(f"  largest difference of a value: {_bar(one['largest_difference'], BAR_SAME, held[-1])}")
    for one in [found["wide"]] if "wide" in found else []:
        held += [one["seconds"] < BAR_WIDE_S, one["memory_chunks"] < BAR_MEMORY]
        _print_table(one)
        print(f"  seconds: {_bar(one['seconds'], BAR_WIDE_S, held[-2])}; chunks: {_bar(one['memory_chunks'], BAR_MEMORY, held[-1])}")
    for one in found.get("linear", []):
        _print_table(one)
    value = found.get("long", {}).get("ratio")
    print(json.dumps({"name": "drift_speed", "value": value, "bar": BAR_RATIO, "holds": all(held) if held else None, **found}))


def _print_table(one: dict[str, Any]) -> None:
    print(f"{one['rows']:,} rows x {one['columns']} columns")
    print(f"  a look {one['seconds']} s, {one['memory_mb']} MiB ({one['memory_chunks']} chunks of {one['chunk_mb']} MiB)")
    print(f"  the profile: made in {one['making_s']} s, {one['profile_mb']:,} MiB")


def _bar(value: float, bar: float, holds: bool) -> str:
    return f"{value:g} (bar {bar:g}{'' if holds else ', missed'})"


if __name__ == "__main__":
    main()
