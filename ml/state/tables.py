"""The SQL tables of what is remembered. Times are UTC and aware; a change here needs a migration beside it."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)


class UtcTime(TypeDecorator[datetime]):
    """An aware time, kept as UTC: SQLite forgets zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without zone: {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str, *args: Any, length: int = 255, nullable: bool = False, **kwargs: Any) -> Column[str]:
    return Column(name, String(length), *args, nullable=nullable, **kwargs)


specs = Table(
    "specs",
    metadata,
    _text("hash", primary_key=True, length=16),
    _text("model", length=63),
    Column("text", Text, nullable=False),
    Column("first_used_at", UtcTime, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    _text("id", primary_key=True, length=32),
    _text("model", length=63, primary_key=True),
    Column("source", Text, nullable=False),
    _text("status", length=16),
    Column("rows", Integer, nullable=True),
    Column("failing_rows", Integer, nullable=False, default=0),
    Column("reasons", JSON, nullable=False),
    Column("arrived_at", UtcTime, nullable=False),
    Column("decided_at", UtcTime, nullable=False),
    Column("dataset_version", Integer, nullable=True),
    _text("suite_hash", length=16, nullable=True),
    Column("docs_url", Text, nullable=True),
    Column("quarantine_url", Text, nullable=True),
    Index("ix_batches_model_status_arrived_at", "model", "status", "arrived_at"),
    Index("ix_batches_model_status_dataset_version", "model", "status", "dataset_version"),
)

batch_events = Table(
    "batch_events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    _text("batch", length=32),
    _text("model", length=63),
    _text("status", length=16),
    Column("at", UtcTime, nullable=False),
    Column("dataset_version", Integer, nullable=True),
    Index("ix_batch_events_model_at", "model", "at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    _text("model", length=63, primary_key=True),
    _text("url_hash", length=32, primary_key=True),
    Column("url", Text, nullable=False),
    _text("fingerprint", length=128),
    _text("batch", length=32),
    Column("seen_at", UtcTime, nullable=False),
)

labels = Table(
    "labels",
    metadata,
    _text("id", primary_key=True, length=32),
    _text("model", length=63, primary_key=True),
    Column("source", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("arrived_at", UtcTime, nullable=False),
    Column("labels_version", Integer, nullable=False),
)

windows = Table(
    "windows",
    metadata,
    _text("id", primary_key=True, length=96),
    _text("model", length=63),
    Column("number", Integer, nullable=False),
    Column("start_version", Integer, nullable=False),
    Column("end_version", Integer, nullable=False),
    Column("labels_version", Integer, nullable=True),
    Column("as_of", UtcTime, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("labelled_rows", Integer, nullable=True),
    Column("start_time", UtcTime, nullable=True),
    Column("end_time", UtcTime, nullable=True),
    Column("champion", Integer, nullable=False),
    _text("spec_hash", ForeignKey("specs.hash"), length=16),
    Column("report_url", Text, nullable=True),
    _text("mlflow_run", length=64, nullable=True),
    Column("measured_at", UtcTime, nullable=True),
    Column("attempts", Integer, nullable=False, server_default="0"),
    UniqueConstraint("model", "number"),
    UniqueConstraint("model", "start_version"),
)

drift = Table(
    "drift",
    metadata,
    _text("window", ForeignKey("windows.id", ondelete="CASCADE"), primary_key=True, length=96),
    _text("column", primary_key=True, length=255),
    _text("kind", length=16),
    _text("method", length=32),
    Column("value", Float, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("drifted", Boolean, nullable=False),
    Column("verdict", JSON(none_as_null=True), nullable=True),
    # How many columns of many windows drifted is told from the index alone.
    Index("ix_drift_window_kind_drifted", "window", "kind", "drifted"),
)

quality = Table(
    "quality",
    metadata,
    _text("window", ForeignKey("windows.id", ondelete="CASCADE"), primary_key=True, length=96),
    _text("metric", primary_key=True, length=32),
    Column("value", Float, nullable=False),
    Column("rows", Integer, nullable=False),
)

estimates = Table(
    "estimates",
    metadata,
    _text("window", ForeignKey("windows.id", ondelete="CASCADE"), primary_key=True, length=96),
    _text("metric", primary_key=True, length=32),
    _text("method", length=16),
    Column("rows", Integer, nullable=False),
    Column("reference_rows", Integer, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("value", Float, nullable=True),
    Column("sampling_error", Float, nullable=True),
    Column("model_error", Float, nullable=True),
    Column("low", Float, nullable=True),
    Column("high", Float, nullable=True),
    Column("why", Text, nullable=False),
    Column("at_promotion", Float, nullable=True),
    Column("measured", Float, nullable=True),
    Column("labelled_rows", Integer, nullable=True),
    Column("matured_at", UtcTime, nullable=True),
)

details = Table(
    "details",
    metadata,
    _text("window", ForeignKey("windows.id", ondelete="CASCADE"), primary_key=True, length=96),
    _text("kind", primary_key=True, length=16),
    Column("content", JSON, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    _text("id", primary_key=True, length=96),
    _text("model", length=63),
    _text("window", ForeignKey("windows.id"), length=96, nullable=True),
    _text("kind", length=16, server_default="retrain"),
    _text("policy", length=16, server_default="0"),
    Column("retrain", Boolean, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("rules", JSON, nullable=False, server_default="[]"),
    Column("evidence", JSON, nullable=False),
    Column("report_url", Text, nullable=True),
    _text("state", length=16),
    Column("decided_at", UtcTime, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("failures", JSON, nullable=False, server_default="[]"),
    _text("claimed_by", length=255, nullable=True),
    Column("lease_until", UtcTime, nullable=True),
    Column("until", UtcTime, nullable=True),
    Column("answer", JSON(none_as_null=True), nullable=True),
    Column("announced_at", UtcTime, nullable=True),
    Column("announcements", Integer, nullable=False, server_default="0"),
    Column("outcome", JSON(none_as_null=True), nullable=True),
    UniqueConstraint("model", "window", "policy"),
    Index("ix_decisions_model_state", "model", "state"),
    Index("ix_decisions_model_decided_at", "model", "decided_at"),
    Index("ix_decisions_window_decided_at", "window", "decided_at"),
)

trainings = Table(
    "trainings",
    metadata,
    _text("key", primary_key=True, length=255),
    _text("model", length=63),
    _text("spec_hash", ForeignKey("specs.hash"), length=16),
    Column("dataset_version", Integer, nullable=False),
    Column("labels_version", Integer, nullable=True),
    Column("as_of", UtcTime, nullable=False),
    Column("reason", Text, nullable=False),
    _text("decision", ForeignKey("decisions.id"), length=96, nullable=True),
    _text("state", length=16),
    Column("started_at", UtcTime, nullable=False),
    Column("finished_at", UtcTime, nullable=True),
    _text("mlflow_run", length=64, nullable=True),
    Column("version", Integer, nullable=True),
    Column("verdict", JSON(none_as_null=True), nullable=True),
    Index("ix_trainings_model_started_at", "model", "started_at"),
)

promotions = Table(
    "promotions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    _text("model", length=63),
    Column("version", Integer, nullable=False),
    Column("previous", Integer, nullable=True),
    _text("kind", length=16),
    Column("at", UtcTime, nullable=False),
    _text("by", length=255),
    Column("reason", Text, nullable=False),
    Column("evidence", JSON(none_as_null=True), nullable=True),
    _text("key", length=255),
    Column("aliased_at", UtcTime, nullable=True),
    UniqueConstraint("model", "key"),
)

approvals = Table(
    "approvals",
    metadata,
    _text("training", ForeignKey("trainings.key"), primary_key=True),
    _text("model", length=63),
    Column("asked_at", UtcTime, nullable=False),
    Column("until", UtcTime, nullable=False),
    Column("approved", Boolean, nullable=True),
    _text("by", nullable=True),
    Column("answered_at", UtcTime, nullable=True),
)

watches = Table(
    "watches",
    metadata,
    Column("promotion", Integer, ForeignKey("promotions.number"), primary_key=True, autoincrement=False),
    _text("model", length=63),
    Column("version", Integer, nullable=False),
    Column("former", Integer, nullable=False),
    Column("until", UtcTime, nullable=False),
    Column("after_version", Integer, nullable=False),
    Column("known_version", Integer, nullable=False),
    Column("known_labels", Integer, nullable=False),
    Column("looks", Integer, nullable=False),
    Column("dataset_version", Integer, nullable=False),
    Column("labels_version", Integer, nullable=False),
    Column("as_of", UtcTime, nullable=False),
    Column("measure", JSON(none_as_null=True), nullable=True),
    Column("wealth", JSON(none_as_null=True), nullable=True),
    Column("rows", Integer, nullable=False),
    Column("loss", Float, nullable=False),
    Column("former_loss", Float, nullable=False),
    Column("gain", JSON(none_as_null=True), nullable=True),
    _text("state", length=16),
    Column("reason", Text, nullable=True),
    Column("updated_at", UtcTime, nullable=False),
    Index("ix_watches_model_state", "model", "state"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    _text("model", length=63),
    _text("channel", length=255),
    _text("key", length=96),
    _text("kind", length=16),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    _text("window", length=96, nullable=True),
    Column("opened_at", UtcTime, nullable=False),
    Column("told_at", UtcTime, nullable=True),
    Column("closed_at", UtcTime, nullable=True),
    Column("end_text", Text, nullable=True),
    Column("end_told_at", UtcTime, nullable=True),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("error", Text, nullable=True),
    Column("sending_until", UtcTime, nullable=True),
    Index("ix_alerts_model_channel", "model", "channel"),
    # Two looks at once cannot open the same condition twice.
    Index(
        "uq_alerts_open",
        "model",
        "channel",
        "key",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
)

predicted = Table(
    "predicted",
    metadata,
    _text("model", primary_key=True, length=63),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("batches", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("files", Integer, nullable=False),
    Column("first_at", UtcTime, nullable=False),
    Column("last_at", UtcTime, nullable=False),
    Column("url", Text, nullable=False),
)

replays = Table(
    "replays",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    _text("model", length=63),
    Column("at", UtcTime, nullable=False),
    _text("spec_hash", ForeignKey("specs.hash"), length=16),
    Column("result", JSON, nullable=False),
    Column("answer", JSON(none_as_null=True), nullable=True),
    Index("ix_replays_model_number", "model", "number"),
)
