"""What the benchmark of a replay trains, keeps and counts."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import replay as benchmark
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


def test_what_was_trained_is_found_again(stream: Stream, tmp_path: Path) -> None:
    first = losses(stream, learner="logistic", cache=tmp_path)
    other = Stream(name=stream.name, features=stream.features[::-1], labels=stream.labels, window=WINDOW)
    again = losses(other, learner="logistic", cache=tmp_path, delay=2)
    assert np.array_equal(first.losses, again.losses, equal_nan=True)
    assert again.delay == 2
    assert [one.name for one in tmp_path.iterdir()] == ["two_worlds-logistic.npz"]


def test_a_tie_holds_and_shares_are_of_summed_gaps(stream: Stream) -> None:
    cells = replay(losses(stream, learner="logistic"), [Costs.of(cost, shadow_share=0.0) for cost in (0.1, 5.0)]).cells
    lines = [benchmark.Line(stream="two worlds", cell=cell) for cell in cells]
    values = benchmark._values(lines)
    assert lines[1].no_worse_than_tuned
    assert lines[1].no_worse_than_hindsight == (cells[1].recommended.total <= 1.01 * cells[1].hindsight_calendar.total)
    tuned, ours, oracle = (sum(getattr(cell, name).total for cell in cells) for name in ("tuned_calendar", "recommended", "oracle"))
    assert values["gap_closed"] == pytest.approx((tuned - ours) / (tuned - oracle) if tuned > oracle else 1.0)
    assert values["sum_of_totals"] == pytest.approx(ours)
