"""The charts of a replay's page as plotly's JSON."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ml.monitoring.charts import BLUE, GREY, ORANGE, RED, frame, line, shown
from ml.monitoring.history.words import number
from ml.monitoring.replayed.facts import CostFacts, PlayedPolicy, ReplayFacts, WindowFacts

GREEN, PURPLE = "#2e7d4f", "#6a3d9a"
_LONGEST = 60
_LABEL = 15
"""Pixels that the name of a band takes."""
_PARTS = {
    "history": ("to learn from", "#eceff3"),
    "tuned": ("policies chosen here", "#fdf1dc"),
    "purged": ("left out", "#d5dae1"),
    "judged": ("judged", "#fafbfc"),
}


def figures(facts: ReplayFacts) -> dict[str, dict[str, Any]]:
    """Name of a chart → its data and layout."""
    return {"frontier": _frontier(facts), "losses": _losses(facts), "robustness": _robustness(facts)}


def price(cost: float) -> str:
    """A cost as the page writes it.

    >>> price(0.30000000000000004)
    '0.3'
    """
    return f"{cost:.6g}"


def others(cell: CostFacts) -> list[PlayedPolicy]:
    """The policies that are no calendars, in the order of their totals; one name once."""
    calendars = {cell.never.name, cell.always.name}
    found = {one.name: one for one in cell.policies if one.family != "calendar" and one.name not in calendars}
    return sorted(found.values(), key=lambda one: one.total)


def calendars(cell: CostFacts) -> list[PlayedPolicy]:
    """Never, the calendars, and always: by their retrainings."""
    played = (cell.never, *(one for one in cell.policies if one.family == "calendar"), cell.always)
    return sorted({one.name: one for one in played}.values(), key=lambda one: one.retrainings)


def _frontier(facts: ReplayFacts) -> dict[str, Any]:
    """The chosen cost first; a menu shows another one."""
    cells = [facts.chosen, *(one for one in facts.cells if one.cost != facts.chosen_cost)]
    drawn = [_of_cost(cell, visible=place == 0) for place, cell in enumerate(cells)]
    layout = _layout({"rangemode": "tozero"}, "loss and cost", under="new champions")
    if len(cells) > 1:
        layout["updatemenus"] = [_menu(cells, drawn)]
        layout["margin"] = {**layout["margin"], "t": 56}
    return {"data": [trace for traces in drawn for trace in traces], "layout": layout | {"height": 460}}


def _menu(cells: Sequence[CostFacts], drawn: Sequence[Sequence[Any]]) -> dict[str, Any]:
    buttons = []
    for place, cell in enumerate(cells):
        shows = [place == other for other, traces in enumerate(drawn) for _ in traces]
        buttons.append({"method": "restyle", "label": f"a retraining costs {price(cell.cost)}", "args": [{"visible": shows}]})
    return {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.03, "yanchor": "bottom", "direction": "down", "pad": {"b": 4}}


def _of_cost(cell: CostFacts, *, visible: bool) -> list[dict[str, Any]]:
    rules = others(cell)
    declared = [one for one in rules if one.family == "as declared"]
    traces = [
        {**line("calendars", GREY), **_points(calendars(cell))},
        _marked("other policies", [one for one in rules if one not in declared], BLUE, "circle"),
        _marked("as declared", declared, PURPLE, "square"),
        _marked("best calendar", [cell.hindsight_calendar], GREY, "star"),
        _marked("tuned calendar", [cell.tuned_calendar], GREY, "diamond-open"),
        _marked("never", [cell.never], ORANGE, "x"),
        _marked("oracle", [cell.oracle], GREEN, "triangle-down"),
        _marked("recommended", [cell.recommended] if cell.is_told else [], RED, "circle-open"),
        _hull(cell),
    ]
    return [{**one, "visible": visible} for one in traces if one["x"]]


def _marked(name: str, found: Sequence[PlayedPolicy], color: str, symbol: str) -> dict[str, Any]:
    is_ring, is_plain = name == "recommended", symbol == "circle"
    marker: dict[str, Any] = {
        "symbol": symbol,
        "size": 19 if is_ring else 8 if is_plain else 12,
        "color": color,
        "line": {"width": 3 if is_ring else 1},
    }
    if is_plain:
        marker |= {"opacity": 0.75, "line": {"width": 0}}
    return {"type": "scatter", "mode": "markers", "name": name, "marker": marker, "cliponaxis": False, **_points(found)}


def _hull(cell: CostFacts) -> dict[str, Any]:
    """What no other policy undercuts with as few new champions; the oracle is none that one could follow."""
    best: list[PlayedPolicy] = []
    for one in sorted([*calendars(cell), *others(cell), cell.recommended], key=lambda found: (found.retrainings, found.total)):
        if not best or one.total < best[-1].total:
            best.append(one)
    drawn = line("frontier", RED)
    drawn["mode"], drawn["line"] = "lines", {"color": RED, "width": 1.5, "dash": "dot", "shape": "hv"}
    return {**drawn, "x": [one.retrainings for one in best], "y": [one.total for one in best], "hoverinfo": "skip"}


def _points(found: Sequence[PlayedPolicy]) -> dict[str, Any]:
    return {
        "x": [one.retrainings for one in found],
        "y": [one.total for one in found],
        "text": [
            f"{shown(one.name, _LONGEST)}<br>loss {number(one.loss)}, {one.retrainings} new champions, {one.fits} fits" for one in found
        ],
        "hovertemplate": "%{text}<br>loss and cost %{y:.4g}<extra></extra>",
    }


def _losses(facts: ReplayFacts) -> dict[str, Any]:
    seen = facts.history
    places = _places(seen)
    texts = [_window(one) for one in seen]
    hover = {"x": places, "text": texts, "hovertemplate": "%{text}<br>loss %{y:.4g}<extra>%{fullData.name}</extra>"}
    mine = facts.chosen.recommended
    never = {**line("never retrained", ORANGE), **hover, "y": [one.never for one in seen], "line": {"color": ORANGE, "width": 1.3}}
    fresh = {**line("a new model in each window", GREY), **hover, "y": [one.fresh for one in seen]}
    fresh["line"] = {"color": GREY, "width": 1.3, "dash": "dot"}
    ours = {**line("recommended" if facts.chosen.is_told else "never retrained", BLUE), **hover, "y": [one.recommended for one in seen]}
    for trace in (never, fresh, ours):
        trace["mode"] = "lines"
    new = [place for place in mine.retrained if place < len(seen)]
    marks = {
        "type": "scatter",
        "mode": "markers",
        "name": "a new champion under it",
        "marker": {"symbol": "triangle-up", "size": 10, "color": RED},
        "x": [places[place] for place in new],
        "y": [_height(seen[place]) for place in new],
        "text": [texts[place] for place in new],
        "hovertemplate": "%{text}<br>a new champion<extra></extra>",
    }
    layout = _layout({"type": "date" if _is_dated(seen) else "linear"}, "loss of a window", under="" if _is_dated(seen) else "window")
    layout["shapes"], names = _shaded(seen, places)
    layout["annotations"] += names
    layout["margin"] = {**layout["margin"], "t": 14 + _LABEL * len(names)}
    traces = [fresh, ours] if mine.name == facts.chosen.never.name else [never, fresh, ours]
    return {"data": [*traces, marks] if new else traces, "layout": layout | {"height": 400}}


def _height(one: WindowFacts) -> float:
    """Where a mark stands: on the line of what was lost, where that is known."""
    return next((value for value in (one.recommended, one.fresh) if value is not None), 0.0)


def _is_dated(seen: Sequence[WindowFacts]) -> bool:
    """Whether the beginnings tell the windows apart."""
    starts = [one.start for one in seen if one.start is not None]
    return len(starts) == len(seen) and all(earlier < later for earlier, later in itertools.pairwise(starts))


def _places(seen: Sequence[WindowFacts]) -> list[Any]:
    if not _is_dated(seen):
        return [one.number for one in seen]
    return [one.start.isoformat() for one in seen if one.start is not None]


def _shaded(seen: Sequence[WindowFacts], places: Sequence[Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A band for each part, and its name; of a part that is only a sliver the band alone."""
    bands: list[dict[str, Any]] = []
    names: list[dict[str, Any]] = []
    for part, (name, color) in reversed(_PARTS.items()):
        mine = [place for place, one in enumerate(seen) if one.part == part]
        if not mine:
            continue
        ends = {"x0": places[mine[0]], "x1": places[min(mine[-1] + 1, len(seen) - 1)]}
        bands.append(
            {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "layer": "below", "fillcolor": color, "line": {"width": 0}, **ends}
        )
        # One line each: beside each other they would lie upon each other on a phone.
        at = {"x": ends["x0"], "xanchor": "left", "y": 1, "yref": "paper", "yanchor": "bottom", "yshift": _LABEL * len(names)}
        names.append({**at, "showarrow": False, "text": f"▏{name}", "font": {"size": 11, "color": GREY}})
    return bands, names


def _window(one: WindowFacts) -> str:
    when = "" if one.start is None else f", from {one.start:%Y-%m-%d %H:%M}"
    return f"window {one.number}{when}<br>{one.labelled_rows:,} of {one.rows:,} rows labelled"


def _robustness(facts: ReplayFacts) -> dict[str, Any]:
    cells = sorted(facts.cells, key=lambda cell: cell.cost)
    held = facts.chosen.recommended
    rows: Mapping[str, tuple[str, str, list[tuple[float, str]]]] = {
        "never": (ORANGE, "solid", [(one.never.total, one.never.name) for one in cells]),
        "tuned calendar": (GREY, "solid", [(one.tuned_calendar.total, one.tuned_calendar.name) for one in cells]),
        "best calendar in hindsight": (GREY, "dot", [(one.hindsight_calendar.total, one.hindsight_calendar.name) for one in cells]),
        "oracle": (GREEN, "dot", [(one.oracle.total, one.oracle.name) for one in cells]),
        "what is recommended at each cost": (RED, "solid", [(one.recommended.total, one.recommended.name) for one in cells]),
        "the recommended policy, unchanged": (
            BLUE,
            "dash",
            [(held.total_at(train=one.train, promote=one.promote), held.name) for one in cells],
        ),
    }
    traces = []
    for name, (color, dash, found) in rows.items():
        trace = line(name, color) | {"x": [one.cost for one in cells], "y": [total for total, _ in found]}
        trace["line"] = {"color": color, "width": 2, "dash": dash}
        trace["text"] = [f"at {price(cell.cost)}: {shown(policy, _LONGEST)}" for cell, (_, policy) in zip(cells, found, strict=True)]
        traces.append(trace | {"hovertemplate": "%{text}<br>loss and cost %{y:.4g}<extra></extra>"})
    ticks = {"tickvals": [one.cost for one in cells], "ticktext": [price(one.cost) for one in cells]}
    layout = _layout({"type": "log", **ticks}, "loss and cost", under="what a retraining costs")
    at = {"x": math.log10(facts.chosen_cost), "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False}
    layout["annotations"] += [{**at, "text": "declared" if facts.chosen.is_declared else "chosen", "font": {"color": GREY}}]
    band = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": facts.chosen_cost, "x1": facts.chosen_cost}
    layout["shapes"] = [{**band, "line": {"color": GREY, "width": 1, "dash": "dash"}}]
    return {"data": traces, "layout": layout | {"height": 420}}


def _layout(x: dict[str, Any], y: str, *, under: str) -> dict[str, Any]:
    """A chart with what its axes mean; what lies on the lower one is said within, where no legend of a phone can lie upon it."""
    still = {"fixedrange": True, "automargin": True, "zeroline": False}
    found = frame() | {"xaxis": {**still, **x}, "yaxis": {**still, "title": {"text": y}}, "hovermode": "closest"}
    said = {"x": 1, "y": 0, "xref": "paper", "yref": "paper", "xanchor": "right", "yanchor": "bottom", "showarrow": False}
    return found | {"annotations": [{**said, "text": f"{under} →", "font": {"color": GREY, "size": 11}}] if under else []}
