"""What somebody who fills the folder that is ingested may try."""

import gzip
import os
import socket
import threading
import time
import zlib

import pytest

from tests.tre.data import mixed, standing
from tests.tre.data.mixed import vcf
from tre import show
from tre.cli import build, run
from tre.data import catalogue, confined, door, formats, handles, held, index, walk
from tre.errors import Refused, Tampered


@pytest.fixture(autouse=True)
def seen(monkeypatch):
    standing.seen(monkeypatch)


@pytest.fixture
def database():
    """One is enough: nothing here is the database's to decide."""
    return ""


@pytest.fixture
def inside(tmp_path):
    return mixed.folder(tmp_path / "in")


@pytest.fixture
def quarantined(records, settings, now, inside):
    """Bring the folder in; return name -> (state, reason) of what was not taken whole."""

    def bring():
        number = mixed.bring_in(records, settings, now, inside)
        with records.read() as session:
            _, manifest = catalogue.version(session, "mixed", number)
            found = held.quarantine(session, settings, "mixed", number, manifest)
            return {one.path.partition("/")[2]: (one.state, one.reason) for one in found if one.kind != "csv"}

    return bring


def everything_stored(records, settings):
    with records.read() as session:
        _, manifest = catalogue.version(session, "mixed", 1)
    for one in index.stored(settings, "mixed", 1, manifest):
        with one.open() as file:
            yield one.path, file.read()


def test_a_link_out_of_the_folder_is_not_followed(quarantined, inside, tmp_path, records, settings):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.vcf").write_bytes(vcf("plain", "S1") + b"outside")
    (inside / "link.vcf").symlink_to(outside / "secret.vcf")
    (inside / "folder").symlink_to(outside)
    (inside / "loop").symlink_to(inside)
    (inside / "hosts").symlink_to("/etc/passwd")
    found = quarantined()
    assert {name for name, (state, why) in found.items() if "symbolic link" in why} == {
        "link.vcf", "folder", "loop", "hosts",
    }  # fmt: skip
    assert not any(b"outside" in content for _, content in everything_stored(records, settings))


def test_a_file_that_becomes_a_link_after_it_was_seen_is_not_followed(tmp_path, inside):
    for found in walk.walk([inside]):
        if found.name == "one.vcf":
            (inside / "one.vcf").unlink()
            (inside / "one.vcf").symlink_to("/etc/passwd")
            with pytest.raises(Exception, match="cannot be read"), found.opened():
                pass
            return
    raise AssertionError("not met")


def test_a_folder_that_becomes_a_link_while_it_is_walked_is_not_left(tmp_path, inside):
    (inside / "deep").mkdir()
    (inside / "deep" / "x.vcf").write_bytes(vcf())
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.vcf").write_bytes(b"another")
    for found in walk.walk([inside / "deep"]):
        (inside / "deep").rename(inside / "moved")
        (inside / "deep").symlink_to(other)
        with found.opened() as handle:
            assert os.pread(handle, 7, 0) == b"##filef"


def test_a_pipe_a_socket_and_a_device_are_not_opened(quarantined, inside):
    os.mkfifo(inside / "pipe.vcf")
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind(str(inside / "s"))
        if os.geteuid() == 0:
            os.mknod(inside / "zero", 0o600 | 0o020000, os.makedev(1, 5))
        found = quarantined()
    assert found["pipe.vcf"] == ("refused", "a pipe, not a file")
    assert found["s"] == ("refused", "a socket, not a file")
    assert os.geteuid() or found["zero"] == ("refused", "a device, not a file")


def test_a_file_swapped_between_the_look_and_the_copy_is_not_taken(quarantined, inside, monkeypatch, records, settings):
    """A large file: it is not held in memory, so it can be written to while it is looked at."""
    monkeypatch.setattr(door, "SMALL", 10)
    real = door._Arrival._look

    def look(self, handle, kind):
        said = real(self, handle, kind)
        if self.found.name == "one.vcf":
            status = (inside / "one.vcf").stat()
            with (inside / "one.vcf").open("r+b") as file:
                file.seek(30)
                file.write(b"X")
            os.utime(inside / "one.vcf", ns=(status.st_atime_ns, status.st_mtime_ns))
        return said

    monkeypatch.setattr(door._Arrival, "_look", look)
    assert quarantined()["one.vcf"] == ("refused", handles.CHANGED)
    assert [path for path, _ in everything_stored(records, settings)] == ["in/two.vcf"]


def test_a_small_file_written_to_while_it_is_looked_at_is_not_taken(quarantined, inside, monkeypatch):
    real = door._Arrival._look

    def look(self, handle, kind):
        said = real(self, handle, kind)
        (inside / self.found.name).write_bytes(vcf("plain", "S1", "S2"))
        return said

    monkeypatch.setattr(door._Arrival, "_look", look)
    (inside / "labs.csv").unlink()
    with pytest.raises(Refused) as caught:
        quarantined()
    assert all(handles.CHANGED in remedy for remedy in caught.value.remedies)


def test_a_file_that_grows_all_the_time_is_refused(quarantined, inside):
    stop = threading.Event()

    def grow():
        with (inside / "grows.vcf").open("ab") as file:
            while not stop.is_set():
                file.write(b"#" * 1000)
                file.flush()
                time.sleep(0.0005)

    (inside / "grows.vcf").write_bytes(vcf("plain", "S1"))
    thread = threading.Thread(target=grow)
    thread.start()
    try:
        assert quarantined()["grows.vcf"] == ("refused", handles.CHANGED)
    finally:
        stop.set()
        thread.join()


POLYGLOTS = {
    "zip": b"PK\x03\x04".ljust(128, b"\0") + b"DICM\x02\0\0\0UL\x04\0",
    "script": b"#!/bin/sh\n".ljust(128, b"#") + b"DICM\x02\0\0\0UL\x04\0",
    "program": b"MZ".ljust(128, b"\0") + b"DICM\x02\0\0\0UL\x04\0",
    "vcf": b"##fileformat=VCFv4.3\n".ljust(128, b"#") + b"DICM\x02\0\0\0UL\x04\0",
}


@pytest.mark.parametrize("which", POLYGLOTS)
def test_a_file_of_two_kinds_is_of_none(quarantined, inside, which):
    (inside / "both").write_bytes(POLYGLOTS[which])
    assert quarantined()["both"] == ("refused", "two kinds at once: a DICOM file that begins as another")


def test_a_name_does_not_make_a_kind(quarantined, inside):
    (inside / "reads.vcf").write_bytes(b"@r1\nACGT\n+\n!!!!\n")
    (inside / "scan.csv").write_bytes(b"%PDF-1.7")
    found = quarantined()
    assert found["reads.vcf"][1].startswith("FASTQ")
    assert found["scan.csv"][1].startswith("a PDF")


def test_a_name_cannot_speak_to_the_terminal(quarantined, inside, settings, monkeypatch, capsys):
    (inside / "x\n\x1b[31mrefused\x1b]0;owned\x07[bold].pdf").write_bytes(b"%PDF-1.7")
    quarantined()
    monkeypatch.setenv("TRE_HOME", str(settings.home))
    capsys.readouterr()
    show.as_json.set(False)
    assert run(build(), ["dataset", "quarantine", "mixed"]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\x07" not in said
    assert "\\x0a\\x1b[31m" in said.replace(" ", "").replace("\n", "")
    assert "[bold]" in said.replace(" ", "").replace("\n", "")


def bomb(unit, times):
    squeezed = zlib.compressobj(9, wbits=31)
    return b"".join(squeezed.compress(unit * 1_000_000) for _ in range(times)) + squeezed.flush()


def test_a_bomb_does_not_fill_the_disk(quarantined, inside, monkeypatch, settings):
    monkeypatch.setattr(door, "SMALL", 10)
    (inside / "labs.csv").unlink()
    (inside / "labs.csv.gz").write_bytes(gzip.compress(b"mrn,value\n") + bomb(b"M1,1\n", 60))
    for name in ("one.vcf", "two.vcf"):
        (inside / name).unlink()
    with pytest.raises(Refused, match="nothing could be taken") as caught:
        quarantined()
    assert f"unpacks to more than {formats.RATIO} times its size" in caught.value.remedies[0]
    assert sum(path.stat().st_size for path in settings.silo.rglob("*") if path.is_file()) < 1_000_000


@pytest.mark.parametrize(
    ("word", "said"),
    [("segfault", "broke down"), ("forever", "too long"), ("eats", "more memory"), ("breaks", "ValueError"),
     ("nonsense", "nothing of use")],
)  # fmt: skip
def test_a_look_that_crashes_or_never_ends_costs_one_file(quarantined, inside, monkeypatch, word, said):
    monkeypatch.setattr(confined.Child.__init__, "__kwdefaults__", {"memory": confined.MEMORY, "seconds": 1})
    (inside / "evil.vcf").write_bytes(vcf(word, "S1"))
    found = quarantined()
    assert set(found) == {"evil.vcf"}
    state, reason = found["evil.vcf"]
    assert state == "refused"
    assert said in reason
    assert "Quillfeather" not in reason


def test_a_look_cannot_write_or_call_out(quarantined, inside):
    (inside / "writes.vcf").write_bytes(vcf("writes"))
    (inside / "calls.vcf").write_bytes(vcf("calls"))
    found = quarantined()
    assert found["writes.vcf"] == ("refused", "nothing could be written")
    assert found["calls.vcf"][0] == "refused"


def test_an_answer_that_is_a_program_is_not_run(tmp_path):
    (tmp_path / "made").mkdir()
    with pytest.raises(Exception, match="nobody asked for"):
        confined.run(standing.make, tmp_path / "made", "stranger", folder=tmp_path / "made")


def test_a_stored_file_that_was_put_back_from_an_older_version_does_not_open(records, settings, now, inside):
    mixed.bring_in(records, settings, now, inside)
    mixed.bring_in(records, settings, now, inside)
    with records.read() as session:
        _, manifest = catalogue.version(session, "mixed", 2)
    for one in index.stored(settings, "mixed", 2, manifest):
        old = one.open.path.parents[3] / "1" / one.open.path.relative_to(one.open.path.parents[2])
        one.open.path.write_bytes(old.read_bytes())
        with pytest.raises(Tampered), one.open() as file:
            file.read()


def test_twenty_thousand_files_in_one_folder_are_walked_in_order_in_little_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(walk, "PORTION", 1000)
    for at in range(20_000):
        os.close(os.open(tmp_path / f"{(at * 7919) % 20_000:05d}", os.O_CREAT))
    asked, real = [], walk.heapq.nsmallest
    monkeypatch.setattr(walk.heapq, "nsmallest", lambda n, them: asked.append(n) or real(n, them))
    names = [found.name for found in walk.walk([tmp_path])]
    assert names == [f"{at:05d}" for at in range(20_000)]
    assert set(asked) == {1000}


def test_folders_in_folders_without_end_are_left(tmp_path):
    at = tmp_path / "in"
    deep = at
    for _ in range(walk.DEEPEST + 5):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (found,) = walk.walk([at])
    assert found.refused == f"more than {walk.DEEPEST} folders deep"
