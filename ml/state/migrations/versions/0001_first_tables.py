"""First tables."""

import sqlalchemy as sa
from alembic import op

from ml.state.one_way import downgrade  # noqa: F401

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "batch_events",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("batch", sa.String(length=32), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dataset_version", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_batch_events")),
    )
    with op.batch_alter_table("batch_events", schema=None) as batch_op:
        batch_op.create_index("ix_batch_events_model_at", ["model", "at"], unique=False)

    op.create_table(
        "batches",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=True),
        sa.Column("failing_rows", sa.Integer(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dataset_version", sa.Integer(), nullable=True),
        sa.Column("suite_hash", sa.String(length=16), nullable=True),
        sa.Column("docs_url", sa.Text(), nullable=True),
        sa.Column("quarantine_url", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", "model", name=op.f("pk_batches")),
    )
    with op.batch_alter_table("batches", schema=None) as batch_op:
        batch_op.create_index("ix_batches_model_status_arrived_at", ["model", "status", "arrived_at"], unique=False)

    op.create_table(
        "deliveries",
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("url_hash", sa.String(length=32), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.String(length=128), nullable=False),
        sa.Column("batch", sa.String(length=32), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("model", "url_hash", name=op.f("pk_deliveries")),
    )
    op.create_table(
        "labels",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("labels_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", "model", name=op.f("pk_labels")),
    )
    op.create_table(
        "promotions",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("previous", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=True),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_promotions")),
        sa.UniqueConstraint("model", "key", name=op.f("uq_promotions_model_key")),
    )
    op.create_table(
        "specs",
        sa.Column("hash", sa.String(length=16), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("first_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_specs")),
    )
    op.create_table(
        "windows",
        sa.Column("id", sa.String(length=96), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("start_version", sa.Integer(), nullable=False),
        sa.Column("end_version", sa.Integer(), nullable=False),
        sa.Column("labels_version", sa.Integer(), nullable=True),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("labelled_rows", sa.Integer(), nullable=True),
        sa.Column("start_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("champion", sa.Integer(), nullable=False),
        sa.Column("spec_hash", sa.String(length=16), nullable=False),
        sa.Column("report_url", sa.Text(), nullable=True),
        sa.Column("mlflow_run", sa.String(length=64), nullable=True),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["spec_hash"], ["specs.hash"], name=op.f("fk_windows_spec_hash")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_windows")),
        sa.UniqueConstraint("model", "number", name=op.f("uq_windows_model_number")),
        sa.UniqueConstraint("model", "start_version", name=op.f("uq_windows_model_start_version")),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=96), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("window", sa.String(length=96), nullable=False),
        sa.Column("retrain", sa.Boolean(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("report_url", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_by", sa.String(length=255), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["window"], ["windows.id"], name=op.f("fk_decisions_window")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sa.UniqueConstraint("model", "window", name=op.f("uq_decisions_model_window")),
    )
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.create_index("ix_decisions_model_state", ["model", "state"], unique=False)

    op.create_table(
        "drift",
        sa.Column("window", sa.String(length=96), nullable=False),
        sa.Column("column", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("method", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("drifted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["window"], ["windows.id"], name=op.f("fk_drift_window"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("window", "column", name=op.f("pk_drift")),
    )
    op.create_table(
        "quality",
        sa.Column("window", sa.String(length=96), nullable=False),
        sa.Column("metric", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["window"], ["windows.id"], name=op.f("fk_quality_window"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("window", "metric", name=op.f("pk_quality")),
    )
    op.create_table(
        "trainings",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("spec_hash", sa.String(length=16), nullable=False),
        sa.Column("dataset_version", sa.Integer(), nullable=False),
        sa.Column("labels_version", sa.Integer(), nullable=True),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decision", sa.String(length=96), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mlflow_run", sa.String(length=64), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("verdict", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["decision"], ["decisions.id"], name=op.f("fk_trainings_decision")),
        sa.ForeignKeyConstraint(["spec_hash"], ["specs.hash"], name=op.f("fk_trainings_spec_hash")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_trainings")),
    )
    with op.batch_alter_table("trainings", schema=None) as batch_op:
        batch_op.create_index("ix_trainings_model_started_at", ["model", "started_at"], unique=False)
