"""Slices share no row, leave none out, and say nothing of a handful."""

import numpy as np
import pandas as pd
import pytest

from ml.spec import ModelSpec
from ml.training.assessing.intervals import of_metrics, take
from ml.training.assessing.slices import MOST_VALUES, groups, measure_slices, slice_masks
from ml.training.evaluation import measure
from tests.training.assessing.frames import chances, shop

CITIES = shop(evaluation={"slices": ["city"]})


def cut(spec: ModelSpec, column: str, before: list[object], now: list[object]) -> dict[str, list[int]]:
    found = groups(spec, column, development=pd.Series(before), test=pd.Series(now))
    assert np.sum(list(found.values()), axis=0).tolist() == [1] * len(now)
    return {name: np.flatnonzero(mask).tolist() for name, mask in found.items()}


def test_categories_are_named_by_their_text_the_most_frequent_first() -> None:
    assert cut(CITIES, "city", ["Rome", "Oslo", "Oslo", None], ["Rome", "Bern", " Oslo", None]) == {
        "Oslo": [2],
        "Rome": [0],
        "Bern": [1],
        "(missing)": [3],
    }


@pytest.mark.parametrize(("values", "others"), [(MOST_VALUES, False), (MOST_VALUES + 1, True)])
def test_a_column_has_at_most_twenty_values_and_the_rest_are_others(values: int, others: bool) -> None:
    names: list[object] = [f"city {number:02}" for number in range(values)]
    found = cut(CITIES, "city", [*names, *names[:MOST_VALUES]], names)
    assert len(found) == values
    assert ("(other)" in found) is others
    assert "city 20" not in found


def test_a_value_that_is_called_other_joins_the_others() -> None:
    names: list[object] = [f"city {number:02}" for number in range(MOST_VALUES)]
    found = cut(CITIES, "city", ["(other)", "(other)", *names], ["(other)", *names])
    assert found["(other)"] == [0, MOST_VALUES]


def test_a_value_of_development_rows_alone_is_an_empty_slice() -> None:
    assert cut(CITIES, "city", ["Rome", "Oslo", None], ["Rome"]) == {"Oslo": [], "Rome": [0], "(missing)": []}


def test_numbers_are_cut_at_the_quartiles_of_the_development_rows() -> None:
    before: list[object] = [float(number) for number in range(1, 102)]
    found = cut(CITIES, "age", before, [26.0, 26.1, 51.0, 76.0, 76.5, -5.0, 999.0, np.nan, np.inf])
    assert found == {
        "up to 26": [0, 5],
        "over 26, up to 51": [1, 2],
        "over 51, up to 76": [3],
        "over 76": [4, 6],
        "(missing)": [7, 8],
    }


def test_quartiles_that_are_alike_make_fewer_slices_and_none_for_nothing() -> None:
    assert cut(CITIES, "age", [*[0.0] * 80, 1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 3.0]) == {"up to 0": [0], "over 0": [1]}
    assert cut(CITIES, "age", [1.0, 2.0, 3.0, 4.0, *[5.0] * 96], [1.0, 5.0]) == {"all values": [0, 1]}


def test_quartiles_that_look_alike_when_shortened_are_written_out() -> None:
    before: list[object] = [1_000_000 + number / 10 for number in range(9)]
    found = cut(CITIES, "age", before, before)
    assert next(iter(found)) == "up to 1000000.2"
    assert [len(rows) for rows in found.values()] == [3, 2, 2, 2]


def test_few_numbers_are_values_and_not_ranges() -> None:
    assert cut(CITIES, "age", [0.0, 1.0, 1.0], [1.0, 0.0]) == {"1": [0], "0": [1]}


def test_numbers_in_a_column_that_is_only_delivered_are_cut_too() -> None:
    spec = shop(features={"numeric": ["spent"], "ignore": ["age", "code"]})
    found = cut(spec, "age", [str(number) for number in range(1, 102)], ["26", "27", None])
    assert found["up to 26"] == [0]
    assert cut(spec, "code", ["1", "2", "3", "4", "5", "6"], ["1"])["1"] == [0]
    assert next(iter(cut(spec, "code", ["x", *(str(number) for number in range(30))], ["x"]))) == "0"


def test_dates_are_cut_at_quartiles_and_named_by_the_minute() -> None:
    days: list[object] = list(pd.date_range("2026-01-01", periods=101, tz="UTC"))
    found = cut(shop(features={"numeric": ["spent"], "datetime": ["since"]}), "since", days, [days[0], days[100], pd.NaT])
    assert found["up to 2026-01-26T00:00+00:00"] == [0]
    assert found["over 2026-03-17T00:00+00:00"] == [1]
    assert found["(missing)"] == [2]


def test_columns_that_are_wholly_empty_are_one_slice() -> None:
    assert cut(CITIES, "age", [np.nan] * 3, [np.nan, np.nan]) == {"(missing)": [0, 1]}
    assert cut(CITIES, "city", [None] * 3, [None]) == {"(missing)": [0]}


def test_masks_are_keyed_by_column_and_value() -> None:
    spec = shop(evaluation={"slices": ["city", "mood"]})
    before, now = pd.DataFrame({"city": ["Rome"], "mood": ["good"]}), pd.DataFrame({"city": ["Rome", None], "mood": ["bad", "good"]})
    found = {name: mask.tolist() for name, mask in slice_masks(spec, before, now).items()}
    assert found == {"city=Rome": [True, False], "city=(missing)": [False, True], "mood=good": [False, True], "mood=bad": [True, False]}


@pytest.mark.parametrize(("rows", "tested"), [(29, False), (30, True), (31, True)])
def test_a_slice_below_the_minimum_is_counted_and_not_tested(rows: int, tested: bool) -> None:
    spec = shop(evaluation={"slices": ["city"], "minimum_slice_rows": 30})
    frame, predicted = chances(np.arange(100) % 2 == 0, np.linspace(0, 1, 100))
    frame["city"] = np.where(np.arange(100) < rows, "Oslo", "Rome")
    found = {one.value: one for one in measure_slices(spec, frame, frame, predicted)}
    assert found["Oslo"].rows == rows
    assert (found["Oslo"].metrics is not None) is tested
    assert found["Rome"].metrics is not None


def test_a_slice_has_the_metrics_of_its_rows_alone() -> None:
    spec = shop(evaluation={"slices": ["city"], "minimum_slice_rows": 30})
    rng = np.random.default_rng(0)
    frame, predicted = chances(rng.random(200) < 0.5, rng.random(200))
    frame["city"] = rng.choice(["Oslo", "Rome"], 200)
    for one in measure_slices(spec, frame, frame, predicted):
        mask = (frame["city"] == one.value).to_numpy()
        part = take(predicted, mask)
        said = {"predictions": part.values, "probabilities": part.probabilities}
        wanted = measure("binary", labels=frame["bought"][mask], **said, positive="yes", further=True)
        assert one.metrics is not None
        assert {name: interval.value for name, interval in one.metrics.items()} == wanted
        assert one.metrics == of_metrics(spec, frame[mask], part).metrics
