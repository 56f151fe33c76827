"""Feeding Evidently's workspace."""

import json
import logging
from datetime import datetime

import pytest

from ml.monitoring import workspace
from ml.settings import Settings
from tests.state import made

WINDOW = made.window(id="loans-000001", model="loans", number=1, champion=3)


class Run:
    """What Evidently has run, without the seconds that running it takes."""

    def to_snapshot_model(self) -> object:
        from evidently.core.serialization import ReportModel, SnapshotModel

        return SnapshotModel(
            report=ReportModel(items=[]), name=None, timestamp=datetime(2026, 5, 1), metadata={}, tags=[], metric_results={},  # noqa: DTZ001
            top_level_metrics=[], widgets=[], tests_widgets=[],
        )  # fmt: skip


def test_a_window_is_one_snapshot_however_often_it_is_measured(settings: Settings) -> None:
    for _ in range(2):
        with workspace.fed(settings, WINDOW):
            run = Run()
            assert workspace.seen(run) is run
            workspace.seen(Run())
    (snapshot,) = workspace.folder_of(settings).glob("*/snapshots/*")
    written = json.loads(snapshot.read_text())
    assert (written["name"], written["metadata"]["champion"]) == ("loans-000001", "3")
    files = {path.name for path in workspace.folder_of(settings).rglob("*") if path.is_file()}
    assert files == {snapshot.name, "metadata.json", "dashboard.json"}, "nothing half-written is left"
    assert workspace.remove(settings, "loans", [WINDOW.id, "loans-000009"]) == [WINDOW.id]
    assert workspace.remove(settings, "loans", [WINDOW.id]) == []


def test_what_a_person_has_made_of_the_project_stays(settings: Settings) -> None:
    with workspace.fed(settings, WINDOW):
        workspace.seen(Run())
    project = next(workspace.folder_of(settings).glob("*/metadata.json"))
    project.write_text(project.read_text().replace("loans", "my loans"))
    with workspace.fed(settings, WINDOW):
        workspace.seen(Run())
    assert "my loans" in project.read_text()


def test_a_workspace_that_cannot_be_written_is_logged_and_hurts_nobody(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.home.mkdir(parents=True)
    workspace.folder_of(settings).write_text("a file stands in the way")
    with caplog.at_level(logging.WARNING, "ml.monitoring.workspace"), workspace.fed(settings, WINDOW):
        workspace.seen(Run())
    assert "was not fed window=loans-000001" in caplog.text


def test_a_measurement_that_fails_feeds_nothing_and_its_error_goes_on(settings: Settings) -> None:
    def fail() -> None:
        with workspace.fed(settings, WINDOW):
            workspace.seen(Run())
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    assert not workspace.folder_of(settings).exists()
    run = Run()
    assert workspace.seen(run) is run, "outside of `fed` nothing is kept"
