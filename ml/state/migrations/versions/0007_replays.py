"""Replays: what each found."""

import sqlalchemy as sa
from alembic import op

from ml.state.one_way import downgrade  # noqa: F401

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replays",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spec_hash", sa.String(length=16), nullable=False),
        sa.Column("dataset_version", sa.Integer(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["spec_hash"], ["specs.hash"], name=op.f("fk_replays_spec_hash")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_replays")),
    )
    op.create_index("ix_replays_model_number", "replays", ["model", "number"])
