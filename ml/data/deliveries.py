"""Finding deliveries, and taking a steady local copy of one."""

import hashlib
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import fsspec

from ml.data.faults import shown
from ml.data.reading import format_of, kind_of
from ml.data.stores import store_of
from ml.errors import ConcurrentChange, DataOwnerError, ModelOwnerError, StoreUnavailable
from ml.settings import Settings
from ml.spec import Files, ModelSpec, Sql

log = logging.getLogger(__name__)

SETTLE_S = 0.5
"""A file that changed within the last seconds is looked at twice, so far apart; one that still grows waits for the next look."""
_FRESH_S = 5.0
_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".swp", "~")
_BLOCK_BYTES = 1 << 20
_FORGOTTEN_S = 2 * 86_400.0
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_URL = re.compile(r"\w[\w+.\-]*://[^\s'\"<>)\]]+")
_SECRET_KEY = re.compile(
    r"[?&](?:[\w\-]*(?:sig|signature|token|secret|password|passwd|credential|api_?key|accesskeyid)|key|code|auth)=", re.IGNORECASE
)


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
    """The URLs of the deliveries that were not judged yet, oldest first; what `${VARIABLE}` stands for is not written out in them.

    Hidden files, and names that end like unfinished ones (`.tmp`, `.part`, …), are left alone.

    Args:
        settings: Relative patterns stand below its `incoming`, those that begin with `./` in its `project`.
        spec: Names the source.
        seen: URL → fingerprint of what was judged already; a changed file is a new delivery.

    Raises:
        ModelOwnerError: A URL has a password or a token in it, or names a variable that is not set.
        StoreUnavailable: The source did not answer.
    """
    source = spec.data.source
    urls = (source.url,) if isinstance(source, Sql) else source.urls
    if secret := next((url for url in urls if has_secret(url)), None):
        raise ModelOwnerError(
            f"{spec.model}: data.source has a password or token in {hidden(secret)}; write ${{VARIABLE}} in its place, or leave it "
            "out and set the variables that fsspec reads (AWS_SECRET_ACCESS_KEY, AZURE_STORAGE_SAS_TOKEN, FSSPEC_HTTPS_…)"
        )
    if isinstance(source, Sql):
        return [f"sql:{spec.model}"]
    found: dict[str, tuple[float, str, str]] = {}
    for pattern in source.urls:
        for filled, entry in _matches(settings, _filled(pattern)):
            fingerprint = _fingerprint(entry)
            url = _unfilled(filled, pattern)
            if _refilled(url, spec) != filled:
                log.warning("delivery left alone: its name reads like a variable url=%s", hidden(url))
                continue
            if seen.get(url) != fingerprint and not _is_unfinished(url):
                found[url] = (_changed_at(entry), url, fingerprint)
    growing = _growing(found, spec)
    return [url for _, url, _ in sorted(found.values()) if url not in growing]


def _matches(settings: Settings, pattern: str) -> Iterator[tuple[str, dict[str, Any]]]:
    full = pattern
    if "://" not in pattern and not pattern.startswith("/"):
        full = str((settings.project if pattern.startswith("./") else settings.incoming) / pattern)
    try:
        fs, path = store_of(full)
        fs.invalidate_cache()  # some remember what they listed as long as the process lives
        entries = fs.glob(path, detail=True) if any(sign in path for sign in "*?[") else _single(fs, path)
    except (OSError, ValueError) as error:
        raise StoreUnavailable(f"{hidden(full)} cannot be listed: {_said(error)}. Check data.source.urls and the access to it") from None
    for name, entry in entries.items():
        if entry.get("type") == "directory":
            continue
        yield (str(name) if "://" not in full else fs.unstrip_protocol(name)), entry


def _single(fs: Any, path: str) -> dict[str, dict[str, Any]]:
    return {path: fs.info(path)} if fs.exists(path) else {}


def _is_unfinished(url: str) -> bool:
    name = PurePosixPath(url).name
    return name.startswith((".", "_")) or name.lower().endswith(_UNFINISHED)


def _growing(found: Mapping[str, tuple[float, str, str]], spec: ModelSpec) -> set[str]:
    fresh = [url for url, (changed_at, _, _) in found.items() if time.time() - changed_at < _FRESH_S]
    if not fresh:
        return set()
    time.sleep(SETTLE_S)
    growing = {url for url in fresh if fingerprint_of(_refilled(url, spec)) != found[url][2]}
    for url in growing:
        log.info("delivery still grows, left for the next look url=%s", hidden(url))
    return growing


def fingerprint_of(url: str) -> str | None:
    """What tells one state of a file from another: its size and time of change; None if it is gone."""
    fs, path = store_of(url)
    fs.invalidate_cache()
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
    with spooled(settings) as folder:
        source = spec.data.source
        if isinstance(source, Sql) and url == f"sql:{spec.model}":
            from ml.data.query import fetch_rows

            path, digest = fetch_rows(_database(source.url), source.query, folder / "query.jsonl")
            yield Fetched(path, "query.jsonl", url, digest[:32], None, "jsonl")
        else:
            yield _copy(_refilled(url, spec), url, folder / "delivery", spec)


@contextmanager
def spooled(settings: Settings) -> Iterator[Path]:
    """An empty folder below `<home>/spool` that is gone afterwards; what a kill left there is removed some days later."""
    spool = settings.home / "spool"
    spool.mkdir(parents=True, exist_ok=True)
    for left in spool.iterdir():
        with suppress(OSError):  # another process was faster
            if time.time() - left.stat().st_mtime > _FORGOTTEN_S:
                shutil.rmtree(left)
    folder = Path(tempfile.mkdtemp(prefix="delivery-", dir=spool))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def declared_format(spec: ModelSpec) -> str | None:
    """The format that the declaration gives to files whose names tell none."""
    return spec.data.source.format if isinstance(spec.data.source, Files) else None


def _copy(url: str, written: str, target: Path, spec: ModelSpec) -> Fetched:
    """`url` is what is opened; `written` is the same as it may be shown."""
    before, source = None, hidden(written)
    try:
        before = fingerprint_of(url)
        if before is None:
            raise DataOwnerError(f"{source} does not exist")
        digest = hashlib.sha256()
        with fsspec.open(url, "rb") as stream, target.open("wb") as copy:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
                copy.write(block)
        after = fingerprint_of(url)
    except IsADirectoryError:
        raise DataOwnerError(f"{source} is a folder; name the files in it") from None
    except (OSError, ValueError) as error:
        raise StoreUnavailable(f"{source} cannot be read: {_said(error, url=url, written=written)}") from None
    if after != before:
        raise ConcurrentChange(f"{source} was changed while it was read; it is taken at the next look")
    opened = PurePosixPath(hidden(url)).name  # a variable may stand for the ending
    kind = kind_of(opened, declared=declared_format(spec)) or format_of(opened)
    return Fetched(target, PurePosixPath(source).name, source, digest.hexdigest()[:32], before, kind)


def _said(error: Exception, *, url: str = "", written: str = "") -> str:
    """What an error of a store says, without the secrets of a URL: many write the URL into their message."""
    text = str(error).replace(url, hidden(written)) if url else str(error)
    return shown(_URL.sub(lambda match: hidden(match[0]), text))


def _filled(text: str) -> str:
    """`${NAME}` replaced from the environment."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ModelOwnerError(f"the environment has no variable {match[1]}, which data.source names; set it where Perennial runs")
        return os.environ[match[1]]

    return _VARIABLE.sub(value, text)


def _database(url: str) -> str:
    """A database's URL with its variables filled in. A user or password is quoted where it has signs that part a URL."""
    head, login, rest = re.fullmatch(r"(?s)(\w[\w+.\-]*://)?([^/?#]*@)?(.*)", url).groups(default="")  # type: ignore[union-attr]

    def value(match: re.Match[str]) -> str:
        filled = _filled(match[0])
        return quote(filled, safe="") if re.search(r"[/@:?#\[\]]", filled) else filled

    return _filled(head) + _VARIABLE.sub(value, login) + _filled(rest)


def _unfilled(url: str, pattern: str) -> str:
    """The URL with what the pattern's variables stand for taken out again: it is shown, and kept in places that others read."""
    names = {os.environ[name]: name for name in _VARIABLE.findall(pattern) if os.environ.get(name)}
    if not names:
        return url
    values = "|".join(re.escape(value) for value in sorted(names, key=len, reverse=True))
    return re.sub(values, lambda match: f"${{{names[match[0]]}}}", url)


def _refilled(url: str, spec: ModelSpec) -> str:
    """The URL that `_unfilled` was given. Only variables that the declaration names are filled in: a file's name is not trusted."""
    source = spec.data.source
    declared = {name for pattern in (source.urls if isinstance(source, Files) else ()) for name in _VARIABLE.findall(pattern)}
    return _VARIABLE.sub(lambda match: _filled(match[0]) if match[1] in declared else match[0], url)


def has_secret(url: str) -> bool:
    """Whether a password or a token seems to be written in the URL itself; a `${VARIABLE}` is none."""
    if "://" not in url:
        return False
    bare = _VARIABLE.sub("", url)
    return bool(re.search(r"://[^/?#@]*:[^/?#]+@", bare) or re.search(_SECRET_KEY.pattern + r"[^&]", bare, re.IGNORECASE))


def hidden(url: str) -> str:
    """The URL without a password in it and without its query part."""
    return re.sub(r"://[^/?#]*@", "://***@", url).split("?", 1)[0] if "://" in url else url
