import json
from pathlib import Path

import pytest

from ml.data import deliveries
from ml.data.table import AcceptedTable
from ml.errors import CallError, DataOwnerError, UnknownModel
from ml.jobs import quarantine as quarantine_job
from ml.jobs.ingest import BatchResult, ingest, ingest_delivery
from ml.jobs.quarantine import listed, release, show
from ml.settings import Settings
from ml.state import State, batches
from tests.data.models import csv_text, declare, incoming

BAD = csv_text(9).replace(",22,", ",17,")


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "SETTLE_S", 0.02)


def expect_age(settings: Settings, low: int) -> None:
    expectation = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "age", "min_value": low, "max_value": 99}, "meta": {}}
    content = {"name": "loans", "expectations": [expectation], "meta": {}}
    (settings.expectations / "loans.json").write_text(json.dumps(content), encoding="utf-8")


def quarantine_one(settings: Settings, content: str = BAD, name: str = "a.csv") -> BatchResult:
    declare(settings)
    expect_age(settings, 18)
    incoming(settings, name).write_text(content)
    (batch,) = ingest(settings, "loans").batches
    assert batch.status == "quarantined"
    return batch


def rows_in_table(settings: Settings) -> int:
    table = AcceptedTable.of(settings, "loans")
    version = table.version()
    return 0 if version is None else table.count(version=version)


def test_the_list_and_the_details_name_what_failed(settings: Settings) -> None:
    batch = quarantine_one(settings)
    content = listed(settings, "loans").model_dump(mode="json")
    assert content["batches"][0]["id"] == batch.id
    details = show(settings, "loans", batch.id[:8])
    assert [(failure.row, failure.column) for failure in details.first_failures] == [(3, "age")]
    assert Path(details.original).read_text() == BAD


def test_a_release_judges_again_and_leaves_what_still_fails(settings: Settings) -> None:
    batch = quarantine_one(settings)
    assert release(settings, "loans", batch.id).status == "quarantined"
    assert rows_in_table(settings) == 0
    expect_age(settings, 17)
    for _ in range(2):
        released = release(settings, "loans", batch.id)
        assert (released.status, released.id, released.reasons) == ("accepted", batch.id, [])
        assert rows_in_table(settings) == 9
    assert listed(settings, "loans").batches == []
    saved = batches.find(State.open(settings), "loans", batch.id)
    assert saved is not None
    assert saved.arrived_at < saved.decided_at


def test_a_release_keeps_the_first_arrival_and_tells_it_once(settings: Settings) -> None:
    batch = quarantine_one(settings)
    arrived = listed(settings, "loans").batches[0].arrived_at
    release(settings, "loans", batch.id, force=True)
    saved = batches.find(State.open(settings), "loans", batch.id)
    table = AcceptedTable.of(settings, "loans")
    rows = table.read(version=table.version() or 0, columns=["age"])
    assert saved is not None
    assert saved.arrived_at == arrived
    assert rows["_arrived_at"].unique().tolist() == [arrived]
    release(settings, "loans", batch.id, force=True)
    assert batches.find(State.open(settings), "loans", batch.id) == saved


def test_force_accepts_against_the_suite_and_says_so(settings: Settings) -> None:
    batch = quarantine_one(settings)
    released = release(settings, "loans", batch.id, force=True)
    assert released.status == "accepted"
    assert released.reasons[0] == "accepted by force although:"
    assert released.failing_rows == 1
    assert rows_in_table(settings) == 9


@pytest.mark.parametrize("content", [csv_text(9).replace("1003.5", "lots"), csv_text(0)])
def test_what_cannot_be_cast_cannot_be_forced(settings: Settings, content: str) -> None:
    batch = quarantine_one(settings, content)
    released = release(settings, "loans", batch.id, force=True)
    assert released.status == "quarantined"
    assert released.reasons[0].startswith("cannot be forced")
    assert rows_in_table(settings) == 0


def test_a_repaired_file_takes_the_place_of_the_original(settings: Settings, tmp_path: Path) -> None:
    batch = quarantine_one(settings)
    repaired = tmp_path / "repaired.csv"
    repaired.write_text(BAD)
    assert release(settings, "loans", batch.id, repaired=str(repaired)).status == "quarantined"
    assert len(listed(settings, "loans").batches) == 1
    repaired.write_text(csv_text(9))
    released = release(settings, "loans", batch.id, repaired=str(repaired))
    assert released.status == "accepted"
    assert f"takes the place of batch {batch.id[:12]}" in released.reasons[-1]
    assert rows_in_table(settings) == 9
    assert listed(settings, "loans").batches == []
    gone = show(settings, "loans", batch.id[:8]).batch
    assert (gone.status, gone.reasons[-1]) == ("replaced", f"replaced by batch {released.id}")
    with pytest.raises(DataOwnerError, match=f"is closed: replaced by batch {released.id}"):
        release(settings, "loans", batch.id)
    incoming(settings, "again.csv").write_text(BAD)
    assert ingest(settings, "loans").batches[0].status == "duplicate"


def test_an_unknown_or_ambiguous_batch_is_named(settings: Settings) -> None:
    with pytest.raises(UnknownModel):
        listed(settings, "loans")
    quarantine_one(settings)
    for batch in ("zz", ""):
        with pytest.raises(DataOwnerError, match="no batch of loans in quarantine"):
            release(settings, "loans", batch)


def test_a_delivery_that_was_accepted_before_takes_the_place_of_none_but_by_force(settings: Settings) -> None:
    batch = quarantine_one(settings)
    other = incoming(settings, "other.csv")
    other.write_text(csv_text(5, start=20))
    (accepted,) = ingest(settings, "loans").batches
    with pytest.raises(CallError, match=rf"batch {accepted.id[:12]}, which was accepted already, as .*other\.csv at .* --force"):
        release(settings, "loans", batch.id, repaired=str(other))
    (still,) = listed(settings, "loans").batches
    assert (still.id, still.reasons) == (batch.id, batch.reasons)
    forced = release(settings, "loans", batch.id, repaired=str(other), force=True)
    assert forced.status == "duplicate"
    assert f"takes the place of batch {batch.id[:12]}" in forced.reasons[-1]
    assert listed(settings, "loans").batches == []
    assert rows_in_table(settings) == 5


def test_a_release_that_was_killed_before_it_closed_the_batch_can_be_run_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = quarantine_one(settings)
    repaired = tmp_path / "repaired.csv"
    repaired.write_text(csv_text(9))

    class Killed(BaseException):
        pass

    def killed(*args: object, **kwargs: object) -> None:
        ingest_delivery(*args, **kwargs)  # type: ignore[arg-type]
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(quarantine_job, "ingest_delivery", killed)
        with pytest.raises(Killed):
            release(settings, "loans", batch.id, repaired=str(repaired))
    assert len(listed(settings, "loans").batches) == 1
    assert release(settings, "loans", batch.id, repaired=str(repaired)).status == "duplicate"
    assert listed(settings, "loans").batches == []
    assert show(settings, "loans", batch.id).batch.reasons[:-1] == batch.reasons


def test_a_repaired_file_that_fails_too_leaves_the_batch_as_it_was(settings: Settings, tmp_path: Path) -> None:
    batch = quarantine_one(settings)
    repaired = tmp_path / "repaired.csv"
    repaired.write_text(BAD.replace(",17,", ",16,"))
    assert release(settings, "loans", batch.id, repaired=str(repaired)).status == "quarantined"
    assert show(settings, "loans", batch.id).batch.reasons == batch.reasons
