"""Champion, challenger and baseline on the same rows: the evidence that the gate judges."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from ml.data.casting import label_text
from ml.errors import UnknownVersion
from ml.registry import models, runs
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, specs, trainings
from ml.state.records import Training
from ml.training import dataset, lineage, tuning
from ml.training.dataset import Dataset, labelled, row_keys
from ml.training.evaluation import measure, predict
from ml.training.gate import Evidence, judge
from ml.training.results import CandidateResult, GateVerdict
from ml.training.split import split

_EXAMPLE_ROWS = 5


@dataclass(frozen=True, slots=True)
class Champion:
    """The version that serves, the run that made it, and that run's declaration."""

    version: int
    training: Training
    spec: ModelSpec


def hold(settings: Settings, state: State, spec: ModelSpec, training: Training, chosen: CandidateResult) -> GateVerdict:
    """Fits the chosen candidate, judges it against the champion of now, and saves it to MLflow, verdict included."""
    champion = champion_of(state, spec.model)
    also = sorted({*champion.spec.features.used} - {*spec.features.used, spec.target}) if champion is not None else []
    rows = dataset.read(settings, spec, version=training.dataset_version, as_of=training.as_of, also=also)
    candidate = spec.candidate(chosen.candidate)
    pipeline = tuning.fit(spec, candidate, chosen.params, rows.fitted)
    evidence = compare(settings, spec, rows=rows, pipeline=pipeline, champion=champion)
    outcome = judge(evidence)
    mlflow_run = str(training.mlflow_run)
    example = rows.fitted[list(spec.features.used)].head(_EXAMPLE_ROWS)
    logged = models.save(
        settings,
        spec.model,
        pipeline,
        mlflow_run=mlflow_run,
        example=example,
        prediction=predict(pipeline, example, task=spec.task).values,
        class_path=candidate.class_,
    )
    verdict = GateVerdict(
        run=training.key,
        candidate=chosen.candidate,
        params=chosen.params,
        wins=outcome.wins,
        sentence=outcome.sentence,
        metric=evidence.metric,
        rows=evidence.rows,
        gain=outcome.gain,
        minimum_gain=evidence.minimum_gain,
        challenger=evidence.challenger,
        champion=evidence.champion,
        champion_version=evidence.champion_version,
        baseline=evidence.baseline,
        mlflow_run=mlflow_run,
        logged_model=logged,
    )
    runs.add_to_training(settings, spec.model, mlflow_run=mlflow_run, log=lineage.gate_log(verdict, candidate.class_))
    return verdict


def champion_of(state: State, model: str) -> Champion | None:
    """The version that serves, with the run that made it and that run's declaration; None before the first."""
    crowned = trainings.champion(state, model)
    made_by = trainings.of_version(state, model, crowned.version) if crowned is not None else None
    if crowned is None or made_by is None:
        return None
    return Champion(crowned.version, made_by, specs.recall(state, made_by.spec_hash))


def compare(settings: Settings, spec: ModelSpec, *, rows: Dataset, pipeline: Any, champion: Champion | None) -> Evidence:
    """Measures all three on the test rows, without those that the champion was fitted on.

    A champion that is gone, answers another question, or fails on these rows is an `obstacle`, not an error.
    """
    test = rows.test
    loaded, theirs, obstacle = None, None, None
    if champion is not None:
        loaded, obstacle = _loaded(settings, spec, champion)
    if champion is not None and loaded is not None:
        test = test[~row_keys(test).isin(_seen_by(settings, champion))]
        try:
            theirs = measured(spec, loaded, test)
        except Exception as error:  # a foreign class may raise anything on rows that it does not know
            obstacle = f"it fails on these rows: {type(error).__name__}: {str(error)[:200]}"
    return Evidence(
        metric=spec.metric,
        rows=len(test),
        minimum_gain=spec.promotion.minimum_gain,
        challenger=measured(spec, pipeline, test),
        baseline=measured(spec, _baseline(spec, rows.fitted), test),
        champion=theirs,
        champion_version=champion.version if champion is not None else None,
        obstacle=obstacle,
    )


def measured(spec: ModelSpec, pipeline: Any, rows: pd.DataFrame) -> dict[str, float]:
    """The task's metrics of a pipeline on labelled rows."""
    if rows.empty:
        return {}
    found = predict(pipeline, rows, task=spec.task)
    positive = None if spec.positive is None else label_text(spec.positive)
    return measure(spec.task, labels=rows[spec.target], predictions=found.values, probabilities=found.probabilities, positive=positive)


def _loaded(settings: Settings, spec: ModelSpec, champion: Champion) -> tuple[Any, str | None]:
    question = (spec.task, spec.target, None if spec.positive is None else label_text(spec.positive))
    other = champion.spec
    asked = (other.task, other.target, None if other.positive is None else label_text(other.positive))
    if question != asked:
        return None, f"it predicts {other.target!r} ({other.task}), not {spec.target!r} ({spec.task})"
    try:
        return models.load(settings, spec.model, champion.version), None
    except UnknownVersion:
        return None, "it is no longer in the registry"


def _seen_by(settings: Settings, champion: Champion) -> pd.MultiIndex:
    training = champion.training
    frame = labelled(settings, champion.spec, version=training.dataset_version, as_of=training.as_of, columns=())
    return row_keys(frame.iloc[split(frame, champion.spec).fitted])


def _baseline(spec: ModelSpec, rows: pd.DataFrame) -> Any:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    if spec.task == "regression":
        return DummyRegressor(strategy="median" if spec.metric == "mae" else "mean").fit(rows[[]], rows[spec.target])
    return DummyClassifier(strategy="prior").fit(rows[[]], rows[spec.target])
