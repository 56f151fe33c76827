"""What MLflow is told of a training: where it came from, what was tried, what the gate said."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml
from ml.data.table import AcceptedTable
from ml.registry import gitcommit, lockfile, runs
from ml.settings import Settings
from ml.spec import Candidate, ModelSpec
from ml.state.records import Training
from ml.training.results import GateVerdict
from ml.training.tuning import Tuned


def open_run(settings: Settings, spec: ModelSpec, training: Training) -> str:
    """The MLflow run of a training: made at the first call, found at the next and told the same again."""
    url = AcceptedTable.of(settings, training.model, spec).log.url
    entry = runs.Log(
        metrics={},
        params={"seed": spec.training.seed, "dataset_version": training.dataset_version, "spec_hash": training.spec_hash},
        tags=facts(settings, spec, training) | _commit(settings),
        texts={"spec.json": spec.to_text()},
    )
    dataset = runs.DatasetName(url, training.dataset_version)
    return runs.open_training(settings, training.model, run=training.key, dataset=dataset, log=entry)


def facts(settings: Settings, spec: ModelSpec, training: Training) -> dict[str, str]:
    """Where a run or a version comes from, as tags."""
    folders = (settings.project, Path(ml.__file__).parent)
    found = {
        "perennial.run": training.key,
        "perennial.reason": training.reason,
        "perennial.dataset_version": str(training.dataset_version),
        "perennial.spec_hash": training.spec_hash,
        "perennial.seed": str(spec.training.seed),
        "perennial.git_commit": next((found for folder in folders if (found := gitcommit.of_folder(folder))), "unknown"),
        "perennial.lock": lockfile.digest(settings.project),
    }
    return found | ({"perennial.decision": training.decision} if training.decision else {})


def _commit(settings: Settings) -> dict[str, str]:
    commit = gitcommit.of_folder(settings.project)
    return {"mlflow.source.git.commit": commit} if commit else {}


def gate_log(verdict: GateVerdict, class_path: str) -> runs.Log:
    """What the gate saw and said, for the training's run."""
    metrics = {f"test_{name}": value for name, value in verdict.challenger.items()}
    metrics |= {f"champion_test_{name}": value for name, value in (verdict.champion or {}).items()}
    metrics |= {f"baseline_test_{name}": value for name, value in verdict.baseline.items()}
    return runs.Log(
        metrics=metrics,
        params={"candidate": verdict.candidate, "class": class_path, **_named(verdict.params)},
        tags={"perennial.verdict": verdict.sentence, "mlflow.note.content": verdict.sentence},
        texts={"verdict.json": verdict.model_dump_json(indent=2)},
    )


def candidate_log(training: Training, candidate: Candidate, tuned: Tuned) -> runs.Log:
    """What was tried for a candidate, for its own run."""
    trials = [{"params": one.params, "value": one.value, "seconds": round(one.seconds, 3)} for one in tuned.trials]
    return runs.Log(
        metrics={f"validation_{name}": value for name, value in tuned.best.metrics.items()},
        params={"class": candidate.class_, **_named(tuned.best.params)},
        tags={"perennial.run": training.key},
        texts={"trials.json": json.dumps(trials, indent=2)},
    )


def _named(params: Mapping[str, Any]) -> dict[str, Any]:
    """The model's parameters, under names that none of ours has."""
    return {f"model.{name}": value for name, value in params.items()}


def closing_log(training: Training, sentence: str) -> runs.Log:
    """How the training ended, for its run."""
    return runs.Log(metrics={}, params={}, tags={"perennial.outcome": sentence, "perennial.version": str(training.version)}, texts={})
