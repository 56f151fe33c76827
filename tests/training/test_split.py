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
            "bought": rng.choice(["yes", "no"], count, p=[0.1, 0.9]),
        }
    )


def test_with_a_time_the_newest_rows_are_the_test_and_those_before_it_the_validation() -> None:
    frame = rows(100)
    parts = split(frame, spec_of(time="at"))
    newest_first = frame["at"].rank(ascending=False).to_numpy()
    assert sorted(newest_first[parts.test]) == list(range(1, 21))
    assert sorted(newest_first[parts.validation]) == list(range(21, 41))
    assert len(parts.train) == 60


def test_rows_without_a_time_count_as_the_oldest() -> None:
    frame = rows(100)
    frame.loc[[3, 50], "at"] = pd.NaT
    parts = split(frame, spec_of(time="at"))
    assert {3, 50} <= set(parts.train)


def test_every_row_stands_in_one_part() -> None:
    for spec in (spec_of(), spec_of(time="at")):
        parts = split(rows(97), spec)
        assert sorted([*parts.train, *parts.validation, *parts.test]) == list(range(97))
        assert list(parts.fitted) == sorted([*parts.train, *parts.validation])


def test_without_a_time_a_row_keeps_its_part_while_the_table_grows() -> None:
    first, second = rows(500), rows(300, batch="b" * 32, seed=1)
    alone, grown = split(first, spec_of()), split(pd.concat([first, second], ignore_index=True), spec_of())
    assert set(alone.test) == {place for place in grown.test if place < 500}
    assert set(alone.validation) == {place for place in grown.validation if place < 500}


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
        assert (frame["bought"].iloc[parts.validation] == name).sum() == pytest.approx(0.2 * total, abs=1)


def test_many_batches_of_one_row_are_shared_out_too() -> None:
    frame = pd.concat([rows(1, batch=f"{number:032d}") for number in range(600)], ignore_index=True)
    parts = split(frame, spec_of())
    assert 80 < len(parts.test) < 160
    assert 80 < len(parts.validation) < 160
