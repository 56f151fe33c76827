"""The cuts that the quality benchmark judges by."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks import sets
from benchmarks.sets import Known, parts

ROWS = 400


def _frame() -> pd.DataFrame:
    numbers = np.arange(ROWS)
    return pd.DataFrame(
        {
            "row": numbers.astype(str),
            "label": np.where(numbers % 8 == 0, "yes", "no"),
            "who": [f"P{number % 40}" for number in numbers],
        }
    )


PLAIN = Known("plain", "label", "roc_auc", lambda: (_frame(), None), positive="yes")
GROUPED = replace(PLAIN, name="grouped", group="who")


def test_a_plain_set_is_cut_once_and_its_classes_keep_their_share() -> None:
    [part] = parts(PLAIN)
    assert sorted([*part.learn["row"], *part.test["row"]]) == sorted(_frame()["row"])
    assert len(part.test) == ROWS * sets.TEST_SHARE
    assert (part.test["label"] == "yes").mean() == pytest.approx(1 / 8, abs=0.01)


def test_the_same_rows_are_held_out_each_time() -> None:
    [first], [second] = parts(PLAIN), parts(PLAIN)
    pd.testing.assert_frame_equal(first.test, second.test)


def test_a_grouped_set_tests_every_row_once_and_nobody_stands_on_both_sides() -> None:
    cuts = list(parts(GROUPED))
    assert len(cuts) == sets.GROUP_FOLDS
    assert all(set(part.learn["who"]).isdisjoint(part.test["who"]) for part in cuts)
    assert sorted(row for part in cuts for row in part.test["row"]) == sorted(_frame()["row"])


def test_a_test_part_that_comes_with_the_set_is_used_as_it_is() -> None:
    test = _frame().head(7)
    [part] = parts(replace(PLAIN, read=lambda: (_frame(), test)))
    pd.testing.assert_frame_equal(part.test, test)
    assert len(part.learn) == ROWS


def test_a_set_that_is_not_there_is_told_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(sets, "FOLDER", tmp_path)
    with pytest.raises(sets.SetMissing, match="telco_churn"):
        list(parts(sets.SETS["telco_churn"]))


@pytest.mark.skipif(not (sets.FOLDER / "resume_962").is_dir(), reason="../shared/data/resume_962 is not on this machine")
def test_equal_resumes_stand_on_one_side() -> None:
    for part in parts(sets.SETS["resume_962"]):
        assert set(part.learn["Resume"]).isdisjoint(part.test["Resume"])


@pytest.mark.skipif(not (sets.FOLDER / "bank_marketing").is_dir(), reason="../shared/data/bank_marketing is not on this machine")
def test_what_is_known_only_after_the_call_is_taken_out() -> None:
    [part] = parts(sets.SETS["bank_marketing"])
    assert "duration" not in part.learn
    assert "duration" not in part.test
