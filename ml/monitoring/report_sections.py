"""Sections of the page's head: a title, sentences, and a table of texts. Nothing in them can become markup."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from ml.monitoring.concept import ConceptDrift
from ml.monitoring.estimated.audit import Audit
from ml.monitoring.estimated.values import Estimate, Estimated
from ml.monitoring.frames import harmless
from ml.monitoring.ranking import Ranked
from ml.monitoring.segments import Segment
from ml.monitoring.shadowed import Shadow
from ml.wording import chance, percent

_SHOWN_COLUMNS = 20
_SHOWN_LENGTH = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section; `rows` are of texts, as many a row as `header` has."""

    title: str
    sentences: Sequence[str]
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


def rendered(sections: Sequence[Section]) -> str:
    """The sections as HTML."""
    return "".join(_section(one) for one in sections)


def estimated(found: Estimated, audit: Audit) -> Section:
    """What is estimated without labels, and how well that did before."""
    of = f"{found.method.upper()}, of {found.rows:,} rows, from {found.reference_rows:,} test rows; {percent(found.confidence)} intervals"
    return Section(
        title="Estimated without labels",
        sentences=[
            f"{', '.join(_estimate(one) for one in found.metrics if one.value is not None) or 'nothing'}; audit: {audit.sentence}",
            f"{of}. It assumes that the same features still lead to the same labels; the audit is of the declared metric.",
        ],
        header=("not estimated", "why") if any(one.value is None for one in found.metrics) else (),
        rows=[(one.metric, one.why) for one in found.metrics if one.value is None],
    )


def concept(found: ConceptDrift) -> Section:
    """The matured quality against what fresh models usually score."""
    return Section(title="Quality against fresh models", sentences=[concept_sentence(found)])


def shadow(found: Shadow) -> Section:
    """The champion beside a shadow on the same rows."""
    return Section(title="Quality against a shadow", sentences=[found.sentence])


def concept_sentence(found: ConceptDrift) -> str:
    """What concept drift says, in one sentence."""
    if found.obstacle:
        return f"Not known: {found.obstacle}."
    change = found.worse_by or 0.0
    way = "worse" if change > 0 else "better"
    said = f"{found.metric} {found.now:.4f}, usual {found.usual:.4f}: {way} by {abs(change):.4f} (standard error {found.standard_error:.4f}"
    verdict = "concept drift" if found.drifted else "not significantly worse"
    return f"{said}, {found.units:,} independent units; tested for worse: {chance(found.p)}): {verdict}."


def ranking(found: Sequence[Ranked]) -> Section:
    """Which columns' drift probably hurts most."""
    known = any(one.importance is not None for one in found)
    how = "how far a column moved (in multiples of its threshold) times its share of the champion's importances"
    unknown = "The champion's importances are not known: by how far a column moved, in multiples of its threshold."
    return Section(
        title="What probably hurts most",
        sentences=[f"By {how}. A ranking and not a test: it raises no alarm." if known else unknown],
        header=("column", "score", "moved", "importance"),
        rows=[(one.column, _number(one.score), _number(one.effect), _number(one.importance)) for one in found[:_SHOWN_COLUMNS]],
    )


def segments(found: Sequence[Segment], *, metric: str, least: int) -> Section:
    """Each declared slice of the window, beside the champion's test rows."""
    said = f"The slices of evaluation.slices, beside the champion's test rows. Those with fewer than {least:,} rows are not tested."
    return Section(
        title="Segments",
        sentences=[f"{said} They are shown and raise no alarm: the promised rate of false alarms is not shared with them."],
        header=(
            "column",
            "segment",
            "rows",
            "share",
            "share in the test",
            "labelled",
            metric,
            f"{metric} in the test",
            "predictions moved",
        ),
        rows=[_segment(one, metric) for one in found],
    )


def _segment(one: Segment, metric: str) -> Sequence[str]:
    quality, before = (
        "not tested" if metrics is None else _number(metrics[metric]) if metric in metrics else "not defined"
        for metrics in (one.quality, one.test_quality)
    )
    drift = "not tested" if one.prediction_drift is None else f"{one.prediction_drift:.4f} ({one.method})"
    rows = (f"{one.rows:,}", f"{percent(one.share, digits=1)}", f"{percent(one.test_share, digits=1)}", f"{one.labelled_rows:,}")
    return (one.column, one.value, *rows, quality, before, drift)


def _estimate(one: Estimate) -> str:
    return f"{one.metric} {one.value:.4f} ({one.low:.4f} to {one.high:.4f})"


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:.4f}"


def _section(one: Section) -> str:
    said = "".join(f"<p>{_text(sentence)}</p>" for sentence in one.sentences)
    head = "".join(f"<th>{_text(name)}</th>" for name in one.header)
    body = "".join("<tr>" + "".join(f"<td>{_text(_short(cell))}</td>" for cell in row) + "</tr>" for row in one.rows)
    table = f"<table><tr>{head}</tr>{body}</table>" if body else ""
    return f"<section><h2>{_text(one.title)}</h2>{said}{table}</section>"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_LENGTH else text[: _SHOWN_LENGTH - 1] + "…"


def _text(text: str) -> str:
    return html.escape(harmless(text))
