"""Where Alembic gets its connection and our tables: both are handed in by `tre.records.schema`."""

from alembic import context

from tre.records import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema.metadata(),
    render_as_batch=True,
    compare_type=True,
    user_module_prefix="tables.",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
