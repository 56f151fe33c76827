"""The reader sees first the column whose drift hurts the model most."""

import math

import pytest

from ml.monitoring.ranking import rank
from ml.state.records import Drift


def drift(column: str, value: float, *, kind: str = "numeric", method: str = "wasserstein", threshold: float = 0.1) -> Drift:
    return Drift(column=column, kind=kind, method=method, value=value, threshold=threshold, drifted=value >= threshold)


def test_a_small_drift_of_what_matters_comes_before_a_large_one_of_what_does_not() -> None:
    found = rank([drift("noise", 0.9), drift("income", 0.2)], {"noise": 0.001, "income": 0.099})
    assert [one.column for one in found] == ["income", "noise"]
    assert found[0].effect == pytest.approx(2)
    assert found[0].importance == pytest.approx(0.99)
    assert found[0].score == pytest.approx(1.98)


def test_effects_are_multiples_of_each_columns_own_threshold() -> None:
    found = rank([drift("a", 0.3, method="psi", threshold=0.3), drift("b", 0.2)], {"a": 1.0, "b": 1.0})
    assert [(one.column, round(one.effect, 9)) for one in found] == [("b", 2.0), ("a", 1.0)]


def test_texts_that_are_alike_have_no_effect() -> None:
    text = {"kind": "text", "method": "abs_text_content_drift", "threshold": 0.6}
    found = {one.column: one.effect for one in rank([drift("alike", 0.5, **text), drift("apart", 0.7, **text)], {})}  # type: ignore[arg-type]
    assert found == {"alike": 0.0, "apart": pytest.approx(2.0)}


def test_columns_of_unknown_importance_come_after_those_that_hurt_and_before_those_that_cannot() -> None:
    importances = {"hurts": 0.1, "idle": -0.02, "broken": math.nan}
    found = rank([drift("idle", 0.9), drift("new", 0.5), drift("broken", 0.6), drift("hurts", 0.01)], importances)
    assert [one.column for one in found] == ["hurts", "broken", "new", "idle"]
    assert [one.score for one in found][1:3] == [None, None]
    assert found[3].score == 0


def test_without_any_importance_the_effect_alone_ranks() -> None:
    found = rank([drift("b", 0.2), drift("c", 0.3), drift("a", 0.2)], {})
    assert [one.column for one in found] == ["c", "a", "b"]
    assert [one.column for one in rank([drift("b", 0.2), drift("c", 0.3)], {"b": 0.0, "c": 0.0})] == ["c", "b"]


def test_target_and_predictions_are_no_columns_of_the_model() -> None:
    found = rank([drift("y", 0.9, kind="target"), drift("prediction", 0.9, kind="prediction"), drift("x", 0.1)], {"x": 1.0})
    assert [one.column for one in found] == ["x"]
