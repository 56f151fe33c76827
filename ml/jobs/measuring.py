"""How `monitor` measures one window: reads the rows, asks the champion, and stores numbers and report."""

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from ml.data.table import AcceptedTable
from ml.errors import NoData
from ml.jobs import beyond_drift, labels_seen, reference_profile
from ml.jobs import judged as judging
from ml.jobs import promised as promising
from ml.jobs import said as saying
from ml.jobs.estimating import Subject
from ml.jobs.noted import notes
from ml.jobs.promised import Promised
from ml.monitoring import NOT_FEATURES, report, report_drift, workspace
from ml.monitoring import drift as drifting
from ml.monitoring.alarms import basis
from ml.monitoring.drift import Pin
from ml.monitoring.looks import look
from ml.monitoring.profile_file import ReferenceProfile, plot_rows, positions
from ml.monitoring.window_columns import MeasuredColumns, Read, measure_columns
from ml.registry import runs
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, ledger
from ml.state.records import Drift, Quality, Training, Window
from ml.training import champions, dataset, tested_model
from ml.training.evaluation import Predicted, predict

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LookedAt:
    """The rows to judge by: the window's, then earlier ones whose labels are new.

    Attributes:
        beside: The columns of `beyond_drift.columns`; the target is missing where no final label is known.
        target: The window's labels, final or not.
        said: What the champion says of all of them.
        compared: What is compared with the reference's predictions, of the window's own: the tested model's words.
        doubt: Why these are the champion's instead (`basis.told`); empty where they are not.
        late: The keys of the earlier ones.
        labels: How many labels the window knows.
        ask: What another model says of all of them.
    """

    beside: pd.DataFrame
    target: pd.Series
    said: Predicted
    compared: Predicted
    doubt: str
    late: pd.MultiIndex
    labels: labels_seen.Counts
    ask: Callable[[Any], Predicted]


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
    tested = tested_model.load(settings, trained, learnt)
    with reference_profile.kept(settings, trained, learnt=learnt, tested=tested, window_rows=window.rows) as reference:
        champion = champions.load(settings, champions.Champion(window.champion, trained, learnt))
        found = look_at(settings, state, window, reference, spec=spec, champion=champion, tested=tested, trained=trained)
    table, drifts, judged, rows = found.table, found.drifts, found.judged, found.rows
    beyond = beyond_drift.measure(
        settings,
        state,
        Subject(table, found.champion, window, spec, trained, found.known),
        beyond_drift.Rows(
            beside=rows.beside,
            own=len(rows.target),
            said=rows.said,
            compared=rows.compared,
            judged=judged,
            late=rows.late,
            labels=rows.labels,
            ask=rows.ask,
        ),
        learnt=learnt,
        drifts=drifts,
    )
    late_rows = int((judged.index >= len(rows.target)).sum())
    measurement = report.Measurement(
        drifts=beyond_drift.ordered(drifts, beyond.ranked),
        qualities=found.qualities,
        labelled_rows=len(judged) - late_rows,
        late_rows=late_rows,
        notes=[*notes(spec, drifts, judged, late=late_rows, doubt=rows.doubt), *found.strange],
        promise=found.promise,
        sections=beyond.sections(spec),
    )
    with workspace.fed(settings, window):
        page = report.render(spec, window, measurement, compared=found.compared, judged=judged)
    _store(settings, state, window, measurement, page=page)


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a look at a window found.

    Args:
        table: The accepted rows.
        champion: The fitted champion.
        drifts: Of each column, target and predictions, by fixed thresholds or by the promise, whose sentence is `promise`.
        qualities: The metrics on `judged`.
        rows: Those that may be judged by.
        judged: Those that are judged by.
        known: The classes that a binary model's champion learnt.
        strange: Notes on rows that were left out.
        compared: What the report draws.
    """

    table: AcceptedTable
    champion: Any
    drifts: list[Drift]
    qualities: list[Quality]
    rows: LookedAt
    judged: pd.DataFrame
    known: set[str]
    strange: list[str]
    compared: report_drift.Compared
    promise: str


def look_at(
    settings: Settings,
    state: State,
    window: Window,
    reference: ReferenceProfile,
    *,
    spec: ModelSpec,
    champion: Any,
    tested: Any | None,
    trained: Training,
) -> Looked:
    """Drift and quality of a window, the same at each look, whatever has happened since: nothing is stored. Arguments: `measure_window`.

    `champion` is the fitted pipeline, and `tested` its tested twin where that was kept.

    Raises:
        NoData: The window has no rows.
    """
    table = AcceptedTable.of(settings, window.model, spec)
    if not window.rows:
        raise NoData(f"window {window.id} has no rows, so nothing can be measured in it; the next look takes a new one")
    said = saying.of_window_by([champion] if tested is None else [champion, tested], table, window, spec=spec)
    rows = _looked_at(state, champion, table, window, spec=spec, trained=trained, said=said)
    known = judging.classes(spec, reference)
    judged, qualities, strange = judging.judge(spec, rows.beside[spec.target], rows.said, known=known)
    end, start = window.end_version, window.start_version
    read = _Rows(
        lambda names: table.read_columns(names, version=end, after_version=start), rows.beside[spec.target], rows.compared, rows.doubt
    )
    promised = promising.of(state, window, spec)
    if promised is not None and len(judged) >= spec.monitoring.minimum_rows:
        promised = promised.with_quality()
    compared, drifts, promise = _compare(spec, reference, read, promised)
    return Looked(
        table=table,
        champion=champion,
        drifts=drifts,
        qualities=qualities,
        rows=rows,
        judged=judged,
        known=known,
        strange=strange,
        compared=compared,
        promise=promise,
    )


def _looked_at(
    state: State, champion: Any, table: AcceptedTable, window: Window, *, spec: ModelSpec, trained: Training, said: Sequence[Predicted]
) -> LookedAt:
    """`said`: the champion's words of the window's rows, then those of the tested model if that was kept."""
    wanted = beyond_drift.columns(spec)
    versions = {"version": window.end_version, "after_version": window.start_version}
    own = table.read(**versions, columns=wanted, **labels_seen.labels_of(window))
    target, is_known = own[spec.target], labels_seen.is_known(own, window, spec=spec)
    found, said_of_them = [own[wanted].assign(**{spec.target: target.where(is_known)})], [said[0]]
    seen = labels_seen.seen(table, state, window, spec=spec, trained=trained)

    def late_rows() -> Iterator[pd.DataFrame]:
        return labels_seen.late_rows(table, window, seen, spec=spec, also=wanted)

    def ask(model: Any) -> Predicted:
        of_own = saying.of_window(model, table, window, spec=spec)
        return saying.joined([of_own, *(predict(model, one, task=spec.task) for one in late_rows())])

    for late in late_rows():
        found.append(late[wanted])
        said_of_them.append(predict(champion, late, task=spec.task))
    beside, keys = pd.concat(found, ignore_index=True), dataset.row_keys(seen.fresh.head(seen.late))
    doubt = basis.TWIN if len(said) == 1 else ""
    return LookedAt(beside, target, saying.joined(said_of_them), said[-1], doubt, keys, seen.counts, ask)


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
    """The window's rows: `read` gives columns of them, `said` is what of predictions is compared, `doubt` what speaks against that.

    `target` has the final labels that the window is the first to know: its own rows', then late ones'. Labels that are not final yet are
    not like those that are: what comes early may be the rare class.
    """

    read: Read
    target: pd.Series
    said: Predicted
    doubt: str


def _compare(
    spec: ModelSpec, reference: ReferenceProfile, rows: _Rows, promised: Promised | None
) -> tuple[report_drift.Compared, list[Drift], str]:
    """The drift of features, target and predictions from the reference. With a promise, its sentence."""
    most, count = spec.monitoring.sample_rows, len(rows.said.values)
    pins = drifting.feature_pins(spec)
    measured = measure_columns(pins, reference=reference, read=rows.read, rows=count, draw=most, is_promised=promised is not None)
    before, now = {pin.column: reference.drawn(pin.column) for pin in pins}, dict(measured.drawn)
    others = _others(spec, rows)
    draw = positions(count, plot_rows(most, columns=len(pins)))
    for pin, name, held in others:
        taken = draw if len(held) == count else positions(len(held), len(draw))
        before[pin.column], now[pin.column] = reference.drawn(name), held.iloc[taken].reset_index(drop=True)
    drifts, promise = _drifts(measured, reference, others, promised, doubt=rows.doubt)
    compared = report_drift.Compared(
        reference=pd.DataFrame(before),
        window=pd.DataFrame(now),
        kinds={one.column: one.measured_as for one in [*pins, *(pin for pin, _, _ in others)]},
        reference_rows=reference.rows,
    )
    return compared, drifts, promise


def _others(spec: ModelSpec, rows: _Rows) -> list[tuple[Pin, str | None, pd.Series]]:
    """Target, if it has final labels, and predictions: each with its name in the reference, and its rows in the window."""
    predicted = saying.compared_prediction(spec, rows.said)
    pin = drifting.prediction_pin(spec, prediction_column(spec), has_probability=pd.api.types.is_float_dtype(predicted.dtype))
    target = [(drifting.target_pin(spec), spec.target, rows.target)] if rows.target.notna().any() else []
    return [*target, (pin, None, predicted)]


def _drifts(
    measured: MeasuredColumns,
    reference: ReferenceProfile,
    others: Sequence[tuple[Pin, str | None, pd.Series]],
    promised: Promised | None,
    *,
    doubt: str,
) -> tuple[list[Drift], str]:
    """By fixed thresholds; or what the promise says of all columns together, and its sentence."""
    sides = [(pin, name, drifting.profile_of(pin, held)) for pin, name, held in others]
    if promised is None:
        return [*measured.drifts, *(drifting.compare(pin, reference=reference.profile(name), window=now) for pin, name, now in sides)], ""
    looks = [
        look(pin, reference=reference.profile(name), window=now, own=reference.own_windows(name), doubt="" if name else doubt)
        for pin, name, now in sides
    ]
    return promised.judged([*measured.looks, *looks])


def prediction_column(spec: ModelSpec) -> str:
    """A name for the predictions that no column of the model has."""
    name = "prediction"
    while name in spec.columns:
        name += "_"
    return name


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
