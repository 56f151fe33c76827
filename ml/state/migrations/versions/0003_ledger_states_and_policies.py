"""The ledger: a row for each model, window and policy version; tries, suggestions, rollbacks."""

import sqlalchemy as sa
from alembic import op

from ml.state.one_way import downgrade  # noqa: F401

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    asked_by = _detached()
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.alter_column("window", existing_type=sa.String(length=96), nullable=True)
        batch_op.add_column(sa.Column("kind", sa.String(length=16), server_default="retrain", nullable=False))
        batch_op.add_column(sa.Column("policy", sa.String(length=16), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("rules", sa.JSON(), server_default="[]", nullable=False))
        batch_op.add_column(sa.Column("tries", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("failures", sa.JSON(), server_default="[]", nullable=False))
        batch_op.add_column(sa.Column("until", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("answer", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("announced_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("announcements", sa.Integer(), server_default="0", nullable=False))
        batch_op.drop_constraint(op.f("uq_decisions_model_window"), type_="unique")
        batch_op.create_unique_constraint(op.f("uq_decisions_model_window_policy"), ["model", "window", "policy"])
    # Who has claimed a decision is on his first try.
    op.execute("UPDATE decisions SET tries = 1 WHERE state IN ('claimed', 'done')")
    _attached(asked_by)


def _detached() -> list[tuple[str, str]]:
    """Which training names which decision. SQLite makes the table anew, and drops no table whose rows others name."""
    trainings = sa.table("trainings", sa.column("key"), sa.column("decision"))
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        return []
    rows = connection.execute(sa.select(trainings.c.key, trainings.c.decision).where(trainings.c.decision.is_not(None))).all()
    connection.execute(sa.update(trainings).values(decision=None))
    return [(row.key, row.decision) for row in rows]


def _attached(asked_by: list[tuple[str, str]]) -> None:
    trainings = sa.table("trainings", sa.column("key"), sa.column("decision"))
    for key, decision in asked_by:
        op.get_bind().execute(sa.update(trainings).where(trainings.c.key == key).values(decision=decision))
