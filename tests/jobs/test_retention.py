"""Removing what has grown old."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from ml import specfile
from ml.jobs import retention
from ml.jobs.housekeeping import keep_house
from ml.jobs.reference_profile import forget_older, url_of
from ml.monitoring import workspace
from ml.settings import Settings
from ml.state import State, ledger, trainings
from tests.jobs.test_monitor import declare
from tests.jobs.test_report import look
from tests.state import made

NOW = datetime.now(UTC)


@pytest.fixture
def loans(settings: Settings) -> Settings:
    """Windows of 400, 300 and 200 days ago, with pages and snapshots."""
    declare(settings)
    for start, days in enumerate((400, 300, 200)):
        window = look(settings, days=days, start=start)
        page = Path(settings.reports_url) / "loans" / f"{window.id}.html"
        snapshot = workspace._snapshot_path(workspace.folder_of(settings), "loans", window.id)
        for path in (page, snapshot):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
    return settings


def remove(settings: Settings, at: datetime = NOW) -> retention.Removed:
    return retention.remove_old(settings, specfile.load(settings, "loans"), at=at)


def test_pages_and_snapshots_are_kept_for_a_year_and_numbers_for_ever(loans: Settings) -> None:
    removed = remove(loans)
    assert (removed.pages, removed.snapshots) == (["loans-000001.html"], ["loans-000001"])
    assert remove(loans).pages == [], "a second time there is nothing to remove"
    assert ledger.measurement(State.open(loans), "loans-000001")[0] != []
    left = {path.name for path in (Path(loans.reports_url) / "loans").iterdir()}
    assert left == {"loans-000002.html", "loans-000003.html"}


def test_the_newest_page_and_files_that_are_not_ours_stay_however_old(loans: Settings) -> None:
    (Path(loans.reports_url) / "loans" / "notes.html").write_text("mine")
    removed = remove(loans, at=NOW + timedelta(days=5000))
    assert removed.pages == ["loans-000001.html", "loans-000002.html"]
    assert {path.name for path in (Path(loans.reports_url) / "loans").iterdir()} == {"loans-000003.html", "notes.html"}


def test_what_a_person_is_asked_about_stays(loans: Settings) -> None:
    state = State.open(loans)
    with state.begin() as connection:
        connection.exec_driver_sql("UPDATE decisions SET state = 'suggested' WHERE id = 'd0'")
    assert remove(loans).pages == []


def test_a_look_asks_of_no_window_by_itself_however_many_are_old(loans: Settings) -> None:
    asked: list[str] = []
    engine = State.open(loans).engine
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    assert len(remove(loans, at=NOW + timedelta(days=500)).pages) == 2
    assert len([one for one in asked if one.startswith("SELECT")]) == 1


def test_null_keeps_everything_and_another_period_counts_at_once(loans: Settings) -> None:
    declare(loans, monitoring={"keep_reports": None})
    assert remove(loans) == retention.Removed(before=None)
    declare(loans, monitoring={"keep_reports": "250d"})
    assert remove(loans).pages == ["loans-000001.html", "loans-000002.html"]


def test_profiles_of_champions_long_gone_are_removed_but_not_those_of_the_last_two(loans: Settings) -> None:
    state, spec_hash = State.open(loans), ledger.recent_windows(State.open(loans), "loans", limit=1)[0].spec_hash
    for version in (1, 2, 3):
        at = NOW - timedelta(days=2000 - version)
        facts = {"key": f"k{version}", "version": version, "mlflow_run": f"run{version}", "started_at": at}
        training = made.training(model="loans", spec_hash=spec_hash, **facts)
        trainings.begin(state, training)
        trainings.crown(state, model="loans", version=version, kind="promote", at=at, by="gate", reason="", key=training.key)
        path = Path(url_of(loans, training))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
        path.with_name(f"run{version}-tested.parquet").write_text("x")
    assert forget_older(loans, training) == ["run1-tested.parquet", "run1.parquet"]
    assert len(list(path.parent.iterdir())) == 4


def test_a_store_that_does_not_answer_stops_neither_the_page_nor_the_look(loans: Settings, caplog: pytest.LogCaptureFixture) -> None:
    broken = loans.model_copy(update={"reports_url": "nowhere://bucket"})
    kept = keep_house(broken, "loans")
    assert (kept.page, kept.removed) == (None, None)
    assert "old reports were not removed" in caplog.text
    whole = keep_house(loans, "loans")
    assert whole.page is not None
    assert whole.removed is not None
    assert whole.removed.pages == ["loans-000001.html"]
