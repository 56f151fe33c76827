"""Runs the migrations on the connection that `ml.state.store` hands over, in its own version table."""

from alembic import context

from ml.state.store import VERSION_TABLE
from ml.state.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, version_table=VERSION_TABLE, render_as_batch=True)
context.run_migrations()
