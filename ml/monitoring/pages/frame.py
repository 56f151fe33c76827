"""Ways between pages, the first paragraph, and how both come into a page that was stored before it was asked for."""

import re
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from pathlib import Path

from ml.monitoring.pages.facts import Meaning

STILL = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; base-uri 'none'; form-action 'none'"
"""The policy of a page of ours: no script at all; a page that was made from data may stand in a frame of its own."""
SANDBOX = "allow-scripts allow-popups"
"""What such a frame allows: its scripts run, but as nobody."""
TONES = {"good": "all right", "look": "look at it", "bad": "worse", "unknown": "too little known"}
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_COMMAND = re.compile(r"`([^`]{1,200})`")
_POLICY = re.compile(r"<meta[^>]*http-equiv=[\"']?Content-Security-Policy", re.IGNORECASE)
_HIDDEN = "header.perennial>*:not(ul){display:none}"
FITTING = (
    "@media(max-width:60rem){.MuiGrid-container{display:block!important}.MuiGrid-root{width:100%!important;max-width:100%!important;"
    "min-width:0!important}.MuiCard-root,.MuiPaper-root{overflow-x:auto!important}.MuiCardContent-root{padding:8px!important}"
    "h5.MuiTypography-root,p.MuiTypography-root{font-size:1.1rem!important}header.perennial{overflow-x:auto}}"
)
"""Evidently's page takes the width of its widest plot, and cuts off what a phone has no room for: here it is laid out anew."""
# What follows `plaintext` is text: none of it runs while the browser goes back.
_GUARD = '<script>if(self.origin!=="null"){{location.replace("{back}");document.write("<plaintext hidden>");}}</script>'


@dataclass(frozen=True, slots=True)
class Way:
    """A link to another page; without an address it is where the reader is."""

    name: str
    address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """The ways from a page: `up` from all models down to it, `beside` to others of its kind."""

    up: tuple[Way, ...] = ()
    beside: tuple[Way, ...] = ()

    def below(self) -> "Ways":
        """The same from a page that lies one folder lower."""

        def lower(ways: tuple[Way, ...]) -> tuple[Way, ...]:
            return tuple(one if one.address is None else replace(one, address=f"../{one.address}") for one in ways)

        return Ways(up=lower(self.up), beside=lower(self.beside))


def nav(ways: Ways) -> str:
    """The ways as HTML."""
    beside = f'<span class="beside">{"".join(_link(one) for one in ways.beside)}</span>' if ways.beside else ""
    return f'<nav class="ways" aria-label="Reports">{"".join(_link(one) for one in ways.up)}{beside}</nav>'


def means(meaning: Meaning) -> str:
    """The first paragraph as HTML."""
    said = "".join(f"<p>{_text(' '.join(one))}</p>" for one in meaning.paragraphs if one)
    tone = f'<span class="tone {meaning.tone}">{TONES[meaning.tone]}</span> · ' if meaning.tone in TONES else ""
    head = f'<p class="headline">{tone}{_text(meaning.headline)}</p>'
    return f'<section class="means {meaning.tone}"><h2>What this means</h2>{head}{said}<p>{_text(meaning.to_do)}</p></section>'


def framed(document: str, *, ways: Ways, meaning: Meaning | None = None) -> str:
    """A stored page of ours with the ways, and what it means, on top; one that states no policy gets that of a page without scripts."""
    policy = "" if _POLICY.search(document) else f'<meta http-equiv="Content-Security-Policy" content="{STILL}">'
    top = f'<div class="perennial-top">{nav(ways)}{"" if meaning is None else means(meaning)}</div>'
    document = _HEAD.sub(lambda found: f"{found[0]}{policy}<style>{_style()}</style>", document, count=1)
    return _BODY.sub(lambda found: f"{found[0]}{top}", document, count=1)


def alone(document: str, *, back: str) -> str:
    """A page that was made from data, for a frame with a sandbox; opened without one, it leads back and runs nothing.

    Its own head, whose facts stand around the frame, is hidden but for its notes.
    """
    guard = _GUARD.format(back=escape(back, quote=True))
    return _HEAD.sub(lambda found: f"{found[0]}{guard}<style>{_HIDDEN}{FITTING}</style>", document, count=1)


def _text(text: str) -> str:
    """A text, with what stands between backticks as a command."""
    return _COMMAND.sub(r"<code>\1</code>", escape(text))


def _link(one: Way) -> str:
    if one.address is None:
        return f'<span class="here" aria-current="page">{escape(one.name)}</span>'
    return f'<a href="{escape(one.address, quote=True)}">{escape(one.name)}</a>'


@cache
def _style() -> str:
    return (Path(__file__).parent / "templates" / "top.css").read_text(encoding="utf-8")
