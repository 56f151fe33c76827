"""The page of a model's history: one file that asks nobody for anything; without scripts its tables tell the same."""

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from ml.monitoring.history.facts import History, Seen, Value
from ml.monitoring.history.figures import figures
from ml.monitoring.history.words import meaning, number
from ml.state.records import Decision, Promotion

_TITLES = {
    "drift": ("Drift", "The share of the feature columns that lay beyond their thresholds, window by window."),
    "columns": ("The farthest columns", "How far each column lay from what the champion learnt from, as a multiple of its threshold."),
    "quality": ("Quality", "Of the champion on labelled rows; bars are 95 % intervals where a standard error is known."),
}
_DRAW = """
(function () {
  var charts = JSON.parse(document.getElementById("charts").textContent), names = Object.keys(charts);
  names.forEach(function (name) {
    Plotly.newPlot(name, charts[name].data, charts[name].layout, {responsive: true, displayModeBar: false});
  });
  function fit(width) {
    names.forEach(function (name) { Plotly.relayout(name, width ? {width: width} : {width: null, autosize: true}); });
  }
  window.addEventListener("beforeprint", function () { fit(690); });
  window.addEventListener("afterprint", function () { fit(null); });
})();
"""
_STYLE = """
:root { color-scheme: light; --line: #d5dae1; --muted: #5a6270; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2128; background: #fff; margin: 0 auto; padding: 1.25rem; max-width: 64rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .25rem; }
.muted { color: var(--muted); } p { margin: .25rem 0 .75rem; } .means { background: #eef4fa; padding: .9rem 1.1rem; border-radius: .4rem; }
.means h2 { margin-top: 0; } .chart { width: 100%; min-height: 12rem; overflow: hidden; } .wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } td.why { overflow-wrap: anywhere; }
@media (max-width: 40rem) { body { padding: .75rem; font-size: 15px; } td, th { padding: .3rem .4rem; } }
@media print {
  body { max-width: none; padding: 0; font-size: 11pt; } .chart, tr, .means { break-inside: avoid; } h2 { break-after: avoid; }
  .wide { overflow: visible; } details > * { display: block; }
}
"""


def render(history: History) -> str:
    """The page as HTML. A script that stands in a name is text, and would not run if it were not: only our own two scripts may."""
    from plotly.offline import get_plotlyjs

    charts = figures(history)
    library = get_plotlyjs().replace("</script", "<\\/script") if charts else ""
    scripts = [library, _DRAW] if charts else []
    allowed = " ".join(f"'sha256-{_digest(one)}'" for one in scripts) or "'none'"
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    title = f"{history.model}: history"
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title><style>{_STYLE}</style>'
    )
    drawn = f'<script type="application/json" id="charts">{_json(charts)}</script>' if charts else ""
    run = "".join(f"<script>{one}</script>" for one in scripts)
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{_body(history, charts)}{drawn}{run}</body></html>'


def _body(history: History, charts: dict[str, Any]) -> str:
    period = f"{history.since:%Y-%m-%d %H:%M} to {history.until:%Y-%m-%d %H:%M} UTC"
    parts = [
        f'<h1>{escape(history.model)}</h1><p class="muted">History from {period}, from what was recorded then.</p>',
        f'<section class="means"><h2>What this means</h2><p>{escape(" ".join(meaning(history)))}</p></section>',
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
        f'<td>{_verdict(one)}</td><td class="why">{_lines(one.reasons)}</td></tr>'
        for one in reversed(history.decisions)
    ]
    return _table("Decisions", "The newest first; the deciding reason stands first.", ("Time (UTC)", "Window", "Decision", "Why"), rows)


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
    return _table("Champions", "Changes of champion, the newest first.", ("Time (UTC)", "Champion", "How", "Why"), rows)


def _windows(history: History) -> str:
    metrics = list(dict.fromkeys([history.metric, *(value.metric for one in history.windows for value in one.qualities)]))
    metrics = [name for name in metrics if any(one.quality(name) for one in history.windows)]
    rows = [_row(one, metrics) for one in reversed(history.windows)]
    names = ("Window", "Time (UTC)", "Champion", "Rows", "Labelled", "Drifted columns", *metrics)
    return _table("Windows", "All numbers, the newest window first.", names, rows)


def _row(one: Seen, metrics: Iterable[str]) -> str:
    share = "–" if one.share is None else f"{one.drifted} of {one.columns} ({one.share:.0%})"
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


def _table(title: str, text: str, names: Sequence[str], rows: Sequence[str]) -> str:
    if not rows:
        return f'<h2>{title}</h2><p class="muted">None in this period.</p>'
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<h2>{title}</h2><p class="muted">{text}</p><div class="wide">{table}</div>'


def _lines(texts: Iterable[str]) -> str:
    return "<br>".join(escape(text) for text in texts)


def _json(value: object) -> str:
    """JSON that may stand in a script element whatever is in it."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
