"""The sections of the page's head: they say what was measured, and nothing in them runs."""

import json
import math

import numpy as np
import pytest

from ml.monitoring import report_sections
from ml.monitoring.concept import ConceptDrift, Observed, Usual, against_fresh
from ml.monitoring.estimated.audit import audit
from ml.monitoring.estimated.values import Estimated, with_interval, without_value
from ml.monitoring.ranking import Ranked
from ml.monitoring.segments import Segment

EVIL = "</script><script>window.hurt=1</script>"


def test_what_data_says_becomes_no_markup_and_stays_short() -> None:
    ranked = [Ranked(column=EVIL, effect=2.0, importance=0.5, score=1.0)]
    segment = Segment(
        column="c", value=EVIL + "x" * 200, rows=9, share=0.5, test_share=0.5, labelled_rows=3, quality=None, test_quality={"f1": 0.5},
        prediction_drift=None, method=None,
    )  # fmt: skip
    page = report_sections.rendered([report_sections.ranking(ranked), report_sections.segments([segment], metric="f1", least=30)])
    assert "<script>" not in page
    assert "x" * 100 not in page
    assert page.count("not tested") == 3
    assert "0.5000" in page


def test_an_estimate_is_shown_with_its_audit_and_with_what_could_not_be_estimated() -> None:
    value = with_interval("accuracy", 0.8, sampling_error=0.01, model_error=0.0, confidence=0.95)
    metrics = (value, without_value("roc_auc", "one class"))
    found = Estimated(method="cbpe", rows=1000, reference_rows=500, confidence=0.95, metrics=metrics)
    page = report_sections.rendered([report_sections.estimated(found, audit([]))])
    assert "accuracy 0.8000 (0.7804 to 0.8196); audit: Not trusted: of no earlier window of this champion have the labels come yet" in page
    assert "<td>roc_auc</td><td>one class</td>" in page
    nothing = Estimated(method="dle", rows=9, reference_rows=0, confidence=0.95, metrics=(without_value("mae", "why"),))
    assert "<p>nothing; audit:" in report_sections.rendered([report_sections.estimated(nothing, audit([]))])


@pytest.mark.parametrize(("spread", "said"), [(0.01, "concept drift."), (2.0, "not significantly worse.")])
def test_a_change_is_told_with_its_direction_and_its_chance(spread: float, said: str) -> None:
    losses = np.random.default_rng(0).normal(0.5, spread, 200)
    usual = Usual(value=0.3, error=0.01, degrees_of_freedom=math.inf, scores=1)
    found = against_fresh("mae", Observed(value=0.5, influence=losses - losses.mean()), usual)
    sentence = report_sections.concept_sentence(found)
    assert sentence.startswith("mae 0.5000, usual 0.3000: worse by 0.2000 (standard error ")
    assert sentence.endswith(said)
    assert "better by 0.2000" in report_sections.concept_sentence(against_fresh("accuracy", Observed(value=0.5, influence=losses), usual))
    assert report_sections.concept_sentence(ConceptDrift(yardstick="fresh", metric="mae", obstacle="no label")) == "Not known: no label."


def test_labels_that_all_say_the_same_give_numbers_that_json_knows() -> None:
    usual = Usual(value=0.3, error=0.01, degrees_of_freedom=math.inf, scores=1)
    found = against_fresh("mae", Observed(value=0.5, influence=np.zeros(50)), usual)
    assert found.drifted
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["units"] == 50
