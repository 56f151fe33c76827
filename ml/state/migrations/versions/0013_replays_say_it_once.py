"""A replay's options and dataset version stand in its result, and nowhere else."""

from alembic import op

from ml.state.one_way import downgrade  # noqa: F401

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("replays") as replays:
        replays.drop_column("dataset_version")
        replays.drop_column("settings")
