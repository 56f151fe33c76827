"""The pages by their names, and all of them as a plain folder."""

import http.server
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from sqlalchemy import event

from ml.errors import CallError, DataOwnerError, UnknownModel
from ml.jobs import actions, model_view, quarantine
from ml.jobs.site import documents, exporting, gathering
from ml.jobs.site.documents import Document, Missing, Shelf, find
from ml.jobs.site.exporting import MANIFEST, Exported, export
from ml.settings import Settings
from ml.spec import ModelSpec
from ml.state import State, batches, ledger, trainings
from ml.state.records import Batch
from tests.chromium import chromium
from tests.jobs.test_monitor import DECLARED, EVIL
from tests.jobs.test_report import look
from tests.state.made import opened

NOW = datetime.now(UTC)
SCRIPT = """document.title = 'ran';
try { const asked = new XMLHttpRequest(); asked.open('GET', '/ran-as-' + self.origin.slice(0, 4), false); asked.send(); } catch (error) {}
parent.document.title = 'owned';"""
PLOTS = f"<html><head><title>plots</title></head><body><script>{SCRIPT}</script></body></html>"


@pytest.fixture
def loans(settings: Settings) -> Settings:
    """A model with windows of 400, 20 and 5 days ago, the newer two with plots, and a delivery with checks; and one without anything."""
    for name in ("loans", "cars"):
        (settings.dags / name).mkdir()
        (settings.dags / name / "model.yaml").write_text(yaml.safe_dump({**DECLARED, "model": name, "description": EVIL}))
    state = State.open(settings)
    trainings.crown(state, model="loans", version=1, kind="promote", at=NOW - timedelta(days=500), by="gate", reason=EVIL, key="k")
    look(settings, days=400, start=0)
    for days, start in ((20, 1), (5, 2)):
        window = look(settings, days=days, start=start)
        page = Path(settings.reports_url) / "loans" / f"{window.id}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(PLOTS)
        drifts, qualities = ledger.measurement(state, window.id)
        ledger.save_measurement(
            state, window.id, drifts=drifts, qualities=qualities, labelled_rows=200, report_url=str(page), mlflow_run=None, at=window.as_of
        )
    docs = settings.home / "data_docs" / "loans" / "b1.html"
    docs.parent.mkdir(parents=True)
    docs.write_text("<html><head><title>checks</title></head><body>checked</body></html>")
    batch = Batch(
        id="b1", model="loans", source=f"/in/{EVIL}", status="quarantined", rows=10, failing_rows=1, reasons=[EVIL], arrived_at=NOW,
        decided_at=NOW, docs_url=str(docs),
    )  # fmt: skip
    batches.save(state, batch)
    return settings


def write(settings: Settings, tmp_path: Path, **options: Any) -> Exported:
    return export(settings, tmp_path / "site", at=NOW, **options)


def asked_of(state: State) -> list[str]:
    """What is asked of a database from now on."""
    asked: list[str] = []
    event.listen(state.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    return asked


def test_pages_wait_for_no_writer(loans: Settings, tmp_path: Path) -> None:
    seen: list[str] = []

    def read() -> None:
        documents.index(Shelf.open(loans), ["loans"])
        for name in ("index", "history", "latest", "data-docs/index"):
            assert isinstance(find(Shelf.open(loans), "loans", name), Document)
        seen.append("pages")
        with pytest.raises(DataOwnerError, match="no batch of loans"):
            quarantine.show(loans, "loans", "ffff")
        seen.append("quarantine")
        write(loans, tmp_path)
        seen.append("site")

    with State.open(loans).begin():
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        thread.join(20)
        assert seen == ["pages", "quarantine", "site"], "a reader waits for as long as a writer holds the database"


def test_no_page_reads_more_of_the_quarantine_than_it_shows(loans: Settings) -> None:
    state = State.open(loans)
    for number in range(60):
        at = NOW - timedelta(days=1, minutes=number)
        batches.save(
            state,
            Batch(id=f"{number:032x}", model="loans", source="x", status="quarantined", rows=9, failing_rows=1, reasons=["no"],
                  arrived_at=at, decided_at=at),
        )  # fmt: skip
    asked = asked_of(state)
    view, able = model_view.view(loans, "loans"), actions.possible(loans, "loans")
    assert view is not None
    assert (len(view.quarantined), view.quarantined[0].id, view.row.quarantined) == (20, "b1", 61), "the newest"
    assert (len(able.held), able.held[0].id, able.held_in_all) == (50, f"{59:032x}", 61), "what waits the longest"
    documents.find(Shelf.open(loans), "loans", "data-docs/b1")
    with pytest.raises(DataOwnerError, match="is in the quarantine of loans"):
        quarantine.show(loans, "loans", f"{7:032x}")
    whole = [query for query in asked if "batches.reasons" in query]
    assert len(whole) == 3, "the page, the acts, and the batch itself"
    assert all("LIMIT" in query or "batches.id = " in query for query in whole)


def links(page: str) -> list[str]:
    """Where a page leads to; what stands in scripts is none."""
    page = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    return [unescape(one) for one in re.findall(r'(?:href|src)="([^"]*)"', page)]


def text_of(settings: Settings, name: str, model: str = "loans") -> str:
    found = find(Shelf.open(settings), model, name)
    assert isinstance(found, Document), found
    return found.content.decode()


def test_every_link_of_an_export_leads_to_a_file_in_it(loans: Settings, tmp_path: Path) -> None:
    taken(loans, "cars", 40)
    done = write(loans, tmp_path)
    site = tmp_path / "site"
    assert {"index.html", "loans/index.html", "loans/history.html", "loans/loans-000003.html", "loans/loans-000003.evidently.html"} <= {
        *done.written
    }
    assert {"loans/latest.html", "loans/data-docs/index.html", "loans/data-docs/b1.html", "cars/index.html"} <= {*done.written}
    leads_to_files(site)
    assert "cars/cars-000001.html" in links((site / "index.html").read_text())
    write(loans, tmp_path, since="4d")
    assert not [*site.rglob("*-00000?.html")], "every window is older"
    leads_to_files(site)


def taken(settings: Settings, model: str, *days: int) -> None:
    """Windows of so many days ago that nobody has measured."""
    spec = ModelSpec.model_validate({**DECLARED, "model": model})
    for start, ago in enumerate(days):
        opened(State.open(settings), spec, start, as_of=NOW - timedelta(days=ago))


def leads_to_files(site: Path) -> None:
    for page in site.rglob("*.html"):
        if page.name.endswith(".evidently.html"):
            continue
        found = links(page.read_text())
        assert found, f"{page} has no way back"
        for link in found:
            assert not re.match(r"[a-z]+:|/", link), f"{page}: {link} is not relative"
            assert (page.parent / link).is_file(), f"{page}: {link}"


def test_older_windows_are_counted_from_where_a_page_begins(loans: Settings) -> None:
    taken(loans, "cars", *range(260, 0, -1))
    shelf = Shelf.open(loans)
    for after, said in ((gathering.BEGINNING, "60 older windows"), (NOW - timedelta(days=230, hours=1), "30 older windows")):
        found = find(replace(shelf, after=after), "cars", "index")
        assert isinstance(found, Document)
        assert f">{said} are not listed" in found.content.decode()


def test_an_export_is_bounded_by_what_is_kept_and_by_since(loans: Settings, tmp_path: Path) -> None:
    assert not any("000001" in one for one in write(loans, tmp_path).written), "keep_reports is a year"
    narrow = write(loans, tmp_path, since="10d")
    assert {"loans/loans-000002.html", "loans/loans-000002.evidently.html"} <= {*narrow.removed}
    left = {one.name for one in (tmp_path / "site" / "loans").iterdir()}
    assert not any("000002" in one for one in left)
    assert "loans-000002" not in (tmp_path / "site" / "loans" / "loans-000003.html").read_text(), "nothing leads to what is left out"
    assert any("000001" in one for one in write(loans, tmp_path, since="500d").written)
    with pytest.raises(CallError, match="--since"):
        write(loans, tmp_path, since="soon")


def test_a_second_export_writes_nothing_and_an_interrupted_one_is_finished(
    loans: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, done = exporting._replace, []

    def dies(path: Path, content: bytes) -> None:
        if len(done) == 6:
            raise OSError(28, "No space left on device")
        done.append(path)
        real(path, content)

    monkeypatch.setattr(exporting, "_replace", dies)
    with pytest.raises(CallError, match="No space left"):
        write(loans, tmp_path)
    monkeypatch.setattr(exporting, "_replace", real)
    rest = write(loans, tmp_path)
    assert 0 < len(rest.written) < len([*(tmp_path / "site").rglob("*.html")]), "what stood there was not written again"
    again = write(loans, tmp_path)
    assert (again.written, again.removed, again.bytes) == ([], [], 0)
    (tmp_path / "site" / "loans" / "index.html").write_text("somebody's hand")
    (tmp_path / "site" / "loans" / "loans-000003.evidently.html").unlink()
    assert write(loans, tmp_path).written == ["loans/loans-000003.evidently.html", "loans/index.html"]


def test_plots_that_were_measured_again_are_written_again(loans: Settings, tmp_path: Path) -> None:
    write(loans, tmp_path)
    state = State.open(loans)
    window = ledger.find_window(state, "loans-000003")
    assert window is not None
    assert window.report_url is not None
    Path(window.report_url).write_text(PLOTS.replace("plots", "newer"))
    drifts, qualities = ledger.measurement(state, window.id)
    ledger.save_measurement(
        state, window.id, drifts=drifts, qualities=qualities, labelled_rows=200, report_url=window.report_url, mlflow_run=None, at=NOW
    )
    assert "loans/loans-000003.evidently.html" in write(loans, tmp_path).written


def test_one_model_is_written_beside_the_others_and_shows_nobody_else(loans: Settings, tmp_path: Path) -> None:
    assert write(loans, tmp_path, model="loans").models == ["loans"]
    assert "cars" not in (tmp_path / "site" / "index.html").read_text()
    both = write(loans, tmp_path, model="cars")
    assert both.models == ["cars", "loans"]
    assert both.removed == []
    assert "cars/index.html" in (tmp_path / "site" / "index.html").read_text()
    shutil.rmtree(loans.dags / "cars")
    gone = write(loans, tmp_path)
    assert "cars/index.html" in gone.removed
    assert not (tmp_path / "site" / "cars").exists()
    with pytest.raises(UnknownModel):
        write(loans, tmp_path, model="cars")


def test_a_folder_of_somebody_else_is_left_alone(loans: Settings, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "thesis.txt").write_text("mine")
    with pytest.raises(CallError, match=r"holds other things \(thesis.txt\)"):
        write(loans, tmp_path)
    (site / "thesis.txt").unlink()
    write(loans, tmp_path)
    (site / "loans" / "notes.txt").write_text("mine")
    outside = tmp_path / "outside.html"
    outside.write_text("mine")
    manifest = json.loads((site / MANIFEST).read_text())
    manifest["files"]["../outside.html"] = {"size": 4}
    (site / MANIFEST).write_text(json.dumps(manifest))
    write(loans, tmp_path, since="1d")
    assert (site / "loans" / "notes.txt").exists()
    assert outside.exists(), "a manifest removes nothing outside of the folder"
    (site / MANIFEST).write_text("broken")
    with pytest.raises(CallError, match="cannot be read"):
        write(loans, tmp_path)


def test_what_a_killed_export_had_half_written_is_swept_and_files_may_be_served(loans: Settings, tmp_path: Path) -> None:
    write(loans, tmp_path)
    old, young = (tmp_path / "site" / "loans" / f".{name}.part" for name in ("old", "young"))
    for part in (old, young):
        part.write_text("half")
    os.utime(old, (0, 0))
    write(loans, tmp_path)
    assert (old.exists(), young.exists()) == (False, True), "another export may be at work"
    assert (tmp_path / "site" / "index.html").stat().st_mode & 0o777 == 0o644


def test_a_broken_declaration_hides_no_other_model(loans: Settings, tmp_path: Path) -> None:
    (loans.dags / "cars" / "model.yaml").write_text("model: cars\n")
    (loans.dags / "loans" / "model.yaml").write_text("model: loans\n")
    done = write(loans, tmp_path)
    assert done.models == ["loans"], "it is shown as it was declared last"
    assert "dags/cars/model.yaml" in done.skipped["cars"]


def test_names_from_the_data_are_text_and_policies_stand_in_the_pages_themselves(loans: Settings, tmp_path: Path) -> None:
    write(loans, tmp_path)
    for page in (tmp_path / "site").rglob("*.html"):
        text = page.read_text()
        if page.name.endswith(".evidently.html"):
            continue
        assert EVIL not in text, page
        head = text.split("</head>", 1)[0]
        assert "Content-Security-Policy" in head, f"{page}: a plain web server sends no policy"
        if page.name != "history.html":
            assert "<script" not in text, page


def test_a_window_is_told_also_where_its_plots_were_removed(loans: Settings) -> None:
    page = text_of(loans, "loans-000001")
    assert "<iframe" not in page
    assert "plots were removed since" in page
    assert "<iframe" in text_of(loans, "loans-000003")
    gone = find(Shelf.open(loans), "loans", "loans-000001.evidently")
    assert isinstance(gone, Missing)
    assert "monitoring.keep_reports" in gone.hint


def test_a_report_shows_its_decision_and_the_ways_to_its_neighbours(loans: Settings) -> None:
    page = text_of(loans, "loans-000002.html")
    assert "Decision: not retrained" in page
    assert {"../index.html", "index.html", "loans-000001.html", "loans-000003.html", "loans-000002.evidently.html"} == {*links(page)}
    assert links(text_of(loans, "latest")) == links(text_of(loans, "loans-000003"))


def test_what_there_is_not_is_missing_with_a_hint(loans: Settings) -> None:
    (loans.home / "data_docs" / "loans" / "out.html").symlink_to(loans.home / "state.db")
    shelf = Shelf.open(loans)
    of_windows = ("loans-000009", "cars-000001", "../cars/index", "latest.evidently", "")
    of_versions = ("card_1", "card_0", "card_99", "card_1/../../x")
    of_docs = ("data-docs/b2", "data-docs/..", "data-docs/../b1", "data-docs/out", "data-docs/a/b")
    for name in (*of_windows, *of_versions, *of_docs, "replay"):
        found = find(shelf, "loans", name)
        assert isinstance(found, Missing), name
        assert found.hint
    for model in ("ghosts", "../loans", ".."):
        assert isinstance(find(shelf, model, "index"), Missing)


def test_a_replay_and_a_card_that_is_kept_are_framed(loans: Settings) -> None:
    folder = Path(loans.reports_url) / "loans"
    for name in ("replay", "card_1"):
        (folder / f"{name}.html").write_text(f"<html><head></head><body>kept {name}</body></html>")
    assert {"../index.html", "index.html"} == {*links(text_of(loans, "replay"))}
    assert isinstance(find(Shelf.open(loans), "loans", "card_1"), Missing), "no training made it"


@pytest.fixture
def served(loans: Settings, tmp_path: Path) -> Iterator[str]:
    """The export on a plain web server."""
    write(loans, tmp_path)
    handler = partial(_Quiet, directory=str(tmp_path / "site"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    asked: ClassVar[list[str]] = []

    def log_message(self, *args: object) -> None:
        self.asked.append(self.path)


def test_on_a_plain_web_server_plots_run_as_nobody_in_their_frame_and_nowhere_else(served: str) -> None:
    with chromium() as browser:
        page = browser.new_page()
        page.goto(f"{served}/loans/loans-000003.html")
        page.locator("iframe").scroll_into_view_if_needed()
        page.wait_for_function("document.querySelector('iframe').contentWindow !== null")
        frame = page.frames[-1]
        frame.wait_for_load_state()
        assert frame.evaluate("[document.title, self.origin]") == ["ran", "null"], "their script runs, as nobody"
        assert page.title() == "loans: window 3", "and reaches nothing of ours"
        _Quiet.asked.clear()
        alone = browser.new_page()
        alone.goto(f"{served}/loans/loans-000003.evidently.html")
        alone.wait_for_url("**/loans-000003.html")
        assert alone.title() == "loans: window 3", "opened without the frame it leads back"
        assert "/loans/loans-000003.html" in _Quiet.asked
        assert "/ran-as-http" not in _Quiet.asked, "and nothing of it has run as this server's own"
