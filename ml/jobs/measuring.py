"""How `monitor` measures one window: reads the rows, asks the champion, and stores numbers and report."""

import logging
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from ml.data.casting import label_text
from ml.data.table import AcceptedTable
from ml.monitoring import NOT_FEATURES, report
from ml.monitoring import drift as drifting
from ml.monitoring.drift import MISSING_SHARE
from ml.registry import models, runs
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger
from ml.state.records import Drift, Quality, Training, Window
from ml.training import dataset
from ml.training.evaluation import Predicted, predict
from ml.training.evaluation import measure as measure_quality

log = logging.getLogger(__name__)


def measure_window(settings: Settings, state: State, window: Window, *, spec: ModelSpec, learnt: ModelSpec, trained: Training) -> None:
    """Stores drift, quality and report of the window; a call after a kill does the same again.

    Args:
        settings: Where the stores are.
        state: The state database.
        window: What to measure.
        spec: How to watch: the window's declaration, with the columns that the champion sees.
        learnt: The declaration that the champion was trained with.
        trained: The run that made the champion.
    """
    rows = AcceptedTable.of(settings, window.model, spec).read(
        version=window.end_version,
        after_version=window.start_version,
        columns=[*spec.features.used, spec.target],
        labels_as_of=window.as_of,
    )
    champion = models.load_champion(settings, window.model, window.champion)
    said = predict(champion, rows, task=spec.task)
    judged = _judged(spec, rows, said)
    qualities = _qualities(spec, judged, said)
    known = dataset.read(settings, learnt, version=trained.dataset_version, as_of=trained.as_of)
    dataset.forget()
    said_before = predict(champion, known.test, task=spec.task)
    compared, drifts = _compare(spec, known.fitted, rows, said_before=said_before, said=said)
    measurement = report.Measurement(drifts=drifts, qualities=qualities, labelled_rows=len(judged), notes=_notes(spec, drifts, judged))
    page = report.render(spec, window, measurement, compared=compared, judged=judged)
    url = report.save(settings, model=window.model, window=window.id, page=page)
    ledger.save_measurement(
        state,
        window.id,
        drifts=drifts,
        qualities=qualities,
        labelled_rows=len(judged),
        report_url=url,
        mlflow_run=_log_to_mlflow(settings, window, page, measurement),
        at=datetime.now(UTC),
    )
    log.info("window measured window=%s drifted=%d of %d labelled=%d", window.id, _drifted(drifts), len(drifts), len(judged))


def _compare(
    spec: ModelSpec, fitted: pd.DataFrame, rows: pd.DataFrame, *, said_before: Predicted, said: Predicted
) -> tuple[report.Compared, list[Drift]]:
    """The drift of features and target from the rows that the champion learnt from, and of its predictions.

    `said_before` are its predictions for the test rows of its training: a model is surer of rows that it was fitted on.
    """
    reference = fitted[[*spec.features.used, spec.target]].reset_index(drop=True)
    column = prediction_column(spec)
    pins = drifting.feature_pins(spec)
    if rows[spec.target].notna().any():
        pins.append(drifting.target_pin(spec))
    drifts = drifting.measure_columns(reference=reference, window=rows, pins=pins)
    before, now = _compared_prediction(spec, said_before, column), _compared_prediction(spec, said, column)
    pin = drifting.prediction_pin(spec, column, has_probability=pd.api.types.is_float_dtype(now.dtype))
    drifts.append(drifting.measure_column(pin, reference=before, window=now))
    compared = report.Compared(
        reference=pd.concat([reference, before], axis=1),
        window=pd.concat([rows.reset_index(drop=True), now], axis=1),
        kinds={one.column: one.measured_as for one in [*pins, pin]},
        reference_rows=len(reference),
    )
    return compared, drifts


def prediction_column(spec: ModelSpec) -> str:
    """A name for the predictions that no column of the model has."""
    name = "prediction"
    while name in spec.columns:
        name += "_"
    return name


def _compared_prediction(spec: ModelSpec, said: Predicted, name: str) -> pd.Series:
    """What is compared: the positive class's probability where there is one, else numbers or labels."""
    probability = _probability(spec, said)
    return pd.Series(said.values if probability is None else probability.to_numpy(), name=name)


def _probability(spec: ModelSpec, said: Predicted) -> pd.Series | None:
    positive = label_text(spec.positive)
    if spec.task != "binary" or said.probabilities is None or positive not in said.probabilities:
        return None
    return said.probabilities[positive]


def _judged(spec: ModelSpec, rows: pd.DataFrame, said: Predicted) -> pd.DataFrame:
    """The labelled rows: `label`, `prediction`, `probability` of the positive class where there is one; indexed by position."""
    judged = pd.DataFrame({"label": rows[spec.target].to_numpy(), "prediction": said.values})
    if (probability := _probability(spec, said)) is not None:
        judged["probability"] = probability.to_numpy()
    return judged[judged["label"].notna()]


def _qualities(spec: ModelSpec, judged: pd.DataFrame, said: Predicted) -> list[Quality]:
    found = measure_quality(
        spec.task,
        labels=judged["label"].to_numpy(),
        predictions=judged["prediction"].to_numpy(),
        probabilities=None if said.probabilities is None else said.probabilities.iloc[judged.index],
        positive=None if spec.positive is None else label_text(spec.positive),
    )
    return [Quality(metric=name, value=value, rows=len(judged)) for name, value in found.items()]


def _notes(spec: ModelSpec, drifts: list[Drift], judged: pd.DataFrame) -> list[str]:
    empty = [one.column for one in drifts if one.method == MISSING_SHARE]
    notes = []
    if empty:
        notes.append(f"Without a value on one side or on both, so that only shares of missing values are compared: {', '.join(empty)}.")
    if judged.empty:
        notes.append("No row of this window has a label yet: neither target drift nor quality can be seen.")
    elif judged["label"].nunique() < 2:
        notes.append("All labelled rows have the same label: quality is not drawn, and some metrics are not defined.")
    if spec.features.text:
        notes.append("Texts are compared by how well a classifier tells reference from window by their words (ROC AUC, 0.5 is alike).")
    return notes


def _drifted(drifts: list[Drift]) -> int:
    return sum(one.drifted for one in drifts if one.kind not in NOT_FEATURES)


def _log_to_mlflow(settings: Settings, window: Window, page: str, measurement: report.Measurement) -> str:
    features = [one for one in measurement.drifts if one.kind not in NOT_FEATURES]
    metrics = {one.metric: one.value for one in measurement.qualities}
    metrics |= {"rows": float(window.rows), "labelled_rows": float(measurement.labelled_rows)}
    if features:
        metrics["drift_share"] = _drifted(features) / len(features)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{window.id}.html"
        path.write_text(page, encoding="utf-8")
        return runs.log_report(settings, window.model, window.id, path, metrics)
