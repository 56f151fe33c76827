"""What each version has predicted, summed up: so that a page need not read the log of predictions."""

import sqlalchemy as sa
from alembic import op

from ml.state.one_way import downgrade  # noqa: F401

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "predicted",
        sa.Column("model", sa.String(63), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("batches", sa.Integer(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("model", "version", name="pk_predicted"),
    )
    op.create_index("ix_batches_model_status_dataset_version", "batches", ["model", "status", "dataset_version"])
