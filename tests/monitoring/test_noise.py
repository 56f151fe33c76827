"""Standard errors against answers that are known from elsewhere."""

import math

import numpy as np
import pytest

from ml.monitoring.replayed.noise import Sample, standard_error


@pytest.mark.parametrize(("positives", "negatives"), [(1, 1), (20, 30), (500, 7)])
def test_for_a_model_that_knows_nothing_roc_auc_has_the_error_of_the_rank_sum_test(positives: int, negatives: int) -> None:
    """Mann & Whitney (1947): the variance of U is m·n·(m+n+1)/12, and the area is U/(m·n)."""
    found = standard_error("roc_auc", Sample(value=0.5, rows=positives + negatives, positives=positives))
    assert found == pytest.approx(math.sqrt((positives + negatives + 1) / (12 * positives * negatives)), rel=1e-12)


def test_for_exponential_scores_roc_auc_has_the_error_that_draws_show() -> None:
    """Hanley & McNeil's formula is exact where both classes have exponential scores; with odds 4 the area is 0.8."""
    rng = np.random.default_rng(0)
    bad, good = rng.exponential(4, (4000, 30, 1)), rng.exponential(1, (4000, 1, 50))
    areas = (bad > good).mean(axis=(1, 2))
    assert areas.mean() == pytest.approx(0.8, abs=0.005)
    found = standard_error("roc_auc", Sample(value=0.8, rows=80, positives=30))
    assert found == pytest.approx(areas.std(), rel=0.05)


def test_accuracy_has_the_error_of_a_share() -> None:
    assert standard_error("accuracy", Sample(value=0.9, rows=900, positives=3)) == pytest.approx(0.01)


def test_a_perfect_value_has_none() -> None:
    assert standard_error("roc_auc", Sample(value=1.0, rows=10, positives=5)) == 0
    assert standard_error("accuracy", Sample(value=1.0, rows=10, positives=5)) == 0


@pytest.mark.parametrize(
    ("metric", "rows", "positives"), [("roc_auc", 9, 0), ("roc_auc", 9, 9), ("f1", 9, 4), ("mae", 9, 0), ("accuracy", 0, 0)]
)
def test_where_there_is_no_formula_there_is_no_error(metric: str, rows: int, positives: int) -> None:
    assert standard_error(metric, Sample(value=0.7, rows=rows, positives=positives)) is None
