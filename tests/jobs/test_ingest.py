import gzip
import io
import json
import os
import sqlite3
import time
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml.data import deliveries
from ml.data.table import AcceptedTable
from ml.errors import ConcurrentChange, DataOwnerError, ModelOwnerError, StoreUnavailable
from ml.jobs import ingest as job
from ml.jobs.accepted import AcceptedRows, accepted_after
from ml.jobs.ingest import find_deliveries, ingest, ingest_delivery
from ml.settings import Settings
from ml.state import State, batches
from ml.validation import quarantine
from tests.conftest import DATA
from tests.data.models import LOANS, csv_text, declare, incoming, processes


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "SETTLE_S", 0.02)


def expect(settings: Settings, *expectations: dict[str, Any], model: str = "loans") -> None:
    content = {"name": model, "expectations": list(expectations), "meta": {}}
    (settings.expectations / f"{model}.json").write_text(json.dumps(content), encoding="utf-8")


def between(column: str, low: float, high: float) -> dict[str, Any]:
    return {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": column, "min_value": low, "max_value": high},
        "meta": {"notes": "a test"},
    }


@pytest.fixture
def loans(settings: Settings) -> Settings:
    declare(settings)
    expect(settings, between("age", 18, 100), {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "region"}, "meta": {}})
    return settings


def put(settings: Settings, name: str, content: str | bytes) -> Path:
    path = incoming(settings, name)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows_in_table(settings: Settings, model: str = "loans") -> int:
    table = AcceptedTable.of(settings, model)
    version = table.version()
    return 0 if version is None else table.count(version=version)


def as_frame(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


def as_parquet(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream)
    return stream.getvalue()


def as_lines(frame: pd.DataFrame) -> str:
    return frame.to_json(orient="records", lines=True)


def flipped(frame: pd.DataFrame, before: bytes, after: bytes) -> bytes:
    stream = io.BytesIO()
    frame.to_parquet(stream, compression=None)
    return stream.getvalue().replace(before, after)


def with_column(name: str, values: pa.Array) -> bytes:
    stream = io.BytesIO()
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    pq.write_table(table.set_column(table.column_names.index(name), name, values), stream)
    return stream.getvalue()


FRAME = as_frame(csv_text(40))
PARQUET = as_parquet(FRAME)


def test_a_good_delivery_is_accepted_whole_and_not_looked_at_again(loans: Settings) -> None:
    put(loans, "a.csv", csv_text(5))
    result = ingest(loans, "loans")
    (batch,) = result.model_dump(mode="json")["batches"]
    assert {key: batch[key] for key in ("status", "rows", "failing_rows", "reasons")} == {
        "status": "accepted",
        "rows": 5,
        "failing_rows": 0,
        "reasons": [],
    }
    assert rows_in_table(loans) == 5
    assert batch["dataset_version"] == AcceptedTable.of(loans, "loans").version()
    assert find_deliveries(loans, "loans") == []
    assert ingest(loans, "loans").batches == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.parquet", PARQUET),
        ("a.jsonl", FRAME.to_json(orient="records", lines=True)),
        ("a.csv.gz", gzip.compress(csv_text(40).encode(), mtime=0)),
        ("a.jsonl.gz", gzip.compress(FRAME.to_json(orient="records", lines=True).encode(), mtime=0)),
        ("bom.csv", "\ufeff" + csv_text(40)),
        ("crlf.csv", csv_text(40).replace("\n", "\r\n")),
        ("reordered.csv", FRAME[FRAME.columns[::-1]].to_csv(index=False)),
        ("quoted.csv", FRAME.assign(note="two\nlines").to_csv(index=False)),
        ("unlabelled.csv", FRAME.drop(columns="default").to_csv(index=False)),
        ("categories.parquet", as_parquet(FRAME.astype({"region": "category"}))),
        ("dates.parquet", as_parquet(FRAME.assign(applied=pd.to_datetime(FRAME["applied"])))),
    ],
)
def test_every_way_to_write_the_same_rows_is_accepted(loans: Settings, name: str, content: str | bytes) -> None:
    put(loans, name, content)
    (batch,) = ingest(loans, "loans").batches
    assert (batch.status, batch.rows, batch.reasons) == ("accepted", 40, [])
    table = AcceptedTable.of(loans, "loans")
    found = table.read(version=table.version() or 0)
    assert found["age"].tolist() == FRAME["age"].tolist()
    assert found["region"].tolist() == FRAME["region"].tolist()
    assert str(found["applied"].dtype) == "datetime64[us, UTC]"
    if name != "unlabelled.csv":
        assert found["default"].tolist() == FRAME["default"].astype(str).tolist()


DAMAGED: dict[str, tuple[str | bytes, str]] = {
    "empty.csv": (b"", "is empty"),
    "header.csv": (csv_text(0), "only a header"),
    "semicolons.csv": (csv_text(9).replace(",", ";"), "separated by ';'"),
    "tabs.csv": (csv_text(9).replace(",", "\t"), "separated by '\\t'"),
    "latin.csv": (csv_text(9).replace("north", "n\xf6rd").encode("latin-1"), "is not utf-8 text"),
    "utf16.csv": (csv_text(9).encode("utf-16"), "utf-16"),
    "missing.csv": (FRAME.drop(columns="age").to_csv(index=False), "missing columns: 'age'"),
    "extra.csv": (FRAME.assign(surprise=1).to_csv(index=False), "undeclared columns: 'surprise'"),
    "headless.csv": (csv_text(9).split("\n", 1)[1], "the first line is no header: none of the declared columns stands in it"),
    "page.csv": ("<html>\n<body>502 Bad Gateway</body>\n", "the first line is no header"),
    "doubled.csv": (csv_text(9).replace("age", "income", 1), "stand twice: 'income'"),
    "ragged.csv": (csv_text(9) + "L99,2024-01-01,1\n", "1 rows do not have 7 fields"),
    "text.csv": (csv_text(9).replace("1003.5", "lots"), "1 values are not finite numbers: 'lots'"),
    "dates.csv": (csv_text(9).replace("2024-01-04", "soon"), "1 values are not dates or times: 'soon'"),
    "quote.csv": (csv_text(9).replace("L3", '"L3'), "never closed"),
    "cut.parquet": (PARQUET[:-100], "damaged or cut off"),
    "cut.csv.gz": (gzip.compress(csv_text(4000).encode())[:-40], "damaged or cut off"),
    "renamed.parquet": (csv_text(9), "not a parquet file"),
    "typed.parquet": (as_parquet(FRAME.assign(income="much")), "40 values are not finite numbers"),
    "broken.jsonl": (FRAME.to_json(orient="records", lines=True)[:-30], "is not one JSON object"),
    "binary.csv": (bytes(range(256)) * 20, ""),
    "half.jsonl": (as_lines(FRAME) + '{"loan": "L\\ud800"}\n', "line 41 holds half a character"),
    "half_key.jsonl": (as_lines(FRAME) + '{"loan\\udfff": 1}\n', "line 41 holds half a character"),
    "digits.jsonl": (as_lines(FRAME) + '{"income": ' + "9" * 5000 + "}\n", "line 41 holds a whole number of thousands of digits"),
    "flipped.parquet": (flipped(FRAME.assign(region="northernmost"), b"northernmost", b"north\xffrnmost"), "damaged: column 'region'"),
    "years.parquet": (with_column("applied", pa.array([10**18] * 40).cast(pa.timestamp("us"))), "40 values are not dates or times"),
    "days.parquet": (with_column("applied", pa.array([10**8] * 40, pa.int32()).cast(pa.date32())), "40 values are not dates or times"),
    "zone.parquet": (with_column("region", pa.array([1] * 40).cast(pa.timestamp("us", "Mars/Phobos"))), "cannot be read or converted"),
    "range.csv": (csv_text(9).replace(",22,", ",17,"), "age"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_delivery_is_quarantined_with_its_reason_and_the_table_stays(loans: Settings, name: str) -> None:
    content, reason = DAMAGED[name]
    path = put(loans, name, content)
    (batch,) = ingest(loans, "loans").batches
    assert batch.status == "quarantined"
    assert reason in " ".join(batch.reasons)
    assert all(len(text) < 600 for text in batch.reasons)
    assert rows_in_table(loans) == 0
    kept = quarantine.find(loans, "loans", batch.id)
    assert Path(kept.original).read_bytes() == path.read_bytes()
    assert len(quarantine.failures(kept)["row"].unique()) == batch.failing_rows
    assert batch.docs_url is not None
    assert find_deliveries(loans, "loans") == []


def test_every_failing_row_is_kept_with_its_number_and_reasons(loans: Settings) -> None:
    frame = as_frame(csv_text(2000))
    frame["income"] = frame["income"].astype(object)
    frame.loc[:999, "age"] = 5
    frame.loc[500:1499, "income"] = "?"
    frame.loc[1999, "region"] = None
    put(loans, "a.csv", frame.to_csv(index=False))
    (batch,) = ingest(loans, "loans").batches
    failures = quarantine.failures(quarantine.find(loans, "loans", batch.id))
    assert batch.failing_rows == 1501
    assert set(failures.loc[failures["column"] == "age", "row"]) == set(range(1, 1001))
    assert set(failures.loc[failures["column"] == "income", "row"]) == set(range(501, 1501))
    assert set(failures.loc[failures["column"] == "region", "row"]) == {2000}


def test_row_numbers_hold_behind_a_ragged_row(loans: Settings) -> None:
    lines = csv_text(9).splitlines()
    lines[3] = "only,two"
    lines[6] = lines[6].replace(",25,", ",7,")
    put(loans, "a.csv", "\n".join(lines))
    (batch,) = ingest(loans, "loans").batches
    failures = quarantine.failures(quarantine.find(loans, "loans", batch.id))
    assert failures["row"].tolist() == [3, 6]
    assert (batch.rows, batch.failing_rows) == (9, 2)


def test_the_same_content_under_another_name_is_a_duplicate(loans: Settings) -> None:
    put(loans, "a.csv", csv_text(5))
    first = ingest(loans, "loans").batches[0]
    put(loans, "b.csv", csv_text(5))
    (second,) = ingest(loans, "loans").batches
    assert (second.status, second.id, second.dataset_version) == ("duplicate", first.id, first.dataset_version)
    assert "a.csv" in second.reasons[0]
    assert rows_in_table(loans) == 5
    assert ingest(loans, "loans").batches == []


def test_damaged_content_that_comes_again_is_as_damaged_as_the_first_and_kept_once(loans: Settings) -> None:
    put(loans, "monday.csv", b"")
    first = ingest(loans, "loans").batches[0]
    assert ingest(loans, "loans").batches == [], "a file that was judged is not looked at again"
    path = put(loans, "tuesday.csv", b"")
    began = datetime.now(UTC)
    (second,) = ingest(loans, "loans").batches
    for one in (second, ingest_delivery(loans, "loans", str(path), since=began), ingest_delivery(loans, "loans", str(path), since=began)):
        assert (one.status, one.id, one.quarantine_url) == ("quarantined", first.id, first.quarantine_url)
        assert one.reasons[:-1] == first.reasons
        assert "the same content was quarantined before, as" in one.reasons[-1]
        assert "monday.csv" in one.reasons[-1]
        assert one.source.endswith("tuesday.csv")
    saved = batches.find(State.open(loans), "loans", first.id)
    assert saved is not None
    assert (saved.source, saved.reasons) == (first.source, first.reasons)
    assert len(batches.listed(State.open(loans), "loans")) == 1


def test_deliveries_come_oldest_first_without_unfinished_ones(loans: Settings) -> None:
    for age, name in ((10, "b.csv"), (30, "a.csv"), (20, "c.csv"), (5, "d.csv.part"), (5, ".e.csv"), (5, "f.tmp")):
        path = put(loans, name, csv_text(3, start=age))
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    assert [Path(url).name for url in find_deliveries(loans, "loans")] == ["a.csv", "c.csv", "b.csv"]


def test_a_file_that_grows_waits_and_a_changed_file_is_a_new_delivery(loans: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(loans, "a.csv", csv_text(3))

    def grow(_: float) -> None:
        path.write_text(path.read_text() + "x\n")

    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", grow)
        assert find_deliveries(loans, "loans") == []
    path.write_text(csv_text(3))
    assert ingest(loans, "loans").batches[0].status == "accepted"
    path.write_text(csv_text(4, start=3))
    assert ingest(loans, "loans").batches[0].rows == 4
    assert rows_in_table(loans) == 7


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_look(loans: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(loans, "a.csv", csv_text(3))
    marks = iter(["1", "2"])
    with monkeypatch.context() as patch:
        patch.setattr(deliveries, "fingerprint_of", lambda url: next(marks))
        with pytest.raises(ConcurrentChange, match="changed while it was read"):
            ingest_delivery(loans, "loans", str(path))
    assert rows_in_table(loans) == 0
    assert not list((loans.home / "spool").iterdir())


def test_a_named_file_that_is_not_there_is_the_data_owners_error(loans: Settings, tmp_path: Path) -> None:
    with pytest.raises(DataOwnerError, match=r"nothing\.csv does not exist"):
        ingest(loans, "loans", [str(tmp_path / "nothing.csv")])


def test_a_delivery_that_cannot_be_fetched_does_not_keep_the_others_out(loans: Settings, tmp_path: Path) -> None:
    good = [str(put(loans, name, csv_text(3, start=start))) for name, start in (("a.csv", 0), ("b.csv", 3))]
    told: list[str] = []
    files = [good[0], str(tmp_path / "gone.csv"), str(tmp_path), good[1]]
    with pytest.raises(
        DataOwnerError, match=r"2 of 4 deliveries were not taken in, the others were: .*gone\.csv does not exist; .*is a folder"
    ):
        ingest(loans, "loans", files, on_progress=lambda batch: told.append(batch.status))
    assert told == ["accepted", "accepted"]
    assert rows_in_table(loans) == 6


def test_a_delivery_that_a_killed_try_took_in_is_told_again_to_the_next_try(loans: Settings) -> None:
    began = datetime.now(UTC)
    path = put(loans, "a.csv", csv_text(5))
    first = ingest_delivery(loans, "loans", str(path), since=began)
    assert ingest_delivery(loans, "loans", str(path), since=began).model_dump() == first.model_dump()
    assert ingest_delivery(loans, "loans", str(path), since=datetime.now(UTC)).status == "duplicate"
    assert ingest_delivery(loans, "loans", str(path)).status == "duplicate"
    other = put(loans, "b.csv", csv_text(5))
    assert ingest_delivery(loans, "loans", str(other), since=began).status == "duplicate"


def test_rows_that_come_again_are_a_warning_that_is_kept(loans: Settings) -> None:
    put(loans, "a.csv", csv_text(5))
    assert ingest(loans, "loans").batches[0].warnings == []
    put(loans, "b.csv", csv_text(8))
    (second,) = ingest(loans, "loans").batches
    sentence = "5 of 8 ids are in accepted batches already (first: 'L0'): rows that come twice count twice"
    assert (second.status, second.warnings) == ("accepted", [sentence])
    assert second.docs_url is not None
    assert "5 of 8 ids are in accepted batches already" in Path(second.docs_url).read_text()
    commit = AcceptedTable.of(loans, "loans").find(second.id)
    assert commit is not None
    assert commit.facts["warnings"] == [sentence]
    put(loans, "c.csv", csv_text(5).replace(",22,", ",17,"))
    (third,) = ingest(loans, "loans").batches
    assert (third.status, len(third.warnings)) == ("quarantined", 1)
    assert quarantine.find(loans, "loans", third.id).warnings == third.warnings


def test_a_file_that_may_be_cut_off_and_a_weak_expectation_are_warnings(loans: Settings) -> None:
    expect(loans, between("age", 30, 100) | {"severity": "warning"})
    put(loans, "a.csv", csv_text(5).rstrip("\n"))
    (batch,) = ingest(loans, "loans").batches
    assert batch.status == "accepted"
    assert batch.warnings[0] == "the file does not end with a newline: its last row may be cut off (row 5)"
    assert "age" in batch.warnings[1]


def test_what_a_variable_stands_for_is_neither_shown_nor_stored(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "s3cr3t-t0ken"
    folder.mkdir()
    (folder / "a.csv").write_text(csv_text(5))
    (folder / "${TOKEN}.csv").write_text(csv_text(5, start=5))
    monkeypatch.setenv("TOKEN", "s3cr3t-t0ken")
    monkeypatch.setenv("ENDING", "csv")
    urls = [str(tmp_path / "${TOKEN}" / "*.${ENDING}")]
    declare(settings, data={"source": {"kind": "files", "urls": urls}})
    expect(settings, between("age", 18, 100))
    caplog.set_level("INFO")
    assert find_deliveries(settings, "loans") == [str(tmp_path / "${TOKEN}" / "a.${ENDING}")]
    (batch,) = ingest(settings, "loans").batches
    assert (batch.status, batch.rows) == ("accepted", 5)
    assert find_deliveries(settings, "loans") == []
    kept = [batch.model_dump_json(), *batches.seen_fingerprints(State.open(settings), "loans"), caplog.text]
    assert "s3cr3t" not in " ".join(kept)


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:pa55@files.example/in/a.csv",
        "https://files.example/in/a.csv?sv=2024&sig=pa55",
        "s3://key:pa55@bucket/*.csv",
        "https://x.example/a.csv?X-Amz-Signature=pa55",
    ],
)
def test_a_secret_that_is_written_in_the_declaration_is_refused_with_a_cure(settings: Settings, url: str) -> None:
    declare(settings, data={"source": {"kind": "files", "urls": [url]}})
    with pytest.raises(ModelOwnerError, match=r"password or token .* write \$\{VARIABLE\}") as caught:
        find_deliveries(settings, "loans")
    assert "pa55" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://${USER}:${PASSWORD}@h.example/a.csv?sig=${SAS}",
        "abfs://in@account.example/a.csv",
        "https://h.example:80/a@b?page=1",
        "/a:b@c",
    ],
)
def test_an_address_without_a_written_secret_has_none(url: str) -> None:
    assert not deliveries.has_secret(url)


def test_what_a_store_says_is_told_without_the_secret_of_its_address(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    declare(settings)
    url = "memory://ann:pa55@in/a.csv?sig=t0ken"

    def refuse(url: str) -> str:
        raise OSError(f"403, url={url!r}, see https://ann:pa55@h.example/a.csv?sig=t0ken")

    monkeypatch.setattr(deliveries, "fingerprint_of", refuse)
    with pytest.raises(StoreUnavailable, match="403") as caught:
        ingest(settings, "loans", [url])
    text = "".join(traceback.format_exception(caught.value))
    assert "pa55" not in str(caught.value)
    assert "t0ken" not in str(caught.value)
    assert "403, url='memory://ann:pa55" not in text


def test_what_a_kill_left_in_the_spool_goes_after_some_days(loans: Settings) -> None:
    old, young = (loans.home / "spool" / name for name in ("delivery-old", "delivery-young"))
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, ((datetime.now(UTC) - timedelta(days=3)).timestamp(),) * 2)
    put(loans, "a.csv", csv_text(3))
    ingest(loans, "loans")
    assert list((loans.home / "spool").iterdir()) == [young]
    assert not (loans.home / "tmp").exists()


def test_a_file_named_by_hand_is_read_as_its_name_says(settings: Settings, tmp_path: Path) -> None:
    declare(settings, data={"source": {"kind": "files", "urls": ["loans/*"], "format": "parquet"}})
    expect(settings, between("age", 18, 100))
    file = tmp_path / "a.csv"
    file.write_text(csv_text(3))
    assert ingest(settings, "loans", [str(file)]).batches[0].status == "accepted"
    bare = tmp_path / "delivery"
    bare.write_bytes(PARQUET)
    assert ingest(settings, "loans", [str(bare)]).batches[0].status == "accepted"


def ingest_and_die(settings: Settings, where: str) -> None:
    from ml.data.table import AcceptedTable as Table
    from ml.validation import docs

    owners: dict[str, tuple[Any, str]] = {
        "fetched": (job, "_taken"),
        "judged": (docs, "write"),
        "appended": (Table, "append"),
        "kept": (quarantine, "keep"),
        "saved": (batches, "save"),
        "seen": (batches, "mark_seen"),
    }
    owner, name = owners[where]
    target = getattr(owner, name)

    def dying(*args: Any, **kwargs: Any) -> Any:
        if where != "fetched":
            target(*args, **kwargs)
        os._exit(9)

    setattr(owner, name, dying)
    ingest(settings, "loans")


@pytest.mark.parametrize(
    ("where", "status"),
    [
        ("fetched", "accepted"),
        ("appended", "accepted"),
        ("saved", "duplicate"),
        ("judged", "quarantined"),
        ("kept", "quarantined"),
        ("saved", "quarantined"),
    ],
)
def test_a_kill_at_any_point_and_another_try_give_the_same_state(loans: Settings, where: str, status: str) -> None:
    bad = status == "quarantined"
    put(loans, "a.csv", csv_text(9).replace(",22,", ",17,") if bad else csv_text(9))
    child = processes().Process(target=ingest_and_die, args=(loans, where))
    child.start()
    child.join(120)
    assert child.exitcode == 9
    (batch,) = ingest(loans, "loans").batches
    assert batch.status in {status, "duplicate"} if where == "saved" else batch.status == status
    saved = batches.find(State.open(loans), "loans", batch.id)
    assert saved is not None
    assert saved.status == ("quarantined" if bad else "accepted")
    assert rows_in_table(loans) == (0 if bad else 9)
    if not bad:
        assert saved.docs_url is not None
        assert saved.dataset_version == AcceptedTable.of(loans, "loans").version()
    assert ingest(loans, "loans").batches == []


def ingest_in_process(settings: Settings, url: str, barrier: Any, results: Any) -> None:
    barrier.wait()
    results.put(ingest_delivery(settings, "loans", url).model_dump())


def test_one_delivery_in_two_processes_at_once_is_accepted_once(loans: Settings) -> None:
    path = put(loans, "a.csv", csv_text(9))
    State.open(loans)
    context = processes()
    barrier, results = context.Barrier(2), context.Queue()
    workers = [context.Process(target=ingest_in_process, args=(loans, str(path), barrier, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    found = [results.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join(60)
    assert {batch["status"] for batch in found} <= {"accepted", "duplicate"}
    assert len({batch["dataset_version"] for batch in found}) == 1
    assert rows_in_table(loans) == 9


def query_settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> sqlite3.Connection:
    path = settings.home / "source.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    FRAME.to_sql("loans", connection, index=False)
    connection.commit()
    monkeypatch.setenv("LOANS_DATABASE", str(path))
    source = {"kind": "sql", "url": "sqlite:///${LOANS_DATABASE}", "query": "SELECT * FROM loans ORDER BY loan"}
    declare(settings, data=LOANS["data"] | {"source": source})
    expect(settings, between("age", 18, 100))
    return connection


def test_each_different_query_result_is_one_batch(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = query_settings(settings, monkeypatch)
    assert [ingest(settings, "loans").batches[0].status for _ in range(2)] == ["accepted", "duplicate"]
    connection.execute("UPDATE loans SET income = 1 WHERE loan = 'L1'")
    connection.commit()
    assert ingest(settings, "loans").batches[0].status == "accepted"
    assert rows_in_table(settings) == 80
    connection.execute("UPDATE loans SET age = 3")
    connection.commit()
    assert [ingest(settings, "loans").batches[0].status for _ in range(2)] == ["quarantined", "duplicate"], "it is asked at each look"
    connection.execute("DELETE FROM loans")
    connection.commit()
    connection.close()
    (empty,) = ingest(settings, "loans").batches
    assert (empty.status, empty.rows) == ("duplicate", 0)
    monkeypatch.delenv("LOANS_DATABASE")
    with pytest.raises(ModelOwnerError, match="no variable LOANS_DATABASE"):
        ingest(settings, "loans")


@pytest.mark.skipif(not (DATA / "telco_churn").is_dir(), reason="the real data sets are not on this machine")
def test_telco_churn_with_blank_totals_is_accepted(settings: Settings) -> None:
    file = next((DATA / "telco_churn").glob("*.csv*"))
    columns = list(pd.read_csv(file, nrows=1).columns)
    numeric = ["tenure", "MonthlyCharges", "TotalCharges"]
    categorical = [name for name in columns if name not in {*numeric, "customerID", "Churn"}]
    features = {"numeric": numeric, "categorical": categorical}
    declare(settings, model="telco", target="Churn", positive="Yes", id="customerID", time=None, features=features)
    expect(settings, between("tenure", 0, 100), model="telco")
    (batch,) = ingest(settings, "telco", [str(file)]).batches
    assert (batch.status, batch.rows) == ("accepted", 7043)
    table = AcceptedTable.of(settings, "telco")
    assert table.read(version=table.version() or 0, columns=["TotalCharges"])["TotalCharges"].isna().sum() == 11


@pytest.mark.skipif(not (DATA / "bank_marketing").is_dir(), reason="the real data sets are not on this machine")
def test_bank_marketing_needs_its_separator_and_says_so(settings: Settings) -> None:
    file = DATA / "bank_marketing" / "bank-additional-full.csv.gz"
    frame = pd.read_csv(file, sep=";")
    numeric = [name for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])]
    features = {"numeric": numeric, "categorical": [name for name in frame.columns if name not in {*numeric, "y"}]}
    changes: dict[str, Any] = {"model": "bank", "target": "y", "positive": "yes", "id": None, "time": None, "features": features}
    declare(settings, **changes)
    expect(settings, between("age", 15, 100), model="bank")
    (refused,) = ingest(settings, "bank", [str(file)]).batches
    assert "separated by ';'" in refused.reasons[0]
    source = {"kind": "files", "urls": ["*"], "csv": {"separator": ";"}}
    declare(settings, **changes, data={"source": source})
    from ml.jobs.quarantine import release

    accepted = release(settings, "bank", refused.id)
    assert (accepted.status, accepted.rows) == ("accepted", len(frame))


def test_what_was_accepted_and_not_told_of_is_known_from_the_state(loans: Settings) -> None:
    assert accepted_after(loans, "loans", None) is None
    for number in range(3):
        put(loans, f"{number}.csv", csv_text(5 + number, start=10 * number))
    put(loans, "bad.csv", csv_text(5).replace("1000.5", "much"))
    ingest(loans, "loans")
    assert accepted_after(loans, "loans", None) == AcceptedRows(dataset_version=3, batches=3, rows=18)
    told = accepted_after(loans, "loans", 2)
    assert told is not None
    assert (told.dataset_version, told.batches) == (3, 1)
    assert accepted_after(loans, "loans", 3) is None
    anew = accepted_after(loans, "loans", 9)
    assert anew is not None
    assert anew.batches == 3
