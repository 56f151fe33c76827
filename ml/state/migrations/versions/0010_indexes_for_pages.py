"""Indexes by which the pages count drifted columns and find the newest decision of each model."""

from alembic import op

from ml.state.one_way import downgrade  # noqa: F401

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_drift_window_kind_drifted", "drift", ["window", "kind", "drifted"])
    op.create_index("ix_decisions_model_decided_at", "decisions", ["model", "decided_at"])
