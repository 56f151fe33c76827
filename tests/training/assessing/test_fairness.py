"""Fairness differences are those of Fairlearn, for groups that are large enough."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.spec import ModelSpec
from ml.training.assessing.facts import Fairness
from ml.training.assessing.fairness import MOST_CLASSES, fairness
from ml.training.evaluation import Predicted
from tests.training.assessing.frames import shop


def spec(**changes: Any) -> ModelSpec:
    return shop(evaluation={"sensitive": ["mood"], "minimum_slice_rows": 30}, **changes)


def table(counts: dict[str, tuple[int, int, int, int]]) -> Fairness:
    """Of groups with so many true positives, false negatives, false positives and true negatives."""
    rows = [
        (group, actual, said)
        for group, numbers in counts.items()
        for (actual, said), number in zip([("yes", "yes"), ("yes", "no"), ("no", "yes"), ("no", "no")], numbers, strict=True)
        for _ in range(number)
    ]
    frame = pd.DataFrame(rows, columns=["mood", "bought", "said"])
    (found,) = fairness(spec(), frame, frame, Predicted(frame["said"].to_numpy(dtype=object), None))
    return found


def test_differences_are_those_of_the_definitions() -> None:
    found = table({"good": (30, 10, 12, 48), "bad": (10, 30, 30, 30), "fair": (20, 20, 10, 50)})
    rates = {one.value: (one.rows, one.selection_rate, one.true_positive_rate, one.false_positive_rate) for one in found.groups}
    assert rates == {"good": (100, 0.42, 0.75, 0.2), "bad": (100, 0.4, 0.25, 0.5), "fair": (100, 0.3, 0.5, pytest.approx(1 / 6))}
    assert found.demographic_parity_difference == pytest.approx(0.12)
    assert found.equalised_odds_difference == pytest.approx(0.5)  # true positive rates .75 and .25; false positive ones differ by 1/3
    assert (found.column, found.outcome, found.note) == ("mood", "yes", "")


def test_the_larger_of_both_rates_differences_counts() -> None:
    found = table({"good": (20, 20, 10, 90), "bad": (22, 18, 60, 40)})
    assert found.equalised_odds_difference == pytest.approx(0.5)


def test_equal_treatment_has_differences_of_zero() -> None:
    found = table({"good": (30, 10, 12, 48), "bad": (30, 10, 12, 48)})
    assert found.demographic_parity_difference == found.equalised_odds_difference == 0


@pytest.mark.parametrize(("rows", "tested"), [(29, False), (30, True)])
def test_a_group_that_is_too_small_is_named_and_does_not_count(rows: int, tested: bool) -> None:
    found = table({"good": (30, 10, 12, 48), "bad": (30, 10, 12, 48), "odd": (0, 0, rows, 0)})
    small = found.groups[-1]
    assert (small.rows, small.selection_rate is not None) == (rows, tested)
    assert (found.demographic_parity_difference == 0) is not tested
    assert found.note == ("" if tested else "Not tested, with fewer than 30 rows: odd.")


def test_one_group_cannot_be_compared() -> None:
    found = table({"good": (30, 10, 12, 48), "odd": (1, 0, 0, 0)})
    assert found.demographic_parity_difference is None
    assert found.equalised_odds_difference is None
    assert "Fewer than two groups are large enough" in found.note


@pytest.mark.parametrize(("positives", "known"), [(9, False), (10, True)])
def test_a_rate_of_a_handful_of_rows_is_not_shown(positives: int, known: bool) -> None:
    found = table({"good": (30, 10, 12, 48), "bad": (positives, 0, 12, 48)})
    assert (found.groups[1].true_positive_rate is not None) is known
    assert found.equalised_odds_difference == (0.25 if known else 0)
    assert ("one kind of rate only" in found.note) is not known


def test_each_class_of_a_multiclass_model_has_a_table() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"mood": rng.choice(["good", "bad"], 3000), "bought": rng.choice([f"c{number}" for number in range(12)], 3000)})
    found = fairness(spec(task="multiclass", positive=None), frame, frame, Predicted(frame["bought"].to_numpy(dtype=object), None))
    assert len(found) == MOST_CLASSES
    assert {one.equalised_odds_difference for one in found} == {0}
    assert all(one.groups[0].true_positive_rate == 1 for one in found)


def test_a_regression_selects_nobody() -> None:
    frame = pd.DataFrame({"mood": ["good"] * 50, "paid": np.zeros(50)})
    assert fairness(spec(task="regression", target="paid", positive=None), frame, frame, Predicted(np.zeros(50), None)) == ()
