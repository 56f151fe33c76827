"""The frame of a page that is one file and asks nobody for anything; without scripts its tables tell the same."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

_CELL = re.compile(r"<td( [^>]*)?>(.*?)</td>", re.DOTALL)
_POLICY = re.compile(r"<meta http-equiv=\"Content-Security-Policy\" content=\"[^\"]*\">")
_DRAWN = re.compile(r"(<script type=\"application/json\" id=\"charts\">[^<]*</script>)<script>.*</script></body></html>\s*\Z", re.DOTALL)
CHARTS = Path(__file__).parent / "charts.js"
"""The script that draws the charts of a page, after plotly's."""


def whole(title: str, body: str, charts: Mapping[str, Any]) -> str:
    """The page as HTML. A script that stands in a name is text, and would not run if it were not: only our own two scripts may.

    Args:
        title: What stands on the browser's tab.
        body: HTML; whatever came from outside has been escaped.
        charts: Plotly's data and layout, by the id of the element that each is drawn in.
    """
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{_policy(is_drawn=bool(charts))}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title><style>{style()}</style>'
    )
    drawn = f'<script type="application/json" id="charts">{_json(charts)}</script>' if charts else ""
    run = "".join(f"<script>{one}</script>" for one in (_scripts() if charts else ()))
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}{drawn}{run}</body></html>'


def served(document: str, *, head: str, draw: str) -> str:
    """A page of ours for a server that states its policy itself and has the scripts at addresses of their own.

    Args:
        document: The page as one file, also one that an earlier version has stored.
        head: HTML in the place of its policy.
        draw: HTML in the place of the scripts that draw its charts, where it has any.
    """
    document = _POLICY.sub(lambda _: head, document, count=1)
    return _DRAWN.sub(lambda found: f"{found[1]}{draw}</body></html>", document, count=1)


@cache
def _policy(*, is_drawn: bool) -> str:
    """What a browser may do with such a page: run the two scripts that draw charts, by their digests, and ask nobody for anything."""
    allowed = " ".join(f"'sha256-{_digest(one)}'" for one in _scripts()) if is_drawn else "'none'"
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"


@cache
def style() -> str:
    """How the pages look: light and dark, on a phone and on paper."""
    return (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


@cache
def _scripts() -> tuple[str, ...]:
    from plotly.offline import get_plotlyjs

    return get_plotlyjs().replace("</script", "<\\/script"), CHARTS.read_text(encoding="utf-8")


def meaning(text: str) -> str:
    """The paragraph at the top."""
    return f'<section class="means"><h2>What this means</h2><p>{escape(text)}</p></section>'


def table(title: str, text: str, names: Sequence[str], rows: Sequence[str], *, cards: bool = False) -> str:
    """A table with its heading; `rows` are HTML, the other texts are not from data. `cards`: on a phone each row is a card."""
    if not rows:
        return f'<h2>{title}</h2><p class="muted">None in this period.</p>'
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(_named(row, names) for row in rows) if cards else "".join(rows)
    kind = ' class="cards"' if cards else ""
    table = f"<table{kind}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<h2>{title}</h2><p class="muted">{text}</p><div class="wide" tabindex="0" role="region" aria-label="{title}">{table}</div>'


def _named(row: str, names: Sequence[str]) -> str:
    """The row with its column's name at each cell: on a phone, where the head is out of sight, they stand beside the values."""
    name = iter(names)
    return _CELL.sub(lambda cell: f'<td data-name="{escape(next(name, ""), quote=True)}"{cell[1] or ""}><span>{cell[2]}</span></td>', row)


def lines(texts: Iterable[str]) -> str:
    """Texts below each other."""
    return "<br>".join(escape(text) for text in texts)


def _json(value: object) -> str:
    """JSON that may stand in a script element whatever is in it."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
