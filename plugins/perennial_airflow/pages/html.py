"""Answers that hold a page. What came with data may stand in it, so no page is trusted."""

from html import escape

from fastapi.responses import HTMLResponse

# A value with a script tag in incoming data would otherwise act as whoever looks: the page gets an origin of its own.
_SANDBOX = {"Content-Security-Policy": "sandbox allow-scripts allow-popups"}
_OWN = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"}
_ALWAYS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "private, no-cache"}
_STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1.5rem; }
h1 { font-size: 1.4rem; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .5rem .75rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.muted { opacity: .7; }
"""


def foreign(content: bytes, *, status: int = 200) -> HTMLResponse:
    """A page that was made from data (an Evidently report, Data Docs): it runs, but as nobody."""
    return HTMLResponse(content, status_code=status, headers={**_ALWAYS, **_SANDBOX})


def whole(content: bytes, *, policy: str) -> HTMLResponse:
    """A page of our own that is whole already, with the policy that it was made for; only Airflow's own pages may frame it."""
    return HTMLResponse(content, headers={**_ALWAYS, "Content-Security-Policy": f"{policy}; frame-ancestors 'self'"})


def own(title: str, body: str, *, status: int = 200) -> HTMLResponse:
    """A page of our own, without scripts. `body` is HTML: whatever came from outside has been escaped."""
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body><h1>{escape(title)}</h1>{body}</body></html>"
    )
    return HTMLResponse(page, status_code=status, headers={**_ALWAYS, **_OWN})


def missing(what: str, hint: str) -> HTMLResponse:
    """Status 404 for a person."""
    return own(what, f"<p>{escape(hint)}</p>", status=404)
