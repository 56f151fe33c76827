"""How `monitor` measures one window: reads the rows, asks the champion, and stores numbers and report."""

import logging
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from ml.data.casting import label_text
from ml.data.faults import first_few
from ml.data.table import AcceptedTable
from ml.jobs import labels_seen
from ml.monitoring import NOT_FEATURES, report
from ml.monitoring import drift as drifting
from ml.monitoring.drift import MISSING_SHARE
from ml.registry import runs
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger
from ml.state.records import Drift, Quality, Training, Window
from ml.training import champions, dataset, reference
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
    table = AcceptedTable.of(settings, window.model, spec)
    rows = table.read(
        version=window.end_version,
        after_version=window.start_version,
        columns=[*spec.features.used, spec.target],
        **labels_seen.labels_of(window),
    )
    champion = champions.load(settings, champions.Champion(window.champion, trained, learnt))
    said = predict(champion, rows, task=spec.task)
    seen = labels_seen.seen(table, state, window, spec=spec, trained=trained)
    labels, said_of_them = [rows[spec.target]], [said]
    for late in labels_seen.late_rows(table, window, seen, spec=spec, trained=trained):
        labels.append(late[spec.target])
        said_of_them.append(predict(champion, late, task=spec.task))
    known = dataset.of_training(settings, learnt, trained)
    dataset.forget()
    judged, qualities, strange = _judge(spec, pd.concat(labels), _joined(said_of_them), known=known.frame[spec.target])
    late_rows = int((judged.index >= len(rows)).sum())
    said_before = reference.load(settings, trained, known.test) or predict(champion, known.test, task=spec.task)
    compared, drifts = _compare(spec, known.frame, rows, said_before=said_before, said=said)
    measurement = report.Measurement(
        drifts=drifts,
        qualities=qualities,
        labelled_rows=len(judged) - late_rows,
        late_rows=late_rows,
        notes=[*_notes(spec, drifts, judged, late=late_rows), *strange],
    )
    page = report.render(spec, window, measurement, compared=compared, judged=judged)
    url = report.save(settings, model=window.model, window=window.id, page=page)
    ledger.save_measurement(
        state,
        window.id,
        drifts=drifts,
        qualities=qualities,
        labelled_rows=measurement.labelled_rows,
        report_url=url,
        mlflow_run=_log_to_mlflow(settings, window, page, measurement),
        at=datetime.now(UTC),
    )
    drifted = _drifted(drifts)
    log.info("window measured window=%s drifted=%d of %d judged=%d late=%d", window.id, drifted, len(drifts), len(judged), late_rows)


def _compare(
    spec: ModelSpec, fitted: pd.DataFrame, rows: pd.DataFrame, *, said_before: Predicted, said: Predicted
) -> tuple[report.Compared, list[Drift]]:
    """The drift of features and target from the rows that the champion learnt from, and of its predictions.

    `said_before` is what the tested model said of the test rows of its training: a model is surer of rows that it was fitted on.
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


def _joined(parts: list[Predicted]) -> Predicted:
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    return Predicted(
        np.concatenate([part.values for part in parts]), pd.concat(probabilities, ignore_index=True) if probabilities else None
    )


def _judge(spec: ModelSpec, labels: pd.Series, said: Predicted, *, known: pd.Series) -> tuple[pd.DataFrame, list[Quality], list[str]]:
    """The labelled rows, the metrics on them, and a note where rows are left out.

    Columns: `label`, `prediction`, `probability` of the positive class where there is one; indexed by position. A label that is
    neither of a binary model's two, as its champion learnt them (`known`), is no outcome to judge by.
    """
    judged = pd.DataFrame({"label": labels.to_numpy(), "prediction": said.values})
    if (probability := _probability(spec, said)) is not None:
        judged["probability"] = probability.to_numpy()
    judged = judged[judged["label"].notna()]
    notes = []
    if spec.task == "binary":
        is_known = judged["label"].isin({label_text(spec.positive), *known.dropna().unique()})
        if not is_known.all():
            names = first_few([str(name) for name in judged.loc[~is_known, "label"].unique()])
            notes.append(f"Quality leaves out {(~is_known).sum():,} rows whose label is neither of the model's two classes: {names}.")
        judged = judged[is_known]
    found = measure_quality(
        spec.task,
        labels=judged["label"].to_numpy(),
        predictions=judged["prediction"].to_numpy(),
        probabilities=None if said.probabilities is None else said.probabilities.iloc[judged.index],
        positive=None if spec.positive is None else label_text(spec.positive),
    )
    return judged, [Quality(metric=name, value=value, rows=len(judged)) for name, value in found.items()], notes


def _notes(spec: ModelSpec, drifts: list[Drift], judged: pd.DataFrame, *, late: int) -> list[str]:
    lost = [one.column for one in drifts if one.method == MISSING_SHARE]
    notes = []
    if lost:
        notes.append(
            "Shown by the change of the share of missing values, because that has drifted and the distance has not, or because there is "
            f"no value on one side: {', '.join(lost)}."
        )
    if len(judged) == late:
        unseen = "target drift cannot be seen" if late else "neither target drift nor quality can be seen"
        notes.append(f"No row of this window has a label yet: {unseen}.")
    if late:
        notes.append(
            f"Quality is of {len(judged):,} labelled rows: {len(judged) - late:,} of this window, and {late:,} that were accepted before "
            "it and whose label became known since the champion's quality was last judged."
        )
    if not judged.empty and judged["label"].nunique() < 2:
        notes.append("All labelled rows have the same label: quality is not drawn, and some metrics are not defined.")
    if spec.features.text:
        notes.append("Texts are compared by how well a classifier tells reference from window by their words (ROC AUC, 0.5 is alike).")
    return notes


def _drifted(drifts: list[Drift]) -> int:
    return sum(one.drifted for one in drifts if one.kind not in NOT_FEATURES)


def _log_to_mlflow(settings: Settings, window: Window, page: str, measurement: report.Measurement) -> str:
    features = [one for one in measurement.drifts if one.kind not in NOT_FEATURES]
    metrics = {one.metric: one.value for one in measurement.qualities}
    metrics |= {"rows": float(window.rows), "labelled_rows": float(measurement.labelled_rows), "late_rows": float(measurement.late_rows)}
    if features:
        metrics["drift_share"] = _drifted(features) / len(features)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{window.id}.html"
        path.write_text(page, encoding="utf-8")
        return runs.log_report(settings, window.model, window.id, path, metrics)
