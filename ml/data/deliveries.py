"""Finding deliveries, and taking a steady local copy of one."""

import hashlib
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from ml.data.faults import shown
from ml.errors import ConcurrentChange, DataOwnerError, ModelOwnerError, StoreUnavailable
from ml.settings import Settings
from ml.spec import Files, ModelSpec, Sql

log = logging.getLogger(__name__)

SETTLE_S = 0.5
"""A file that changed within the last seconds is looked at twice, so far apart; one that still grows waits for the next look."""
_FRESH_S = 5.0
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".swp", "~")
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """A local copy of a delivery. `batch` is the first 32 hex digits of the SHA-256 of its bytes."""

    path: Path
    name: str
    source: str
    batch: str
    fingerprint: str | None
    kind: str | None = None


def find(settings: Settings, spec: ModelSpec, *, seen: Mapping[str, str]) -> list[str]:
    """The URLs of the deliveries that were not judged yet, oldest first.

    Hidden files, and names that end like unfinished ones (`.tmp`, `.part`, …), are left alone.

    Args:
        settings: Relative patterns stand below its `incoming`.
        spec: Names the source.
        seen: URL → fingerprint of what was judged already; a changed file is a new delivery.
    """
    source = spec.data.source
    if isinstance(source, Sql):
        return [f"sql:{spec.model}"]
    found: dict[str, tuple[float, str, str]] = {}
    for pattern in source.urls:
        for url, entry in _matches(settings, _filled(pattern)):
            fingerprint = _fingerprint(entry)
            if seen.get(url) != fingerprint and not _is_unfinished(url):
                found[url] = (_changed_at(entry), url, fingerprint)
    growing = _growing(found)
    return [url for _, url, _ in sorted(found.values()) if url not in growing]


def _matches(settings: Settings, pattern: str) -> Iterator[tuple[str, dict[str, Any]]]:
    full = pattern if "://" in pattern or pattern.startswith("/") else str(settings.incoming / pattern)
    try:
        fs, path = fsspec.core.url_to_fs(full)
        entries = fs.glob(path, detail=True) if any(sign in path for sign in "*?[") else _single(fs, path)
    except (OSError, ValueError, ImportError) as error:
        raise StoreUnavailable(f"{_hidden(full)} cannot be listed: {shown(error)}. Check data.source.urls and the access to it") from error
    for name, entry in entries.items():
        if entry.get("type") == "directory":
            continue
        yield (str(name) if "://" not in full else fs.unstrip_protocol(name)), entry


def _single(fs: Any, path: str) -> dict[str, dict[str, Any]]:
    return {path: fs.info(path)} if fs.exists(path) else {}


def _is_unfinished(url: str) -> bool:
    name = PurePosixPath(url).name
    return name.startswith((".", "_")) or name.lower().endswith(_UNFINISHED)


def _growing(found: Mapping[str, tuple[float, str, str]]) -> set[str]:
    fresh = [url for url, (changed_at, _, _) in found.items() if time.time() - changed_at < _FRESH_S]
    if not fresh:
        return set()
    time.sleep(SETTLE_S)
    growing = {url for url in fresh if fingerprint_of(url) != found[url][2]}
    for url in growing:
        log.info("delivery still grows, left for the next look url=%s", _hidden(url))
    return growing


def fingerprint_of(url: str) -> str | None:
    """What tells one state of a file from another: its size and time of change; None if it is gone."""
    fs, path = fsspec.core.url_to_fs(url)
    try:
        return _fingerprint(fs.info(path))
    except FileNotFoundError:
        return None


def _fingerprint(entry: Mapping[str, Any]) -> str:
    marks = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated")
    mark = next((entry[key] for key in marks if entry.get(key)), "")
    return f"{entry.get('size')}-{mark}"[:128]


def _changed_at(entry: Mapping[str, Any]) -> float:
    for key in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = entry.get(key)
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, datetime):
            return value.timestamp()
    return 0.0


@contextmanager
def fetched(settings: Settings, spec: ModelSpec, url: str) -> Iterator[Fetched]:
    """A local copy of the delivery that nobody changes while it is read; it is gone afterwards.

    Raises:
        DataOwnerError: The file is not there.
        ConcurrentChange: It was changed while it was copied.
        StoreUnavailable: It, or the database of a query, did not answer.
    """
    spool = settings.home / "tmp"
    spool.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="delivery-", dir=spool))
    try:
        source = spec.data.source
        if isinstance(source, Sql) and url == f"sql:{spec.model}":
            from ml.data.query import fetch_rows

            path, digest = fetch_rows(_filled(source.url), source.query, folder / "query.jsonl")
            yield Fetched(path, "query.jsonl", url, digest[:32], None, "jsonl")
        else:
            kind = source.format if isinstance(source, Files) else None
            yield _copy(url, folder / "delivery", kind)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(url: str, target: Path, kind: str | None) -> Fetched:
    before = None
    try:
        before = fingerprint_of(url)
        if before is None:
            raise DataOwnerError(f"{_hidden(url)} does not exist")
        digest = hashlib.sha256()
        with fsspec.open(url, "rb") as stream, target.open("wb") as copy:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
                copy.write(block)
    except IsADirectoryError as error:
        raise DataOwnerError(f"{_hidden(url)} is a folder; name the files in it") from error
    except (OSError, ValueError, ImportError) as error:
        raise StoreUnavailable(f"{_hidden(url)} cannot be read: {shown(error)}") from error
    if fingerprint_of(url) != before:
        raise ConcurrentChange(f"{_hidden(url)} was changed while it was read; it is taken at the next look")
    return Fetched(target, PurePosixPath(url).name, _hidden(url), digest.hexdigest()[:32], before, kind)


def _filled(text: str) -> str:
    """`${NAME}` replaced from the environment."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ModelOwnerError(f"the environment has no variable {match[1]}, which data.source names; set it where Perennial runs")
        return os.environ[match[1]]

    return re.sub(r"\$\{(\w+)\}", value, text)


def _hidden(url: str) -> str:
    """The URL without a password in it and without its query part."""
    return re.sub(r"://[^/@]*@", "://***@", url).split("?", 1)[0] if "://" in url else url
