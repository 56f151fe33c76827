"""The page of a model's history."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from ml.monitoring import page
from ml.monitoring.history.facts import History, Seen, Value
from ml.monitoring.history.figures import figures
from ml.monitoring.history.words import meaning, number
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
    period = f"{history.since:%Y-%m-%d %H:%M} to {history.until:%Y-%m-%d %H:%M} UTC"
    parts = [
        f'<h1>{escape(history.model)}</h1><p class="muted">History from {period}, from what was recorded then.</p>',
        page.meaning(" ".join(meaning(history))),
        *(_section(name, charts) for name in _TITLES),
        f'<p class="muted">{escape(_of_intervals(history))}</p>',
        _decisions(history),
        _champions(history.changes),
        _windows(history),
    ]
    return "".join(parts)


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
    return page.table("Decisions", "The newest first; the deciding reason stands first.", ("Time (UTC)", "Window", "Decision", "Why"), rows)


def _window_link(one: Decision) -> str:
    if one.window is None:
        return "–"
    # Beside this page, in a folder as in Airflow.
    return f'<a href="{escape(one.window, quote=True)}.html">{escape(one.window)}</a>' if one.report_url else escape(one.window)


def _verdict(one: Decision) -> str:
    said = "rollback" if one.kind == "rollback" else ("retrain" if one.retrain else "no")
    return f'{said}<br><span class="muted">{escape(one.state)}</span>'


def _champions(changes: Sequence[Promotion]) -> str:
    rows = [
        f"<tr><td>{one.at:%Y-%m-%d %H:%M}</td><td>version {one.version}"
        f"{'' if one.previous is None else f' after version {one.previous}'}</td>"
        f"<td>{'rolled back' if one.kind == 'rollback' else 'promoted'} by {escape(one.by)}</td>"
        f'<td class="why">{escape(one.reason)}</td></tr>'
        for one in reversed(changes)
    ]
    return page.table("Champions", "Changes of champion, the newest first.", ("Time (UTC)", "Champion", "How", "Why"), rows)


def _windows(history: History) -> str:
    metrics = list(dict.fromkeys([history.metric, *(value.metric for one in history.windows for value in one.qualities)]))
    metrics = [name for name in metrics if any(one.quality(name) for one in history.windows)]
    rows = [_row(one, metrics) for one in reversed(history.windows)]
    names = ("Window", "Time (UTC)", "Champion", "Rows", "Labelled", "Drifted columns", *metrics)
    return page.table("Windows", "All numbers, the newest window first.", names, rows)


def _row(one: Seen, metrics: Iterable[str]) -> str:
    share = "–" if one.share is None else f"{one.drifted} of {one.columns} ({percent(one.share)})"
    labelled = "–" if one.labelled_rows is None else f"{one.labelled_rows:,}"
    values = "".join(f'<td class="number">{_value(one.quality(name), one.estimate(name))}</td>' for name in metrics)
    return (
        f"<tr><td>{escape(one.id)}</td><td>{one.at:%Y-%m-%d %H:%M}</td><td>version {one.champion}</td>"
        f'<td class="number">{one.rows:,}</td><td class="number">{labelled}</td><td class="number">{share}</td>{values}</tr>'
    )


def _value(value: Value | None, estimate: Value | None) -> str:
    guessed = "" if estimate is None else f'<br><span class="muted">estimated {_spanned(estimate)}</span>'
    return ("–" if value is None else _spanned(value)) + guessed


def _spanned(value: Value) -> str:
    around = "" if value.low is None or value.high is None else f' <span class="muted">{number(value.low)}–{number(value.high)}</span>'
    return f"{number(value.value)}{around}"
