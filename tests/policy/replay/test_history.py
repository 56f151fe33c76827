"""What a history is: who can serve when labels come late, what is purged, and what may be missing."""

import numpy as np
import pytest

from ml.errors import ModelOwnerError
from ml.policy.replay import LossHistory, Parts, Signals
from tests.policy.replay.made import ageing, history


def test_with_late_labels_an_older_model_serves_and_the_newest_one_only_looks_back() -> None:
    losses = np.arange(36.0).reshape(6, 6)
    found = history(losses, delay=2)
    assert list(found.served[3, 3:]) == list(losses[1, 3:])
    assert np.isnan(found.served[:2]).all()
    assert np.isnan(found.served[4, 3])
    assert list(found.fresh) == list(np.diagonal(losses))
    assert found.first == 2
    assert list(found.available) == [False, False, True, True, True, True]


def test_the_windows_whose_labels_nobody_had_at_the_split_are_in_neither_part() -> None:
    found = Parts.of(ageing(40, first=8, delay=2), share=0.4)
    assert (found.start, found.known, found.split, found.end) == (10, 20, 22, 40)
    assert (found.tuned, found.left) == (10, 18)
    assert Parts.of(ageing(134, first=8), share=0.4) == Parts(start=8, known=58, split=58, end=134)


def test_the_judged_part_begins_where_there_is_a_model() -> None:
    losses = ageing(20).losses.copy()
    losses[8] = np.nan
    assert Parts.of(history(losses), share=0.4).split == 9


@pytest.mark.parametrize(("windows", "delay", "share"), [(3, 0, 0.4), (10, 8, 0.4), (10, 0, 0.05), (10, 0, 0.99)])
def test_too_few_windows_are_refused_with_the_cure(windows: int, delay: int, share: float) -> None:
    with pytest.raises(ModelOwnerError, match="take smaller windows"):
        Parts.of(ageing(windows, delay=delay), share=share)


def test_a_model_or_a_window_may_be_missing_but_no_single_loss() -> None:
    losses = ageing(6).losses.copy()
    losses[2], losses[:, 4] = np.nan, np.nan
    found = history(losses)
    assert list(found.trained) == [True, True, False, True, True, True]
    assert list(found.judged) == [True, True, True, True, False, True]
    losses[1, 3] = np.nan
    with pytest.raises(ModelOwnerError, match="the model before window 1 in window 3 is missing"):
        history(losses)


def test_what_stands_below_the_diagonal_is_not_looked_at() -> None:
    losses = ageing(6).losses.copy()
    losses[np.tril_indices(6, -1)] = np.nan
    assert history(losses).trained.all()
    losses[5, 5] = np.nan
    losses[5, 0] = 1.0
    assert not history(losses).trained[5]


def test_shapes_that_do_not_fit_are_refused() -> None:
    losses = ageing(6).losses
    for wrong in ({"rows": np.ones(5)}, {"signals": Signals(drift=np.ones((5, 5), dtype=bool))}, {"halves": (losses[:5], losses)}):
        with pytest.raises(ModelOwnerError, match="of 6"):
            history(losses, **wrong)
    with pytest.raises(ModelOwnerError, match="-1 windows late"):
        history(losses, delay=-1)
    with pytest.raises(ModelOwnerError, match="no model could be trained"):
        LossHistory(losses=np.full((3, 3), np.nan), rows=np.ones(3))
