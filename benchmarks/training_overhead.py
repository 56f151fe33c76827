"""What a training costs beyond its fits, on 100k rows x 15 columns: `python -m benchmarks.training_overhead`.

`new` infers the declaration of simulated loan applications (with `time`; two slices and a sensitive column are added), then `train` runs in
a process of its own while its stack is looked at. Fitting is: what `fit` and `transform` take, and predictions that tuning asks for. All
else is overhead: imports, reading, splitting, logging, registering, evaluating, plots. The bar: at most 15 s. Beside it the same fits run
in a bare script: read the csv, prepare the columns, fit, predict.
"""

import argparse
import functools
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml import private

private.set_environment()

import yaml  # noqa: E402

from benchmarks.sampling import Sampler, Stack  # noqa: E402

BAR_S = 15.0
MODEL, TARGET, TIME, ID = "applications", "defaulted", "applied_at", "application_id"
FITTING = "fitting"
_ACTS = frozenset({"fit", "fit_transform", "transform", "predict", "predict_proba", "decision_function"})
_TOOLS = ("candidates", "columns", "evaluation", "pipeline")
_PLACES = {
    "ml.registry": "MLflow: logging, saving, registering",
    "ml.data": "reading the table",
    "ml.state": "the state database",
    "ml.training.dataset": "reading the table",
    "ml.training.split": "splitting",
    "ml.training.folds": "splitting",
}


def place(stack: Stack) -> str:
    """What a stack of the training is busy with: `FITTING`, "imports", or the part of Perennial that works.

    >>> place([("xgboost.core", "update"), ("sklearn.pipeline", "fit"), ("ml.training.tuning", "attempt"), ("ml.jobs.train", "tune")])
    'fitting'
    >>> place([("xgboost.core", "inplace_predict"), ("sklearn.pipeline", "predict"), ("ml.training.importance", "permuted")])
    'training.importance'
    """
    if any(module == "importlib._bootstrap" for module, _ in stack):
        return "imports"
    for depth, (module, _) in enumerate(stack):
        if not module.startswith("ml.") or module in {f"ml.training.{tool}" for tool in _TOOLS}:
            continue
        if module in {"ml.training.tuning", "ml.training.fitting"} and any(function in _ACTS for _, function in stack[:depth]):
            return FITTING
        named = next((name for prefix, name in _PLACES.items() if module == prefix or module.startswith(f"{prefix}.")), None)
        return named or module.removeprefix("ml.")
    return "else"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--trials", type=int, help="another number of trials than the scaffold's: quick, and no result")
    parser.add_argument("--side", choices=["ours", "bare"])
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.side:
        print(json.dumps({"ours": ours, "bare": bare}[options.side](options.folder)))
        return
    with tempfile.TemporaryDirectory(prefix="perennial-overhead-") as name:
        folder = Path(name)
        rows = prepare(folder, rows=options.rows, trials=options.trials)
        load = os.getloadavg()[0]
        found = _measured("ours", folder)
        (folder / "fits.json").write_text(json.dumps(found["fits"]), encoding="utf-8")
        alone = _measured("bare", folder)
    report(rows, found, alone, load=load, whole=options.trials is None)


def prepare(folder: Path, *, rows: int, trials: int | None) -> int:
    """An installation in the folder with one accepted delivery of about so many rows; returns how many they are."""
    import pandas as pd

    from demo.stream import Stream, csv_bytes
    from ml.jobs.ingest import ingest
    from ml.jobs.new import new

    stream = Stream(weekly_rows=rows // 4)
    frame = pd.concat([stream.week(number) for number in range(4)], ignore_index=True)
    (folder / "rows.csv").write_bytes(csv_bytes(frame))
    settings = _settings(folder)
    for path in (settings.dags, settings.expectations):
        path.mkdir(parents=True)
    new(settings, name=MODEL, source=str(folder / "rows.csv"), target=TARGET, time=TIME, id=ID)
    path = settings.dags / MODEL / "model.yaml"
    declared: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    declared["evaluation"] = {**declared.get("evaluation", {}), "slices": ["channel", "age"], "sensitive": ["region"]}
    if trials is not None:
        declared["training"]["trials"] = trials
    path.write_text(yaml.safe_dump(declared, sort_keys=False), encoding="utf-8")
    (batch,) = ingest(settings, MODEL).batches
    assert batch.status == "accepted", batch.reasons
    return len(frame)


def ours(folder: Path) -> dict[str, Any]:
    """One training, looked at; the fits that it made."""
    with Sampler(place) as sampler:
        start = time.perf_counter()
        from ml.jobs.train import train

        settings = _settings(folder)
        fits = _recorded([one["class"] for one in _declared(folder)["training"]["candidates"]])
        result = train(settings, MODEL)
        seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "wall_s": dict(sampler.wall_s),
        "cpu_s": dict(sampler.cpu_s),
        "fits": fits,
        "verdict": result.verdict,
    }


def _recorded(classes: list[str]) -> list[dict[str, Any]]:
    """Makes the classes write down each `fit`: class, parameters that are not the default, rows, seconds. The list grows."""
    fits: list[dict[str, Any]] = []

    def recording(path: str, cls: Any) -> Callable[..., Any]:
        fit = cls.fit
        usual = cls().get_params()

        @functools.wraps(fit)
        def wrapped(self: Any, matrix: Any, *arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            fitted = fit(self, matrix, *arguments, **named)
            params = {name: value for name, value in self.get_params().items() if repr(value) != repr(usual.get(name))}
            fits.append({"class": path, "params": params, "rows": matrix.shape[0], "seconds": time.perf_counter() - start})
            return fitted

        return wrapped

    for path in dict.fromkeys(classes):
        cls = _imported(path)
        cls.fit = recording(path, cls)
    return fits


def bare(folder: Path) -> dict[str, Any]:
    """The same fits as somebody would write them down by hand: each on so many rows, each predicting half as many others."""
    start = time.perf_counter()
    import pandas as pd

    features = _declared(folder)["features"]
    frame = pd.read_csv(folder / "rows.csv").sort_values(TIME)
    prepared: dict[int, tuple[Any, Any]] = {}
    fitting = 0.0
    for one in json.loads((folder / "fits.json").read_text(encoding="utf-8")):
        rows = min(one["rows"], len(frame))
        if rows not in prepared:
            columns = _columns(features)
            prepared[rows] = columns.fit_transform(frame.iloc[:rows]), columns.transform(frame.tail(rows // 2))
        learn, rest = prepared[rows]
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = _imported(one["class"])(**one["params"]).fit(learn, (frame[TARGET].iloc[:rows] == "yes").to_numpy(dtype=int))
        fitting += time.perf_counter() - began
        if rest.shape[0]:
            (model.predict_proba if hasattr(model, "predict_proba") else model.predict)(rest)
    return {"seconds": time.perf_counter() - start, "fitting_s": fitting}


def _columns(features: dict[str, list[str]]) -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    labels = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_column_transformer((numbers, features["numeric"]), (labels, features["categorical"]))


def _imported(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _declared(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((_settings(folder).dags / MODEL / "model.yaml").read_text(encoding="utf-8"))
    return found


def _settings(folder: Path) -> Any:
    from ml.settings import Settings

    for name in [name for name in os.environ if name.startswith("PERENNIAL_")]:
        del os.environ[name]
    os.environ.update({"PERENNIAL_PROJECT": str(folder / "project"), "PERENNIAL_HOME": str(folder / "home")})
    return Settings.from_env()


def _measured(side: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.training_overhead", "--side", side, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    if done.returncode:
        raise SystemExit(done.stderr[-4000:])
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def report(rows: int, found: dict[str, Any], alone: dict[str, Any], *, load: float, whole: bool) -> None:
    """Prints the breakdown and the result."""
    wall, cpu = found["wall_s"], found["cpu_s"]
    beyond = {name: seconds for name, seconds in sorted(wall.items(), key=lambda one: -one[1]) if name != FITTING}
    value = found["seconds"] - wall.get(FITTING, 0.0)
    print(f"{rows} rows x 15 columns, {len(found['fits'])} fits; load before: {load:.1f}\n{found['verdict']}\n")
    print(f"{'':44}{'wall s':>10}{'CPU s':>10}")
    for name in (FITTING, *beyond):
        print(f"{name:44}{wall.get(name, 0.0):>10.2f}{cpu.get(name, 0.0):>10.2f}")
    beyond_cpu = sum(cpu.values()) - cpu.get(FITTING, 0.0)
    print(f"{'all that is not fitting':44}{value:>10.2f}{beyond_cpu:>10.2f}   bar {BAR_S:g}")
    print(f"{'the training':44}{found['seconds']:>10.2f}{sum(cpu.values()):>10.2f}")
    print(f"{'the same fits in a bare script':44}{alone['seconds']:>10.2f}")
    facts = {
        "rows": rows,
        "fits": len(found["fits"]),
        "train_s": round(found["seconds"], 2),
        "fitting_s": round(wall.get(FITTING, 0.0), 2),
        "estimators_fit_s": round(sum(one["seconds"] for one in found["fits"]), 2),
        "bare_s": round(alone["seconds"], 2),
        "beyond_cpu_s": round(beyond_cpu, 2),
        "beyond_s": {name: round(seconds, 2) for name, seconds in beyond.items()},
        "load_before": round(load, 1),
    }
    print(json.dumps({"name": "training_overhead", "value": round(value, 2), "bar": BAR_S, "holds": whole and value <= BAR_S, **facts}))


if __name__ == "__main__":
    main()
