"""Evidently's own workspace: `evidently ui --workspace <home>/evidently` opens with a project a model and a snapshot a window.

What Evidently has run for a window's page is gathered while the page is made, and kept under an id that follows from the window, so
that a second call writes the same file. Only a local folder: Evidently's interface reads no other.
"""

import logging
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from ml.monitoring import load_evidently
from ml.settings import Settings
from ml.state.records import Window

log = logging.getLogger(__name__)

T = TypeVar("T")
_NAMESPACE = uuid.UUID("6f1f6d2c-6c0b-5d0e-9a39-2f0f8a6c1b11")
_RUNS: ContextVar[list[Any] | None] = ContextVar("runs", default=None)


def folder_of(settings: Settings) -> Path:
    """Where the workspace lies."""
    return settings.home / "evidently"


def project_id(model: str) -> uuid.UUID:
    """The id of a model's project: always the same."""
    return uuid.uuid5(_NAMESPACE, model)


def snapshot_id(window: str) -> uuid.UUID:
    """The id of a window's snapshot: always the same."""
    return uuid.uuid5(_NAMESPACE, f"window/{window}")


def seen(snapshot: T) -> T:
    """Hands on what Evidently has run; within `fed` it is kept as well."""
    runs = _RUNS.get()
    if runs is not None:
        runs.append(snapshot)
    return snapshot


@contextmanager
def fed(settings: Settings, window: Window) -> Iterator[None]:
    """Feeds the workspace with what Evidently runs meanwhile. That it fails is logged, and hurts nobody."""
    runs: list[Any] = []
    token = _RUNS.set(runs)
    try:
        yield
    finally:
        _RUNS.reset(token)
    if not runs:
        return
    try:
        _write(folder_of(settings), window, runs)
    except Exception:  # Evidently's own formats may change, and no measurement is worth less for that
        log.warning("Evidently's workspace was not fed window=%s", window.id, exc_info=True)


def remove(settings: Settings, model: str, windows: Iterable[str]) -> list[str]:
    """Removes the snapshots of these windows; returns those that had one."""
    place = {str(snapshot_id(one)): one for one in windows}
    there = [path for path in _snapshots(folder_of(settings), model).glob("*.json") if path.stem in place]
    for path in there:
        path.unlink(missing_ok=True)
    return sorted(place[path.stem] for path in there)


def _snapshots(folder: Path, model: str) -> Path:
    return folder / str(project_id(model)) / "snapshots"


def _snapshot_path(folder: Path, model: str, window: str) -> Path:
    return _snapshots(folder, model) / f"{snapshot_id(window)}.json"


def _write(folder: Path, window: Window, runs: list[Any]) -> None:
    """The snapshot beside its place, then in it: nobody reads half of one."""
    load_evidently()
    from evidently.ui.storage.local.base import LocalState

    folder.mkdir(parents=True, exist_ok=True)
    _make_project(folder, window.model)
    place = _snapshot_path(folder, window.model, window.id)
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = folder / f".part-{uuid.uuid4().hex}"
    beside.mkdir()
    try:
        LocalState(str(beside)).write_snapshot(project_id(window.model), snapshot_id(window.id), _joined(window, runs))
        _snapshot_path(beside, window.model, window.id).replace(place)
    finally:
        for path in sorted(beside.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        beside.rmdir()
    log.info("Evidently's workspace fed window=%s snapshot=%s", window.id, place.stem)


def _make_project(folder: Path, model: str) -> None:
    """A project with a first dashboard; what a person has changed in it stays."""
    from evidently.sdk.models import DashboardModel, DashboardTabModel, PanelMetric, ProjectModel
    from evidently.sdk.panels import line_plot_panel
    from evidently.ui.storage.local.base import LocalState

    if (folder / str(project_id(model)) / "metadata.json").is_file():
        return
    state = LocalState(str(folder))
    panel = line_plot_panel(
        title="Drifted columns", values=[PanelMetric(legend="share", metric="DriftedColumnsCount", metric_labels={"value_type": "share"})]
    )
    state.location.makedirs(str(project_id(model)))
    state.write_dashboard(project_id(model), DashboardModel(tabs=[DashboardTabModel(title="Drift", panels=[panel.id])], panels=[panel]))
    # Last: it is what makes a project.
    state.write_project(ProjectModel(id=project_id(model), name=model, description="Written by Perennial, a snapshot a window."))


def _joined(window: Window, runs: list[Any]) -> Any:
    """One snapshot of everything that was run for a window."""
    from evidently.core.serialization import ReportModel, SnapshotModel

    models = [one.to_snapshot_model() for one in runs]
    return SnapshotModel(
        report=ReportModel(items=[]),
        name=window.id,
        timestamp=window.as_of.replace(tzinfo=None),
        metadata={"model": window.model, "window": window.id, "champion": str(window.champion), "rows": str(window.rows)},
        tags=[f"champion {window.champion}"],
        metric_results={key: value for one in models for key, value in one.metric_results.items()},
        top_level_metrics=list(dict.fromkeys(key for one in models for key in one.top_level_metrics)),
        widgets=[widget for one in models for widget in one.widgets],
        tests_widgets=[widget for one in models for widget in one.tests_widgets],
    )
