"""Intervals cover as often as they say, on independent rows, on blocks and on groups."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from ml.spec import MEASURED
from ml.training.assessing import intervals
from ml.training.assessing.intervals import of_metrics, tail
from ml.training.assessing.resampling import blocks, groups, units_of
from ml.training.assessing.weighted import Classes, Numbers
from ml.training.evaluation import Predicted, measure
from tests.training.assessing.frames import chances, shop

REGRESSION: dict[str, Any] = {"task": "regression", "target": "paid", "positive": None}


def some_rows(rows: int, seed: int = 0) -> tuple[pd.DataFrame, Predicted]:
    rng = np.random.default_rng(seed)
    truth = rng.random(rows) < 0.4
    return chances(truth, np.clip(truth * 0.3 + rng.random(rows) * 0.7, 0, 1).round(2))


def test_metrics_under_weights_of_one_are_those_of_measure() -> None:
    frame, predicted = some_rows(300)
    labels, values = np.asarray(frame["bought"], dtype=str), np.asarray(predicted.values, dtype=str)
    rng = np.random.default_rng(0)
    for positive, task in (("yes", "binary"), (None, "multiclass")):
        weighted = Classes.of(labels, values, predicted.probabilities, positive)
        found = weighted.metrics(weighted.sums(np.ones(300))[None, :])
        wanted = measure(task, labels=labels, predictions=values, probabilities=predicted.probabilities, positive=positive, further=True)  # type: ignore[arg-type]
        assert {name: float(value[0]) for name, value in found.items()} == pytest.approx(wanted)
        assert set(wanted) == set(MEASURED[task])
    numbers = rng.normal(size=300), rng.normal(size=300)
    found = Numbers.of(*numbers).metrics(Numbers.of(*numbers).sums(np.ones(300))[None, :])
    assert {name: float(value[0]) for name, value in found.items()} == pytest.approx(
        measure("regression", labels=numbers[0], predictions=numbers[1])
    )


def test_a_weight_counts_as_so_many_copies_of_a_row() -> None:
    frame, predicted = some_rows(80)
    times = np.random.default_rng(1).integers(0, 4, 80)
    rows = np.repeat(np.arange(80), times)
    labels, values = np.asarray(frame["bought"], dtype=str), np.asarray(predicted.values, dtype=str)
    assert predicted.probabilities is not None
    for positive, task in (("yes", "binary"), (None, "multiclass")):
        weighted = Classes.of(labels, values, predicted.probabilities, positive)
        found = weighted.metrics(weighted.sums(times.astype(float))[None, :])
        table = predicted.probabilities.iloc[rows]
        wanted = measure(task, labels=labels[rows], predictions=values[rows], probabilities=table, positive=positive, further=True)  # type: ignore[arg-type]
        assert {name: float(value[0]) for name, value in found.items()} == pytest.approx(wanted)


def test_a_resample_without_a_class_leaves_it_out_as_measure_does() -> None:
    labels = np.array(["a", "b", "c", "a"])
    said = np.array(["a", "b", "b", "b"])
    weighted = Classes.of(labels, said, None, None)
    found = weighted.metrics(weighted.sums(np.array([1.0, 1.0, 0.0, 1.0]))[None, :])
    wanted = measure("multiclass", labels=labels[[0, 1, 3]], predictions=said[[0, 1, 3]], further=True)
    assert {name: float(value[0]) for name, value in found.items()} == pytest.approx(wanted)


def test_intervals_agree_with_scipys_bootstrap() -> None:
    frame, predicted = some_rows(120)
    spec = shop(evaluation={"resamples": 4000})
    found = of_metrics(spec, frame, predicted).metrics
    assert predicted.probabilities is not None
    truth, chance = (frame["bought"] == "yes").to_numpy(), predicted.probabilities["yes"].to_numpy()
    hits = (frame["bought"].to_numpy() == predicted.values).astype(float)

    def area(truth: Any, chance: Any) -> float:
        return float(roc_auc_score(truth, chance))

    options: dict[str, Any] = {"confidence_level": 1 - 2 * tail(0.95, 120), "method": "percentile", "rng": np.random.default_rng(5)}
    accuracy = stats.bootstrap((hits,), np.mean, n_resamples=4000, **options).confidence_interval
    auc = stats.bootstrap((truth, chance), area, n_resamples=1000, paired=True, vectorized=False, **options).confidence_interval
    assert (found["accuracy"].low, found["accuracy"].high) == pytest.approx((accuracy.low, accuracy.high), abs=0.009)
    assert (found["roc_auc"].low, found["roc_auc"].high) == pytest.approx((auc.low, auc.high), abs=0.012)


def test_the_same_seed_gives_the_same_intervals_and_another_one_others() -> None:
    frame, predicted = some_rows(200)
    assert of_metrics(shop(), frame, predicted) == of_metrics(shop(), frame, predicted)
    assert of_metrics(shop(), frame, predicted) != of_metrics(shop(training={"seed": 7}), frame, predicted)


def test_more_confidence_gives_wider_intervals_around_the_same_value() -> None:
    frame, predicted = some_rows(200)
    narrow, wide = (of_metrics(shop(evaluation={"confidence": level}), frame, predicted).metrics["brier"] for level in (0.8, 0.99))
    assert narrow.value == wide.value
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high  # type: ignore[operator]


def test_intervals_of_independent_rows_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    held = {"roc_auc": 0, "accuracy": 0}
    for _ in range(200):
        truth = rng.random(150) < 0.5
        # Normal scores one apart: ROC AUC = Phi(1 / sqrt 2), accuracy at the middle = Phi(1 / 2).
        score = rng.normal(size=150) + truth
        found = of_metrics(shop(), *chances(truth, stats.norm.cdf(score - 0.5))).metrics
        for name, true in (("roc_auc", stats.norm.cdf(np.sqrt(0.5))), ("accuracy", stats.norm.cdf(0.5))):
            held[name] += found[name].low <= true <= found[name].high  # type: ignore[operator]
    assert 0.90 <= held["roc_auc"] / 200 <= 0.99
    assert 0.90 <= held["accuracy"] / 200 <= 0.99


def covered(kind: dict[str, str], tries: int = 100, rows: int = 900) -> float:
    """How often the interval of the mean error covers the truth where errors follow each other (AR(1), 0.8)."""
    rng, held = np.random.default_rng(4), 0
    spec = shop(**REGRESSION, **kind, id=None)
    for _ in range(tries):
        noise = rng.normal(size=rows + 100)
        for place in range(1, len(noise)):
            noise[place] += 0.8 * noise[place - 1]
        order = rng.permutation(rows)
        frame = pd.DataFrame({"paid": np.zeros(rows), "at": pd.Timestamp("2026-01-01") + pd.to_timedelta(order, unit="h")})
        found = of_metrics(spec, frame, Predicted(100 + noise[100:][order], None)).metrics["mae"]
        held += found.low <= 100 <= found.high  # type: ignore[operator]
    return held / tries


def test_blocks_in_time_order_cover_where_rows_taken_alone_do_not() -> None:
    assert covered({}) < 0.7
    assert covered({"time": "at"}) >= 0.88


def test_groups_count_once_however_many_rows_they_have() -> None:
    rng = np.random.default_rng(5)
    errors = np.repeat(rng.normal(100, 1, 60), 20)
    frame = pd.DataFrame({"paid": np.zeros(1200), "who": np.repeat(np.arange(60), 20)})
    by_row = of_metrics(shop(**REGRESSION), frame, Predicted(errors, None)).metrics["mae"]
    by_group = of_metrics(shop(**REGRESSION, group="who"), frame, Predicted(errors, None))
    mae = by_group.metrics["mae"]
    assert (by_group.units, by_group.drawn) == (60, "values of 'who'")
    assert 3.5 < (mae.high - mae.low) / (by_row.high - by_row.low) < 5.5  # type: ignore[operator] # about the root of 20


def test_a_model_with_time_and_group_keeps_the_wider_interval() -> None:
    rng = np.random.default_rng(6)
    frame = pd.DataFrame(
        {
            "paid": np.zeros(900),
            "who": np.repeat(np.arange(45), 20),
            "at": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.permutation(900), "h"),
        }
    )
    said = Predicted(np.repeat(rng.normal(100, 1, 45), 20), None)
    kinds: list[dict[str, Any]] = [{"time": "at", "group": "who"}, {"group": "who"}, {"time": "at"}]
    both, group, time = (of_metrics(shop(**REGRESSION, **kind), frame, said) for kind in kinds)
    assert both.metrics["mae"] == group.metrics["mae"] != time.metrics["mae"]
    assert both.drawn == "values of 'who', and blocks of 30 rows in time order"


def test_a_bounded_bootstrap_is_as_wide_as_one_of_all_rows() -> None:
    frame, predicted = some_rows(40_000)
    spec = shop(evaluation={"resamples": 400})
    whole, part = of_metrics(spec, frame, predicted), of_metrics(spec, frame, predicted, draws=1)
    assert (whole.drawn_rows, part.drawn_rows) == (40_000, intervals.LEAST_ROWS)
    for name in MEASURED["binary"]:
        one, other = whole.metrics[name], part.metrics[name]
        assert one.value == other.value
        assert other.low < other.value < other.high  # type: ignore[operator]
        assert (other.high - other.low) / (one.high - one.low) == pytest.approx(1, abs=0.2)  # type: ignore[operator]


@pytest.mark.parametrize(("rows", "known"), [(intervals.MINIMUM_UNITS - 1, False), (intervals.MINIMUM_UNITS, True)])
def test_too_few_units_have_values_without_intervals(rows: int, known: bool) -> None:
    frame = pd.DataFrame({"paid": np.arange(rows, dtype=float)})
    found = of_metrics(shop(**REGRESSION), frame, Predicted(np.arange(rows) + np.linspace(0, 1, rows), None)).metrics["mae"]
    assert found.value == pytest.approx(0.5)
    assert (found.low is not None) is (found.high is not None) is known


def test_a_metric_that_most_resamples_do_not_define_has_no_interval() -> None:
    truth = np.arange(40) == 0
    found = of_metrics(shop(), *chances(truth, np.linspace(0.1, 0.4, 40))).metrics
    assert found["roc_auc"].low is None
    assert found["accuracy"].low is not None


def test_no_rows_have_no_metrics() -> None:
    found = of_metrics(shop(), *chances(np.array([], dtype=bool), []))
    assert (found.rows, found.units, found.metrics) == (0, 0, {})


def test_predictions_that_are_no_numbers_leave_the_metric_out() -> None:
    frame = pd.DataFrame({"paid": np.arange(20.0)})
    assert of_metrics(shop(**REGRESSION), frame, Predicted(np.full(20, np.nan), None)).metrics == {}


def test_a_classifier_without_probabilities_has_intervals_too() -> None:
    frame, predicted = some_rows(100)
    assert set(of_metrics(shop(), frame, Predicted(predicted.values, None)).metrics) == {
        "accuracy",
        "balanced_accuracy",
        "f1",
        "precision",
        "recall",
    }


def test_blocks_follow_time_and_rows_without_it_come_first() -> None:
    times = pd.Series(pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(100)[::-1], unit="h"))
    times.iloc[50] = pd.NaT
    found = blocks(times)
    assert (found.count, np.bincount(found.of_row).tolist()) == (33, [3] * 32 + [4])
    assert found.of_row[50] == found.of_row[99] == found.of_row[98] == 0
    assert found.of_row[0] == 32
    assert blocks(pd.Series([pd.NaT] * 2)).of_row.tolist() == [0, 1]


def test_rows_without_a_group_are_groups_of_their_own() -> None:
    found = groups(pd.Series(["a", None, "a", None], name="who"))
    assert found.count == 3
    assert found.of_row[0] == found.of_row[2]
    assert len(set(found.of_row.tolist())) == 3


def test_rows_are_the_units_where_nothing_else_is_declared() -> None:
    (found,) = units_of(shop(), pd.DataFrame({"x": [1, 2, 3]}))
    assert (found.name, found.of_row.tolist()) == ("rows", [0, 1, 2])
