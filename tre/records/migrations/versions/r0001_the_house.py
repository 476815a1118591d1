"""The house as it was first built."""

from alembic import op
from sqlalchemy import insert

from tre.records import guards, schema, tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    schema.metadata().create_all(connection)
    connection.execute(insert(tables.HeadRow).values(id=1, size=0, frontier=b"", last=b""))
    guards.put_up(connection)


def downgrade() -> None:
    connection = op.get_bind()
    guards.take_down(connection)
    schema.metadata().drop_all(connection)
