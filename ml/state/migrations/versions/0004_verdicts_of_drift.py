"""What a promised rate of false alarms says of each column, beside its drift."""

import sqlalchemy as sa
from alembic import op

from ml.state.one_way import downgrade  # noqa: F401

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("drift", sa.Column("verdict", sa.JSON(), nullable=True))
