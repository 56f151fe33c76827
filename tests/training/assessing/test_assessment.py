"""One call measures all, and what it says survives JSON."""

from typing import Any

import pandas as pd
import pytest

from ml.training.assessing.assessment import Assessed, assess, needed_columns
from ml.training.assessing.facts import Assessment
from ml.training.evaluation import predict
from tests.training.assessing.frames import fitted, parts, shop


def assessed(test: pd.DataFrame | None = None, **changes: Any) -> Assessed:
    spec = shop(**{"evaluation": {"slices": ["city", "age"], "sensitive": ["mood"], "minimum_slice_rows": 100}, **changes})
    development, other = parts()
    test = other if test is None else test
    pipeline = fitted(spec, development)
    said = predict(pipeline, test, task=spec.task)
    return assess(spec, pipeline, development=development, test=test, predicted=said, baseline={spec.metric: 0.5})


@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"time": "at"},
        {"group": "mood"},
        {"task": "regression", "target": "paid", "positive": None},
        {"task": "multiclass", "target": "mood", "positive": None, "features": {"numeric": ["age", "spent"], "categorical": ["city"]}},
    ],
)
def test_every_task_is_measured_and_comes_back_from_json(kind: dict[str, Any]) -> None:
    found = assessed(**kind)
    said = found.assessment
    assert Assessment.model_validate_json(said.model_dump_json()) == said
    assert said.metric in said.measured.metrics
    assert said.measured.rows == 600
    assert {one.column for one in said.slices} == {"city", "age"}
    assert said.importance.columns[0].column == "spent"
    assert said.latency is not None
    assert said.latency.single_ms > 0
    assert "importance" in found.figures
    assert all(figure.startswith(b"\x89PNG") for figure in found.figures.values())
    assert [one.column for one in said.fairness] == ({} if said.metric == "mae" else ["mood"] * len(said.fairness)) or said.metric == "mae"


def test_a_column_that_carries_the_skill_is_suspected() -> None:
    assert [(one.kind, one.column) for one in assessed().assessment.suspicions] == [("carries_the_skill", "spent")]


def test_a_single_row_and_none_are_assessed_without_a_fault() -> None:
    one = assessed(parts()[1].head(1))
    assert one.assessment.measured.rows == 1
    none_left = parts()[1].iloc[:0]
    spec = shop()
    pipeline = fitted(spec, parts()[0])
    said = predict(pipeline, parts()[1].head(1), task="binary")
    assert said.probabilities is not None
    empty = type(said)(said.values[:0], said.probabilities.iloc[:0])
    none = assess(spec, pipeline, development=parts()[0], test=none_left, predicted=empty)
    assert (none.assessment.measured.metrics, none.assessment.latency, none.figures) == ({}, None, {})


def test_the_columns_that_an_assessment_reads_are_named_once() -> None:
    spec = shop(evaluation={"slices": ["city", "mood"], "sensitive": ["mood", "bought"]}, group="visit")
    assert needed_columns(spec) == ("city", "mood", "visit")
