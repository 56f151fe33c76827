"""A fold is fair: later than what it is compared with, no group on both sides, each row validated once at most."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.errors import NoData
from ml.spec import ModelSpec
from ml.training.folds import Fold, folds
from ml.training.split import split
from tests.training.worlds import spec_of

REGRESSION = {"task": "regression", "target": "paid", "positive": None}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Rows with tied and missing times, few or many groups, rare classes."""
    size = draw(st.integers(2, 60))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    hours = rng.integers(0, draw(st.integers(1, 60)), size)
    times = pd.Series(pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(hours, unit="h"))
    groups = pd.Series(rng.integers(0, draw(st.integers(1, 60)), size).astype(str), dtype=object)
    for column in (times, groups):
        column[rng.random(size) < draw(st.sampled_from([0, 0.2, 1]))] = None
    return pd.DataFrame(
        {
            "_batch": "a" * 32,
            "_row": np.arange(1, size + 1),
            "at": times,
            "customer": groups,
            "mood": rng.choice(["a", "b", "c", "d"], size, p=draw(st.sampled_from([[0.25] * 4, [0.9, 0.05, 0.03, 0.02], [1, 0, 0, 0]]))),
            "paid": rng.normal(size=size),
        }
    )


@st.composite
def specs(draw: st.DrawFn) -> ModelSpec:
    kind = draw(st.sampled_from([{"task": "multiclass", "target": "mood", "positive": None}, REGRESSION]))
    columns = {"time": draw(st.sampled_from([None, "at"])), "group": draw(st.sampled_from([None, "customer"]))}
    training = {"folds": draw(st.sampled_from([1, 2, 3, 5, 20])), "seed": draw(st.integers(0, 99))}
    training |= draw(st.sampled_from([{}, {"validation_share": 0.45, "test_share": 0.3}]))
    return spec_of(**kind, **columns, training=training)


def made(frame: pd.DataFrame, spec: ModelSpec) -> list[Fold]:
    """The folds, or none where the rows allow none."""
    try:
        return folds(frame, spec)
    except NoData:
        return []


def groups_of(frame: pd.DataFrame, positions: npt.NDArray[np.int64]) -> set[Any]:
    return set(frame["customer"].iloc[positions].dropna())


@settings(deadline=None, max_examples=300)
@given(frames(), specs())
def test_no_row_is_validated_twice_or_by_a_model_that_saw_it_or_its_group_or_its_future(frame: pd.DataFrame, spec: ModelSpec) -> None:
    found = made(frame, spec)
    validated = np.concatenate([np.array([], dtype=int), *(fold.validation for fold in found)])
    assert len(set(validated)) == len(validated)
    assert len(found) <= spec.training.folds
    ages = frame["at"].fillna(pd.Timestamp("1900-01-01", tz="UTC"))
    for fold in found:
        assert len(fold.train) >= 2
        assert len(fold.validation) >= 1
        assert not set(fold.train) & set(fold.validation)
        if spec.group is not None:
            assert not groups_of(frame, fold.train) & groups_of(frame, fold.validation)
        if spec.time is not None and ages.nunique() > 1:
            assert ages.iloc[fold.train].max() < ages.iloc[fold.validation].min()
        if spec.task != "regression":
            assert frame["mood"].iloc[fold.train].nunique() > 1


@settings(deadline=None, max_examples=100)
@given(frames(), specs())
def test_the_same_rows_and_seed_give_the_same_folds(frame: pd.DataFrame, spec: ModelSpec) -> None:
    again = made(frame.set_index(frame.index[::-1]), spec)
    for first, second in zip(made(frame, spec), again, strict=True):
        np.testing.assert_array_equal(first.train, second.train)
        np.testing.assert_array_equal(first.validation, second.validation)


@settings(deadline=None, max_examples=200)
@given(frames(), specs())
def test_no_group_and_no_row_is_on_both_sides_of_the_split(frame: pd.DataFrame, spec: ModelSpec) -> None:
    parts = split(frame, spec)
    assert not set(parts.development) & set(parts.test)
    if spec.group is not None:
        assert not groups_of(frame, parts.development) & groups_of(frame, parts.test)
    if spec.group is None or spec.time is None:
        assert sorted([*parts.development, *parts.test]) == list(range(len(frame)))


def rows(count: int, *, rare: int = 30) -> pd.DataFrame:
    times = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(count), unit="h")
    frame = pd.DataFrame({"_batch": "a" * 32, "_row": np.arange(1, count + 1), "at": times, "customer": np.arange(count) // 5})
    frame["bought"] = np.where(np.arange(count) % (count // rare) == 0, "yes", "no")
    return frame.astype({"customer": str})


def test_in_time_each_part_but_the_first_is_predicted_by_a_model_of_all_before_it() -> None:
    found = folds(rows(400), spec_of(time="at", training={"folds": 3}))
    assert [(fold.train.tolist(), fold.validation.tolist()) for fold in found] == [
        (list(range(end)), list(range(end, end + 100))) for end in (100, 200, 300)
    ]


def test_in_time_a_fold_learns_from_labels_that_were_final_when_it_began() -> None:
    frame = rows(120)
    spec = spec_of(time="at", label_delay="10h", training={"folds": 3})
    for fold in folds(frame, spec):
        gap = frame["at"].iloc[fold.validation].min() - frame["at"].iloc[fold.train].max()
        assert gap >= pd.Timedelta("10h")
        assert len(fold.train) >= fold.validation.min() / 2


def test_one_fold_is_the_newest_share_of_all_rows() -> None:
    found = folds(rows(400), spec_of(time="at", training={"folds": 1, "validation_share": 0.2, "test_share": 0.2}))
    assert [(len(fold.train), fold.validation.tolist()) for fold in found] == [(300, list(range(300, 400)))]


@pytest.mark.parametrize(("columns", "rest"), [({}, 0), ({"group": "customer"}, 10)])
def test_one_fold_without_a_time_is_a_share_of_each_class(columns: dict[str, str], rest: int) -> None:
    frame = rows(400)
    found = folds(frame, spec_of(**columns, training={"folds": 1, "validation_share": 0.2, "test_share": 0.2}))
    assert len(found) == 1
    assert len(found[0].validation) == pytest.approx(100, abs=rest)
    assert (frame["bought"].iloc[found[0].validation] == "yes").sum() == pytest.approx(8, abs=2)


def test_without_a_time_each_row_is_validated_once_and_each_fold_has_its_share_of_each_class() -> None:
    frame = rows(400)
    found = folds(frame, spec_of(training={"folds": 4}))
    assert sorted(np.concatenate([fold.validation for fold in found])) == list(range(400))
    assert {int((frame["bought"].iloc[fold.validation] == "yes").sum()) for fold in found} <= {7, 8}


def test_fewer_rows_of_a_class_than_folds_are_fewer_folds() -> None:
    assert len(folds(rows(400, rare=30), spec_of(training={"folds": 5}))) == 5
    assert len(folds(rows(400, rare=3).assign(bought=lambda one: one["bought"]), spec_of(training={"folds": 5}))) <= 4
    frame = rows(100).assign(bought="no")
    frame.loc[[3, 70], "bought"] = "yes"
    assert len(folds(frame, spec_of(training={"folds": 5}))) == 2


def test_a_class_of_one_row_is_left_to_chance() -> None:
    frame = rows(100).assign(bought="no")
    frame.loc[3, "bought"] = "yes"
    assert len(folds(frame, spec_of(training={"folds": 5}))) == 4  # the fold that validates it has one class to learn from


def test_in_time_the_first_fold_waits_for_a_second_class() -> None:
    frame = rows(400).assign(bought="no")
    frame.loc[250:, "bought"] = "yes"
    found = folds(frame, spec_of(time="at", training={"folds": 3}))
    assert [(len(fold.train), len(fold.validation)) for fold in found] == [(251, 49), (300, 100)]


def test_one_group_cannot_be_divided_and_the_message_says_so() -> None:
    frame = rows(100).assign(customer="ada")
    with pytest.raises(NoData, match=r"100 rows to learn from cannot be divided into 3 folds .*of 1 groups of 'customer'.*take group out"):
        folds(frame, spec_of(group="customer"))


def test_many_groups_are_shared_out_at_once() -> None:
    frame = rows(200_000, rare=600).assign(customer=lambda one: one.index.astype(str))
    start = time.process_time()
    found = folds(frame, spec_of(group="customer"))
    assert time.process_time() - start < 5  # one by one they take many times as long
    assert {len(fold.validation) for fold in found} <= {66_666, 66_667}
