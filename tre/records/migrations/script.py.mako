"""${message}."""
# ruff: noqa: E501, F401, PLR0915 -- written by Alembic from the tables, and read by a person

import sqlalchemy as sa
from alembic import op

from tre.records import guards, tables

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
