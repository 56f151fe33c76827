"""What is recommended is written so that it decides alone."""

from dataclasses import replace

import pytest

from ml.policy import decide
from ml.policy.replay import Cell, Costs, as_declared, replay
from ml.spec import Retraining
from tests.policy.replay.made import jumping
from tests.policy.test_rules import evidence, with_drifted


@pytest.fixture(scope="module")
def cell() -> Cell:
    past = jumping(100, at=(6, 14, 27, 35, 49, 60, 67, 80, 93), noise=0.01)
    return replay(past, [Costs(train=0.05, promote=0.15)]).cells[0]


def test_a_vote_is_written_as_it_was_judged(cell: Cell) -> None:
    written = Retraining.model_validate(as_declared(cell))
    assert written.vote == cell.vote
    assert all([*one][:1] == ["kind"] and [*one][-1:] == ["weight"] for one in as_declared(cell)["vote"]["voters"])
    assert written.cost is not None
    assert (written.cost.train, written.cost.promote) == pytest.approx((0.05, 0.15))


def test_no_other_cause_asks_beside_it(cell: Cell) -> None:
    drifted = replace(with_drifted(9), windows=99)
    assert decide(drifted, Retraining()).retrain
    for one in (cell, replace(cell, kind="never", vote=None)):
        declared = Retraining.model_validate(as_declared(one))
        found = {finding.rule: finding.declared for finding in decide(drifted, declared).findings if finding.role == "asks"}
        assert [name for name, is_declared in found.items() if is_declared] == (["vote"] if one.vote else [])


def test_a_calendar_is_written_as_a_calendar(cell: Cell) -> None:
    written = Retraining.model_validate(as_declared(replace(cell, kind="calendar", every_windows=6)))
    assert (written.every_windows, written.vote) == (6, None)
    assert decide(replace(evidence(), windows=6), written).retrain
    assert not decide(replace(evidence(), windows=5), written).retrain


def test_where_the_history_is_too_short_nothing_is_changed(cell: Cell) -> None:
    assert as_declared(replace(cell, is_told=False)) == {}
