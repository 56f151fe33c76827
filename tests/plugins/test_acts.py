"""Acting through a page: who may, from where, what happens, and what stands in Airflow's audit log afterwards."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ml.settings import Settings
from ml.state import State, approvals, batches, trainings
from ml.state.records import Approval, Batch, Training
from tests.plugins.server import Answer, Pages
from tests.state import made

NOW = datetime(2026, 5, 1, tzinfo=UTC)
MODEL = "loans"
BAD = "<script>alert(1)</script>"
SPEC = made.declared(training={"candidates": [{"name": "a", "class": "a.B"}], "history_rows": 100})
VERDICT = made.VERDICT | {"champion": {"rmse": 2.5}, "champion_version": 1}
OWN = {"sec-fetch-site": "same-origin", "x-perennial": "1"}


@pytest.fixture
def state(settings: Settings) -> State:
    """A declared model with three versions, the third of which serves, and a batch in quarantine."""
    folder = settings.dags / MODEL
    folder.mkdir()
    (folder / "model.yaml").touch()
    state = State.open(settings)
    for version in (1, 2, 3):
        trained(state, version)
        trainings.crown(
            state,
            model=MODEL,
            version=version,
            kind="promote",
            at=NOW + timedelta(days=version),
            by="gate",
            reason="asked",
            key=str(version),
        )
    batches.save(state, held("ab" * 16))
    return state


def trained(state: State, version: int | None, *, key: str | None = None, how: str = "promoted") -> Training:
    known = {"key": key or f"{MODEL}.train/run-{version}", "dataset_version": 7, "reason": f"because {BAD}", "state": how}
    return made.begun(state, SPEC, **known, as_of=NOW, started_at=NOW, version=version, verdict=VERDICT)


def held(name: str, **more: Any) -> Batch:
    facts: dict[str, Any] = {
        "source": f"in/{BAD}.csv", "status": "quarantined", "rows": 12, "failing_rows": 3, "reasons": [f"column {BAD}"], "arrived_at": NOW,
        "decided_at": NOW,
    }  # fmt: skip
    return Batch(id=name, model=MODEL, **{**facts, **more})


def act(pages: Pages, what: str, body: Any, *, user: str | None = "uma", headers: dict[str, str] | None = None) -> Answer:
    return pages.ask("POST", f"/perennial/actions/{MODEL}/{what}", user=user, headers=OWN if headers is None else headers, body=body)


def logged(pages: Pages) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Event, owner, DAG and what else stands there."""
    pages.get("/perennial/reports")  # answered once the tables are made
    with sqlite3.connect(Path(pages._folder.name, "a.db")) as database:
        rows = database.execute("select event, owner, dag_id, extra from log order by id").fetchall()
    return [(event, owner, dag, json.loads(extra)) for event, owner, dag, extra in rows]


BODIES = [("promote", {"version": 1}), ("rollback", {"to": 2}), ("release", {"batch": "ab" * 16})]


@pytest.mark.parametrize(("what", "body"), BODIES)
def test_nobody_acts_who_may_not_and_nothing_is_logged_of_it(pages: Pages, state: State, what: str, body: dict[str, Any]) -> None:
    before = len(logged(pages))
    assert act(pages, what, body, user=None).status == 401
    for user in ("vic", "guest"):
        refused = act(pages, what, body, user=user)
        assert refused.status == 403
        assert "may not trigger" in refused.json()["detail"]
    champion = trainings.champion(state, MODEL)
    assert champion is not None
    assert champion.version == 3
    assert len(logged(pages)) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-site", "x-perennial": "1"},  # another port of this machine
        {"sec-fetch-site": "cross-site", "x-perennial": "1", "origin": "http://testserver"},
        {"sec-fetch-site": "none", "x-perennial": "1"},
        {"sec-fetch-site": "same-origin"},  # a form cannot send the header
        {"origin": "http://testserver:8099", "x-perennial": "1"},
        {"origin": "null", "x-perennial": "1"},
        {"x-perennial": "1"},
    ],
)
@pytest.mark.parametrize(("what", "body"), BODIES)
def test_a_write_that_a_foreign_page_made_the_browser_send_is_refused(
    pages: Pages, state: State, what: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    refused = act(pages, what, body, headers=headers)
    assert refused.status == 403
    assert "page of this Airflow" in refused.json()["detail"]


def test_a_browser_that_tells_only_its_origin_may_act_from_airflows(pages: Pages, state: State) -> None:
    found = act(pages, "release", {"batch": "00" * 16}, headers={"origin": "http://testserver", "x-perennial": "1"})
    assert found.status == 409
    assert "no batch of loans in quarantine" in found.json()["text"], "the request passed"


def test_what_cannot_be_done_is_told_and_stands_in_the_audit_log(pages: Pages, state: State) -> None:
    found = act(pages, "rollback", {"to": 1, "reason": "tired"})
    assert (found.status, found.json()["done"]) == (409, False)
    assert "back would be version 2 now, not 1" in found.json()["text"]
    event, owner, dag, extra = logged(pages)[-1]
    assert (event, owner, dag) == ("perennial_rollback", "uma", f"{MODEL}.train")
    assert extra["reason"] == "tired"
    assert extra["outcome"].startswith("refused: ")


def test_an_unknown_model_and_a_wrong_body_are_refused(pages: Pages, state: State) -> None:
    ghost = pages.ask("POST", "/perennial/actions/ghosts/rollback", user="ada", headers=OWN, body={"to": 1})
    assert ghost.status == 404
    for what, body in [("promote", {"version": "two"}), ("promote", {"version": 1, "by": "me"}), ("release", {"batch": "../../x"})]:
        assert act(pages, what, body).status == 422


def test_the_page_of_actions_shows_evidence_as_text_and_why_something_cannot_be_done(pages: Pages, state: State) -> None:
    waiting = trained(state, 4, key=f"{MODEL}.train/manual__2026-05-01T00:00:00+00:00", how="running")
    approvals.ask(state, Approval(training=waiting.key, model=MODEL, asked_at=NOW, until=NOW + timedelta(days=9)))
    for part in ("", "?part=true"):
        page = pages.get(f"/perennial/actions/{MODEL}{part}", user="uma")
        assert page.status == 200
        assert BAD not in page.text
        assert "&lt;script&gt;alert(1)" in page.text
        assert (
            f"/api/v2/dags/{MODEL}.train/dagRuns/manual__2026-05-01T00%3A00%3A00%2B00%3A00/taskInstances/approve/-1/hitlDetails"
            in page.text
        )
        assert "It is champion already." in page.text
        assert '<td class="number">1.25</td>' in page.text
        assert "may not" not in page.text
        assert ("<html" in page.text) == (part == "")
    viewer = pages.get(f"/perennial/actions/{MODEL}", user="vic")
    assert viewer.status == 200
    assert f"Your role in Airflow may not trigger {MODEL}.train." in viewer.text
    assert 'type="submit">' not in viewer.text, "each button is disabled"
    assert pages.get(f"/perennial/actions/{MODEL}", user="guest").status == 403
    assert pages.get(f"/perennial/actions/{MODEL}", user=None).status == 401
    assert pages.get("/perennial/actions/ghosts").status == 404
