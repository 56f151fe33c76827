"""Migrations go forwards only.

An older table cannot hold what newer rows say (a decision for each version of the policy, a rollback without a window), so that a way back
would remove what was decided, and the history is the one thing that nothing else remembers.
"""

from typing import NoReturn

from ml.errors import OperatorError


def downgrade() -> NoReturn:
    """The `downgrade` of every migration.

    Raises:
        OperatorError: Always.
    """
    raise OperatorError(
        "the state database is not taken back to an earlier version: that would lose decisions. Restore the copy that was made before the "
        "upgrade, or go on with the newer Perennial"
    )
