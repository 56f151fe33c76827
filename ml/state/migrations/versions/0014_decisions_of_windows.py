"""The index by which the decision about a window is found without reading every decision."""

from alembic import op

from ml.state.one_way import downgrade  # noqa: F401

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_decisions_window_decided_at", "decisions", ["window", "decided_at"])
