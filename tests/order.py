"""Which test files begin first, and which of them go to one worker: what takes long must not begin last.

A line of `FIRST` is what one worker does from its first file to its last; the lines begin in this order, then come all
other files. Files that share something dear stand in one line, so that it is made once: a house that runs, or the
golden dataset.
"""

from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import pytest
from xdist.scheduler import LoadScopeScheduling

FIRST = (
    ("journeys/test_withdrawal.py", "browser/test_catalogue.py", "containers/test_one_person.py"),
    ("attacks/test_across_kinds.py", "golden/test_golden.py"),
    (
        "attacks/test_rooms_gateway.py", "attacks/test_lapses.py", "attacks/test_rooms.py", "containers/test_room.py",
        "attacks/test_walls.py", "attacks/test_attempts.py",
        "attacks/test_browser.py", "browser/test_closed_room.py", "browser/test_desk.py",
        "browser/test_room_warnings.py",
    ),
    ("journeys/test_story.py",),
    ("journeys/test_committee.py",),
    ("containers/test_house.py", "containers/test_bare_house.py", "containers/test_encrypted_house.py"),
    ("attacks/test_corpus.py",),
    ("journeys/test_airlock.py",),
    ("attacks/test_bad_input.py",),
    ("attacks/test_people.py",),
    ("tre/data/test_extract.py",),
    ("tre/data/test_resume.py",),
    ("tre/data/test_ingest.py",),
    ("attacks/test_outbox.py",),
    ("attacks/test_data_leaks.py",),
    ("tre/data/test_withdrawals.py",),
    ("attacks/test_linkage.py",),
    ("tre/data/test_recontact.py",),
    ("tre/data/test_harmonise_records.py",),
    ("attacks/test_leaks_in_exports.py",),
    ("airlock/test_worker_killed.py",),
    ("attacks/test_worker_gone.py",),
    ("attacks/test_votes.py",),
    ("tre/governance/test_access.py",),
    ("fuzz/test_fuzz.py",),
    ("journeys/test_public_files.py",),
    ("browser/test_applications.py",),
)  # fmt: skip
BOTH = ("tre/records/", "attacks/test_audit", "attacks/test_votes.py", "airlock/test_requests.py")
"""Where each test runs on both databases."""
HERE = Path(__file__).resolve().parent
_LINE = {file: line for line in FIRST for file in line}
_PLACE = {file: place for place, file in enumerate(_LINE)}


class Together(LoadScopeScheduling):
    """Hand out one file after another, or one line of `FIRST`; never by how many tests there are in it."""

    def _split_scope(self, nodeid: str) -> str:
        return line_of(nodeid)


def line_of(nodeid: str) -> str:
    """Name what goes to one worker as a whole."""
    file = nodeid.partition("::")[0].partition("tests/")[2]
    return _LINE.get(file, (file,))[0]


def place(path: Path) -> int:
    """Say where a file stands: in the order of `FIRST`, or behind it."""
    return _PLACE.get(path.resolve().relative_to(HERE).as_posix(), len(_PLACE))


def missing() -> Sequence[str]:
    """Return files of `FIRST` that are not there any more."""
    return tuple(file for file in _PLACE if not (HERE / file).is_file())


def is_spared(item: pytest.Item) -> bool:
    """Whether this is the database that a test need not be run on: its name says on which it is."""
    database = getattr(item, "callspec", None) and item.callspec.params.get("database")
    file, _, name = item.nodeid.partition("tests/")[2].partition("::")
    if database not in {"sqlite", "postgres"} or file.startswith(BOTH):
        return False
    return database != ("sqlite", "postgres")[crc32(f"{file}::{name.partition('[')[0]}".encode()) % 2]
