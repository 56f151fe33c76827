"""The rows that the benchmark of the pages makes are such as the jobs write."""

import random

from benchmarks import pages
from ml.monitoring.looks import told
from ml.state.records import Drift
from ml.training.results import GateVerdict


def test_the_verdicts_that_the_benchmark_makes_are_whole() -> None:
    made = pages._training("m", "s", 7)
    assert GateVerdict.model_validate(made["verdict"]).run == made["key"] == "m.train/scheduled-7"
    row = pages._drift("w", 1, random.Random(0))
    del row["window"]
    found = Drift(**row)
    [said] = told(found)
    assert said["is_alarm"] == found.drifted
    assert "column_1: wasserstein" in said["sentence"]


def test_every_kind_of_page_is_measured() -> None:
    asked = [address for addresses in pages._pages(100, 1000, 15).values() for address in addresses]
    parts = {address.split("/")[2].split("?")[0] for address in asked}
    assert parts == {"models", "dags", "actions", "lineage", "runs", "reports", "static"}
    assert "/perennial/models/model_0050/decisions/decision-model_0050-000500" in asked
