"""Answers that hold a page. What came with data may stand in it, so no page is trusted."""

import secrets
from datetime import datetime
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi.responses import HTMLResponse
from markupsafe import Markup

from ml.monitoring import decided
from ml.monitoring import page as paged
from ml.monitoring.history.words import number
from ml.wording import counted, moment, percent
from perennial_airflow.pages import addresses, assets, words

if TYPE_CHECKING:
    from jinja2 import Environment

# A value with a script tag in incoming data would otherwise act as whoever looks: the page gets an origin of its own.
_SANDBOX = {"Content-Security-Policy": "sandbox allow-scripts allow-popups"}
_ALWAYS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "private, no-cache"}
_TEMPLATES = Path(__file__).parent / "templates"


def foreign(content: bytes, *, status: int = 200) -> HTMLResponse:
    """A page that was made from data (an Evidently report, Data Docs): it runs, but as nobody."""
    return HTMLResponse(content, status_code=status, headers={**_ALWAYS, **_SANDBOX})


def whole(document: str) -> HTMLResponse:
    """A page of our own that is whole already: it follows Airflow's theme, and draws with the plotly that browsers keep."""
    nonce = secrets.token_urlsafe(16)
    theme, *draw = (f'<script src="{assets.address(name)}" nonce="{nonce}"></script>' for name in ("pages.js", assets.PLOTLY, "charts.js"))
    text = paged.served(document, head=theme, draw="".join(draw))
    return HTMLResponse(text, headers={**_ALWAYS, "Content-Security-Policy": _policy(nonce, forms="'none'")})


def page(template: str, *, status: int = 200, **facts: Any) -> HTMLResponse:
    """A page of our own from a template of `templates/`, in which every fact is text unless it is `Markup`.

    Only scripts that the template names run (they carry the answer's nonce), and only from this server; nothing else is loaded from
    anywhere, and only Airflow's own pages may frame it.
    """
    nonce = secrets.token_urlsafe(16)
    text = _environment().get_template(template).render(nonce=nonce, **facts)
    return HTMLResponse(text, status_code=status, headers={**_ALWAYS, "Content-Security-Policy": _policy(nonce)})


def own(title: str, body: str, *, status: int = 200) -> HTMLResponse:
    """A page with one heading. `body` is HTML: whatever came from outside has been escaped."""
    return page("plain.html", status=status, title=title, body=Markup(body))  # noqa: S704  # by the contract above


def missing(what: str, hint: str) -> HTMLResponse:
    """Status 404 for a person."""
    return own(what, f"<p>{escape(hint)}</p>", status=404)


def _policy(nonce: str, *, forms: str = "'self'") -> str:
    # Plotly sets style attributes and a style element as it draws: styles cannot be held to files.
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
        f"frame-src 'self'; form-action {forms}; base-uri 'none'; frame-ancestors 'self'"
    )


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.globals |= {"static": assets.address, "own": addresses.own, "airflow": addresses.airflow, "icon": assets.ICON}
    made.filters |= {
        "moment": moment,
        "ago": words.ago,
        "iso": datetime.isoformat,
        "number": number,
        "counted": counted,
        "percent": percent,
        "became": decided.short,
    }
    made.globals |= {"verdict": words.verdict, "tab": addresses.tab, "approval": addresses.approval}
    return made
