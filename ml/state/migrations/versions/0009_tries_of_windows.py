"""How often a window was begun to be measured, and who is sending an alert."""

import sqlalchemy as sa
from alembic import op

from ml.state.one_way import downgrade  # noqa: F401

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("windows", sa.Column("attempts", sa.Integer(), server_default="0", nullable=False))
    op.add_column("alerts", sa.Column("sending_until", sa.DateTime(timezone=True), nullable=True))
