"""The gate's evidence: challenger, champion and baselines on the same rows, which neither was made with."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ml.data.casting import label_text
from ml.registry import files, models
from ml.registry.models import Saved
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, trainings
from ml.state.records import Training
from ml.training import baselines, candidates, cards, champions, dataset, making, paired, reference, rivals, tested_model
from ml.training.assessing.assessment import Assessed, assess, needed_columns
from ml.training.assessing.slices import slice_masks
from ml.training.dataset import Dataset
from ml.training.evaluation import Predicted, measure, predict
from ml.training.fitting import guarded
from ml.training.gate import Evidence, Slice, judge
from ml.training.making import Made
from ml.training.remarks import remarks
from ml.training.results import CandidateResult, GateVerdict, verdict_of
from ml.training.rivals import Rival

_EXAMPLE_ROWS = 5
_COMPARED_ROWS = 5000
_MEGABYTE = 1_000_000


def hold(settings: Settings, state: State, spec: ModelSpec, training: Training, chosen: CandidateResult) -> GateVerdict:
    """Fits the chosen recipe, measures and judges it, and saves to MLflow its twin that is fitted on all rows.

    Raises:
        CandidateError: It cannot be fitted on these rows, asked or saved.
    """
    champion = champions.of_now(state, spec.model)
    rows = _rows(settings, spec, training, also=rivals.needed_columns(champion) if champion is not None else ())
    made = making.tested(spec, chosen.candidate, chosen.params, rows.development)
    said = _asked(spec, chosen, made.model, rows.test)
    plain = baselines.predictions(spec, rows.development, rows.test)
    assessed = _assessed(spec, chosen, made, rows, said, plain)
    twin = making.refitted(spec, chosen.candidate, chosen.params, rows.frame, made.finish)
    saved = _save(settings, spec, training, chosen, twin, rows.frame)
    tested, digest = tested_model.file_of(made.model)
    _keep(settings, training, {reference.FILE: reference.content(rows.test, said), **tested}, assessed)
    rival = rivals.meet(settings, spec, champion, rows) if champion is not None else None
    evidence = _evidence(
        spec,
        rows,
        said,
        rival=rival,
        plain=plain,
        attempt=_attempt(state, training, rival),
        latency_ms=assessed.assessment.latency.single_ms if assessed.assessment.latency is not None else None,
        size_mb=saved.size / _MEGABYTE,
        agreement=_agreement(spec, chosen, made, twin, rows.development),
    )
    verdict = _verdict(training, chosen, made, evidence, saved, assessed)
    return verdict.model_copy(update={"tested_sha256": digest, "warnings": [*verdict.warnings, *remarks(spec, rows)]})


def rebuild(settings: Settings, spec: ModelSpec, training: Training, verdict: GateVerdict) -> dict[str, float]:
    """The metrics of a training's challenger on its test rows, fitted again from what was frozen and chosen. Stores nothing."""
    rows = _rows(settings, spec, training)
    made = making.tested(spec, verdict.candidate, verdict.params, rows.development)
    return _measured(spec, rows.test, predict(made.model, rows.test, task=spec.task))


def _rows(settings: Settings, spec: ModelSpec, training: Training, *, also: Any = ()) -> Dataset:
    named = {*also, *needed_columns(spec)} - {*spec.features.used, spec.target}
    return dataset.of_training(settings, spec, training, also=sorted(named))


def _evidence(
    spec: ModelSpec,
    rows: Dataset,
    said: Predicted,
    *,
    rival: Rival | None,
    plain: dict[str, Predicted],
    attempt: int,
    latency_ms: float | None,
    size_mb: float,
    agreement: float,
) -> Evidence:
    chosen = rival.rows if rival is not None else np.ones(len(rows.test), dtype=bool)
    test, mine = rows.test[chosen], _of(said, chosen)
    units = paired.units(test, spec)
    labels = test[spec.target].to_numpy()
    theirs = rival.predicted if rival is not None else None
    based = {name: _of(one, chosen) for name, one in plain.items()}
    return Evidence(
        metric=spec.metric,
        rules=spec.promotion,
        recipe_changed=rival is not None and rival.recipe_changed(spec),
        refitted=rival is not None and rival.refitted,
        rows=len(test),
        challenger=_measured(spec, test, mine),
        baselines={name: _measured(spec, test, one) for name, one in based.items()},
        against_baselines={name: paired.compare(spec, labels, mine, one, units) for name, one in based.items()},
        champion=None if theirs is None else _measured(spec, test, theirs),
        champion_version=rival.champion.version if rival is not None else None,
        against_champion=None if theirs is None else paired.compare(spec, labels, mine, theirs, units),
        obstacle=rival.obstacle if rival is not None else None,
        attempt=attempt,
        slices=() if theirs is None else _slices(spec, rows, chosen, mine, theirs),
        latency_ms=latency_ms,
        size_mb=size_mb,
        agreement=agreement,
    )


def _asked(spec: ModelSpec, chosen: CandidateResult, model: Any, rows: pd.DataFrame) -> Predicted:
    """What the candidate says of the rows; `CandidateError` where its class fails on them."""
    act = partial(predict, model, rows, task=spec.task)
    said: Predicted = guarded(spec, chosen.candidate, chosen.params, act, doing="predict")
    return said


def _assessed(
    spec: ModelSpec, chosen: CandidateResult, made: Made, rows: Dataset, said: Predicted, plain: dict[str, Predicted]
) -> Assessed:
    """The tested model measured, which asks it about shuffled and about single rows."""
    baseline = _measured(spec, rows.test, next(iter(plain.values())))
    act = partial(assess, spec, made.model, development=rows.development, test=rows.test, predicted=said, baseline=baseline)
    found: Assessed = guarded(spec, chosen.candidate, chosen.params, act, doing="be measured")
    return found


def _agreement(spec: ModelSpec, chosen: CandidateResult, made: Made, twin: Any, development: pd.DataFrame) -> float:
    """How far the model that is fitted on all rows agrees with the tested one, on rows that both were fitted on.

    On test rows it would repeat what it has learnt of them by heart, and seem to disagree with the model that had to guess.
    """
    common = development.iloc[np.unique(np.linspace(0, len(development) - 1, _COMPARED_ROWS).astype(int))]
    first, second = (_asked(spec, chosen, model, common) for model in (made.model, twin))
    return making.agreement(first, second, task=spec.task)


def _slices(spec: ModelSpec, rows: Dataset, chosen: Any, mine: Predicted, theirs: Predicted) -> tuple[Slice, ...]:
    test = rows.test[chosen]
    units, found = paired.units(test, spec), []
    for name, mask in slice_masks(spec, rows.development, test).items():
        count = int(mask.sum())
        test_of = None
        if count >= spec.evaluation.minimum_slice_rows:
            labels = test[spec.target].to_numpy()[mask]
            test_of = paired.compare(spec, labels, _of(mine, mask), _of(theirs, mask), units.take(mask))
        found.append(Slice(name, count, test_of))
    return tuple(found)


def _attempt(state: State, training: Training, rival: Rival | None) -> int:
    """Which try this is: earlier ones have looked at rows of the same kind.

    Of changed recipes all against this champion count. Of first models, which may come often before one wins, each other declaration
    that was judged on the same rows counts once: more rows are a new question, and the same declaration has the same answer.
    """
    champion = None if rival is None else rival.champion.version
    recent = trainings.recent(state, training.model, limit=1000)
    before = [(one, verdict) for one in recent if one.key != training.key and (verdict := verdict_of(one)) is not None]
    compared = [(one, verdict) for one, verdict in before if verdict.comparison is not None and verdict.champion_version == champion]
    if rival is not None and rival.obstacle is None:
        return 1 + sum(verdict.question == "changed recipe" for _, verdict in compared)
    same = (training.dataset_version, training.labels_version)
    first = [one for one, verdict in compared if verdict.question == "first model" and (one.dataset_version, one.labels_version) == same]
    return 1 + len({one.spec_hash for one in first} - {training.spec_hash})


def _save(settings: Settings, spec: ModelSpec, training: Training, chosen: CandidateResult, model: Any, rows: pd.DataFrame) -> Saved:
    example = rows[list(spec.features.used)].head(_EXAMPLE_ROWS)
    return models.save(
        settings,
        spec.model,
        model,
        mlflow_run=str(training.mlflow_run),
        example=example,
        prediction=_asked(spec, chosen, model, example).values,
        class_paths=candidates.class_paths(spec, chosen.candidate),
    )


def _keep(settings: Settings, training: Training, kept: dict[str, bytes], assessed: Assessed) -> None:
    """Beside the training's run: the tested model, its predictions for the test rows, what was measured on them, and the plots."""
    kept |= {cards.ASSESSMENT: assessed.assessment.model_dump_json(indent=2).encode()}
    kept |= {f"{cards.PLOTS}/{name}.png": picture for name, picture in assessed.figures.items()}
    files.save(settings, training.model, mlflow_run=str(training.mlflow_run), files=kept)


def _verdict(training: Training, chosen: CandidateResult, made: Made, evidence: Evidence, saved: Saved, assessed: Assessed) -> GateVerdict:
    outcome = judge(evidence)
    return GateVerdict(
        run=training.key,
        candidate=chosen.candidate,
        params=chosen.params,
        finishing=made.finish.model_dump(mode="json"),
        wins=outcome.wins,
        question=outcome.question,
        sentence=outcome.sentence,
        reasons=list(outcome.reasons),
        comparison=outcome.comparison,
        metric=evidence.metric,
        rows=evidence.rows,
        gain=outcome.gain,
        challenger=dict(evidence.challenger),
        champion=None if evidence.champion is None else dict(evidence.champion),
        champion_version=evidence.champion_version,
        baseline=dict(next(iter(evidence.baselines.values()))),
        metrics={name: one.value for name, one in assessed.assessment.measured.metrics.items()},
        warnings=[one.sentence for one in assessed.assessment.suspicions],
        agreement=evidence.agreement,
        latency_ms=evidence.latency_ms,
        size_mb=evidence.size_mb,
        mlflow_run=str(training.mlflow_run),
        logged_model=saved.logged_model,
        model_sha256=saved.sha256,
    )


def _measured(spec: ModelSpec, rows: pd.DataFrame, said: Predicted) -> dict[str, float]:
    """The task's metrics of predictions for labelled rows."""
    positive = None if spec.positive is None else label_text(spec.positive)
    return measure(
        spec.task,
        labels=rows[spec.target],
        predictions=said.values,
        probabilities=said.probabilities,
        positive=positive,
        further=True,
    )


def _of(said: Predicted, chosen: Any) -> Predicted:
    """The predictions of some of the rows."""
    return Predicted(said.values[chosen], None if said.probabilities is None else said.probabilities[chosen])
