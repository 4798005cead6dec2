"""Alembic's entry: run the migrations on the connection that tasks.database holds open."""

from alembic import context

options = context.config.attributes
context.configure(connection=options["connection"], version_table=options["version_table"], render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
