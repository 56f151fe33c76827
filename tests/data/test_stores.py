import importlib.util
from pathlib import Path

import fsspec
import pytest

from ml.data import deliveries
from ml.data.delta import AppendLog
from ml.data.table import AcceptedTable
from ml.errors import CallError, OperatorError, StoreUnavailable
from ml.jobs.ingest import find_deliveries, ingest
from ml.scaffold import sample
from ml.settings import Settings
from tests.data.models import csv_text, declare
from tests.jobs.test_ingest import between, expect

needs_no_s3 = pytest.mark.skipif(importlib.util.find_spec("s3fs") is not None, reason="s3fs is installed here")


def declare_at(settings: Settings, url: str) -> None:
    declare(settings, data={"source": {"kind": "files", "urls": [url]}})
    expect(settings, between("age", 18, 100))


def test_deliveries_of_another_store_are_found_and_read(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "SETTLE_S", 0.02)
    store = fsspec.filesystem("memory")
    declare_at(settings, "memory://in/loans/*.csv")
    try:
        store.pipe_file("/in/loans/a.csv", csv_text(5).encode())
        store.pipe_file("/in/loans/b.csv", csv_text(5, start=5).replace("1005.5", "much").encode())
        found = ingest(settings, "loans").batches
        assert {(one.source, one.status) for one in found} == {
            ("memory:///in/loans/a.csv", "accepted"),
            ("memory:///in/loans/b.csv", "quarantined"),
        }
        assert find_deliveries(settings, "loans") == []
        assert sample.take("memory://in/loans/a.csv").table.num_rows == 5
    finally:
        store.rm("/in", recursive=True)


@needs_no_s3
def test_a_store_whose_package_is_missing_is_told_with_its_cure(settings: Settings) -> None:
    declare_at(settings, "s3://bucket/in/*.csv")
    cure = "install the package s3fs in the environment of Perennial"
    for attempt in (
        lambda: find_deliveries(settings, "loans"),
        lambda: ingest(settings, "loans", ["s3://bucket/in/a.csv"]),
        lambda: sample.take("s3://bucket/in/a.csv"),
        lambda: AcceptedTable.of(settings.model_copy(update={"tables_url": "s3://bucket/tables"}), "loans"),
    ):
        with pytest.raises(OperatorError, match=cure) as raised:
            attempt()
        assert not raised.value.retryable


def test_a_scheme_that_nobody_knows_is_told(settings: Settings) -> None:
    declare_at(settings, "nosuch://bucket/*.csv")
    with pytest.raises(StoreUnavailable, match="Protocol not known: nosuch"):
        find_deliveries(settings, "loans")
    with pytest.raises(CallError, match="Protocol not known: nosuch"):
        sample.take("nosuch://bucket/a.csv")


@pytest.mark.parametrize("url", ["memory://tables", "nosuch://tables", "http://127.0.0.1:1/tables"])
def test_tables_are_kept_only_where_delta_lake_can(url: str) -> None:
    with pytest.raises(OperatorError, match="PERENNIAL_TABLES_URL: tables cannot be kept at"):
        AppendLog(url, partition="_batch")


def test_a_folder_with_signs_of_a_pattern_keeps_tables(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "SETTLE_S", 0.02)
    here = settings.model_copy(update={"tables_url": str(tmp_path / "[odd] *")})
    declare(here)
    expect(here, between("age", 18, 100))
    file = tmp_path / "a.csv"
    file.write_text(csv_text(5))
    assert ingest(here, "loans", [str(file)]).batches[0].status == "accepted"
    assert len(AcceptedTable.of(here, "loans").read(version=1)) == 5
