"""The declaration: what it accepts, what it refuses, and how it is named by its hash."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ml.spec import ModelSpec, Rate, json_schema


def declaration(**changes: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "task": "binary",
        "target": "y",
        "positive": "yes",
        "features": {"numeric": ["a"], "categorical": ["b"]},
        "data": {"source": {"kind": "files", "urls": ["m/*.csv"]}},
        "training": {"candidates": [{"name": "ridge", "class": "sklearn.linear_model.LogisticRegression"}]},
    } | changes


def test_a_small_declaration_is_complete() -> None:
    spec = ModelSpec.model_validate(declaration())
    assert spec.metric == "roc_auc"
    assert spec.columns == ("a", "b", "y")
    assert spec.retraining.cooldown == timedelta(days=1)


def test_text_and_hash_name_exactly_one_declaration() -> None:
    spec = ModelSpec.model_validate(declaration())
    assert ModelSpec.from_text(spec.to_text()) == spec
    assert ModelSpec.from_text(spec.to_text()).hash() == spec.hash()
    assert ModelSpec.model_validate(declaration(description="other")).hash() != spec.hash()


def test_a_window_may_need_more_rows_than_the_most_that_nobody_wrote() -> None:
    spec = ModelSpec.model_validate(declaration(monitoring={"minimum_rows": 3_000_000}))
    assert spec.monitoring.minimum_rows == 3_000_000
    assert ModelSpec.from_text(spec.to_text()) == spec, "a run's declaration is read again with its defaults written out"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positive": None}, "positive: a binary model needs"),
        ({"task": "regression"}, "positive: only a binary model"),
        ({"target": "a"}, "target: 'a' is also a feature"),
        ({"id": "a"}, "id: 'a' is also a feature"),
        ({"features": {}}, "features: no column is used"),
        ({"features": {"numeric": ["a"], "ignore": ["a"]}}, "stands in numeric and in ignore"),
        ({"promotion": {"metric": "mae"}}, r"promotion\.metric: for binary choose one of"),
        ({"features": {"numeric": ["a", "_row"]}}, "'_row' is kept for Perennial"),
        ({"features": {"numeric": ["a", "A"]}}, "'a' and 'A' differ only by case"),
        ({"id": "B"}, "differ only by case"),
        ({"model": "Bad Name"}, "model"),
        ({"surprise": 1}, "surprise"),
        ({"retraining": {"cooldown": "soon"}}, "whole number and a unit"),
        ({"monitoring": {"schedule": "every day"}}, "not a schedule"),
        ({"monitoring": {"schedule": "61 * * * *"}}, "not a schedule"),
        ({"monitoring": {"minimum_rows": 300, "maximum_rows": 299}}, r"maximum_rows \(299\) is less than minimum_rows \(300\)"),
        ({"retraining": {"drift_share": 1.01}}, "less than or equal to 1"),
        ({"retraining": {"drift_share": 0}}, "greater than 0"),
        ({"retraining": {"regret": {"shadow_windows": 4}}}, r"regret\.shadow_windows: a shadow is for regret alone, .* write cost"),
        ({"retraining": {"regret": {"shadow_windows": 0}, "cost": {"train": 0.1}}}, "greater than or equal to 1"),
        (
            {"retraining": {"cost": {"train": 9, "per_error": 2}}},
            r"per_error: roc_auc is no mean over rows.* set promotion\.metric to one that does \(accuracy,.*, or take per_error out",
        ),
        ({"retraining": {"cost": {"train": 9, "per_error": 0}}, "promotion": {"metric": "accuracy"}}, "greater than 0"),
    ],
)
def test_a_contradiction_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelSpec.model_validate(declaration(**changes))


def test_a_cost_in_money_is_windows_worth_of_loss_by_what_the_errors_of_a_window_cost() -> None:
    cost = {"train": 20, "promote": 30, "per_error": 0.5}
    spec = ModelSpec.model_validate(declaration(promotion={"metric": "accuracy"}, retraining={"cost": cost}))
    assert spec.retraining.cost is not None
    found = spec.retraining.cost.in_windows(200)  # a window that is wrong throughout costs 100
    assert (found.train, found.promote, found.per_error) == (0.2, 0.3, None)
    assert found.in_windows(7) == found, "once"
    assert "per_error" not in ModelSpec.model_validate(declaration(retraining={"cost": {"train": 1}})).to_text(), (
        "no other hash than before"
    )


@pytest.mark.parametrize(
    ("text", "expected"), [("30m", timedelta(minutes=30)), ("12h", timedelta(hours=12)), ("2w", timedelta(weeks=2)), ("0d", timedelta())]
)
def test_durations_are_a_number_and_a_unit(text: str, expected: timedelta) -> None:
    spec = ModelSpec.model_validate(declaration(retraining={"cooldown": text}))
    assert spec.retraining.cooldown == expected
    assert ModelSpec.from_text(spec.to_text()).retraining.cooldown == expected


@pytest.mark.parametrize("text", ["4 per 30d", "4  per 30 d", " 4 per 720h "])
def test_both_rates_are_read_by_one_reader_and_written_alike(text: str) -> None:
    spec = ModelSpec.model_validate(declaration(retraining={"budget": text}, monitoring={"false_alarms": text}))
    assert spec.retraining.budget == spec.monitoring.false_alarms == Rate(4, timedelta(days=30))
    assert ModelSpec.from_text(spec.to_text()) == spec


def test_the_published_schema_is_the_one_of_the_code() -> None:
    published = Path(__file__).parents[1] / "docs" / "model.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == json_schema(), "run `make schema`"
