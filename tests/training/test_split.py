"""A row has its side: the newest rows judge, and without a time a row keeps its side for ever."""

import numpy as np
import pandas as pd
import pytest

from ml.training.split import split
from tests.training.worlds import spec_of


def rows(count: int, *, batch: str = "a" * 32, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "_batch": batch,
            "_row": np.arange(1, count + 1),
            "at": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(rng.permutation(count), unit="h"),
            "customer": [f"{seed}-{number // 4}" for number in range(count)],
            "bought": rng.choice(["yes", "no"], count, p=[0.1, 0.9]),
        }
    )


def test_with_a_time_the_newest_rows_are_the_test() -> None:
    frame = rows(100)
    parts = split(frame, spec_of(time="at"))
    newest_first = frame["at"].rank(ascending=False).to_numpy()
    assert sorted(newest_first[parts.test]) == list(range(1, 21))
    assert sorted(newest_first[parts.development]) == list(range(21, 101))


def test_rows_whose_label_was_not_final_when_the_test_began_are_in_neither_part() -> None:
    frame = rows(100)
    parts = split(frame, spec_of(time="at", label_delay="24h"))
    began = frame["at"].iloc[parts.test].min()
    assert len(parts.test) == 20
    assert (frame["at"].iloc[parts.development] <= began - pd.Timedelta("24h")).all()
    assert len(parts.development) == 100 - 20 - 23, "the 23 hours between are left out"


def test_a_delay_longer_than_the_history_leaves_the_older_half_to_learn_from() -> None:
    frame = rows(100)
    frame.loc[5, "at"] = pd.NaT
    parts = split(frame, spec_of(time="at", label_delay="30d"))
    assert (len(parts.development), len(parts.test)) == (40, 20)
    assert 5 in parts.development
    left_out = np.setdiff1d(np.arange(100), [*parts.development, *parts.test])
    assert frame["at"].iloc[parts.development].max() < frame["at"].iloc[left_out].min()


def test_rows_without_a_time_count_as_the_oldest() -> None:
    frame = rows(100)
    frame.loc[[3, 50], "at"] = pd.NaT
    parts = split(frame, spec_of(time="at", training={"test_share": 0.49, "validation_share": 0.3}))
    assert {3, 50} <= set(parts.development)


def test_every_row_stands_in_one_part() -> None:
    for spec in (spec_of(), spec_of(time="at"), spec_of(group="customer")):
        parts = split(rows(97), spec)
        assert sorted([*parts.development, *parts.test]) == list(range(97))
        assert len(parts.test)


def test_rows_of_the_same_time_stay_together() -> None:
    frame = rows(100).assign(at=lambda one: one["at"].dt.floor("12h"))
    parts = split(frame, spec_of(time="at"))
    assert len(parts.test) == pytest.approx(20, abs=8)
    assert frame["at"].iloc[parts.development].max() < frame["at"].iloc[parts.test].min()


def test_rows_of_the_same_time_are_parted_where_the_test_would_else_be_far_too_small_or_large() -> None:
    for old in (0, 30, 95):  # how many rows are older than all others
        frame = rows(100).assign(at=pd.Timestamp("2026-01-01", tz="UTC"))
        frame.loc[: old - 1, "at"] -= pd.Timedelta(days=1)
        parts = split(frame, spec_of(time="at"))
        assert parts.test.tolist() == list(range(80, 100))


def test_groups_are_drawn_whole_and_keep_their_part_while_the_table_grows() -> None:
    first, second = rows(2000), rows(1000, batch="b" * 32, seed=1)
    parts, grown = split(first, spec_of(group="customer")), split(pd.concat([first, second], ignore_index=True), spec_of(group="customer"))
    customers = first["customer"]
    assert not {*customers.iloc[parts.development]} & {*customers.iloc[parts.test]}
    assert set(parts.test) == {place for place in grown.test if place < 2000}
    assert 0.1 < len(parts.test) / 2000 < 0.3


def test_rows_without_a_group_are_drawn_one_by_one() -> None:
    parts = split(rows(1000).assign(customer=None), spec_of(group="customer"))
    assert 150 < len(parts.test) < 250


def test_with_time_and_group_rows_without_a_group_are_learnt_from() -> None:
    parts = split(rows(100).assign(customer=None), spec_of(time="at", group="customer"))
    assert (len(parts.development), len(parts.test)) == (80, 20)


def test_of_few_groups_one_judges_and_one_is_learnt_from() -> None:
    for seed in range(30):
        frame = rows(100).assign(customer=[f"{seed}-{number % 2}" for number in range(100)])
        parts = split(frame, spec_of(group="customer"))
        assert (len(parts.development), len(parts.test)) == (50, 50)


def test_with_time_and_group_older_rows_of_a_group_that_is_judged_are_not_learnt_from() -> None:
    frame = rows(100)
    frame["at"] = frame["at"].sort_values(ignore_index=True)
    frame["customer"] = [f"c{number // 3}" for number in range(100)]
    frame.loc[10, "customer"] = "c33"
    parts = split(frame, spec_of(time="at", group="customer"))
    assert parts.test.tolist() == list(range(80, 100))
    assert parts.development.tolist() == [*range(10), *range(11, 78)]  # 78 and 79 are of the group of 80


def test_without_a_time_a_row_keeps_its_part_while_the_table_grows() -> None:
    first, second = rows(500), rows(300, batch="b" * 32, seed=1)
    alone, grown = split(first, spec_of()), split(pd.concat([first, second], ignore_index=True), spec_of())
    assert set(alone.test) == {place for place in grown.test if place < 500}


def test_without_a_time_the_order_of_the_rows_does_not_matter() -> None:
    frame = rows(200)
    shuffled = frame.sample(frac=1, random_state=3)
    parts = split(shuffled.reset_index(drop=True), spec_of())
    assert set(shuffled.iloc[parts.test]["_row"]) == set(frame.iloc[split(frame, spec_of()).test]["_row"])


def test_without_a_time_each_part_has_its_share_of_each_class() -> None:
    frame = rows(1000)
    parts = split(frame, spec_of())
    for name in ("yes", "no"):
        total = (frame["bought"] == name).sum()
        assert (frame["bought"].iloc[parts.test] == name).sum() == pytest.approx(0.2 * total, abs=1)


def test_many_batches_of_one_row_are_shared_out_too() -> None:
    frame = pd.concat([rows(1, batch=f"{number:032d}") for number in range(600)], ignore_index=True)
    parts = split(frame, spec_of())
    assert 80 < len(parts.test) < 160
