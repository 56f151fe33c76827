"""The model card of a version: gathered from what its training left, kept beside its MLflow run."""

from pathlib import PurePosixPath
from typing import Any, Literal

import pandas as pd

from ml.data.casting import label_text
from ml.registry import files
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state.records import Training
from ml.training import candidates, dataset, lineage
from ml.training.assessing import card
from ml.training.assessing.facts import Assessment
from ml.training.dataset import Dataset
from ml.training.outcome import Check
from ml.training.results import GateVerdict

ASSESSMENT, PLOTS = "assessment.json", "plots"
MARKDOWN, HTML = "card.md", "card.html"


def keep(settings: Settings, spec: ModelSpec, training: Training, verdict: GateVerdict, *, version: int, trials: int) -> None:
    """Writes the card of a version, as Markdown and as one HTML page. Idempotent; nothing where nothing was assessed."""
    run = {"mlflow_run": verdict.mlflow_run}
    assessed = files.load(settings, spec.model, **run, name=ASSESSMENT)
    if assessed is None:
        return
    assessment = Assessment.model_validate_json(assessed)
    facts = card.CardFacts(
        model=spec.model,
        version=version,
        owner=spec.owner,
        description=spec.description,
        task=spec.task,
        target=spec.target,
        positive=None if spec.positive is None else label_text(spec.positive),
        made_at=training.started_at,
        data=_data(spec, training, dataset.of_training(settings, spec, training)),
        training=_training(settings, spec, training, verdict, trials),
        assessment=assessment,
        gate=card.GateFacts(wins=verdict.wins, sentence=verdict.sentence, checks=tuple(_check(one) for one in verdict.reasons)),
        **_champion(verdict, assessment.measured.rows),
        champion_version=verdict.champion_version,
        size_mb=verdict.size_mb,
        origins=_origins(training),
    )
    named = files.names(settings, spec.model, **run, folder=PLOTS)
    figures = {PurePosixPath(name).stem: found for name in named if (found := files.load(settings, spec.model, **run, name=name))}
    pages = {MARKDOWN: card.markdown(facts).encode(), HTML: card.html(facts, figures).encode()}
    files.save(settings, spec.model, **run, files=pages)


def _champion(verdict: GateVerdict, rows: int) -> dict[str, Any]:
    """What the champion did on the test rows, or, where it had learnt from some of the `rows` that there are, on the others."""
    if verdict.champion is None or verdict.rows == rows:
        return {"champion": verdict.champion}
    compared = card.Compared(rows=verdict.rows, challenger=verdict.challenger, champion=verdict.champion, baseline=verdict.baseline)
    return {"compared": compared}


def _data(spec: ModelSpec, training: Training, rows: Dataset) -> card.DataFacts:
    times = rows.frame[spec.time].dropna() if spec.time is not None else pd.Series(dtype=object)
    kinds = {kind: getattr(spec.features, kind) for kind in ("numeric", "categorical", "text", "datetime")}
    return card.DataFacts(
        dataset_version=training.dataset_version,
        labels_version=training.labels_version,
        rows=len(rows.frame),
        development_rows=len(rows.development),
        test_rows=len(rows.test),
        batches=int(rows.frame["_batch"].nunique()),
        oldest=None if times.empty else times.min(),
        newest=None if times.empty else times.max(),
        features={kind: columns for kind, columns in kinds.items() if columns},
    )


def _training(settings: Settings, spec: ModelSpec, training: Training, verdict: GateVerdict, trials: int) -> card.TrainingFacts:
    came_from = lineage.facts(settings, spec, training)
    return card.TrainingFacts(
        candidate=verdict.candidate,
        class_path=", ".join(candidates.class_paths(spec, verdict.candidate)),
        params=verdict.params,
        seed=spec.training.seed,
        folds=spec.training.folds,
        trials=trials,
        calibration=verdict.finishing["calibration"]["method"],
        threshold=verdict.finishing.get("threshold"),
        commit=came_from["perennial.git_commit"],
        lock=came_from["perennial.lock"],
        spec_hash=training.spec_hash,
    )


def _check(check: Check) -> card.Check:
    outcome: Literal["passed", "failed", "not tested"] = "not tested" if check.passed is None else "passed" if check.passed else "failed"
    return card.Check(name=check.name, outcome=outcome, sentence=check.text)


def _origins(training: Training) -> tuple[card.Origin, ...]:
    found = [card.Origin(name="reason", text=training.reason), card.Origin(name="run", text=training.key)]
    if training.decision is not None:
        found.append(card.Origin(name="decision", text=training.decision))
    return tuple(found)
