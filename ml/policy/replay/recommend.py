"""Plays all policies at all costs, and says what to do."""

from collections.abc import Sequence

from ml.policy.replay.cells import Replayed
from ml.policy.replay.costs import Costs
from ml.policy.replay.history import LossHistory
from ml.policy.replay.play import Gate, Policy

LEAST_TUNED = 20
"""With fewer tuned windows nothing but the simplest is recommended."""


def replay(
    history: LossHistory, costs: Sequence[Costs], *, share: float = 0.4, own: Policy | None = None, gate: Gate | None = None
) -> Replayed:
    """All policies on one history, at each cost; chosen on its first `share`, judged on the rest.

    Args:
        history: What every model would have lost in every window.
        costs: Of a retraining; one cell each.
        share: How much of the windows is tuned on (0-1).
        own: The declared policy, to be judged beside the others (`declared`).
        gate: Whether what is trained may take the champion's place; None: always.

    Raises:
        ModelOwnerError: There are too few windows.
    """
    raise NotImplementedError
