"""Prediction drift keeps its promise where one model says both sides, and does not where two do."""

from benchmarks.prediction_alarms import measured


def test_windows_that_the_tested_model_scores_keep_the_promise_of_a_weak_model_and_those_of_its_twin_do_not() -> None:
    rates = {cell.way: cell.rate for cell in measured("logistic", 500, 60, window_rows=500)}
    assert rates["tested"] <= 4 / 60, "1 % promised: five alarms of 60 come by chance in 4 of 10,000 runs"
    assert rates["champion"] >= 0.2
    assert rates["out of fold"] >= 0.1
