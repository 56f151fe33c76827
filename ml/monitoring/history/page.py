"""The page of a model's history."""

from collections.abc import Sequence
from html import escape
from typing import Any

from ml.monitoring import page
from ml.monitoring.history.facts import History, Seen, Value
from ml.monitoring.history.figures import figures
from ml.monitoring.history.words import number
from ml.monitoring.pages import standing
from ml.monitoring.pages.frame import means, nav
from ml.monitoring.pages.rendered import of_page, verdict
from ml.state.records import Decision, Promotion
from ml.wording import percent

_TITLES = {
    "drift": ("Drift", "The share of the feature columns that lay beyond their thresholds, window by window."),
    "columns": ("The farthest columns", "How far each column lay from what the champion learnt from, as a multiple of its threshold."),
    "quality": ("Quality", "Of the champion on labelled rows; bars are 95 % intervals where a standard error is known."),
}


def render(history: History) -> str:
    """The page as HTML."""
    charts = figures(history)
    return page.whole(f"{history.model}: history", _body(history, charts), charts)


def _body(history: History, charts: dict[str, Any]) -> str:
    period = f"{history.since:%Y-%m-%d} to {history.until:%Y-%m-%d}"
    parts = [
        nav(of_page(history.model, "History")),
        f'<h1>{escape(history.model)}: history</h1><p class="muted">From {period}, from what was recorded then.</p>',
        means(standing.of_history(history)),
        *(_section(name, charts) for name in _TITLES),
        f'<p class="muted">{escape(_of_intervals(history))}</p>',
        _decisions(history),
        _champions(history.changes),
        _windows(history),
        _metrics(history),
    ]
    return f"<main>{''.join(parts)}</main>"


def _section(name: str, charts: dict[str, Any]) -> str:
    title, text = _TITLES[name]
    if name not in charts:
        return f'<h2>{title}</h2><p class="muted">Nothing was measured in this period.</p>'
    lines = "" if name == "columns" else " Vertical lines are changes of champion; a dashed one is a rollback."
    return f'<h2>{title}</h2><p class="muted">{text}{lines}</p><div class="chart" id="{name}"></div>'


def _of_intervals(history: History) -> str:
    bare = [one for one, value in history.judged if value.low is None]
    if not history.judged:
        return ""
    if len(bare) == len(history.judged):
        return f"No interval is shown: the labelled rows of no window could tell how large the error of {history.metric} is."
    some = f" In {len(bare)} windows the rows could tell none." if bare else ""
    units = (
        "Intervals are those by which quality is judged: what counts is a block of time or an entity where these are declared, else a row."
    )
    return f"{units}{some}"


def _decisions(history: History) -> str:
    rows = [
        f"<tr><td>{one.decided_at:%Y-%m-%d %H:%M}</td><td>{_window_link(one)}</td>"
        f'<td>{_verdict(one)}</td><td class="why">{page.lines(one.reasons)}</td></tr>'
        for one in reversed(history.decisions)
    ]
    return page.table(
        "Decisions", "The newest first; the deciding reason stands first.", ("Time (UTC)", "Window", "Decision", "Why"), rows, cards=True
    )


def _window_link(one: Decision) -> str:
    if one.window is None:
        return "–"
    return _opened(one.window)


def _opened(window: str) -> str:
    # Beside this page, in a folder as in Airflow.
    return f'<a href="{escape(window, quote=True)}.html">{escape(window)}</a>'


def _verdict(one: Decision) -> str:
    state = "" if one.state == "no" else f'<br><span class="muted">{escape(one.state)}</span>'
    return f"{verdict(one)}{state}"


def _champions(changes: Sequence[Promotion]) -> str:
    rows = [
        f"<tr><td>{one.at:%Y-%m-%d %H:%M}</td><td>version {one.version}"
        f"{'' if one.previous is None else f' after version {one.previous}'}</td>"
        f"<td>{'rolled back' if one.kind == 'rollback' else 'promoted'} by {escape(one.by)}</td>"
        f'<td class="why">{escape(one.reason)}</td></tr>'
        for one in reversed(changes)
    ]
    return page.table("Champions", "Changes of champion, the newest first.", ("Time (UTC)", "Champion", "How", "Why"), rows, cards=True)


def _windows(history: History) -> str:
    rows = [_row(one, history.metric) for one in reversed(history.windows)]
    names = ("Window", "Time (UTC)", "Champion", "Rows", "Labelled", "Drifted columns", history.metric)
    return page.table("Windows", "The newest first.", names, rows, cards=True)


def _row(one: Seen, metric: str) -> str:
    share = "–" if one.share is None else f"{one.drifted} of {one.columns} ({percent(one.share)})"
    labelled = "–" if one.labelled_rows is None else f"{one.labelled_rows:,}"
    return (
        f"<tr><td>{_opened(one.id)}</td><td>{one.at:%Y-%m-%d %H:%M}</td><td>version {one.champion}</td>"
        f'<td class="number">{one.rows:,}</td><td class="number">{labelled}</td><td class="number">{share}</td>'
        f'<td class="number">{_value(one.quality(metric), one.estimate(metric))}</td></tr>'
    )


def _metrics(history: History) -> str:
    """The other metrics in a table of their own: beside everything else they would not fit on a page."""
    found = dict.fromkeys(value.metric for one in history.windows for value in one.qualities if value.metric != history.metric)
    if not found:
        return ""
    rows = [
        f"<tr><td>{_opened(one.id)}</td>{''.join(_metric(one, name) for name in found)}</tr>"
        for one in reversed(history.windows)
        if one.qualities
    ]
    return page.table("Other metrics", "On labelled rows, with 95 % intervals where one is known.", ("Window", *found), rows, cards=True)


def _metric(one: Seen, name: str) -> str:
    return f'<td class="number">{_value(one.quality(name), None)}</td>'


def _value(value: Value | None, estimate: Value | None) -> str:
    guessed = "" if estimate is None else f'<br><span class="muted">estimated {_spanned(estimate)}</span>'
    return ("–" if value is None else _spanned(value)) + guessed


def _spanned(value: Value) -> str:
    around = "" if value.low is None or value.high is None else f'<br><span class="muted">{number(value.low)}–{number(value.high)}</span>'
    return f"{number(value.value)}{around}"
