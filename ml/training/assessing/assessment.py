"""All that is measured of a challenger on its test rows, in one call."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ml.spec import ModelSpec
from ml.training.assessing import budgets, importance, leakage, plots
from ml.training.assessing.facts import Assessment
from ml.training.assessing.fairness import fairness
from ml.training.assessing.intervals import of_metrics
from ml.training.assessing.slices import measure_slices
from ml.training.evaluation import Predicted

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Assessed:
    """An assessment and its figures: name (such as `confusion_matrix`) → PNG file."""

    assessment: Assessment
    figures: dict[str, bytes]


def needed_columns(spec: ModelSpec) -> tuple[str, ...]:
    """The columns beside features, target, time and id that an assessment reads: of slices, of fairness, and the group."""
    named = (*spec.evaluation.slices, *spec.evaluation.sensitive, *([spec.group] if spec.group is not None else []))
    return tuple(dict.fromkeys(name for name in named if name != spec.target))


def assess(
    spec: ModelSpec,
    pipeline: Any,
    *,
    development: pd.DataFrame,
    test: pd.DataFrame,
    predicted: Predicted,
    baseline: Mapping[str, float] | None = None,
) -> Assessed:
    """Measures the fitted model on the test rows: takes seconds, and reads the clock for latency only.

    Args:
        spec: The declaration.
        pipeline: The fitted model as it will be served.
        development: The rows that it was tuned and fitted on; they need features, target and `needed_columns`.
        test: The rows that no tuning saw, with the same columns.
        predicted: What the model says of the test rows, in their order.
        baseline: The metrics, on the same rows, of a model that knows no feature.
    """
    started = time.monotonic()
    measured = of_metrics(spec, test, predicted)
    metrics = {name: one.value for name, one in measured.metrics.items()}
    important = importance.permutation(spec, pipeline, test)
    found = Assessment(
        metric=spec.metric,
        measured=measured,
        baseline=dict(baseline or {}),
        slices=measure_slices(spec, development, test, predicted),
        fairness=fairness(spec, development, test, predicted),
        importance=important,
        suspicions=leakage.look(spec, development=development, test=test, importance=important, metrics=metrics, baseline=baseline),
        latency=budgets.latency(spec, pipeline, test),
    )
    figures = plots.draw(spec, test, predicted, important)
    log.info(
        "assessed model=%s rows=%d seconds=%.1f suspicions=%d", spec.model, len(test), time.monotonic() - started, len(found.suspicions)
    )
    return Assessed(found, figures)
