"""How many judged rows were of the positive class is not written down any more: nothing read it."""

from alembic import op

from ml.state.one_way import downgrade  # noqa: F401

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("quality") as batch_op:
        batch_op.drop_column("positives")
