"""Removing what has grown old: pages and snapshots. No number is ever removed."""

import logging
from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from ml.data.stores import own_store_of
from ml.errors import PerennialError
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, history

log = logging.getLogger(__name__)


class Removed(BaseModel):
    """What was removed, by name; `before`: what is older than that moment goes, None where everything is kept."""

    model_config = ConfigDict(frozen=True)

    before: datetime | None
    pages: list[str] = []
    snapshots: list[str] = []


def remove_old(settings: Settings, spec: ModelSpec, *, at: datetime) -> Removed:
    """Removes what is older than `monitoring.keep_reports`. Idempotent; says what it did in one line of the log.

    The newest window's page stays, however old it is, and so does what somebody works on or is asked about.

    Raises:
        PerennialError: A store cannot be opened.
    """
    if spec.monitoring.keep_reports is None:
        return Removed(before=None)
    before = at - spec.monitoring.keep_reports
    old = history.done_with(State.open(settings), spec.model, before=before)
    removed = Removed(
        before=before,
        pages=_pages(settings, spec.model, old),
        snapshots=_snapshots(settings, spec.model, old),
    )
    if removed.pages or removed.snapshots:
        log.info(
            "old reports removed model=%s before=%s pages=%d snapshots=%d first=%s",
            spec.model,
            f"{before:%Y-%m-%dT%H:%MZ}",
            len(removed.pages),
            len(removed.snapshots),
            next(iter([*removed.pages, *removed.snapshots])),
        )
    return removed


def _pages(settings: Settings, model: str, old: Sequence[str]) -> list[str]:
    folder = f"{settings.reports_url.rstrip('/')}/{model}"
    return _remove(folder, {f"{one}.html" for one in old}, variable="PERENNIAL_REPORTS_URL")


def _snapshots(settings: Settings, model: str, old: Sequence[str]) -> list[str]:
    from ml.monitoring import workspace

    return workspace.remove(settings, model, old)


def _remove(folder: str, names: set[str], *, variable: str) -> list[str]:
    """Removes the files of these names that are in the folder; one that cannot be removed is left for the next time."""
    if not names:
        return []
    files, path = own_store_of(folder, variable=variable)
    try:
        there = sorted({one.rsplit("/", 1)[-1] for one in files.ls(path, detail=False)} & names)
    except FileNotFoundError:
        return []
    removed = []
    for name in there:
        try:
            files.rm_file(f"{path.rstrip('/')}/{name}")
        except OSError as error:
            log.warning("could not be removed file=%s/%s error=%r", folder, name, str(error))
        else:
            removed.append(name)
    return removed


def tidy(settings: Settings, spec: ModelSpec, *, at: datetime) -> Removed | None:
    """The same, but a store that does not answer only warns: looking at the champion does not wait for it."""
    try:
        return remove_old(settings, spec, at=at)
    except (PerennialError, OSError) as error:
        log.warning("old reports were not removed model=%s error=%r", spec.model, str(error))
        return None
