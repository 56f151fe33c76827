"""Estimates of a regression's quality: known answers, a simulation, and rows that allow none."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ml.monitoring.estimated.numbers import Columns, Predictions, estimate
from ml.monitoring.estimated.values import Estimated

Array = np.ndarray[Any, Any]
COLUMNS = Columns(numeric=("x",), categorical=("kind",))


def world(random: np.random.Generator, rows: int, *, shift: float = 0.0, noise: float = 1.0) -> tuple[Predictions, Array]:
    """A model that knows the mean; the spread around it grows with x, and is twice as large for one kind of row."""
    x, kind = random.normal(shift, 1, rows), random.choice(["a", "b"], rows, p=[0.7, 0.3])
    spread = noise * np.exp(0.4 * x) * (1 + (kind == "b"))
    return Predictions(features=pd.DataFrame({"x": x, "kind": kind}), predicted=2 * x), 2 * x + random.uniform(-1, 1, rows) * spread


def metrics(predictions: Predictions, labels: Array) -> dict[str, float]:
    errors = labels - predictions.predicted
    return {"mae": float(np.abs(errors).mean()), "rmse": float(np.sqrt(np.square(errors).mean()))}


def estimated(reference: tuple[Predictions, Array], window: Predictions, **options: Any) -> Estimated:
    return estimate(*reference, window, columns=COLUMNS, **options)


def test_where_the_rows_become_harder_the_estimate_follows_and_its_interval_holds() -> None:
    random, inside, far = np.random.default_rng(0), 0, []
    trials = 6
    for _ in range(trials):
        reference, (window, labels) = world(random, 1500), world(random, 1000, shift=0.6)
        truth, before, found = metrics(window, labels), metrics(*reference), estimated(reference, window)
        for metric in ("mae", "rmse"):
            one = found.of(metric)
            assert one is not None
            assert one.value is not None
            assert one.low is not None
            assert one.high is not None
            inside += one.low <= truth[metric] <= one.high
            far.append((abs(one.value - truth[metric]), abs(before[metric] - truth[metric])))
    assert inside >= 2 * trials - 2  # 95 % intervals: more than two misses of twelve come in 2 % of such runs
    ours, nothing = np.mean(far, axis=0)
    assert nothing > 3 * ours


def test_the_sampling_error_is_that_of_the_windows_losses_around_their_expectation() -> None:
    random = np.random.default_rng(13)
    window, _ = world(random, 500, shift=0.5)
    found = estimated(world(random, 4000), window).of("mae")
    spread = np.exp(0.4 * window.features["x"]) * (1 + (window.features["kind"] == "b"))
    known = np.sqrt(np.square(spread).sum() / 12) / 500  # an absolute error is uniform up to the row's spread
    assert found is not None
    assert found.sampling_error == pytest.approx(known, rel=0.15)
    assert 0 < (found.model_error or 0) < found.sampling_error * 2


def test_without_a_shift_the_estimate_is_about_the_loss_on_the_test_rows() -> None:
    random = np.random.default_rng(1)
    reference = world(random, 3000)
    found, before = estimated(reference, world(random, 3000)[0]), metrics(*reference)
    for metric in ("mae", "rmse"):
        one = found.of(metric)
        assert one is not None
        assert one.value == pytest.approx(before[metric], rel=0.05)


def test_the_unit_of_the_target_does_not_matter() -> None:
    random = np.random.default_rng(2)
    (reference, labels), (window, _) = world(random, 400), world(random, 100)
    small = estimated((reference, labels), window).of("mae")
    scaled = Predictions(features=reference.features, predicted=reference.predicted)
    large = estimated((scaled, reference.predicted + 1e6 * (labels - reference.predicted)), window).of("mae")
    assert small is not None
    assert large is not None
    assert large.value == pytest.approx(1e6 * (small.value or 0), rel=1e-6)
    assert large.model_error == pytest.approx(1e6 * (small.model_error or 0), rel=1e-6)


def test_r2_is_not_estimated_and_says_why() -> None:
    random = np.random.default_rng(3)
    one = estimated(world(random, 300), world(random, 100)[0]).of("r2")
    assert one is not None
    assert one.value is None
    assert "spread of labels" in one.why


def test_a_perfect_model_has_an_estimate_of_zero() -> None:
    (reference, _), (window, _) = world(np.random.default_rng(4), 300), world(np.random.default_rng(5), 100)
    found = estimated((reference, reference.predicted.copy()), window)
    assert [(one.value, one.low, one.high) for one in found.metrics if one.metric != "r2"] == [(0.0, 0.0, 0.0)] * 2


def test_losses_that_are_zero_but_for_a_few_rows_give_finite_numbers() -> None:
    (reference, _), (window, _) = world(np.random.default_rng(6), 300), world(np.random.default_rng(7), 100)
    found = estimated((reference, reference.predicted + np.where(np.arange(300) < 3, 5.0, 0.0)), window)
    for one in found.metrics:
        assert one.metric == "r2" or np.isfinite([one.value, one.low, one.high]).all()


def test_missing_infinite_and_unseen_features_are_taken_as_unknown() -> None:
    random = np.random.default_rng(8)
    window, _ = world(random, 100)
    features = window.features.assign(
        x=window.features["x"].where(np.arange(100) > 10, np.inf).where(np.arange(100) > 5), kind=["new"] * 50 + [None] * 50
    )
    found = estimated(world(random, 300), Predictions(features=features, predicted=window.predicted)).of("mae")
    assert found is not None
    assert found.value is not None
    assert np.isfinite(found.value)


def test_the_same_rows_give_the_same_estimate_and_it_survives_json() -> None:
    reference, window = world(np.random.default_rng(9), 300), world(np.random.default_rng(10), 100)[0]
    found = estimated(reference, window)
    assert found == estimated(reference, window)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["method"] == "dle"


def why_none(reference: Predictions | None, labels: Array, window: Predictions) -> str:
    (why,) = {one.why for one in estimate(reference, labels, window, columns=COLUMNS).metrics}
    return why


def part(predictions: Predictions, rows: int) -> Predictions:
    return Predictions(features=predictions.features.iloc[:rows], predicted=predictions.predicted[:rows])


def test_rows_that_allow_no_estimate_say_why() -> None:
    (reference, labels), (window, _) = world(np.random.default_rng(11), 300), world(np.random.default_rng(12), 100)
    broken = np.where(np.arange(300) == 7, np.nan, labels)
    infinite = Predictions(features=window.features, predicted=np.where(np.arange(100) < 2, np.inf, window.predicted))
    assert why_none(None, labels, window) == "what the champion said of its test rows is not kept"
    assert why_none(reference, labels, part(window, 1)) == "the window has 1 rows, and 30 are needed"
    assert why_none(part(reference, 199), labels[:199], window) == "the champion was tested on 199 rows, and 200 are needed"
    assert why_none(reference, broken, window) == "a label of the test rows is no number in 1 of 300 rows"
    assert why_none(reference, labels, infinite) == "a prediction is no number in 2 of 100 rows"
