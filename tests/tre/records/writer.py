"""Writes acts until it is killed: run by `test_crash`, a word a line on its standard input.

`go` forks a writer and prints its process id; `end` ends. Forking from here, where no thread runs, makes forty writers
as quick as one.
"""

import os
import sys
from datetime import UTC, datetime
from itertools import count

from tre.errors import Unavailable
from tre.records import audit
from tre.records.db import Records
from tre.records.tables import MeterRow

HOUR = datetime(2026, 11, 2, 9, tzinfo=UTC)


def write(url, acknowledged, limit=None):
    """Add one row and its entry an act; tell of each that was committed."""
    records = Records(url)
    person, parent = f"w{os.getpid()}", os.getppid()
    for number in count() if limit is None else range(limit):
        if os.getppid() != parent:  # the test is gone
            break
        with records.act(person, "meter.cut", "project/sunrise") as session:
            row = session.get(MeterRow, (person, "sunrise", HOUR))
            if row is None:
                session.add(MeterRow(person=person, project="sunrise", hour=HOUR, bytes=1))
            else:
                row.bytes += 1
            audit.append(session, "meter.cut", actor=person, subject="project/sunrise", number=number)
        os.write(acknowledged, f"{person}\n".encode())
    records.close()


def main(url, path, limit=None):
    acknowledged = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for word in sys.stdin:
        if word.strip() != "go":
            break
        child = os.fork()
        if child == 0:
            code = 0
            try:
                write(url, acknowledged, int(limit) if limit else None)
            except Unavailable as error:
                os.write(2, f"{error}\n".encode())
                code = error.exit_code
            os._exit(code)
        os.write(1, f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
