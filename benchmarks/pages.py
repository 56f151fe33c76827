"""What the pages cost the API server with 100 models and 1,000 windows each.

`python -m benchmarks.pages [--models 100] [--windows 1000] [--calls 15]` fills a state database, serves the pages below Airflow's own login
in one process, and measures each page from the request to its last byte, without a browser or packing. `first` also reads the declarations
and templates. Prints a table and, as its last line, JSON.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import page_files, page_verdicts

ROOT = Path(__file__).parents[1]
BAR_S = 0.2
COLUMNS = 10
VERSION = 40
"""The version whose card and training are looked at."""
_STEP = timedelta(hours=6)
_START = datetime.now(UTC) - 1000 * _STEP  # the newest of a thousand windows is of today: pages show the last 90 days


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    for name, default in (("--models", 100), ("--windows", 1000), ("--calls", 15)):
        arguments.add_argument(name, type=int, default=default)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="perennial-pages-") as name:
        folder = Path(name)
        _environment(folder)
        start = time.perf_counter()
        rows = _fill(folder, models=asked.models, windows=asked.windows)
        size = sum(path.stat().st_size for path in (folder / "home").glob("state.db*"))
        filled = time.perf_counter() - start
        told = f"{asked.models} models, {asked.windows:,} windows each, {COLUMNS} columns"
        print(f"{told}: {rows:,} rows, {size / 2**20:,.0f} MiB, {filled:.0f} s")
        found = _measure(asked.models, asked.windows, asked.calls)
    _tell(found, models=asked.models, windows=asked.windows, calls=asked.calls)


def _environment(folder: Path) -> None:
    for key in [key for key in os.environ if key.startswith(("AIRFLOW_", "PERENNIAL_"))]:
        del os.environ[key]
    os.environ.update(
        {
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "ada:admin",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder}/airflow/airflow.db",
            "AIRFLOW__API_AUTH__JWT_SECRET": "of no use to anybody, and long enough for a key of sixty-four bytes",
            "PERENNIAL_PROJECT": str(folder),
            "PERENNIAL_HOME": str(folder / "home"),
        }
    )
    (folder / "airflow").mkdir()
    sys.path[:0] = [str(ROOT), str(ROOT / "plugins")]


def _fill(folder: Path, *, models: int, windows: int) -> int:
    """Models whose every second one is judged on labels, and whose fifth drifts; how many rows that makes."""
    from ml import specfile
    from ml.settings import Settings
    from ml.state import State, specs

    text = (ROOT / "dags" / "credit_risk" / "model.yaml").read_text(encoding="utf-8")
    for number in range(models):
        own = folder / "dags" / f"model_{number:04d}"
        own.mkdir(parents=True)
        (own / "model.yaml").write_text(text.replace("model: credit_risk", f"model: {own.name}"), encoding="utf-8")
    settings = Settings.from_env()
    state = State.open(settings)
    rows = 0
    for number, name in enumerate(specfile.model_names(settings)):
        hash_ = specs.remember(state, specfile.load(settings, name), at=_START)
        for table, part in _rows(name, hash_, windows, seed=number):
            with state.begin() as connection:
                connection.execute(table.insert(), part)
            rows += len(part)
    return rows


def _rows(model: str, spec: str, windows: int, *, seed: int) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    from ml.state import tables

    chance = random.Random(seed)
    looked = [_window(model, spec, number) for number in range(1, windows + 1)]
    yield tables.windows, looked
    yield tables.drift, [_drift(one["id"], place, chance) for one in looked for place in range(COLUMNS)]
    judged = looked if seed % 2 == 0 else looked[: windows // 2]
    metrics = ("roc_auc", "accuracy", "f1")
    values = {(one["id"], metric): 0.8 + chance.gauss(0, 0.02) for one in judged for metric in metrics}
    yield tables.quality, [{"window": window, "metric": name, "value": value, "rows": 500} for (window, name), value in values.items()]
    yield (
        tables.details,
        [{"window": one["id"], "kind": "intervals", "content": {name: [0.75, 0.85] for name in metrics}} for one in judged],
    )
    yield tables.estimates, [_estimate(one["id"], chance) for one in looked]
    yield tables.decisions, [_decision(model, one, chance) for one in looked]
    yield tables.trainings, [_training(model, spec, number) for number in range(40)]
    changes = range(0, 40, 4)
    yield tables.promotions, [_change(model, number) for number in changes]
    yield tables.batches, [_batch(model, number) for number in range(windows)]


def _window(model: str, spec: str, number: int) -> dict[str, Any]:
    at = _START + number * _STEP
    numbers = {"number": number, "start_version": number, "end_version": number + 1, "rows": 500, "labelled_rows": 500, "champion": 1}
    times = {"as_of": at, "start_time": at, "end_time": at, "measured_at": at}
    return {"id": f"{model}-{number:06d}", "model": model, "spec_hash": spec, "report_url": "/none.html", "attempts": 0, **numbers, **times}


def _drift(window: str, place: int, chance: random.Random) -> dict[str, Any]:
    value = abs(chance.gauss(0, 0.06))
    verdict = page_verdicts.of_column(value, p_value=chance.random(), floor=0.1)
    column = {"column": f"column_{place}", "kind": "numeric", "method": "wasserstein"}
    return {"window": window, **column, "value": value, "threshold": 0.1, "drifted": value > 0.1, "verdict": verdict}


def _estimate(window: str, chance: random.Random) -> dict[str, Any]:
    value = 0.8 + chance.gauss(0, 0.02)
    interval = {"value": value, "low": value - 0.03, "high": value + 0.03, "sampling_error": 0.01, "model_error": 0.01, "why": ""}
    return {"window": window, "metric": "roc_auc", "method": "cbpe", "rows": 500, "reference_rows": 1500, "confidence": 0.95, **interval}


def _decision(model: str, window: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    asks = chance.random() < 0.04
    reasons = [
        f"{chance.randrange(5)} of {COLUMNS} columns drifted (0.10 < 0.40)",
        "no cooldown: no decision has asked for a training before",
    ]
    rules = [{"rule": f"rule_{number}", "role": "asks", "fired": False, "reason": "a sentence that says why not"} for number in range(12)]
    evidence = {"drifts": [_drift("", place, chance) for place in range(COLUMNS)]}
    return {
        "id": f"decision-{window['id']}",
        "model": model,
        "window": window["id"],
        "retrain": asks,
        "reasons": reasons,
        "rules": rules,
        "evidence": evidence,
        "report_url": window["report_url"],
        "state": "done" if asks else "no",
        "decided_at": window["as_of"],
    }


def _training(model: str, spec: str, number: int) -> dict[str, Any]:
    at = _START + number * timedelta(days=6)
    key = f"{model}.train/scheduled-{number}"
    known = {
        "key": key,
        "model": model,
        "spec_hash": spec,
        "dataset_version": number,
        "reason": "asked by a decision",
    }
    times = {"as_of": at, "started_at": at, "finished_at": at}
    return {
        **known,
        **times,
        "state": "challenger" if number % 4 else "promoted",
        "version": number + 1,
        "verdict": page_verdicts.of_gate(key),
    }


def _change(model: str, number: int) -> dict[str, Any]:
    at = _START + number * timedelta(days=6)
    version = {"version": number + 1, "previous": None if number == 0 else number - 3}
    return {"model": model, "kind": "promote", "at": at, "by": "gate", "reason": "asked by a decision", "key": str(number), **version}


def _batch(model: str, number: int) -> dict[str, Any]:
    at = _START + number * _STEP
    status = "accepted" if number % 200 else "quarantined"
    known = {"id": f"{number:032x}", "model": model, "source": f"delivery-{number}.csv", "status": status, "rows": 500, "failing_rows": 0}
    return {
        **known,
        "reasons": ["column 'x': 3 of 500 values are missing"],
        "arrived_at": at,
        "decided_at": at,
        "dataset_version": number or None,
    }


def _pages(models: int, windows: int, calls: int) -> dict[str, list[str]]:
    """Every kind of page → the addresses that are asked in turn."""
    middle = f"model_{models // 2:04d}"
    window = f"{middle}-{(windows + 1) // 2:06d}"
    reports = f"/perennial/reports/{middle}"
    return {
        "models": ["/perennial/models"],
        "model": [f"/perennial/models/model_{number % models:04d}?period=all" for number in range(calls)],
        "tab": [f"/perennial/dags/{middle}.monitor"],
        "older decisions": [f"/perennial/models/{middle}?skip=900"],
        "decision": [f"/perennial/models/{middle}/decisions/decision-{window}"],
        "actions": [f"/perennial/actions/{middle}?part=true"],
        "lineage": [f"/perennial/lineage/{middle}/{VERSION}", f"/perennial/lineage/{middle}/1"],
        "run of training": [f"/perennial/runs/{middle}.train/{page_files.RUN}"],
        "run of a look": [f"/perennial/runs/{middle}.monitor/{page_files.RUN}"],
        "quarantine": [f"/perennial/models/{middle}/quarantine/{page_files.QUARANTINED}"],
        "reports": ["/perennial/reports/index.html"],
        "report of model": [f"{reports}/index.html"],
        "report of window": [f"{reports}/{window}.html"],
        "its plots": [f"{reports}/{window}.evidently.html"],
        "history": [f"{reports}/history.html"],
        "card": [f"{reports}/card_{VERSION}.html"],
        "deliveries": [f"{reports}/data-docs/index.html"],
        "style": ["/perennial/static/any/pages.css"],
    }


def _measure(models: int, windows: int, calls: int) -> dict[str, dict[str, Any]]:
    client = _client(models)
    _keep(f"model_{models // 2:04d}", windows)
    found = {}
    for name, addresses in _pages(models, windows, calls).items():
        first, _ = _timed(client, addresses[0])
        times, size, start = [], 0, time.process_time()
        for call in range(calls):
            seconds, size = _timed(client, addresses[call % len(addresses)])
            times.append(seconds)
        busy = (time.process_time() - start) / calls
        found[name] = {"median_s": statistics.median(times), "worst_s": max(times), "first_s": first, "cpu_s": busy, "kib": size / 1024}
    return found


def _keep(model: str, windows: int) -> None:
    """What stands beside the database, of the model that is looked at."""
    from ml.monitoring.report import url_of
    from ml.settings import Settings
    from ml.state import State, tables

    settings, window = Settings.from_env(), f"{model}-{(windows + 1) // 2:06d}"
    page_files.keep(settings, model, window=window, version=VERSION, at=_START)
    page_files.runs(model, window=window, at=_START)
    with State.open(settings).begin() as connection:
        stored = tables.windows.update().where(tables.windows.c.id == window)
        connection.execute(stored.values(report_url=url_of(settings, model, window)))


def _client(models: int) -> Any:
    import warnings

    warnings.simplefilter("ignore")  # Airflow's own
    from airflow import settings
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.models import import_all_models
    from airflow.models.base import Base
    from airflow.models.revoked_token import RevokedToken  # noqa: F401  # a table that is made below
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from perennial_airflow.pages.app import app

    import_all_models()  # type: ignore[no-untyped-call]
    Base.metadata.create_all(settings.get_engine())  # type: ignore[no-untyped-call]
    page_files.dags(models)
    around = FastAPI()
    around.mount("/perennial", app)
    client = TestClient(around)
    client.cookies.set("_token", create_auth_manager().generate_jwt(SimpleAuthManagerUser(username="ada", role="admin")))
    return client


def _timed(client: Any, address: str) -> tuple[float, int]:
    start = time.perf_counter()
    answer = client.get(address)
    seconds = time.perf_counter() - start
    if answer.status_code != 200:
        raise SystemExit(f"{address}: {answer.status_code} {answer.text[:500]}")
    return seconds, len(answer.content)


def _tell(found: dict[str, dict[str, Any]], *, models: int, windows: int, calls: int) -> None:
    print(f"{'page':<18}{'median':>9}{'worst':>9}{'cpu':>9}{'first':>9}{'size':>11}   of {calls} calls; bar {BAR_S:.3f} s")
    for name, one in found.items():
        missed = "" if one["worst_s"] <= BAR_S else "   missed" if one["median_s"] > BAR_S else "   the worst is beyond the bar"
        times = "".join(f"{one[key]:>8.3f}s" for key in ("median_s", "worst_s", "cpu_s", "first_s"))
        print(f"{name:<18}{times}{one['kib']:>8.0f} KiB{missed}")
    value = max(one["median_s"] for one in found.values())
    rounded = {name: {key: round(number, 4) for key, number in one.items()} for name, one in found.items()}
    load = os.getloadavg()[0]
    print(f"load of the machine: {load:.1f} on {os.cpu_count()} cores")
    result = {"name": "pages", "value": round(value, 3), "bar": BAR_S, "holds": value <= BAR_S, "unit": "s", "models": models}
    print(json.dumps({**result, "windows": windows, "load": round(load, 1), "pages": rounded}))


if __name__ == "__main__":
    main()
