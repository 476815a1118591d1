import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.builders import HOST
from tests.tre.data import made, mixed, standing
from tests.tre.data.mixed import vcf
from tre.data import catalogue, door, index, ingest, journal, silo
from tre.errors import Unavailable

COUNT = 60
PROGRAM = """
import signal, sys, time, tre.settings
from datetime import UTC, datetime
from pathlib import Path
from tre.data import confined, door, ingest
from tre.errors import TREError
from tre.records import db
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is born deaf to it
sys.path.insert(0, {root!r})
confined.PROGRAM = (sys.executable, "-I", "-c", {program!r})
ingest.LOOKS["vcf"] = ("variants", "tests.tre.data.standing")
looked, taken = [], door._Arrival.taken
def slow(self):  # from here on, whoever is to end this has the time to
    looked.append(self)
    time.sleep(0.1 if len(looked) > {after} else 0)
    return taken(self)
door._Arrival.taken = slow
settings = tre.settings.load(Path({home!r}), database={database!r})
records = db.opened(settings)
try:
    print(ingest.ingest(records, settings, "mixed", [Path(sys.argv[1])], actor="host", now=datetime.now(UTC)))
except TREError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.fixture(autouse=True)
def seen(monkeypatch):
    standing.seen(monkeypatch)


@pytest.fixture
def database():
    """One is enough: nothing here is the database's to decide."""
    return ""


@pytest.fixture
def many(tmp_path):
    """Return a folder with many files."""
    return mixed.folder(tmp_path / "in", **{f"more{at:03d}": vcf("plain", "S1", size=200_000) for at in range(COUNT)})


def words(settings, at, after):
    root = str(Path(__file__).parents[3])
    program = f"import sys; sys.path.insert(0, {root!r}); from tre.data.confined import main; main()"
    home, database = str(settings.home), settings.database
    said = PROGRAM.format(root=root, program=program, home=home, database=database, after=after)
    return [sys.executable, "-c", said, str(at)]


def killed_in_the_middle(records, settings, now, at, *, how=signal.SIGKILL, after=10):
    """Ingest in a process of its own that ends when some files are done."""
    made.register(records, now, plan=mixed.PLAN, name="mixed")
    folder = silo.folder_of(settings, "mixed")
    with subprocess.Popen(words(settings, at, after), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(folder.glob(".aside-*/files/*/*"))) < after:
            time.sleep(0.002)
        process.send_signal(how)
    assert process.returncode != 0
    with records.read() as session:
        assert catalogue.versions(session, "mixed") == ()
    return folder / ".aside-ingest"


@pytest.fixture
def looked_at(monkeypatch):
    """Hear of each file that is looked at."""
    paths, real = [], door._Arrival.taken

    def taken(self):
        paths.append(self.found.path)
        return real(self)

    monkeypatch.setattr(door._Arrival, "taken", taken)
    return paths


def rows(settings, records):
    with records.read() as session:
        _, manifest = catalogue.version(session, "mixed", 1)
    return list(index.read(settings, "mixed", 1, manifest)), manifest


def whole(settings, records, at, *, count=COUNT + 3):
    """Every file of the folder is there, and each opens as it came; nothing else lies in the silo."""
    found, manifest = rows(settings, records)
    assert len(found) == count
    stored = list(index.stored(settings, "mixed", 1, manifest))
    for one in stored:
        with one.open() as file:
            assert file.read() == (at.parent / one.path).read_bytes()
    folder = silo.folder_of(settings, "mixed") / "1"
    assert len(list(folder.glob("files/*/*"))) == len(stored)
    assert {path.name for path in folder.iterdir()} == {"files", "index.sealed", "labs.sealed"}
    assert {path.name for path in folder.parent.iterdir()} == {".lock", "1"}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_what_was_killed_goes_on_where_it_was(records, settings, now, many, looked_at, how):
    killed_in_the_middle(records, settings, now, many, how=how)
    assert mixed.bring_in(records, settings, now, many) == 1
    assert 0 < len(looked_at) <= COUNT + 3 - 9
    whole(settings, records, many)
    with records.read() as session:
        assert catalogue.version(session, "mixed", 1)[0].persons == 3


def test_a_second_kill_does_no_harm(records, settings, now, many, looked_at):
    killed_in_the_middle(records, settings, now, many, after=5)
    killed_in_the_middle(records, settings, now, many, after=30)
    mixed.bring_in(records, settings, now, many)
    assert len(looked_at) <= COUNT + 3 - 29
    whole(settings, records, many)


def test_a_file_that_was_changed_since_is_read_again(records, settings, now, many, looked_at):
    killed_in_the_middle(records, settings, now, many)
    (many / "more000.vcf").write_bytes(vcf("plain", "S2"))
    mixed.bring_in(records, settings, now, many)
    assert "in/more000.vcf" in looked_at
    assert "in/more001.vcf" not in looked_at
    whole(settings, records, many)


def test_a_file_that_came_or_went_since_comes_or_goes(records, settings, now, many):
    killed_in_the_middle(records, settings, now, many)
    (many / "more000.vcf").unlink()
    (many / "more0000.vcf").write_bytes(vcf("plain", "S2"))
    (many / "aaa.vcf").write_bytes(vcf("plain", "S2"))
    mixed.bring_in(records, settings, now, many)
    whole(settings, records, many, count=COUNT + 4)


@pytest.mark.parametrize("what", ["plan", "linkage", "paths"])
def test_with_another_plan_linkage_or_path_it_begins_anew(records, settings, now, many, looked_at, what):
    killed_in_the_middle(records, settings, now, many)
    plan, paths = mixed.PLAN, [many]
    if what == "plan":
        plan += "sensitive: []\n"
    if what == "linkage":
        (many / "linkage.csv").write_text(mixed.LINKAGE + "ehr,mrn,M6,p6\n", "utf-8")
    if what == "paths":
        paths = sorted(many.iterdir())
    mixed.bring_in(records, settings, now, *paths, plan=plan)
    assert len(looked_at) == COUNT + 3


def test_a_stored_file_that_was_damaged_since_is_stored_again(records, settings, now, many, looked_at, monkeypatch):
    """The machine lost its power: what the journal says is on the disk may not be."""
    aside = killed_in_the_middle(records, settings, now, many)
    first = min(aside.glob("files/*/*"))
    content = bytearray(first.read_bytes())
    content[-1] ^= 1
    first.write_bytes(content)
    monkeypatch.setattr(ingest, "BOOT", many / "one.vcf")  # another boot
    mixed.bring_in(records, settings, now, many)
    assert len(looked_at) <= COUNT + 3 - 8
    whole(settings, records, many)


def test_a_journal_that_is_cut_anywhere_is_gone_on_from(records, settings, now, many, looked_at):
    aside = killed_in_the_middle(records, settings, now, many)
    log = aside / "journal"
    log.write_bytes(log.read_bytes()[:-7])
    mixed.bring_in(records, settings, now, many)
    assert len(looked_at) <= COUNT + 3 - 8
    whole(settings, records, many)


def test_a_journal_that_is_none_begins_anew(records, settings, now, many, looked_at):
    aside = killed_in_the_middle(records, settings, now, many)
    (aside / "journal").write_bytes(b"TREJRNL1" + os.urandom(300))
    mixed.bring_in(records, settings, now, many)
    assert len(looked_at) == COUNT + 3
    whole(settings, records, many)


def test_the_journal_says_nothing_in_clear(records, settings, now, many):
    aside = killed_in_the_middle(records, settings, now, many)
    content = (aside / "journal").read_bytes()
    assert b"more0" not in content
    assert b"hospital:" not in content


def test_a_journal_finds_a_file_only_as_it_was(tmp_path):
    key = bytes(32)
    log = journal.Journal.begin(tmp_path / "j", {"of": "x"}, key)
    for at in range(50):
        log.add({"path": f"p{at}", "seen": [at, 2, 3], "row": at})
    log.close()
    log = journal.Journal.go_on(tmp_path / "j", key)
    assert (log.find("p7", (7, 2, 3)) or {})["row"] == 7
    assert log.find("p7", (7, 2, 4)) is None
    assert log.find("p77", (7, 2, 3)) is None
    log.add({"path": "p99", "seen": [1], "row": 99})
    log.close()
    again = journal.Journal.go_on(tmp_path / "j", key)
    assert (again.count, (again.find("p99", (1,)) or {})["row"]) == (51, 99)
    again.close()
    assert journal.read_head(tmp_path / "j") == {"of": "x"}


@pytest.fixture
def small_disk(tmp_path, settings):
    """Mount a few megabytes where the dataset's folder lies."""
    if os.geteuid():
        pytest.skip("only root mounts a file system")
    folder = silo.folder_of(settings, "mixed")
    folder.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], check=False).returncode:
        pytest.skip("no mounts here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(records, settings, now, many, looked_at, small_disk):
    with pytest.raises(Unavailable, match=r"no space left in .* the same command goes on, free some") as caught:
        mixed.bring_in(records, settings, now, many)
    assert "\n" not in str(caught.value)
    with records.read() as session:
        assert catalogue.versions(session, "mixed") == ()
    done = len(looked_at)
    assert 5 < done < COUNT
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    assert ingest.ingest(records, settings, "mixed", [many], actor=HOST, now=datetime.now(UTC)) == 1
    assert len(looked_at) == COUNT + 3 + 1  # the one that did not fit, once more
    whole(settings, records, many)
