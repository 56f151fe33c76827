"""MLflow runs: one for each training, one below it for each candidate, one for each window's report. Each is found again by its key."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ml.registry.client import Tracking, tracking
from ml.settings import Settings

Kind = Literal["training", "candidate", "report"]
_LONGEST = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What a run is told: numbers, parameters, tags, and texts by file name."""

    metrics: Mapping[str, float]
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DatasetName:
    """A version of the accepted table, as MLflow shows it beside a run."""

    url: str
    version: int


def key_of(*parts: str) -> str:
    """A tag value that finds a run again, whatever signs its key has."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def open_training(settings: Settings, model: str, *, run: str, dataset: DatasetName, log: Log) -> str:
    """The MLflow run of a training; made at the first call, found at the next. Each call tells it all: its maker may have been killed."""
    with tracking(settings, model) as mlflow:
        found = _find(mlflow, "training", key_of(run))
        made = str(found.info.run_id) if found else _create(mlflow, "training", key_of(run), name=f"train {run}", tags=log.tags)
        _inputs(mlflow, made, model, dataset)
        _write(mlflow, made, log)
        return made


def add_to_training(settings: Settings, model: str, *, mlflow_run: str, log: Log) -> None:
    """Logs more into a training's run. Idempotent: the same names get the same values."""
    with tracking(settings, model) as mlflow:
        _write(mlflow, mlflow_run, log)


def end_training(settings: Settings, model: str, *, mlflow_run: str, failed: bool) -> None:
    """Marks a training's run as finished or failed."""
    with tracking(settings, model) as mlflow:
        mlflow.client.set_terminated(mlflow_run, "FAILED" if failed else "FINISHED")


def is_open(settings: Settings, model: str, *, mlflow_run: str) -> bool:
    """Whether a training's run was neither finished nor failed yet."""
    with tracking(settings, model) as mlflow:
        return str(mlflow.client.get_run(mlflow_run).info.status) == "RUNNING"


def save_candidate(settings: Settings, model: str, *, run: str, parent: str, candidate: str, log: Log, result: str) -> str:
    """Stores what became of a candidate below the training's run and returns its run; the first one that was finished stays."""
    key = key_of(run, candidate)
    with tracking(settings, model) as mlflow:
        found = _find(mlflow, "candidate", key)
        if found is not None and found.info.status == "FINISHED":
            return str(found.info.run_id)
        if found is not None:  # its writer was killed before the end
            mlflow.client.delete_run(found.info.run_id)
        tags = {**log.tags, "mlflow.parentRunId": parent, "perennial.candidate": candidate}
        made = _create(mlflow, "candidate", key, name=candidate, tags=tags)
        _write(mlflow, made, log)
        mlflow.client.set_tag(made, "perennial.result", result)
        mlflow.client.set_terminated(made, "FINISHED")
        return made


def candidate_result(settings: Settings, model: str, *, run: str, candidate: str) -> tuple[str, str] | None:
    """The MLflow run of a finished candidate and the result that was stored with it, or None."""
    with tracking(settings, model) as mlflow:
        found = _find(mlflow, "candidate", key_of(run, candidate))
        if found is None or found.info.status != "FINISHED" or "perennial.result" not in found.data.tags:
            return None
        return str(found.info.run_id), str(found.data.tags["perennial.result"])


def log_report(settings: Settings, model: str, window_id: str, html_path: Path | str, metrics: Mapping[str, float]) -> str:
    """Logs a window's report (below `report/`) and its numbers; returns the MLflow run, the same one at a second call."""
    with tracking(settings, model) as mlflow:
        found = _find(mlflow, "report", key_of(window_id))
        if found is not None and found.info.status == "FINISHED":
            return str(found.info.run_id)
        tags = {"perennial.window": window_id}
        run = str(found.info.run_id) if found else _create(mlflow, "report", key_of(window_id), name=f"report {window_id}", tags=tags)
        mlflow.client.log_artifact(run, str(html_path), "report")
        _write(mlflow, run, Log(metrics=metrics, params={}, tags={}, texts={}))
        mlflow.client.set_terminated(run, "FINISHED")
        return run


def _find(mlflow: Tracking, kind: Kind, key: str) -> Any:
    query = f"tags.`perennial.key` = '{key}' and tags.`perennial.kind` = '{kind}'"
    found = mlflow.client.search_runs([mlflow.experiment], filter_string=query, max_results=1, order_by=["attributes.start_time ASC"])
    return found[0] if found else None


def _create(mlflow: Tracking, kind: Kind, key: str, *, name: str, tags: Mapping[str, str]) -> str:
    named = {"perennial.kind": kind, "perennial.key": key, **{tag: value[:_LONGEST] for tag, value in tags.items()}}
    return str(mlflow.client.create_run(mlflow.experiment, run_name=name, tags=named).info.run_id)


def _inputs(mlflow: Tracking, run: str, model: str, dataset: DatasetName) -> None:
    from mlflow.entities import Dataset, DatasetInput

    source = json.dumps({"url": dataset.url, "version": dataset.version})
    shown = Dataset(name=f"{model} accepted rows", digest=f"version {dataset.version}", source_type="delta", source=source)
    mlflow.client.log_inputs(run, [DatasetInput(shown)])


def _write(mlflow: Tracking, run: str, log: Log) -> None:
    import time

    from mlflow.entities import Metric, Param, RunTag

    now = int(time.time() * 1000)
    params = [Param(name, str(value)[:_LONGEST]) for name, value in log.params.items()]
    metrics = [Metric(name, float(value), now, 0) for name, value in log.metrics.items()]
    tags = [RunTag(name, value[:_LONGEST]) for name, value in log.tags.items()]
    mlflow.client.log_batch(run, metrics=metrics, params=params, tags=tags)
    for name, text in log.texts.items():
        mlflow.client.log_text(run, text, name)
