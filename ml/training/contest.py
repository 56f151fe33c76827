"""Champion, challenger and baseline on the same rows: the evidence that the gate judges."""

from typing import Any

import pandas as pd

from ml.data.casting import label_text
from ml.errors import UnknownVersion
from ml.registry import models
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, specs, trainings
from ml.state.records import Training
from ml.training import champions, dataset, tuning
from ml.training.champions import Champion
from ml.training.dataset import Dataset, labelled, row_keys
from ml.training.evaluation import measure, predict
from ml.training.gate import Evidence, judge
from ml.training.results import CandidateResult, GateVerdict
from ml.training.split import split

_EXAMPLE_ROWS = 5


def hold(settings: Settings, state: State, spec: ModelSpec, training: Training, chosen: CandidateResult) -> GateVerdict:
    """Fits the chosen candidate, judges it against the champion of now, and saves it to MLflow."""
    champion = champions.of_now(state, spec.model)
    also = sorted({*champion.spec.features.used} - {*spec.features.used, spec.target}) if champion is not None else []
    rows = dataset.of_training(settings, spec, training, also=also)
    candidate = spec.candidate(chosen.candidate)
    pipeline = tuning.fit(spec, candidate, chosen.params, rows.fitted)
    evidence = compare(settings, spec, rows=rows, pipeline=pipeline, champion=champion)
    outcome = judge(evidence)
    mlflow_run = str(training.mlflow_run)
    example = rows.fitted[list(spec.features.used)].head(_EXAMPLE_ROWS)
    saved = models.save(
        settings,
        spec.model,
        pipeline,
        mlflow_run=mlflow_run,
        example=example,
        prediction=predict(pipeline, example, task=spec.task).values,
        class_path=candidate.class_,
    )
    return GateVerdict(
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
        logged_model=saved.logged_model,
        model_sha256=saved.sha256,
    )


def compare(settings: Settings, spec: ModelSpec, *, rows: Dataset, pipeline: Any, champion: Champion | None) -> Evidence:
    """Measures all three on the test rows, without those that the champion was fitted on.

    A champion that is gone or broken, answers another question, or fails on these rows is an `obstacle`, not an error.
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


def rebuild(settings: Settings, state: State, spec: ModelSpec, training: Training, verdict: GateVerdict) -> dict[str, float]:
    """The metrics of a training's challenger on its test rows, fitted again from what was frozen and chosen. Stores nothing."""
    rows = dataset.of_training(settings, spec, training)
    pipeline = tuning.fit(spec, spec.candidate(verdict.candidate), verdict.params, rows.fitted)
    test, rival = rows.test, verdict.champion_version
    made_by = trainings.of_version(state, spec.model, rival) if rival is not None and verdict.rows != len(test) else None
    if rival is not None and made_by is not None:
        champion = Champion(rival, made_by, specs.recall(state, made_by.spec_hash))
        test = test[~row_keys(test).isin(_seen_by(settings, champion))]
    return measured(spec, pipeline, test)


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
        return champions.load(settings, champion), None
    except UnknownVersion:
        return None, "it is no longer in the registry"
    except models.BrokenVersion:
        return None, "its file is missing or not the one that was registered"


def _seen_by(settings: Settings, champion: Champion) -> pd.MultiIndex:
    training = champion.training
    frozen = {"version": training.dataset_version, "labels_version": training.labels_version}
    frame = labelled(settings, champion.spec, **frozen, as_of=training.as_of, columns=())  # type: ignore[arg-type]
    return row_keys(frame.iloc[split(frame, champion.spec).fitted])


def _baseline(spec: ModelSpec, rows: pd.DataFrame) -> Any:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    if spec.task == "regression":
        return DummyRegressor(strategy="median" if spec.metric == "mae" else "mean").fit(rows[[]], rows[spec.target])
    return DummyClassifier(strategy="prior").fit(rows[[]], rows[spec.target])
