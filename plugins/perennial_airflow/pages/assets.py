"""`/perennial/static/<digest>/<name>`: style, scripts and plotly, kept by browsers until their content changes."""

import gzip
import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Depends, Header, HTTPException
from fastapi.responses import Response

from ml.monitoring.page import CHARTS
from perennial_airflow.pages.addresses import own
from perennial_airflow.pages.login import logged_in

router = APIRouter(prefix="/static")
_FOLDER = Path(__file__).parent / "static"
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PLOTLY = "plotly.min.js"
_FOR_EVER = "private, max-age=31536000, immutable"
ICON = "perennial.svg"


def address(name: str) -> str:
    """Where browsers find a file of `static/`, or `plotly.min.js`: another address whenever its content is another."""
    return own("static", _digest(name), name)


@router.get("/{digest}/{name}", dependencies=[Depends(logged_in)])
def asset(digest: str, name: str, accept_encoding: str = Header("")) -> Response:
    """The file. One that was asked for by the digest of another version (two servers during an upgrade) is not kept."""
    if name not in _files():
        raise HTTPException(404, "Not Found")
    headers = {"Cache-Control": _FOR_EVER if digest == _digest(name) else "no-cache", "X-Content-Type-Options": "nosniff"}
    headers["Vary"] = "Accept-Encoding"
    kind = _KINDS[Path(name).suffix]
    if "gzip" in accept_encoding:
        return Response(_packed(name), media_type=kind, headers={**headers, "Content-Encoding": "gzip"})
    return Response(_files()[name].read_bytes(), media_type=kind, headers=headers)


@lru_cache(maxsize=1)
def _files() -> dict[str, Path]:
    """Name → where it is. No part of an address becomes part of a path."""
    found = {path.name: path for path in (*_FOLDER.iterdir(), CHARTS) if path.suffix in _KINDS}
    plotly = find_spec("plotly")
    if plotly is not None and plotly.origin is not None:
        found[PLOTLY] = Path(plotly.origin).parent / "package_data" / PLOTLY
    return found


@lru_cache(maxsize=64)
def _digest(name: str) -> str:
    return hashlib.sha256(_files()[name].read_bytes()).hexdigest()[:16]


@lru_cache(maxsize=64)
def _packed(name: str) -> bytes:
    """Packed once: plotly is 4.5 MB, for which Airflow's own packing would hold the server up at each request."""
    return gzip.compress(_files()[name].read_bytes(), compresslevel=6, mtime=0)
