"""What the benchmark of a replay trains, keeps and counts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import replay as benchmark
from benchmarks import replay_losses
from benchmarks.refitting import HISTORY
from benchmarks.replay_losses import losses
from benchmarks.replay_streams import Stream
from ml.policy.replay import Costs, replay

WINDOW = 30


@pytest.fixture(scope="module")
def stream() -> Stream:
    """The label is the first column's sign, and from window 14 on its opposite."""
    random = np.random.default_rng(0)
    features = random.normal(size=(24 * WINDOW + 7, 2))
    labels = (features[:, 0] > 0).astype(np.int64)
    labels[14 * WINDOW :] = 1 - labels[14 * WINDOW :]
    return Stream(name="two worlds", features=features, labels=labels, window=WINDOW)


def test_each_model_learns_from_the_windows_before_it_and_is_scored_on_all_later_ones(stream: Stream) -> None:
    found = losses(stream, learner="logistic")
    assert found.windows == 24
    assert list(np.flatnonzero(found.trained)) == list(range(HISTORY, 24))
    assert found.losses[HISTORY, HISTORY:14].mean() < 0.1
    assert found.losses[HISTORY, 14:].mean() > 0.9
    assert found.losses[22, 22:].mean() < 0.1
    assert found.halves is not None
    halves = sum(half * WINDOW // 2 for half in found.halves) / WINDOW
    assert halves[HISTORY, HISTORY:] == pytest.approx(found.losses[HISTORY, HISTORY:])


def test_what_was_trained_is_found_again_and_nothing_else_is(stream: Stream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = losses(stream, learner="logistic", cache=tmp_path)
    other = losses(replace(stream, labels=stream.labels[::-1].copy()), learner="logistic", cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert not np.array_equal(first.losses, other.losses, equal_nan=True)
    monkeypatch.setattr(replay_losses, "_trained", None)  # nobody may ask for it
    again = losses(stream, learner="logistic", cache=tmp_path, delay=2)
    assert np.array_equal(first.losses, again.losses, equal_nan=True)
    assert again.delay == 2
    monkeypatch.setattr(replay_losses, "HISTORY", 9)
    with pytest.raises(TypeError):
        losses(stream, learner="logistic", cache=tmp_path)


def test_a_tie_holds_within_a_hundredth_of_hindsight_and_shares_are_of_summed_gaps(stream: Stream) -> None:
    [cell] = replay(losses(stream, learner="logistic"), [Costs.of(0.1, shadow_share=0.0)]).cells

    def line(**totals: float) -> benchmark.Line:
        made = {name: replace(getattr(cell, name), total=total) for name, total in totals.items()}
        return benchmark.Line(stream="two worlds", cell=replace(cell, **made))

    better = line(recommended=9.0, tuned_calendar=10.0, hindsight_calendar=8.9, oracle=8.0)
    worse = line(recommended=5.04, tuned_calendar=5.0, hindsight_calendar=5.0, oracle=4.0)
    tie = line(recommended=7.0, tuned_calendar=7.0, hindsight_calendar=6.0, oracle=6.0)
    values = benchmark._values([better, worse, tie])
    assert values["no_worse_than_tuned"] == pytest.approx(2 / 3)
    assert values["no_worse_than_hindsight"] == pytest.approx(1 / 3)
    assert values["gap_closed"] == pytest.approx(0.96 / 4)
    assert values["gap_closed_from_hindsight"] == pytest.approx((19.9 - 21.04) / (19.9 - 18))
    assert values["sum_of_totals"] == pytest.approx(21.04)
