"""`perennial report --site`: every page as a plain static folder that any web server or bucket can host."""

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, ValidationError

from ml import specfile
from ml.errors import CallError, SpecError
from ml.jobs.report import period_of
from ml.jobs.site import gathering
from ml.jobs.site.documents import DOCS, EVIDENTLY, HISTORY, INDEX, LATEST, REPLAY, Document, Missing, Shelf, find, index, latest
from ml.settings import Settings
from ml.state import State, history
from ml.state.records import Window

log = logging.getLogger(__name__)

MANIFEST = ".perennial-site.json"
"""What stands in the folder: which files are ours, so that no other one is ever removed."""
_FORMAT = 1
_LONGEST = timedelta(hours=6)
"""No export takes longer."""


class Kept(BaseModel):
    """A file of ours in the folder. `stamp`: what it was made from, where that tells without making it anew."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    stamp: str = ""


class Manifest(BaseModel):
    """What an export has left: file → what is known of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = _FORMAT
    files: dict[str, Kept] = {}


class Exported(BaseModel):
    """What an export did, by the files' paths in the folder. `unchanged` are counted, `bytes` were written.

    `skipped`: models whose declaration is broken and was never used, with the fault.
    """

    model_config = ConfigDict(frozen=True)

    folder: str
    models: list[str]
    skipped: dict[str, str]
    written: list[str]
    removed: list[str]
    unchanged: int
    bytes: int


@dataclass(slots=True)
class _Folder:
    """The folder while it is being written: each file whole or not at all, and only where its content has changed."""

    root: Path
    before: Manifest
    files: dict[str, Kept] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    size: int = 0

    def holds(self, name: str, stamp: str) -> bool:
        """Whether the file stands there already, made from the same; it is then kept."""
        known, path = self.before.files.get(name), self.root / name
        if known is None or not stamp or known.stamp != stamp or not path.is_file() or path.stat().st_size != known.size:
            return False
        self.files[name] = known
        return True

    def put(self, name: str, content: bytes, *, stamp: str = "") -> None:
        """Writes a file, unless it has this content already."""
        path = self.root / name
        self.files[name] = Kept(size=len(content), stamp=stamp)
        if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
            return
        _replace(path, content)
        self.written.append(name)
        self.size += len(content)

    def note(self) -> None:
        """Writes down which files are ours, those of the last export included: an interrupted one forgets nothing."""
        noted = Manifest(files={**self.before.files, **self.files})
        _replace(self.root / MANIFEST, noted.model_dump_json(indent=1).encode())


def export(settings: Settings, site: Path, *, model: str | None = None, since: str | None = None, at: datetime | None = None) -> Exported:
    """Writes the pages of all models, or of one beside those that are there, and removes its own pages that have grown too old.

    What was interrupted is finished by the next call: files are replaced whole, and those that have not changed are not written.

    Args:
        settings: Where the pages come from.
        site: The folder.
        model: Only this one; others in the folder stay as they are.
        since: How far back, as `90d`; default: each model's `monitoring.keep_reports`.
        at: The moment of the export; default: now.

    Raises:
        CallError: The folder cannot be written, belongs to something else, or the period cannot be read.
        UnknownModel: It is not declared.
    """
    moment = at or datetime.now(UTC)
    if model is not None:
        specfile.spec_path(settings, model)
    folder = _Folder(site, _manifest(site))
    shelf = Shelf(settings=settings, state=State.open(settings).reader, at=moment)
    declared = specfile.model_names(settings)
    known = {PurePosixPath(name).parts[0] for name in folder.before.files if "/" in name}
    names = declared if model is None else sorted({model, *known} & {*declared})
    skipped: dict[str, str] = {}
    try:
        _sweep(site, before=moment - _LONGEST)
        for name in names if model is None else [model]:
            try:
                _model(folder, _since(shelf, name, since), name)
            except SpecError as error:
                skipped[name] = str(error)
            folder.note()
        removed = _finish(folder, shelf, [name for name in names if name not in skipped], only=model)
    except OSError as error:
        raise CallError(f"--site {site} cannot be written: {error.strerror or error}; what was written stays, call it again") from error
    log.info("site exported folder=%s written=%d removed=%d bytes=%d", site, len(folder.written), len(removed), folder.size)
    return Exported(
        folder=str(site.resolve()),
        models=[name for name in names if name not in skipped],
        skipped=skipped,
        written=folder.written,
        removed=removed,
        unchanged=len(folder.files) - len(folder.written),
        bytes=folder.size,
    )


def _finish(folder: _Folder, shelf: Shelf, names: Sequence[str], *, only: str | None) -> list[str]:
    """Writes the page of all models, and removes what is no longer ours to show; the pages of models that were not asked for stay."""
    if only is not None:
        folder.files |= {name: kept for name, kept in folder.before.files.items() if _of_others(name, only, names)}
    written = frozenset(PurePosixPath(name).stem for name in folder.files)
    folder.put(f"{INDEX}.html", index(replace(shelf, windows=written), names).content)
    removed = _removed(folder)
    folder.before = Manifest()
    folder.note()
    return removed


def _of_others(name: str, model: str, names: Sequence[str]) -> bool:
    parts = PurePosixPath(name).parts
    return len(parts) > 1 and parts[0] != model and parts[0] in names


def _since(shelf: Shelf, model: str, since: str | None) -> Shelf:
    """The shelf with what is shown of a model."""
    if since is not None:
        after = shelf.at - period_of(since)
    else:
        kept = gathering.spec_of(shelf.settings, shelf.state, model).monitoring.keep_reports
        after = gathering.BEGINNING if kept is None else max(gathering.BEGINNING, shelf.at - kept)
    windows = frozenset(one.id for one in history.taken(shelf.state, model, after=after))
    return replace(shelf, after=after, windows=windows)


def _model(folder: _Folder, shelf: Shelf, model: str) -> None:
    """The pages of one model. The newest window stands at `latest.html` too."""
    windows = history.taken(shelf.state, model, after=shelf.after)
    for window in windows:
        _window(folder, shelf, window)
    for name in _names(shelf, model):
        found = find(shelf, model, name)
        if isinstance(found, Document):
            folder.put(f"{model}/{name}.html", found.content)
    newest = latest(shelf.state, model)
    if newest is not None and newest.id in (shelf.windows or ()):
        found = find(shelf, model, LATEST)
        if isinstance(found, Document):
            folder.put(f"{model}/{LATEST}.html", found.content)


def _names(shelf: Shelf, model: str) -> Iterator[str]:
    yield from (INDEX, HISTORY, REPLAY, f"{DOCS}/{INDEX}")
    for version in gathering.versions(shelf.state, model, after=shelf.after):
        if version.has_card:
            yield f"card_{version.version}"
    for batch in gathering.documented(shelf.state, model, after=shelf.after):
        if batch.page is not None:
            yield f"{DOCS}/{batch.page.removesuffix('.html')}"


def _window(folder: _Folder, shelf: Shelf, window: Window) -> None:
    found = find(shelf, window.model, window.id)
    if isinstance(found, Missing):
        return
    folder.put(f"{window.model}/{window.id}.html", found.content)
    name = f"{window.model}/{window.id}{EVIDENTLY}.html"
    stamp = _stamp(window)
    if window.measured_at is None or folder.holds(name, stamp):
        return
    plots = find(shelf, window.model, f"{window.id}{EVIDENTLY}")
    if isinstance(plots, Document):
        folder.put(name, plots.content, stamp=stamp)


def _stamp(window: Window) -> str:
    """Evidently's pages are large, and change only where a window is measured again."""
    made = f"{_FORMAT} {window.id} {window.measured_at} {window.report_url}"
    return hashlib.sha256(made.encode()).hexdigest()[:16]


def _manifest(site: Path) -> Manifest:
    """What the last export has left; a folder with other things in it is refused, so that nothing of others is overwritten."""
    path = site / MANIFEST
    try:
        if path.is_file():
            return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
        if site.exists() and not site.is_dir():
            raise CallError(f"--site {site} is a file; name a folder")
        site.mkdir(parents=True, exist_ok=True)
        if strange := sorted(one.name for one in site.iterdir()):
            raise CallError(
                f"--site {site} holds other things ({', '.join(strange[:3])}) and no {MANIFEST}; name a new folder, or empty this one"
            )
        _replace(path, Manifest().model_dump_json().encode())
    except OSError as error:
        raise CallError(f"--site {site} cannot be written: {error.strerror or error}") from error
    except (ValidationError, json.JSONDecodeError) as error:
        raise CallError(f"{path} cannot be read; remove the folder, or name another one") from error
    return Manifest()


def _sweep(site: Path, *, before: datetime) -> None:
    """Removes what exports that were killed had half written; those of one that runs beside this are younger."""
    for part in site.rglob(".*.part"):
        if datetime.fromtimestamp(part.stat().st_mtime, UTC) < before:
            part.unlink(missing_ok=True)


def _removed(folder: _Folder) -> list[str]:
    """Removes the pages of the last export that this one has not; of files that are not ours none is touched."""
    gone = sorted(folder.before.files.keys() - folder.files.keys())
    found = []
    for name in gone:
        path = folder.root / name
        if not path.resolve().is_relative_to(folder.root.resolve()):
            continue
        path.unlink(missing_ok=True)
        found.append(name)
        for parent in (path.parent, path.parent.parent):
            if parent != folder.root and folder.root in parent.parents and parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
    return found


def _replace(path: Path, content: bytes) -> None:
    """Whole or not at all, and readable by whoever serves it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
