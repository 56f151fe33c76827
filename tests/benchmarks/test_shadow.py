"""The replay of shadows: retrainings, fits and errors are counted as a small matrix says they must."""

import numpy as np
import pytest

from benchmarks.shadow import HISTORY, Matrix, Policy, replay

COUNT = HISTORY + 8


def made(*, stale: float, harder: float = 0.0) -> Matrix:
    """Models of before window 11 err in .1 of the rows, from then on in `stale` more; all err in `harder` more from there."""
    errors = np.full((COUNT, COUNT), 0.1)
    errors[: HISTORY + 3, HISTORY + 3 :] += stale
    errors[:, HISTORY + 3 :] += harder
    return Matrix(errors, np.full(COUNT, 0.1))


@pytest.mark.parametrize(("policy", "late"), [(Policy(1), 1), (Policy(4, "carried"), 2), (Policy(None), 1)])
def test_a_stale_champion_is_replaced_once_and_its_shadows_are_counted(policy: Policy, late: int) -> None:
    total, fits = replay(made(stale=0.3), policy, cost=0.25, delay=0)
    assert total == pytest.approx(8 * 0.1 + 0.3 * late + 0.25)
    assert fits == {1: 3 + 2, 4: 1, None: 0}[policy.every], "the first after each training is the champion itself"


def test_what_is_harder_for_all_asks_for_trainings_only_without_a_shadow() -> None:
    harder = made(stale=0.0, harder=0.3)
    total, fits = replay(harder, Policy(1), cost=0.25, delay=0)
    assert total == pytest.approx(8 * 0.1 + 5 * 0.3)
    assert fits == 6
    assert replay(harder, Policy(None), cost=0.25, delay=0)[0] > 8 * 0.1 + 5 * 0.3 + 0.25 - 1e-9
