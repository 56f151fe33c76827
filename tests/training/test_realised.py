"""The realised gain: positive where the new champion is better, with an interval that holds what it says."""

import numpy as np
import pandas as pd
import pytest

from ml.training.evaluation import Predicted
from ml.training.realised import realised, row_losses
from tests.training.worlds import spec_of

REGRESSION = spec_of(task="regression", target="paid", positive=None)


def numbers(values: object) -> Predicted:
    return Predicted(np.asarray(values, dtype=float), None)


def test_a_loss_of_classes_is_half_the_brier_score_and_a_class_that_is_not_known_counts_fully() -> None:
    said = Predicted(np.array(["a", "a", "a"], dtype=object), pd.DataFrame({"a": [1.0, 0.5, 1.0], "b": [0.0, 0.5, 0.0]}))
    mine, theirs = row_losses("multiclass", ["a", "b", "new"], said, said)
    assert mine == pytest.approx([0.0, 0.25, 1.0])
    assert theirs == pytest.approx(mine)
    hits, _ = row_losses("multiclass", ["a", "b", "new"], Predicted(said.values, None), said)
    assert hits == pytest.approx([0, 1, 1])


@pytest.mark.parametrize(("rows", "has_interval"), [(39, False), (40, True)])
def test_a_gain_is_positive_where_the_new_one_is_better_and_few_rows_have_no_interval(rows: int, has_interval: bool) -> None:
    truth = np.arange(rows, dtype=float)
    found = realised(REGRESSION, labels=truth, new=numbers(truth + 1), old=numbers(truth + 3), rows=rows, loss=1.0, former_loss=3.0)
    assert (found.loss.gain, found.value and found.value.gain) == (2.0, 2.0)
    assert (found.loss.low is not None) is has_interval


def test_a_metric_that_is_not_defined_has_no_gain() -> None:
    said = Predicted(np.array(["yes"] * 50, dtype=object), pd.DataFrame({"no": [0.2] * 50, "yes": [0.8] * 50}))
    found = realised(spec_of(), labels=np.array(["yes"] * 50), new=said, old=said, rows=50, loss=0.04, former_loss=0.04)
    assert found.value is None


@pytest.mark.parametrize("correlation", [0.0, 0.8])
def test_the_interval_holds_the_true_gain_about_as_often_as_it_says(correlation: float) -> None:
    rng, held = np.random.default_rng(0), 0
    for _ in range(200):
        noise = rng.normal(0, 1, 1000)
        for place in range(1, len(noise)):
            noise[place] += correlation * noise[place - 1]
        truth = np.zeros(len(noise))
        found = realised(
            REGRESSION,
            labels=truth,
            new=numbers(np.full(len(noise), 10.0)),
            old=numbers(10.5 + noise),
            rows=1000,
            loss=10.0,
            former_loss=float(np.abs(10.5 + noise).mean()),
        )
        assert found.loss.low is not None
        assert found.loss.high is not None
        held += found.loss.low <= 0.5 <= found.loss.high
    assert 0.90 <= held / 200 <= 0.99
