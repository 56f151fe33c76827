"""Evidently's plots of drift with the recorded numbers: a test of ours answers with them, so nothing is computed twice."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from ml.errors import OperatorError
from ml.monitoring import NOT_FEATURES, workspace
from ml.monitoring.alarms.shares import OUT_OF_RANGE, UNSEEN
from ml.monitoring.drift import MISSING_SHARE
from ml.monitoring.frames import harmless_names, sample, shown_frames
from ml.spec import ModelSpec
from ml.state.records import Drift

DRAWN_COLUMNS = 100
"""Evidently takes 0.1 s to draw a column of a hundred, and longer the more there are: 78 s for 400. Of a wider table the rest is listed."""
_MEASURED: ContextVar[Mapping[str, Drift]] = ContextVar("measured")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What is drawn: `reference` and `window` have a column for each measured one, `kinds` says as what it was measured.

    Both may be draws; `reference_rows` are all of the reference.
    """

    reference: pd.DataFrame
    window: pd.DataFrame
    kinds: Mapping[str, str]
    reference_rows: int


def drift_widgets(spec: ModelSpec, drifts: Sequence[Drift], compared: Compared) -> list[Any]:
    """What Evidently draws of the columns, with the measured numbers; of a wide table only the farthest columns.

    Raises:
        OperatorError: Evidently would show other numbers.
    """
    from evidently import DataDefinition, Dataset, Report

    is_partial = bool(listed_only(drifts))
    drifts = _farthest(drifts)[:DRAWN_COLUMNS] if is_partial else drifts
    names = harmless_names(drift.column for drift in drifts)
    shown = {names[drift.column]: drift for drift in drifts}
    rows = spec.monitoring.sample_rows
    before, now = shown_frames(
        reference=sample(compared.reference, rows), window=sample(compared.window, rows), drifts=drifts, kinds=compared.kinds, names=names
    )
    drawn_as = {names[drift.column]: _drawn_as(drift, compared.kinds) for drift in drifts}
    definition = DataDefinition(
        numerical_columns=[name for name, kind in drawn_as.items() if kind == "numeric"],
        categorical_columns=[name for name, kind in drawn_as.items() if kind == "categorical"],
        text_columns=[name for name, kind in drawn_as.items() if kind == "text"],
    )
    items = _metrics(spec, shown, is_partial=is_partial)
    if not items:
        return []
    with _showing(shown):
        snapshot = Report(items).run(
            Dataset.from_pandas(now[list(shown)], data_definition=definition),
            Dataset.from_pandas(before[list(shown)], data_definition=definition),
        )
    _reconcile(snapshot.dict(), shown)
    return list(workspace.seen(snapshot)._widgets)


def listed_only(drifts: Sequence[Drift]) -> list[Drift]:
    """The columns that are not drawn, because others are farther; the farthest first."""
    return _farthest(drifts)[DRAWN_COLUMNS:]


def _farthest(drifts: Sequence[Drift]) -> list[Drift]:
    """Target and predictions, then the columns by how far they are beyond their thresholds."""
    return sorted(drifts, key=lambda one: (one.kind not in NOT_FEATURES, not one.drifted, -one.value / one.threshold, one.column))


def _metrics(spec: ModelSpec, shown: Mapping[str, Drift], *, is_partial: bool) -> list[Any]:
    """One metric a column; where all are drawn, those of the features as Evidently's preset, which also counts how many have drifted."""
    from evidently.metrics import ValueDrift
    from evidently.presets import DataDriftPreset

    features = [] if is_partial else [name for name, drift in shown.items() if drift.kind not in NOT_FEATURES]
    items: list[Any] = [
        ValueDrift(column=name, method=_method(drift.method), threshold=drift.threshold)
        for name, drift in shown.items()
        if name not in features
    ]
    if features:
        items.append(
            DataDriftPreset(
                columns=features,
                drift_share=spec.retraining.drift_share or 1.0,
                per_column_method={name: _method(shown[name].method) for name in features},
                per_column_threshold={name: shown[name].threshold for name in features},
            )
        )
    return items


def _drawn_as(drift: Drift, kinds: Mapping[str, str]) -> str:
    if drift.method == MISSING_SHARE or (kinds[drift.column] == "text" and drift.method == "jensenshannon"):
        return "categorical"
    return kinds[drift.column]


@contextmanager
def _showing(measured: Mapping[str, Drift]) -> Iterator[None]:
    token = _MEASURED.set(measured)
    try:
        yield
    finally:
        _MEASURED.reset(token)


@cache
def _method(method: str) -> str:
    """A test of Evidently that answers with what was measured: nothing is computed twice, and samples change no number."""
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    display = {
        "wasserstein": "Wasserstein distance (normed)",
        "jensenshannon": "Jensen-Shannon distance",
        "psi": "PSI",
        "TVD": "Total variation distance",
        "abs_text_content_drift": "Absolute text content drift",
        MISSING_SHARE: "Change of the share of missing values",
        UNSEEN: "Share of values that the reference has not",
        OUT_OF_RANGE: "Share of values outside of the reference's range",
    }
    kinds = [ColumnType.Numerical, ColumnType.Categorical, ColumnType.Text]
    name = f"measured_{method}"
    register_stattest(StatTest(name=name, display_name=display.get(method, method), allowed_feature_types=kinds), _measured)
    return name


def _measured(reference: pd.Series, window: pd.Series, kind: object, threshold: float) -> tuple[float, bool]:  # noqa: ARG001
    drift = _MEASURED.get()[str(window.name)]
    return drift.value, drift.drifted


def _reconcile(result: Mapping[str, Any], shown: Mapping[str, Drift]) -> None:
    """Every number on the page is the recorded one, by column name; otherwise `OperatorError`."""
    found = {one["config"]["column"]: float(one["value"]) for one in result["metrics"] if one["config"]["type"].endswith(":ValueDrift")}
    recorded = {name: drift.value for name, drift in shown.items()}
    if found != recorded:
        wrong = sorted(name for name in found.keys() | recorded.keys() if found.get(name) != recorded.get(name))
        raise OperatorError(f"Evidently shows other drift than was measured for {', '.join(wrong[:5])}; is it the locked version?")
