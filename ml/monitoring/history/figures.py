"""The charts of the page as plotly's JSON."""

from collections.abc import Sequence
from typing import Any

from ml.monitoring.charts import BLUE, GREY, LONGEST_NAME, ORANGE, RED, frame, line, shown
from ml.monitoring.history.facts import History, Seen, Value
from ml.monitoring.history.words import number
from ml.state.records import Drift

_LONGEST_REASON = 160
_FAR = 3.0
"""So many times its threshold is the darkest colour: what lies farther looks the same, and the hover text has the number."""
_JUST_BELOW = 0.99


def figures(history: History) -> dict[str, dict[str, Any]]:
    """Name of a chart → its data and layout; charts that would be empty are left out."""
    drawn = {"drift": _drift(history), "columns": _columns(history), "quality": _quality(history)}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def _drift(history: History) -> dict[str, Any] | None:
    seen = history.measured
    if not any(one.share is not None for one in seen):
        return None
    drawn = line("share of the columns that drifted", BLUE)
    drawn |= {
        "x": _times(seen),
        "y": [one.share for one in seen],
        "text": [_window(one) if one.decision is None else _asked(one) for one in seen],
    }
    drawn["hovertemplate"] = "%{text}<br>%{y:.0%} drifted<extra></extra>"
    asked = [one for one in seen if one.decision is not None and one.decision.retrain and one.share is not None]
    marks = {
        "type": "scatter",
        "mode": "markers",
        "name": "a training was asked for",
        "marker": {"symbol": "triangle-up", "size": 13, "color": ORANGE},
        "x": _times(asked),
        "y": [one.share for one in asked],
        "text": [_asked(one) for one in asked],
        "hovertemplate": "%{text}<extra></extra>",
    }
    layout = _layout(history, {"tickformat": ".0%", "range": [-0.04, 1.04]})
    if history.drift_limit is not None:
        limit = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": history.drift_limit, "y1": history.drift_limit}
        layout["shapes"].append({**limit, "line": {"color": GREY, "width": 1, "dash": "dash"}})
    return {"data": [drawn, marks] if asked else [drawn], "layout": layout}


def _columns(history: History) -> dict[str, Any] | None:
    seen = [one for one in history.measured if one.drifts]
    names = history.columns[::-1]
    if not seen or not names:
        return None
    by_window = [{drift.column: drift for drift in one.drifts} for one in seen]
    far: list[list[float | None]] = []
    texts: list[list[str]] = []
    for name in names:
        found = [drifts.get(name) for drifts in by_window]
        far.append([_far(one) if one is not None else None for one in found])
        texts.append(
            [
                "not measured" if one is None else f"{one.method} {number(one.value)}, threshold {number(one.threshold)}{_said(one)}"
                for one in found
            ]
        )
    trace = {
        "type": "heatmap",
        "x": [f"#{one.number}" for one in seen],
        "y": [shown(name) for name in _distinct(names)],
        "z": far,
        "text": texts,
        "zmin": 0,
        "zmax": _FAR,
        "colorscale": [[0, "#f4f7fb"], [1 / _FAR - 1e-6, "#b9d0e8"], [1 / _FAR, "#f6c98f"], [1, "#8c2d04"]],
        "colorbar": {"orientation": "h", "ticksuffix": "×", "thickness": 10, "y": -0.12, "yanchor": "top"},
        "hovertemplate": "window %{x}, %{y}<br>%{text}<extra></extra>",
        "ygap": 1,
    }
    few = {"tickangle": 0, "nticks": 8}  # as many as a phone has room for
    layout = frame() | {"height": 130 + 22 * len(names), "xaxis": {"type": "category", "fixedrange": True, "automargin": True, **few}}
    layout["yaxis"] = {"automargin": True, "fixedrange": True, "type": "category"}
    return {"data": [trace], "layout": layout}


def _far(one: Drift) -> float | None:
    """In multiples of the threshold; on the side of 1 where the column was judged to be.

    Under a promise the threshold is only the smallest change that matters: a column beyond it may lie there by chance.
    """
    if one.threshold <= 0:
        return None
    far = one.value / one.threshold
    return max(far, 1.0) if one.drifted else min(far, _JUST_BELOW)


def _said(one: Drift) -> str:
    return "" if one.verdict is None else ", more than chance" if one.drifted else ", no alarm"


def _quality(history: History) -> dict[str, Any] | None:
    judged = history.judged
    guessed = [(one, value) for one in history.measured if (value := one.estimate(history.metric)) is not None]
    traces = [*_estimated(guessed)]
    if judged:
        trace = line(f"{history.metric} on labelled rows", BLUE)
        trace |= _points(judged)
        trace["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": [None if value.high is None else value.high - value.value for _, value in judged],
            "arrayminus": [None if value.low is None else value.value - value.low for _, value in judged],
            "color": BLUE,
            "thickness": 1.2,
        }
        traces.append(trace)
    if not traces:
        return None
    return {"data": traces, "layout": _layout(history, {"title": {"text": history.metric}})}


def _estimated(found: Sequence[tuple[Seen, Value]]) -> list[dict[str, Any]]:
    """A dashed line with its band."""
    if not found:
        return []
    edge: dict[str, Any] = {"type": "scatter", "mode": "lines", "x": _times([one for one, _ in found]), "hoverinfo": "skip"}
    edge |= {"line": {"width": 0}, "showlegend": False}
    low = {**edge, "y": [value.value if value.low is None else value.low for _, value in found]}
    high = {**edge, "y": [value.value if value.high is None else value.high for _, value in found]}
    drawn = line("estimated without labels", ORANGE) | _points(found)
    drawn["line"] = {"color": ORANGE, "dash": "dot", "width": 2}
    return [low, {**high, "fill": "tonexty", "fillcolor": "rgba(192,95,0,0.15)"}, drawn]


def _points(found: Sequence[tuple[Seen, Value]]) -> dict[str, Any]:
    return {
        "x": _times([one for one, _ in found]),
        "y": [value.value for _, value in found],
        "text": [_window(one) + ("" if value.rows is None else f"<br>on {value.rows:,} labelled rows") for one, value in found],
        "hovertemplate": "%{text}<br>%{y:.4f}<extra></extra>",
    }


def _layout(history: History, axis: dict[str, Any]) -> dict[str, Any]:
    """A chart over time, with the champions as vertical lines; a former champion that came back is a dashed one."""
    lines, names = [], []
    for one in history.changes:
        is_back = one.kind == "rollback"
        color, at = RED if is_back else GREY, one.at.isoformat()
        place = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": at, "x1": at}
        lines.append({**place, "line": {"color": color, "width": 1.5, "dash": "dash" if is_back else "solid"}})
        text = f"v{one.version} back" if is_back else f"v{one.version}"
        names.append({"x": at, "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False, "text": text, "font": {"color": color}})
    layout: dict[str, Any] = {"shapes": lines, "annotations": names, "height": 300}
    layout["xaxis"] = {"type": "date", "fixedrange": True, "automargin": True}
    layout["yaxis"] = {"fixedrange": True, "automargin": True, "zeroline": False, **axis}
    return frame() | layout


def _times(seen: Sequence[Seen]) -> list[str]:
    return [one.at.isoformat() for one in seen]


def _window(one: Seen) -> str:
    return f"window {one.number}, version {one.champion}, {one.rows:,} rows"


def _asked(one: Seen) -> str:
    reason = one.decision.reasons[0] if one.decision is not None and one.decision.reasons else ""
    return f"{_window(one)}<br>{shown(reason, _LONGEST_REASON)}"


def _distinct(names: Sequence[str]) -> list[str]:
    """Names that stay different when they are cut: two columns may begin alike."""
    found: list[str] = []
    for name in names:
        cut = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 6] + "…" + name[-4:]
        while cut in found:
            cut += "ʹ"
        found.append(cut)
    return found
