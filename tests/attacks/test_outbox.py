"""What an analyst may put into an outbox to get out what they may not, or to have read what they may not read."""

import contextlib
import os
import socket
import threading

import pytest

from airlock import staging
from airlock.states import State
from tests.airlock.conftest import home, house  # noqa: F401 -- fixtures
from tests.airlock.house import SAFE
from tre.errors import NotFound, Refused, TREError, Unreadable

SECRET = b"sex,n\n0,77777\n"


@pytest.fixture
def secret(home, tmp_path):  # noqa: F811
    place = tmp_path / "secret.csv"
    place.write_bytes(SECRET)
    return place


def link(box, secret):
    (box / "x.csv").symlink_to(secret)


def relative_link(box, secret):
    (box / "real.csv").write_bytes(SAFE)
    (box / "x.csv").symlink_to("real.csv")


def hard_link(box, secret):
    os.link(secret, box / "x.csv")


def pipe(box, secret):
    os.mkfifo(box / "x.csv")


def unix_socket(box, secret):
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(box):
        listening.bind("x.csv")


def device(box, secret):
    try:
        os.mknod(box / "x.csv", 0o020600, os.makedev(1, 5))
    except PermissionError:
        (box / "x.csv").symlink_to("/dev/zero")


def folder(box, secret):
    (box / "x.csv").mkdir()


def sparse(box, secret):
    with (box / "x.csv").open("wb") as file:
        file.write(b"sex,n\n")
        file.truncate(8_000_000)


def sparse_and_huge(box, secret):
    with (box / "x.csv").open("wb") as file:
        file.truncate(10 << 30)


def too_large(box, secret):
    (box / "x.csv").write_bytes(b"1" * 16_000_001)


def empty(box, secret):
    (box / "x.csv").touch()


@pytest.mark.parametrize(
    "lay",
    [
        link, relative_link, hard_link, pipe, unix_socket, device, folder, sparse, sparse_and_huge, too_large, empty,
    ],
)  # fmt: skip
def test_what_is_no_plain_file_is_refused(home, secret, lay):  # noqa: F811
    lay(home.outbox, secret)
    with pytest.raises((Refused, Unreadable)) as refused:
        home.ask("x.csv")
    assert "\n" not in str(refused.value)
    assert ": " in str(refused.value) or ";" in str(refused.value)
    assert not home.stored(SECRET).exists()


@pytest.mark.parametrize(
    "name",
    [
        "../secret.csv", "a/../../secret.csv", "/etc/passwd", "//etc/passwd", "/proc/self/root/etc/passwd", "..", ".",
        "", "linked/secret.csv", "a//b.csv", "/outbox/../secret.csv", "/outbox//etc/passwd",
    ],
)  # fmt: skip
def test_no_name_leads_out(home, secret, name):  # noqa: F811
    (home.outbox / "linked").symlink_to(secret.parent)
    (home.outbox.parent / "secret.csv").write_bytes(SECRET)
    with pytest.raises((Refused, NotFound, Unreadable)):
        home.ask(name)
    assert not home.stored(SECRET).exists()


@pytest.mark.parametrize(
    "name", ["a\u202excsv.csv", "a\x00.csv", "a\nb.csv", "a\u200b.csv", "e\u0301.csv", "a\\b.csv", "x" * 252 + ".csv"]
)
def test_no_name_deceives_its_reader(home, name):  # noqa: F811
    with pytest.raises(Unreadable):
        home.ask(name)


def test_an_outbox_that_is_a_link_is_not_followed(home, secret):  # noqa: F811
    home.outbox.rmdir()
    (secret.parent / "x.csv").write_bytes(SECRET)
    home.outbox.symlink_to(secret.parent)
    with pytest.raises((TREError, OSError)):
        home.ask("x.csv")
    assert not home.stored(SECRET).exists()


def test_a_file_that_grows_while_it_is_read_is_refused(home, monkeypatch):  # noqa: F811
    place = home.put("x.csv", b"sex,n\n" + b"0,30\n" * 500_000)
    real = os.read

    def read_and_write(fd, size):
        part = real(fd, size)
        with place.open("ab") as file:
            file.write(b"1,3\n")
        return part

    monkeypatch.setattr(staging.os, "read", read_and_write)
    with pytest.raises(Refused, match="changed while it was read"):
        home.ask("x.csv")


def test_a_file_rewritten_in_place_while_it_is_read_is_refused(home, monkeypatch):  # noqa: F811
    place = home.put("x.csv")
    real = os.read

    def read_and_write(fd, size):
        part = real(fd, size)
        with place.open("r+b") as file:
            file.write(SAFE)
        return part

    monkeypatch.setattr(staging.os, "read", read_and_write)
    with pytest.raises(Refused, match="changed while it was read"):
        home.ask("x.csv")


def test_swapping_a_file_for_a_link_never_reads_what_it_points_to(home, secret):  # noqa: F811
    good, bad = home.outbox / "good", home.outbox / "bad"
    over = threading.Event()

    def swap():
        while not over.is_set():
            good.write_bytes(SAFE)
            good.replace(home.outbox / "x.csv")
            bad.symlink_to(secret)
            bad.replace(home.outbox / "x.csv")

    swapping = threading.Thread(target=swap)
    swapping.start()
    read, refused = set(), 0
    box = os.open(home.outbox, os.O_RDONLY)
    try:
        for _ in range(3000):
            try:
                read.add(staging.read(box, "x.csv", largest=1000))
            except TREError:
                refused += 1
    finally:
        over.set()
        swapping.join()
        os.close(box)
    assert SECRET not in read
    assert refused


def test_what_changes_after_it_was_asked_for_is_not_what_leaves(house):  # noqa: F811
    request = house.submit()
    house.put("table.csv", SECRET)
    house.check(request)
    house.vote(request, "bob")
    house.put("table.csv", SECRET)
    house.vote(request, "carol")
    house.release(request)
    bundle = house.collect(house.link(request))
    from airlock import release

    content = b"".join(release.stream(house.settings, bundle))
    assert SAFE in content
    assert SECRET not in content


def test_a_byte_flipped_in_the_store_never_leaves(house):  # noqa: F811
    request = house.approved()
    place = house.stored(SAFE)
    place.chmod(0o600)
    place.write_bytes(SAFE.replace(b"30", b"31", 1))
    with pytest.raises(TREError, match="not what was stored"):
        house.release(request)
    assert house.state(request) is State.APPROVED


def test_the_store_is_closed_to_others_and_read_only(home):  # noqa: F811
    home.submit()
    place = home.stored(SAFE)
    assert place.stat().st_mode & 0o777 == 0o400
    assert place.parent.stat().st_mode & 0o777 == 0o700


def test_another_persons_outbox_is_out_of_reach(home):  # noqa: F811
    home.put("table.csv")
    with pytest.raises((NotFound, Refused)):
        home.ask("table.csv", person="ben")
    with pytest.raises((NotFound, Refused)):
        home.ask("table.csv", person="zoe", project="sunset")


def test_too_many_files_or_bytes_are_refused(home):  # noqa: F811
    with pytest.raises(Unreadable, match="at most 20"):
        home.submit({f"t{n}.csv": SAFE for n in range(21)})
    with pytest.raises(Unreadable, match="together"):
        home.submit({f"big{n}.txt": b"a" * 15_000_000 for n in range(5)})
