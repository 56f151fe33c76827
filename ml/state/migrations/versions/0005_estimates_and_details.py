"""What is estimated of a window without labels, with its audit; and what else was measured in it, as JSON."""

import sqlalchemy as sa
from alembic import op

from ml.state.one_way import downgrade  # noqa: F401

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "estimates",
        sa.Column("window", sa.String(length=96), nullable=False),
        sa.Column("metric", sa.String(length=32), nullable=False),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("reference_rows", sa.Integer(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("sampling_error", sa.Float(), nullable=True),
        sa.Column("model_error", sa.Float(), nullable=True),
        sa.Column("low", sa.Float(), nullable=True),
        sa.Column("high", sa.Float(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("at_promotion", sa.Float(), nullable=True),
        sa.Column("measured", sa.Float(), nullable=True),
        sa.Column("labelled_rows", sa.Integer(), nullable=True),
        sa.Column("matured_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["window"], ["windows.id"], name=op.f("fk_estimates_window"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("window", "metric", name=op.f("pk_estimates")),
    )
    op.create_table(
        "details",
        sa.Column("window", sa.String(length=96), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["window"], ["windows.id"], name=op.f("fk_details_window"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("window", "kind", name=op.f("pk_details")),
    )
