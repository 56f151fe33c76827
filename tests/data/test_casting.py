import math
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml.data.casting import Cast, cast, column_kinds, label_text
from tests.data.models import spec_of


def cast_one(values: pa.Array, kind: str, *, decimal: str = ".") -> Cast:
    return cast(pa.table({"x": values}), kinds={"x": kind}, rows=np.arange(1, len(values) + 1, dtype=np.int64), decimal=decimal)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.0, "1"),
        ("1", "1"),
        (" 1 ", "1"),
        (True, "True"),
        (np.bool_(False), "False"),
        (0.5, "0.5"),
        (np.int64(7), "7"),
        (1e20, str(10**20)),
    ],
)
def test_a_label_has_one_text_however_it_was_delivered(value: object, text: str) -> None:
    assert label_text(value) == text


def test_the_declaration_decides_the_kind_of_each_column() -> None:
    kinds = column_kinds(spec_of())
    assert kinds == {
        "loan": "label",
        "applied": "datetime",
        "income": "numeric",
        "age": "numeric",
        "region": "label",
        "note": "label",
        "default": "label",
    }
    assert column_kinds(spec_of(task="regression", positive=None))["default"] == "numeric"


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["1", " 2.5 ", "", None, "1e3"]),
        pa.array([1.0, 2.5, math.nan, None, 1000.0]),
        pa.array([Decimal("1"), Decimal("2.5"), None, None, Decimal("1000")], pa.decimal128(10, 2)),
        pa.array(["1", "2.5", None, " ", "1000"]).dictionary_encode(),
        pa.array(["1", "2.5", None, None, "+1000."], pa.large_string()),
    ],
)
def test_numbers_come_alike_from_text_and_types(values: pa.Array) -> None:
    found = cast_one(values, "numeric")
    assert found.reasons == []
    assert found.frame["x"].dtype == float
    np.testing.assert_array_equal(found.frame["x"], [1, 2.5, math.nan, math.nan, 1000])


def test_each_value_that_is_no_number_is_named_with_its_row() -> None:
    found = cast_one(pa.array(["1", "abc", "inf", "1_000", "nan", None, "0x1f", "1e999"]), "numeric")
    assert found.failures["row"].tolist() == [2, 3, 4, 7, 8]
    assert found.failures["value"].tolist() == ["abc", "inf", "1_000", "0x1f", "1e999"]
    assert "column 'x': 5 values are not finite numbers: 'abc'" in found.reasons[0]
    assert found.frame["x"].isna().sum() == 7


@pytest.mark.parametrize("values", [pa.array([1.0, math.inf]), pa.array(["1", "inf"]), pa.array([[1], [2]]), pa.array([b"1", b"2"])])
def test_what_is_not_a_finite_number_fails(values: pa.Array) -> None:
    assert cast_one(values, "numeric").failures["row"].tolist()[-1] == 2


def test_a_decimal_comma_is_read_where_it_is_declared() -> None:
    assert cast_one(pa.array(["1,5", "2"]), "numeric", decimal=",").frame["x"].tolist() == [1.5, 2]


@pytest.mark.parametrize(
    "values",
    [
        pa.array(["2024-01-02 03:04:05", "2024-01-03", None]),
        pa.array(["2024-01-02T03:04:05Z", "2024-01-03T01:00:00+01:00", ""]),
        pa.array(["01/02/2024 03:04:05", "01/03/2024 00:00:00", None]),
        pa.array([datetime(2024, 1, 2, 3, 4, 5), datetime(2024, 1, 3), None]),  # noqa: DTZ001
        pa.array([datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC), None]),
        pa.array([1704164645, 1704240000, None]),
        pa.array(["1704164645000", "1704240000000", None]),
    ],
)
def test_times_come_alike_in_utc_from_their_many_forms(values: pa.Array) -> None:
    found = cast_one(values, "datetime")
    assert found.reasons == []
    assert str(found.frame["x"].dtype) == "datetime64[us, UTC]"
    expected = [pd.Timestamp("2024-01-02 03:04:05", tz="UTC"), pd.Timestamp("2024-01-03", tz="UTC"), pd.NaT]
    pd.testing.assert_series_equal(found.frame["x"], pd.Series(expected, name="x").astype("datetime64[us, UTC]"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array(["13/01/2024", "02/01/2024"]), [date(2024, 1, 13), date(2024, 1, 2)]),
        (pa.array(["02/01/2024", "13/01/2024"]), [date(2024, 1, 2), date(2024, 1, 13)]),
        (pa.array(["20240102", "20240103"]), [date(2024, 1, 2), date(2024, 1, 3)]),
        (pa.array([date(2024, 1, 2), date(9999, 12, 31)]), [date(2024, 1, 2), date(9999, 12, 31)]),
    ],
)
def test_days_are_told_from_months_by_the_whole_column(values: pa.Array, expected: list[date]) -> None:
    found = cast_one(values, "datetime")
    assert found.reasons == []
    assert found.frame["x"].dt.date.tolist() == expected


def test_each_value_that_is_no_time_is_named_with_its_row() -> None:
    found = cast_one(pa.array(["2024-01-02", "yesterday", "2024-13-01", None, "2024-01-03"]), "datetime")
    assert found.failures["row"].tolist() == [2, 3]
    assert found.frame["x"].isna().tolist() == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([1, None, 2]), ["1", None, "2"]),
        (pa.array([1.0, math.nan, 2.5]), ["1", None, "2.5"]),
        (pa.array([True, None, False]), ["True", None, "False"]),
        (pa.array([" a ", "", None]), ["a", None, None]),
        (pa.array([{"k": 1}, None]), ['{"k": 1}', None]),
        (pa.nulls(2), [None, None]),
    ],
)
def test_labels_are_text(values: pa.Array, expected: list[str | None]) -> None:
    assert cast_one(values, "label").frame["x"].tolist() == expected


def test_free_text_keeps_its_white_space() -> None:
    assert cast_one(pa.array([" a ", None]), "text").frame["x"].tolist() == [" a ", None]


def test_a_column_that_was_not_delivered_is_all_missing() -> None:
    found = cast(pa.table({"x": [1, 2]}), kinds={"a": "numeric", "b": "label", "c": "datetime"}, rows=np.array([1, 2]))
    assert found.frame.isna().all().all()
    assert len(found.frame) == 2


@pytest.mark.parametrize(
    "values",
    [
        pa.array([0, 10**18, -(10**18)]).cast(pa.timestamp("us")),
        pa.array([0, 10**18, -(10**18)]).cast(pa.timestamp("s")),
        pa.array([0, 10**18, -(10**18)]).cast(pa.timestamp("ms", "UTC")),
        pa.array([0, 10**8, -(10**8)], pa.int32()).cast(pa.date32()),
        pa.array(["1970-01-01", "0000-01-01", "99999-01-01"]),
    ],
)
def test_a_time_outside_of_the_years_1_to_9999_is_named_with_its_row(values: pa.Array) -> None:
    found = cast_one(values, "datetime")
    assert found.failures["row"].tolist() == [2, 3]
    assert found.frame["x"].isna().tolist() == [False, True, True]
    labels = cast_one(values, "label").frame["x"].tolist()
    assert labels[0].startswith("1970-01-01")
    assert len(set(labels)) == 3


def test_the_first_and_the_last_time_of_python_are_times() -> None:
    edges = [datetime.min, datetime.max]  # noqa: DTZ901
    for unit in ("us", "ms", "s"):
        found = cast_one(pa.array(edges, pa.timestamp("us")).cast(pa.timestamp(unit), safe=False), "datetime")
        assert found.reasons == []
        assert [value.year for value in found.frame["x"]] == [1, 9999]


def test_half_precision_numbers_are_numbers_and_labels() -> None:
    values = pa.array(np.array([1, 0.5, np.nan], dtype=np.float16))
    assert cast_one(values, "label").frame["x"].tolist() == ["1", "0.5", None]
    assert cast_one(values, "numeric").frame["x"].tolist()[:2] == [1, 0.5]


def test_the_number_of_values_that_are_not_shown_is_the_true_one() -> None:
    table = pa.table({"x": [f"v{number % 12}" for number in range(800)]})
    found = cast(table, kinds={"x": "numeric"}, rows=np.arange(1, 801))
    assert found.reasons == ["column 'x': 800 values are not finite numbers: 'v0', 'v1', 'v2', 'v3', 'v4' and 7 more (first in row 1)"]


@pytest.mark.parametrize(("value", "named"), [("75,55", True), ("1,234,567", False), ("1,234", False), ("1.234,5", False), ("lots", False)])
def test_a_decimal_comma_is_told_with_its_cure(value: str, named: bool) -> None:
    found = cast(pa.table({"x": [value]}), kinds={"x": "numeric"}, rows=np.arange(1, 2))
    assert ("declare data.source.csv.decimal: ','" in found.reasons[0]) is named
