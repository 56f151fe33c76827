"""MLflow runs: one for each training, below it one for each candidate, below that one for each trial; and one for each window's report.

Each is found again by its key.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ml.registry.client import Tracking, tracking
from ml.settings import Settings

Kind = Literal["training", "candidate", "trial", "report"]
_LONGEST = 4000
_MOST_TRIALS = 5000
_ENDED = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
"""How MLflow's own Optuna storage shows trials, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What a run is told: numbers, parameters, tags, and texts by file name; `steps` are numbers with a value a step."""

    metrics: Mapping[str, float]
    params: Mapping[str, Any]
    tags: Mapping[str, str]
    texts: Mapping[str, str]
    steps: Mapping[str, Mapping[int, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialLog:
    """What a trial's run is told. `text` is all of it, to be read back exactly (at most 8000 characters, MLflow's limit for a tag)."""

    number: int
    state: Literal["complete", "pruned", "failed"]
    seconds: float
    log: Log
    text: str


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
    """Marks a training's run as finished or failed; where it failed, no run of a candidate below it stays running."""
    with tracking(settings, model) as mlflow:
        if failed:
            query = f"tags.`mlflow.parentRunId` = '{mlflow_run}' and attributes.status = 'RUNNING'"
            for child in mlflow.client.search_runs([mlflow.experiment], filter_string=query):
                mlflow.client.set_terminated(child.info.run_id, "FAILED")
        mlflow.client.set_terminated(mlflow_run, "FAILED" if failed else "FINISHED")


def is_open(settings: Settings, model: str, *, mlflow_run: str) -> bool:
    """Whether a training's run was neither finished nor failed yet."""
    with tracking(settings, model) as mlflow:
        return str(mlflow.client.get_run(mlflow_run).info.status) == "RUNNING"


def open_candidate(settings: Settings, model: str, *, run: str, parent: str, candidate: str) -> str:
    """The running MLflow run of a candidate below the training's run; made at the first call, taken up again at the next."""
    with tracking(settings, model) as mlflow:
        found = _find(mlflow, "candidate", key_of(run, candidate))
        if found is None:
            return _create_candidate(mlflow, run, parent, candidate)
        if found.info.status not in {"RUNNING", "FINISHED"}:
            mlflow.client.update_run(found.info.run_id, status="RUNNING")
        return str(found.info.run_id)


def fail_candidate(settings: Settings, model: str, *, mlflow_run: str) -> None:
    """Marks a candidate's run as failed; `open_candidate` takes it up again."""
    with tracking(settings, model) as mlflow:
        mlflow.client.set_terminated(mlflow_run, "FAILED")


def save_trial(settings: Settings, model: str, *, run: str, parent: str, candidate: str, trial: TrialLog) -> str:
    """Stores a finished trial below the candidate's run `parent` and returns its run; the first of its number that was finished stays."""
    key = key_of(run, candidate, str(trial.number))
    with tracking(settings, model) as mlflow:
        found = _find(mlflow, "trial", key)
        if found is not None and found.info.status != "RUNNING":
            return str(found.info.run_id)
        if found is not None:  # its writer was killed before the end
            mlflow.client.delete_run(found.info.run_id)
        tags = {**trial.log.tags, "mlflow.parentRunId": parent}
        name, start = f"{candidate} {trial.number}", int((time.time() - trial.seconds) * 1000)
        made = _create(mlflow, "trial", key, name=name, tags=tags, whole={"perennial.trial": trial.text}, start=start)
        _write(mlflow, made, replace(trial.log, tags={}))
        mlflow.client.set_terminated(made, _ENDED[trial.state])
        return made


def trials_of(settings: Settings, model: str, *, mlflow_run: str) -> list[str]:
    """The texts of the finished trials below a candidate's run, in the order of writing."""
    query = f"tags.`mlflow.parentRunId` = '{mlflow_run}' and tags.`perennial.kind` = 'trial' and attributes.status != 'RUNNING'"
    with tracking(settings, model) as mlflow:
        found = mlflow.client.search_runs(
            [mlflow.experiment], filter_string=query, max_results=_MOST_TRIALS, order_by=["attributes.start_time ASC"]
        )
        return [str(one.data.tags["perennial.trial"]) for one in found]


def save_candidate(settings: Settings, model: str, *, run: str, parent: str, candidate: str, log: Log, result: str) -> str:
    """Stores what became of a candidate in its run below the training's and returns that; the first result that was finished stays."""
    with tracking(settings, model) as mlflow:
        found = _find(mlflow, "candidate", key_of(run, candidate))
        if found is not None and found.info.status == "FINISHED":
            return str(found.info.run_id)
        made = str(found.info.run_id) if found is not None else _create_candidate(mlflow, run, parent, candidate)
        written = found.data.params if found is not None else {}  # by a writer that was killed: MLflow lets no parameter change
        new = {name: value for name, value in log.params.items() if name not in written}
        _write(mlflow, made, replace(log, params=new))
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


def _create(
    mlflow: Tracking,
    kind: Kind,
    key: str,
    *,
    name: str,
    tags: Mapping[str, str],
    whole: Mapping[str, str] | None = None,
    start: int | None = None,
) -> str:
    """A new run; tags in `whole` are not cut. `start` is in milliseconds since 1970."""
    named = {"perennial.kind": kind, "perennial.key": key, **{tag: value[:_LONGEST] for tag, value in tags.items()}, **(whole or {})}
    return str(mlflow.client.create_run(mlflow.experiment, start_time=start, run_name=name, tags=named).info.run_id)


def _create_candidate(mlflow: Tracking, run: str, parent: str, candidate: str) -> str:
    tags = {"mlflow.parentRunId": parent, "perennial.run": run, "perennial.candidate": candidate}
    return _create(mlflow, "candidate", key_of(run, candidate), name=candidate, tags=tags)


def _inputs(mlflow: Tracking, run: str, model: str, dataset: DatasetName) -> None:
    from mlflow.entities import Dataset, DatasetInput

    source = json.dumps({"url": dataset.url, "version": dataset.version})
    shown = Dataset(name=f"{model} accepted rows", digest=f"version {dataset.version}", source_type="delta", source=source)
    mlflow.client.log_inputs(run, [DatasetInput(shown)])


def _write(mlflow: Tracking, run: str, log: Log) -> None:
    from mlflow.entities import Metric, Param, RunTag

    now = int(time.time() * 1000)
    params = [Param(name, str(value)[:_LONGEST]) for name, value in log.params.items()]
    metrics = [Metric(name, float(value), now, 0) for name, value in log.metrics.items()]
    metrics += [Metric(name, float(value), now, step) for name, values in log.steps.items() for step, value in values.items()]
    tags = [RunTag(name, value[:_LONGEST]) for name, value in log.tags.items()]
    mlflow.client.log_batch(run, metrics=metrics, params=params, tags=tags)
    for name, text in log.texts.items():
        mlflow.client.log_text(run, text, name)
