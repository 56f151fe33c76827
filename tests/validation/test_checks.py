import json
import logging
import pickle

import numpy as np
import pandas as pd
import pytest

from ml.validation import checks
from ml.validation.suites import Suite


def suite(*expectations: tuple[str, dict[str, object]] | tuple[str, dict[str, object], str]) -> Suite:
    content = [{"type": one[0], "kwargs": one[1], "severity": one[2] if len(one) > 2 else "critical"} for one in expectations]
    return Suite("loans", {"name": "loans", "expectations": content, "meta": {}})


def validate(frame: pd.DataFrame, *expectations: tuple[str, dict[str, object]] | tuple[str, dict[str, object], str]) -> checks.Verdict:
    return checks.validate(frame, suite=suite(*expectations), batch="b1", source="in/a.csv")


BETWEEN = "expect_column_values_to_be_between"
NOT_NULL = "expect_column_values_to_not_be_null"


def test_a_good_delivery_passes_without_reasons() -> None:
    verdict = validate(pd.DataFrame({"age": [20.0, 30.0]}), (BETWEEN, {"column": "age", "min_value": 0, "max_value": 100}))
    assert verdict.passed
    assert verdict.reasons == []
    assert verdict.failing_rows == 0
    assert list(verdict.failures.columns) == ["row", "column", "expectation", "value", "reason"]
    assert verdict.result["statistics"]["successful_expectations"] == 1


def test_every_failing_row_is_named_also_beyond_two_hundred() -> None:
    frame = pd.DataFrame({"age": np.arange(5000.0)})
    verdict = validate(frame, (BETWEEN, {"column": "age", "min_value": 0, "max_value": 99}))
    assert not verdict.passed
    assert verdict.failing_rows == 4900
    assert verdict.failures["row"].tolist() == list(range(101, 5001))
    assert verdict.failures["value"].iloc[0] == "100"
    assert verdict.reasons == [
        'column \'age\': 4900 of 5000 values are not between 0 and 99 (first: row 101 "100", row 102 "101", row 103 "102", …)'
    ]


@pytest.mark.parametrize("numbering", ["index", "column", "default"])
def test_rows_are_numbered_from_one_however_the_frame_says_it(numbering: str) -> None:
    frame = pd.DataFrame({"age": [1.0, 2.0, -1.0]})
    if numbering == "index":
        frame.index = pd.Index([4, 5, 9])
    if numbering == "column":
        frame["_row"] = [4, 5, 9]
    verdict = validate(frame, (BETWEEN, {"column": "age", "min_value": 0}), ("expect_table_columns_to_match_set", {"column_set": ["age"]}))
    assert verdict.failures["row"].tolist() == [3 if numbering == "default" else 9]
    assert len(verdict.reasons) == 1


def test_the_frame_is_left_as_it_was() -> None:
    frame = pd.DataFrame({"age": [1.0, np.nan]}, index=[1, 2])
    before = frame.copy()
    validate(frame, (NOT_NULL, {"column": "age"}))
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize(("missing", "passed"), [(4, True), (5, True), (6, False)])
def test_mostly_is_met_just_under_and_at_the_bound_and_not_over_it(missing: int, passed: bool) -> None:
    frame = pd.DataFrame({"age": [np.nan] * missing + [1.0] * (100 - missing)})
    verdict = validate(frame, (NOT_NULL, {"column": "age", "mostly": 0.95}))
    assert verdict.passed is passed
    assert verdict.failing_rows == (0 if passed else missing)


@pytest.mark.parametrize(("value", "passed"), [(9.99, True), (10.0, True), (10.01, False), (np.nan, True)])
def test_a_bound_belongs_to_the_range_and_a_missing_value_is_judged_by_its_own_expectation(value: float, passed: bool) -> None:
    assert validate(pd.DataFrame({"age": [1.0, value]}), (BETWEEN, {"column": "age", "max_value": 10})).passed is passed


def test_a_statistic_of_only_missing_values_does_not_pass() -> None:
    frame = pd.DataFrame({"age": [np.nan, np.nan]})
    verdict = validate(frame, ("expect_column_median_to_be_between", {"column": "age", "min_value": 0, "max_value": 1}))
    assert not verdict.passed
    assert "median" in verdict.reasons[0]


def test_an_expectation_about_the_table_gives_a_reason_without_rows() -> None:
    frame = pd.DataFrame({"age": [1.0], "extra": ["x"]})
    verdict = validate(
        frame,
        ("expect_table_row_count_to_be_between", {"min_value": 10, "max_value": 20}),
        ("expect_table_columns_to_match_set", {"column_set": ["age", "income"]}),
        ("expect_column_mean_to_be_between", {"column": "age", "min_value": 5, "max_value": 6}),
    )
    assert not verdict.passed
    assert verdict.failures.empty
    assert "1 rows, expected between 10 and 20" in verdict.reasons[0]
    assert "'extra'" in verdict.reasons[1]
    assert "'income'" in verdict.reasons[1]
    assert "the mean is 1, expected between 5 and 6" in verdict.reasons[2]


def test_an_expectation_that_cannot_be_evaluated_fails_by_name() -> None:
    frame = pd.DataFrame({"name": ["x" * 5000, "y"]})
    verdict = validate(frame, ("expect_column_mean_to_be_between", {"column": "name", "min_value": 0}), (NOT_NULL, {"column": "gone"}))
    assert not verdict.passed
    assert "expect_column_mean_to_be_between could not be evaluated" in verdict.reasons[0]
    assert "'gone'" in verdict.reasons[1]
    assert all(len(reason) <= 400 for reason in verdict.reasons)
    assert "x" * 1000 not in json.dumps(verdict.result)


def test_a_warning_is_told_and_fails_nothing() -> None:
    frame = pd.DataFrame({"age": [-1.0, 1.0]})
    verdict = validate(
        frame,
        (BETWEEN, {"column": "age", "min_value": 0}, "warning"),
        (BETWEEN, {"column": "age", "min_value": 1}, "info"),
    )
    assert verdict.passed
    assert verdict.failures.empty
    assert len(verdict.warnings) == 2
    assert verdict.result["success"] is False


def test_reasons_keep_the_order_of_the_suite_also_when_one_raised() -> None:
    frame = pd.DataFrame({"age": [-1.0], "name": ["x"]})
    verdict = validate(
        frame, (BETWEEN, {"column": "age", "min_value": 0}), ("expect_column_median_to_be_between", {"column": "name", "max_value": 1})
    )
    assert ["'age'" in verdict.reasons[0], "'name'" in verdict.reasons[1]] == [True, True]


def test_expectations_over_several_columns_name_all_of_them() -> None:
    frame = pd.DataFrame({"a": [1.0, 1.0, 2.0], "b": ["x", "x", "y"]})
    verdict = validate(frame, ("expect_compound_columns_to_be_unique", {"column_list": ["a", "b"]}))
    assert verdict.failures["row"].tolist() == [1, 2]
    assert verdict.failures["column"].unique().tolist() == ["a, b"]
    assert verdict.failures["value"].iloc[0] == "a=1, b=x"


def test_a_row_that_fails_twice_counts_once() -> None:
    frame = pd.DataFrame({"a": [-1.0, 5.0], "b": [None, "x"]})
    verdict = validate(frame, (BETWEEN, {"column": "a", "min_value": 0}), (NOT_NULL, {"column": "b"}))
    assert verdict.failing_rows == 1
    assert len(verdict.failures) == 2
    assert verdict.failures["value"].tolist() == ["-1", ""]


def test_the_result_is_small_json_without_row_lists() -> None:
    frame = pd.DataFrame({"t": pd.date_range("2024", periods=3000, freq="h", tz="UTC"), "s": ["<&>" * 500] * 3000})
    verdict = validate(
        frame,
        (BETWEEN, {"column": "t", "min_value": "2030-01-01T00:00:00+00:00"}),
        ("expect_column_values_to_be_in_set", {"column": "s", "value_set": ["a"]}),
    )
    text = json.dumps(verdict.result, allow_nan=False)
    assert len(text) < 20_000
    assert "unexpected_index" not in text
    assert verdict.failing_rows == 3000
    assert verdict.failures["value"].str.len().max() <= 200


def test_the_same_delivery_gives_the_same_verdict_twice() -> None:
    frame = pd.DataFrame({"age": [-1.0, 1.0]})
    one, two = (validate(frame, (BETWEEN, {"column": "age", "min_value": 0})) for _ in range(2))
    assert (one.reasons, one.result) == (two.reasons, two.result)
    pd.testing.assert_frame_equal(one.failures, two.failures)
    assert pickle.loads(pickle.dumps(one)).reasons == one.reasons


def test_nothing_but_one_line_is_logged_or_printed(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.INFO)
    validate(pd.DataFrame({"age": [-4711.0]}), (BETWEEN, {"column": "age", "min_value": 0}))
    assert [record.name for record in caplog.records] == ["ml.validation.checks"]
    assert "4711" not in caplog.text
    assert capfd.readouterr() == ("", "")
