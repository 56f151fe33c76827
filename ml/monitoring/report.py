"""The Evidently page of a window: one file that asks nobody for anything, and shows the numbers that were recorded."""

import html
import logging
import re
import uuid
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ml.data.stores import own_store_of
from ml.monitoring import NOT_FEATURES, load_evidently, report_sections, workspace
from ml.monitoring.drift import TEXT_ROWS
from ml.monitoring.frames import OTHER, harmless, sample, shown_label
from ml.monitoring.looks import told
from ml.monitoring.pages.frame import FITTING
from ml.monitoring.report_drift import Compared, drift_widgets, listed_only
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state.records import Drift, Quality, Window
from ml.wording import counted

log = logging.getLogger(__name__)

SAID_ALARMS = 20
"""So many alarms are told in sentences on top of the page; the others stand with their plots."""
QUALITY_ROWS = 20_000
"""Evidently's model quality takes 10 s for 100,000 rows: at most so many go into its plots."""
_POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; font-src data:; img-src data: blob:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What was measured in a window. `drifts` names features, target and prediction; `notes` says what is missing, and why.

    `sections` stand below the facts.
    Quality is of the window's `labelled_rows` and of `late_rows` from before it, whose labels are new. `promise` says how a promised rate
    of false alarms became levels; empty under fixed thresholds.
    """

    drifts: Sequence[Drift]
    qualities: Sequence[Quality]
    labelled_rows: int
    notes: Sequence[str]
    late_rows: int = 0
    promise: str = ""
    sections: Sequence[report_sections.Section] = ()


def url_of(settings: Settings, model: str, window: str) -> str:
    """Where the page of a window stands."""
    return f"{settings.reports_url.rstrip('/')}/{model}/{window}.html"


def save(settings: Settings, *, model: str, window: str, page: str) -> str:
    """Writes the page whole or not at all, and returns its URL. A second call replaces it.

    Raises:
        OperatorError: The store that `PERENNIAL_REPORTS_URL` names cannot be opened; `StoreUnavailable` if it did not answer.
    """
    url = url_of(settings, model, window)
    files, path = own_store_of(url, variable="PERENNIAL_REPORTS_URL")
    files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    beside = f"{path}.{uuid.uuid4().hex}.part"
    try:
        files.pipe_file(beside, page.encode())
        files.mv(beside, path)
    finally:
        if files.exists(beside):
            files.rm_file(beside)
    log.info("report saved window=%s url=%s bytes=%d", window, url, len(page))
    return url


def render(spec: ModelSpec, window: Window, measurement: Measurement, *, compared: Compared, judged: pd.DataFrame) -> str:
    """The page as HTML.

    Args:
        spec: The declaration of the window.
        window: What is reported on.
        measurement: The numbers to show.
        compared: The rows behind the plots of drift; a sample is drawn from them.
        judged: The labelled rows that quality is of: `label`, `prediction`, and `probability` of the positive class where there is one.
    """
    load_evidently()
    from evidently.core.metric_types import render_widgets
    from evidently.legacy.renderers.html_widgets import group_widget

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # constant columns have no correlation, rare classes no precision: the plots stay empty
        parts = [group_widget(title="Drift", widgets=drift_widgets(spec, measurement.drifts, compared))]
        if quality := _quality_widgets(spec, judged):
            parts.append(group_widget(title="Quality of the champion on the labelled rows", widgets=quality))
        page = render_widgets(parts)
    return _finish(page, window=window, head=_head(spec, window, measurement, compared=compared))


def _quality_widgets(spec: ModelSpec, judged: pd.DataFrame) -> list[Any]:
    """Nothing where the rows define no quality: fewer than two, or all of one class."""
    from evidently import BinaryClassification, DataDefinition, Dataset, MulticlassClassification, Regression, Report
    from evidently.presets import ClassificationPreset, RegressionPreset

    frame = sample(_shown_labels(spec, judged), min(QUALITY_ROWS, spec.monitoring.sample_rows))
    if len(frame) < 2 or frame["label"].nunique() < 2:
        return []
    if spec.task == "regression":
        regression = [Regression(target="label", prediction="prediction")]
        definition = DataDefinition(numerical_columns=["label", "prediction"], regression=regression)
        preset: Any = RegressionPreset()
    else:
        task: Any = MulticlassClassification(target="label", prediction_labels="prediction")
        if "probability" in frame:
            task = BinaryClassification(
                target="label", prediction_labels="prediction", prediction_probas="probability", pos_label=_positive(spec)
            )
        numeric = [name for name in ("probability",) if name in frame]
        definition = DataDefinition(categorical_columns=["label", "prediction"], numerical_columns=numeric, classification=[task])
        preset = ClassificationPreset()
    snapshot = Report([preset]).run(Dataset.from_pandas(frame, data_definition=definition), None)
    return list(workspace.seen(snapshot)._widgets)


def _shown_labels(spec: ModelSpec, judged: pd.DataFrame) -> pd.DataFrame:
    """Labels and predictions as they are drawn.

    Over a third label of a binary model Evidently fails: there the positive class is drawn against all others.
    """
    if spec.task == "regression":
        return judged
    drawn = {column: judged[column].map(shown_label) for column in ("label", "prediction")}
    if "probability" in judged and len({_positive(spec), *drawn["label"], *drawn["prediction"]}) > 2:
        drawn = {column: names.where(names == _positive(spec), OTHER) for column, names in drawn.items()}
    return judged.assign(**drawn)


def _positive(spec: ModelSpec) -> str:
    from ml.data.casting import label_text

    return shown_label(label_text(spec.positive))


def _head(spec: ModelSpec, window: Window, measurement: Measurement, *, compared: Compared) -> str:
    features = [drift for drift in measurement.drifts if drift.kind not in NOT_FEATURES]
    drifted = sum(drift.drifted for drift in features)
    facts = {
        "Window": f"{window.id}: {window.rows:,} rows of {_versions(window)}",
        "Rows happened": _period(window),
        "Champion": f"version {window.champion}; the window is compared with {compared.reference_rows:,} rows of the time that it learnt "
        "from, and predictions with those for a held-out part of them",
        "Drifted feature columns": f"{drifted} of {len(features)}" + (f" ({drifted / len(features):.2f})" if features else ""),
        "False alarms": measurement.promise,
        "Alarms": _alarms(measurement) if measurement.promise else "",
        "What an alarm is": _origins(measurement.drifts) if measurement.promise else "",
        "Quality": ", ".join(f"{one.metric} {one.value:.4f}" for one in measurement.qualities) or "not measured",
        "Labelled rows": f"{measurement.labelled_rows:,}"
        + (f", and {measurement.late_rows:,} from before the window whose labels are new" if measurement.late_rows else ""),
    }
    notes = [
        *measurement.notes,
        *_narrowing(measurement.drifts),
        *_sampling(spec, window, compared, measurement.labelled_rows + measurement.late_rows),
    ]
    table = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in facts.items() if text)
    listed = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    wide = report_sections.rendered(measurement.sections) + _listed(measurement.drifts)
    return f"<header class='perennial'><h1>{html.escape(spec.model)}</h1><table>{table}</table><ul>{listed}</ul>{wide}</header>"


def _versions(window: Window) -> str:
    first, last = window.start_version + 1, window.end_version
    return f"dataset version {last}" if first == last else f"dataset versions {first} to {last}"


def _alarms(measurement: Measurement) -> str:
    """The sentences of the columns that are alarms, the least likely by chance first."""
    found = sorted(
        (verdict for one in measurement.drifts for verdict in told(one) if verdict["is_alarm"]), key=lambda verdict: verdict["p_value"]
    )
    more = f" … and {len(found) - SAID_ALARMS} more." if len(found) > SAID_ALARMS else ""
    return "; ".join(str(verdict["sentence"]) for verdict in found[:SAID_ALARMS]) + more or "none"


def _origins(drifts: Sequence[Drift]) -> str:
    """When a change is an alarm, and where its p-value comes from: of how many comparisons."""
    found = Counter(str(verdict["origin"]) for one in drifts for verdict in told(one))
    said = (
        "A change that is more than chance, and is not shown to be smaller than what matters: the floor (threshold) of its column, which "
        "monitoring.drift in model.yaml sets. How far chance alone reaches (p) is known "
    )
    return said + "; ".join(f"{origin} ({counted(count, 'comparison')})" for origin, count in found.most_common()) + "."


def _listed(drifts: Sequence[Drift]) -> str:
    """The numbers of the columns that are not drawn, the farthest first."""
    rows = "".join(
        f"<tr><td>{html.escape(harmless(one.column))}</td><td>{html.escape(one.method)}</td><td>{one.value:.6g}</td>"
        f"<td>{one.threshold:g}</td><td>{'drifted' if one.drifted else ''}</td></tr>"
        for one in listed_only(drifts)
    )
    head = "<tr><th>column</th><th>method</th><th>value</th><th>threshold</th><th></th></tr>"
    return f"<details><summary>The columns that are not drawn</summary><table>{head}{rows}</table></details>" if rows else ""


def _period(window: Window) -> str:
    if window.start_time is None or window.end_time is None:
        return ""
    return f"{window.start_time:%Y-%m-%d %H:%M} to {window.end_time:%Y-%m-%d %H:%M} UTC"


def _narrowing(drifts: Sequence[Drift]) -> list[str]:
    listed = len(listed_only(drifts))
    shown = len(drifts) - listed
    return (
        [f"Of {len(drifts):,} columns the {shown:,} farthest are drawn; the other {listed:,} are listed with their numbers."]
        if listed
        else []
    )


def _sampling(spec: ModelSpec, window: Window, compared: Compared, labelled_rows: int) -> list[str]:
    notes = []
    most = spec.monitoring.sample_rows
    drawn = min(most, max(len(compared.window), len(compared.reference)))
    if max(window.rows, compared.reference_rows) > drawn:
        texts = f" (of texts: at most {TEXT_ROWS:,} of each side)" if spec.features.text else ""
        notes.append(f"The drift values are of all rows{texts}; the plots are drawn from a sample of at most {drawn:,} rows of each side.")
    if labelled_rows > min(QUALITY_ROWS, most):
        notes.append(f"The quality above is of all labelled rows; its plots below are of a sample of {min(QUALITY_ROWS, most):,}.")
    if spec.features.datetime:
        notes.append(f"Dates and times are not compared, they always move on: {', '.join(spec.features.datetime)}.")
    return notes


def _finish(page: str, *, window: Window, head: str) -> str:
    """Evidently's page with a title, our facts on top, and a policy by which a browser refuses to ask others for anything."""
    title = f"<title>{html.escape(harmless(window.id))}: drift and quality</title>"
    meta = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    style = (
        "<style>.perennial{font-family:Roboto,Helvetica,Arial,sans-serif;padding:16px 24px;color:#222}.perennial th{text-align:left;"
        "font-weight:500;padding-right:24px;vertical-align:top}.perennial td{padding-right:24px}.perennial p{margin:2px 0}"
        ".perennial h2{font-size:1.1em;margin:16px 0 4px}.perennial ul{color:#555}" + FITTING + "</style>"
    )
    page = page.replace('<meta charset="UTF-8">', f'<meta charset="UTF-8">{meta}{title}{style}', 1)
    page = page.replace("<body>", f"<body>{head}", 1)
    page = page.replace("https://cdn.plot.ly/", "")
    return _stable_ids(page, window.id)


def _stable_ids(page: str, seed: str) -> str:
    """Evidently draws ids at random; here the same content gives the same bytes."""
    known: dict[str, str] = {}

    def stable(match: re.Match[str]) -> str:
        found = match[0]
        if found not in known:
            made = uuid.uuid5(uuid.NAMESPACE_URL, f"{seed}/{len(known)}")
            known[found] = str(made) if "-" in found else made.hex
        return known[found]

    return re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(?<=metric_)[0-9a-f]{32}", stable, page)
