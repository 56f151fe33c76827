"""The simulated stream is what the story says it is: deterministic, plausible, changed on the stated day, and broken where stated."""

import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from demo.stream import FAULTS, Stream, batches, csv_bytes
from ml.data import reading
from ml.data.casting import cast, column_kinds
from ml.settings import Settings
from ml.spec import Csv, ModelSpec
from ml.specfile import read
from ml.validation import suites
from ml.validation.checks import Verdict, validate

PROJECT = Path(__file__).parents[2]
BEFORE = range(6)
AFTER = range(6, 12)


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return read(PROJECT / "dags" / "credit_risk" / "model.yaml")


@pytest.fixture
def project(settings: Settings) -> Settings:
    """The project itself, with a home of the test's own."""
    return settings.model_copy(update={"project": PROJECT})


@pytest.fixture(scope="module")
def before() -> pd.DataFrame:
    return pd.concat([Stream().week(week) for week in BEFORE], ignore_index=True)


@pytest.fixture(scope="module")
def after() -> pd.DataFrame:
    return pd.concat([Stream().week(week) for week in AFTER], ignore_index=True)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    first, again = (batches(Stream(), [0, 6], tmp_path / name) for name in ("first", "again"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    other = csv_bytes(Stream(seed=1).week(0))
    assert hashlib.sha256(other).digest() != hashlib.sha256(first[0].read_bytes()).digest()
    assert csv_bytes(Stream().broken_week(5)) == csv_bytes(Stream().broken_week(5))


def test_a_week_does_not_depend_on_the_weeks_before_it() -> None:
    stream = Stream()
    alone = csv_bytes(stream.week(3))
    for week in range(3):
        stream.week(week)
    assert csv_bytes(stream.week(3)) == alone


def test_a_delivery_appears_whole_and_no_rest_stays(tmp_path: Path) -> None:
    paths = batches(Stream(), [0, 1], tmp_path)
    assert sorted(tmp_path.iterdir()) == paths
    assert [path.name for path in paths] == ["applications-2025-01-06.csv", "applications-2025-01-13.csv"]


def test_the_columns_are_the_declared_ones(spec: ModelSpec, before: pd.DataFrame) -> None:
    assert set(before.columns) == set(spec.columns)


def test_the_marginals_are_plausible(before: pd.DataFrame) -> None:
    assert before["age"].between(18, 85).all()
    assert 38 < before["age"].median() < 44
    log_income = np.log(before["income"])
    assert abs(log_income.skew()) < 0.35  # log-normal: the logarithm is symmetric
    assert before["income"].skew() > 1
    assert 34_000 < before["income"].median() < 42_000
    assert 0.05 < before["employment_years"].isna().mean() < 0.09
    assert before.drop(columns="employment_years").notna().all().all()
    assert (before["credit_history_years"] <= before["age"]).all()
    assert before["application_id"].is_unique
    assert before["application_id"].str.startswith("SIM-").all()


def test_applications_come_in_the_order_of_their_time_and_in_their_own_week() -> None:
    stream = Stream()
    week = stream.week(2)
    assert week["applied_at"].is_monotonic_increasing
    first = pd.Timestamp(stream.monday(2), tz="UTC")
    assert week["applied_at"].between(first, first + pd.Timedelta(days=7), inclusive="left").all()


def test_the_default_rate_is_a_lenders(before: pd.DataFrame, after: pd.DataFrame) -> None:
    for rows in (before, after):
        assert 0.12 <= rows["defaulted"].eq("yes").mean() <= 0.20


def test_the_applicants_change_on_the_stated_day() -> None:
    stream = Stream()
    assert stream.change_day == stream.monday(6)
    last, first = stream.week(5), stream.week(6)
    assert first["age"].mean() < last["age"].mean() - 6
    assert first["loan_amount"].median() > 1.3 * last["loan_amount"].median()
    assert last["channel"].eq("app").mean() < 0.07
    assert first["channel"].eq("app").mean() > 0.4


def test_a_model_from_before_the_change_fails_after_it_and_a_new_one_recovers(
    spec: ModelSpec, before: pd.DataFrame, after: pd.DataFrame
) -> None:
    old = _fitted(spec, before.iloc[:-2000])
    at_home, abroad = _auc(spec, old, before.iloc[-2000:]), _auc(spec, old, after.iloc[-4000:])
    recovered = _auc(spec, _fitted(spec, after.iloc[:-4000]), after.iloc[-4000:])
    assert 0.75 < at_home < 0.82
    assert abroad < at_home - 0.10
    assert recovered > abroad + 0.10
    assert 0.75 < recovered < 0.82


def test_every_valid_week_passes_the_suite_and_the_broken_one_fails_for_the_planted_reasons(project: Settings, spec: ModelSpec) -> None:
    for week in (0, 5, 6, 9, 11):
        verdict = _verdict(project, spec, Stream().week(week))
        assert verdict.passed, verdict.reasons
    broken = _verdict(project, spec, Stream().broken_week(5))
    assert set(zip(broken.failures["expectation"], broken.failures["column"], strict=True)) == {
        ("expect_column_values_to_be_between", "income"),
        ("expect_column_values_to_be_between", "loan_amount"),
        ("expect_column_values_to_not_be_null", "loan_amount"),
        ("expect_column_values_to_be_in_set", "home_ownership"),
        ("expect_column_values_to_be_unique", "application_id"),
    }
    assert set(broken.failures["column"]) == set(FAULTS)


def test_the_suite_has_no_fault_and_each_expectation_says_why(project: Settings) -> None:
    assert suites.inspect(project, "credit_risk") == []
    declared = json.loads((PROJECT / "expectations" / "credit_risk.json").read_text())
    assert all(one["meta"]["notes"] for one in declared["expectations"])


def _fitted(spec: ModelSpec, rows: pd.DataFrame) -> Pipeline:
    columns = make_column_transformer(
        (SimpleImputer(strategy="median"), list(spec.features.numeric)),
        (OneHotEncoder(handle_unknown="ignore"), list(spec.features.categorical)),
    )
    model = make_pipeline(columns, RandomForestClassifier(60, min_samples_leaf=20, random_state=0))
    return model.fit(rows[list(spec.features.used)], rows["defaulted"].eq("yes"))


def _auc(spec: ModelSpec, model: Pipeline, rows: pd.DataFrame) -> float:
    return float(roc_auc_score(rows["defaulted"].eq("yes"), model.predict_proba(rows[list(spec.features.used)])[:, 1]))


def _verdict(project: Settings, spec: ModelSpec, frame: pd.DataFrame) -> Verdict:
    """What the model's suite says about the delivery, read as `ingest` reads it."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(csv_bytes(frame))
        file.flush()
        delivered = reading.read(Path(file.name), name="week.csv", csv=Csv())
    converted = cast(delivered.table, kinds=column_kinds(spec), rows=delivered.rows, decimal=".")
    assert converted.reasons == []
    return validate(converted.frame, suite=suites.load(project, "credit_risk"), batch="b", source="week.csv")
