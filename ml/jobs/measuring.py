"""How `monitor` measures one window: reads the rows, asks the champion, and stores numbers and report."""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from ml.data.casting import label_text
from ml.data.faults import first_few
from ml.data.table import AcceptedTable
from ml.errors import NoData
from ml.jobs import labels_seen, reference_profile
from ml.jobs import promised as promising
from ml.jobs import said as saying
from ml.jobs.promised import Promised
from ml.monitoring import NOT_FEATURES, report, report_drift
from ml.monitoring import drift as drifting
from ml.monitoring.drift import MISSING_SHARE, Pin
from ml.monitoring.looks import look
from ml.monitoring.profile_file import ReferenceProfile, plot_rows, positions
from ml.monitoring.profiles import LabelProfile
from ml.monitoring.window_columns import MeasuredColumns, Read, measure_columns
from ml.registry import runs
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger
from ml.state.records import Drift, Quality, Training, Window
from ml.training import champions
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
    champion = champions.load(settings, champions.Champion(window.champion, trained, learnt))
    if not window.rows:
        raise NoData(f"window {window.id} has no rows, so nothing can be measured in it; the next look takes a new one")
    said = saying.of_window(champion, table, window, spec=spec)
    versions = {"version": window.end_version, "after_version": window.start_version}
    target = table.read(**versions, columns=[spec.target], **labels_seen.labels_of(window))[spec.target]
    seen = labels_seen.seen(table, state, window, spec=spec, trained=trained)
    labels, said_of_them = [target], [said]
    for late in labels_seen.late_rows(table, window, seen, spec=spec, trained=trained):
        labels.append(late[spec.target])
        said_of_them.append(predict(champion, late, task=spec.task))
    promised = promising.of(state, window, spec)
    with reference_profile.kept(settings, trained, learnt=learnt, window_rows=window.rows) as reference:
        judged, qualities, strange = _judge(spec, pd.concat(labels), saying.joined(said_of_them), known=_classes(spec, reference))
        end, start = window.end_version, window.start_version
        read = _Rows(lambda names: table.read_columns(names, version=end, after_version=start), target, said)
        compared, drifts, promise = _compare(spec, reference, read, promised)
    late_rows = int((judged.index >= len(target)).sum())
    measurement = report.Measurement(
        drifts=drifts,
        qualities=qualities,
        labelled_rows=len(judged) - late_rows,
        late_rows=late_rows,
        notes=[*_notes(spec, drifts, judged, late=late_rows), *strange],
        promise=promise,
    )
    _store(settings, state, window, measurement, page=report.render(spec, window, measurement, compared=compared, judged=judged))


def _store(settings: Settings, state: State, window: Window, measurement: report.Measurement, *, page: str) -> None:
    drifts = measurement.drifts
    url = report.save(settings, model=window.model, window=window.id, page=page)
    ledger.save_measurement(
        state,
        window.id,
        drifts=drifts,
        qualities=measurement.qualities,
        labelled_rows=measurement.labelled_rows,
        report_url=url,
        mlflow_run=_log_to_mlflow(settings, window, page, measurement),
        at=datetime.now(UTC),
    )
    judged, late = measurement.labelled_rows + measurement.late_rows, measurement.late_rows
    log.info("window measured window=%s drifted=%d of %d judged=%d late=%d", window.id, _drifted(drifts), len(drifts), judged, late)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The window's rows: `read` gives columns of them; their target, and what the champion said of them, in one order."""

    read: Read
    target: pd.Series
    said: Predicted


def _compare(
    spec: ModelSpec, reference: ReferenceProfile, rows: _Rows, promised: Promised | None
) -> tuple[report_drift.Compared, list[Drift], str]:
    """The drift of features and target from the rows that the champion learnt from, and of its predictions.

    The predictions are compared with what the tested model said of the test rows of its training. With a promise, its sentence.
    """
    most, count = spec.monitoring.sample_rows, len(rows.target)
    pins = drifting.feature_pins(spec)
    measured = measure_columns(pins, reference=reference, read=rows.read, rows=count, draw=most, is_promised=promised is not None)
    before, now = {pin.column: reference.drawn(pin.column) for pin in pins}, dict(measured.drawn)
    others = _others(spec, rows)
    draw = positions(count, plot_rows(most, columns=len(pins)))
    for pin, name, held in others:
        before[pin.column], now[pin.column] = reference.drawn(name), held.iloc[draw].reset_index(drop=True)
    drifts, promise = _drifts(measured, reference, others, promised)
    compared = report_drift.Compared(
        reference=pd.DataFrame(before),
        window=pd.DataFrame(now),
        kinds={one.column: one.measured_as for one in [*pins, *(pin for pin, _, _ in others)]},
        reference_rows=reference.rows,
    )
    return compared, drifts, promise


def _others(spec: ModelSpec, rows: _Rows) -> list[tuple[Pin, str | None, pd.Series]]:
    """Target, if it has labels, and predictions: each with its name in the reference, and its rows in the window."""
    predicted = saying.compared_prediction(spec, rows.said)
    pin = drifting.prediction_pin(spec, prediction_column(spec), has_probability=pd.api.types.is_float_dtype(predicted.dtype))
    target = [(drifting.target_pin(spec), spec.target, rows.target)] if rows.target.notna().any() else []
    return [*target, (pin, None, predicted)]


def _drifts(
    measured: MeasuredColumns, reference: ReferenceProfile, others: Sequence[tuple[Pin, str | None, pd.Series]], promised: Promised | None
) -> tuple[list[Drift], str]:
    """By fixed thresholds; or what the promise says of all columns together, and its sentence."""
    sides = [(pin, name, drifting.profile_of(pin, held)) for pin, name, held in others]
    if promised is None:
        return [*measured.drifts, *(drifting.compare(pin, reference=reference.profile(name), window=now) for pin, name, now in sides)], ""
    looks = [look(pin, reference=reference.profile(name), window=now, own=reference.own_windows(name)) for pin, name, now in sides]
    return promised.judged([*measured.looks, *looks])


def _classes(spec: ModelSpec, reference: ReferenceProfile) -> set[str]:
    """The classes that a binary model's champion learnt."""
    found = reference.profile(spec.target) if spec.task == "binary" else None
    return set(found.counts) if isinstance(found, LabelProfile) else set()


def prediction_column(spec: ModelSpec) -> str:
    """A name for the predictions that no column of the model has."""
    name = "prediction"
    while name in spec.columns:
        name += "_"
    return name


def _judge(spec: ModelSpec, labels: pd.Series, said: Predicted, *, known: set[str]) -> tuple[pd.DataFrame, list[Quality], list[str]]:
    """The labelled rows, the metrics on them, and a note where rows are left out.

    Columns: `label`, `prediction`, `probability` of the positive class where there is one; indexed by position. A label that is
    neither of a binary model's two, as its champion learnt them (`known`), is no outcome to judge by.
    """
    judged = pd.DataFrame({"label": labels.to_numpy(), "prediction": said.values})
    if (probability := saying.probability(spec, said)) is not None:
        judged["probability"] = probability.to_numpy()
    judged = judged[judged["label"].notna()]
    notes = []
    if spec.task == "binary":
        is_known = judged["label"].isin({label_text(spec.positive), *known})
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


def _drifted(drifts: Sequence[Drift]) -> int:
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
