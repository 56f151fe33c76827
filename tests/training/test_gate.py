"""The gate: better by more than the minimum gain, on the same rows; what cannot be compared is explained."""

import pytest

from ml.training.gate import Evidence, judge


def evidence(**changes: object) -> Evidence:
    values: dict[str, object] = {
        "metric": "accuracy",
        "rows": 100,
        "minimum_gain": 0.25,
        "challenger": {"accuracy": 0.75},
        "champion": {"accuracy": 0.5},
        "baseline": {"accuracy": 0.25},
        "champion_version": 3,
    }
    return Evidence(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(("mine", "wins"), [(0.74, False), (0.75, False), (0.76, True), (0.1, False)])
def test_the_gain_must_exceed_the_minimum(mine: float, wins: bool) -> None:
    outcome = judge(evidence(challenger={"accuracy": mine}))
    assert outcome.wins is wins
    assert outcome.gain == pytest.approx(mine - 0.5)
    assert f"accuracy {mine:.4f} against 0.5000" in outcome.sentence
    assert "champion (version 3)" in outcome.sentence


def test_an_equal_challenger_does_not_win_without_a_minimum() -> None:
    assert not judge(evidence(minimum_gain=0.0, challenger={"accuracy": 0.5})).wins


@pytest.mark.parametrize(("mine", "wins"), [(0.2, True), (0.25, False), (0.24, True), (0.3, False)])
def test_lower_is_better_for_an_error(mine: float, wins: bool) -> None:
    found = judge(evidence(metric="mae", minimum_gain=0.0, challenger={"mae": mine}, champion={"mae": 0.25}))
    assert found.wins is wins


@pytest.mark.parametrize("changes", [{"challenger": {}}, {"champion": {}}, {"challenger": {"accuracy": float("nan")}}])
def test_what_is_not_defined_wins_nothing_and_says_so(changes: dict[str, object]) -> None:
    outcome = judge(evidence(**changes))
    assert (outcome.wins, outcome.gain) == (False, None)
    assert "not defined" in outcome.sentence


@pytest.mark.parametrize(("mine", "wins"), [(0.24, False), (0.25, False), (0.26, True)])
def test_a_first_model_must_beat_the_baseline_by_any_gain(mine: float, wins: bool) -> None:
    outcome = judge(evidence(champion=None, champion_version=None, challenger={"accuracy": mine}))
    assert outcome.wins is wins
    assert outcome.sentence.startswith("First model")


def test_a_champion_that_cannot_be_compared_is_explained() -> None:
    outcome = judge(evidence(champion=None, obstacle="it fails on these rows: KeyError"))
    assert outcome.wins
    assert "version 3) cannot be compared: it fails on these rows: KeyError" in outcome.sentence
