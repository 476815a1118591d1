"""The next migration is written from what the tables say, and then read by a person."""

import sys
import tempfile

from alembic import command
from alembic.script import ScriptDirectory

from tre.records import schema
from tre.records.db import Records


def main(message: str) -> None:
    """Write the migration that leads from the newest one to the tables as they are now."""
    known = len(list(ScriptDirectory(str(schema.MIGRATIONS)).walk_revisions()))
    with tempfile.TemporaryDirectory() as folder:
        records = Records(f"sqlite:///{folder}/draft.sqlite")
        if known:
            schema.create(records)
        with schema.migrating(records) as config:
            command.revision(config, message, autogenerate=True, rev_id=f"{known + 1:04d}")
        records.close()
    print(f"now read it, and set tre.records.db.REVISION to {known + 1:04d}")


if __name__ == "__main__":
    main(sys.argv[1])
