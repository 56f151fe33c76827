"""What a person answered to a replay's suggestion."""

import sqlalchemy as sa
from alembic import op

from ml.state.one_way import downgrade  # noqa: F401

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("replays", sa.Column("answer", sa.JSON(), nullable=True))
