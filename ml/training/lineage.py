"""What MLflow is told of a training: where it came from, what was tried, what the gate said."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml
from ml.data.table import AcceptedTable
from ml.registry import gitcommit, lockfile, runs
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state.records import Training
from ml.training import candidates
from ml.training.results import GateVerdict, Trial
from ml.training.tuning import Tuned

_LONGEST_REASON = 1000


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


def gate_log(spec: ModelSpec, verdict: GateVerdict) -> runs.Log:
    """What the gate saw and said, for the training's run."""
    metrics = {f"test_{name}": value for name, value in verdict.metrics.items()}
    metrics |= {f"compared_test_{name}": value for name, value in verdict.challenger.items()}
    metrics |= {f"champion_test_{name}": value for name, value in (verdict.champion or {}).items()}
    metrics |= {f"baseline_test_{name}": value for name, value in verdict.baseline.items()}
    measured = {"gain": verdict.gain, "agreement": verdict.agreement, "latency_ms": verdict.latency_ms, "size_mb": verdict.size_mb}
    metrics |= {name: value for name, value in measured.items() if value is not None}
    made_of = ", ".join(candidates.class_paths(spec, verdict.candidate))
    return runs.Log(
        metrics=metrics,
        params={"candidate": verdict.candidate, "class": made_of, **_named(verdict.params)},
        tags={"perennial.verdict": verdict.sentence, "mlflow.note.content": verdict.sentence},
        texts={"verdict.json": verdict.model_dump_json(indent=2)},
    )


def candidate_log(training: Training, spec: ModelSpec, name: str, tuned: Tuned) -> runs.Log:
    """What became of a candidate or ensemble, for its own run; each trial of a candidate has a run below it."""
    trials = [{"params": one.params, "value": one.value, "state": one.state, "seconds": round(one.seconds, 3)} for one in tuned.trials]
    ensemble = spec.ensemble(name)
    made_of = spec.candidate(name).class_ if ensemble is None else f"{ensemble.combine} of {', '.join(tuned.best.params['members'])}"
    return runs.Log(
        metrics=_validation(tuned.best),
        params={"class": made_of, **_named(tuned.best.params)},
        tags={"perennial.run": training.key},
        texts={"trials.json": json.dumps(trials, indent=2)},
        steps=_folds(spec, tuned.best),
    )


def trial_log(spec: ModelSpec, trial: Trial) -> runs.TrialLog:
    """What a trial tried and reached, for its own run."""
    said = {"mlflow.note.content": trial.reason} if trial.reason else {}
    text = trial.model_copy(update={"reason": trial.reason and trial.reason[:_LONGEST_REASON]}).model_dump_json()
    entry = runs.Log(
        metrics={**_validation(trial), "seconds": trial.seconds},
        params=_named(trial.params),
        tags={"perennial.state": trial.state, **said},
        texts={},
        steps=_folds(spec, trial),
    )
    return runs.TrialLog(number=trial.number, state=trial.state, seconds=trial.seconds, log=entry, text=text)


def _validation(trial: Trial) -> dict[str, float]:
    return {f"validation_{name}": value for name, value in trial.metrics.items()}


def _folds(spec: ModelSpec, trial: Trial) -> dict[str, dict[int, float]]:
    """The metric in each fold, as steps."""
    return {f"fold_{spec.metric}": {step: value for step, value in enumerate(trial.fold_values) if value is not None}}


def _named(params: Mapping[str, Any]) -> dict[str, Any]:
    """The model's parameters, under names that none of ours has; an ensemble's under its members' names as well."""
    members = params.get("members")
    if not isinstance(members, Mapping):
        return {f"model.{name}": value for name, value in params.items()}
    return {f"model.{member}.{name}": value for member, theirs in members.items() for name, value in theirs.items()}


def closing_log(training: Training, sentence: str) -> runs.Log:
    """How the training ended, for its run."""
    return runs.Log(metrics={}, params={}, tags={"perennial.outcome": sentence, "perennial.version": str(training.version)}, texts={})
