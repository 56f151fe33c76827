"""The frame of a page that is one file and asks nobody for anything; without scripts its tables tell the same."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

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


def whole(title: str, body: str, charts: Mapping[str, Any]) -> str:
    """The page as HTML. A script that stands in a name is text, and would not run if it were not: only our own two scripts may.

    Args:
        title: What stands on the browser's tab.
        body: HTML; whatever came from outside has been escaped.
        charts: Plotly's data and layout, by the id of the element that each is drawn in.
    """
    from plotly.offline import get_plotlyjs

    library = get_plotlyjs().replace("</script", "<\\/script") if charts else ""
    scripts = [library, _DRAW] if charts else []
    allowed = " ".join(f"'sha256-{_digest(one)}'" for one in scripts) or "'none'"
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title><style>{_STYLE}</style>'
    )
    drawn = f'<script type="application/json" id="charts">{_json(charts)}</script>' if charts else ""
    run = "".join(f"<script>{one}</script>" for one in scripts)
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}{drawn}{run}</body></html>'


def meaning(text: str) -> str:
    """The paragraph at the top."""
    return f'<section class="means"><h2>What this means</h2><p>{escape(text)}</p></section>'


def table(title: str, text: str, names: Sequence[str], rows: Sequence[str]) -> str:
    """A table with its heading; `rows` are HTML, the other texts are not from data."""
    if not rows:
        return f'<h2>{title}</h2><p class="muted">None in this period.</p>'
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    return f'<h2>{title}</h2><p class="muted">{text}</p><div class="wide">{table}</div>'


def lines(texts: Iterable[str]) -> str:
    """Texts below each other."""
    return "<br>".join(escape(text) for text in texts)


def _json(value: object) -> str:
    """JSON that may stand in a script element whatever is in it."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
