"""Trainings and changes of champion as marks on the charts of a history, with what spoke for them."""

import textwrap
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ml.monitoring.charts import GREY, ORANGE, RED, shown
from ml.state.records import Promotion, Training

_WIDTH = 70
_LONGEST = 420
_ON = ("drift", "quality")
"""The charts over time."""


def marked(
    charts: Mapping[str, dict[str, Any]], *, trainings: Iterable[Training], changes: Iterable[Promotion], since: datetime
) -> dict[str, dict[str, Any]]:
    """The charts with the marks of what happened since a moment; hovering over one tells why."""
    traces = [one for one in (_trainings(trainings, since), _changes(changes, since)) if one["x"]]
    axis = {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True}
    return {
        name: {"data": [*chart["data"], *traces], "layout": {**chart["layout"], "yaxis2": axis}} if name in _ON and traces else chart
        for name, chart in charts.items()
    }


def _trainings(found: Iterable[Training], since: datetime) -> dict[str, Any]:
    lost = [one for one in found if one.started_at > since and one.state != "promoted"]
    texts = [f"{_outcome(one)}, started because: {one.reason}. {(one.verdict or {}).get('sentence', '')}" for one in lost]
    return _trace("training without a new champion", [one.started_at for one in lost], texts, {"symbol": "x-thin-open", "color": GREY})


def _outcome(one: Training) -> str:
    version = "" if one.version is None else f", version {one.version}"
    return f"Training {one.state}{version}"


def _changes(found: Iterable[Promotion], since: datetime) -> dict[str, Any]:
    known = [one for one in found if one.at > since]
    texts = [_change(one) for one in known]
    colors = [RED if one.kind == "rollback" else ORANGE for one in known]
    return _trace("new champion", [one.at for one in known], texts, {"symbol": "star", "color": colors})


def _change(one: Promotion) -> str:
    did = "rolled back to" if one.kind == "rollback" else "promoted"
    sentence = (one.evidence or {}).get("sentence", "")
    return f"Version {one.version} {did} by {one.by}: {one.reason}. {sentence}"


def _trace(name: str, moments: list[datetime], texts: list[str], marker: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "yaxis": "y2",
        "x": [one.isoformat() for one in moments],
        "y": [0.96] * len(moments),
        "text": [_wrapped(text) for text in texts],
        "hovertemplate": "%{text}<br>%{x}<extra></extra>",
        "marker": {"size": 12, "line": {"width": 1.5, "color": marker["color"]}, **marker},
    }


def _wrapped(text: str) -> str:
    cut = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return "<br>".join(shown(part, _WIDTH + 10) for part in textwrap.wrap(cut, _WIDTH))
