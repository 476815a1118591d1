"""A project's data lie encrypted, open only with their own key, and a destroyed key is the end of them."""

import os
import shutil

import pytest

import tre.settings
from tre import volumes
from tre.errors import Tampered, Unavailable, Unreadable

SECRET = b"a diagnosis that nobody else may read"


@pytest.fixture
def encrypted(settings):
    if why := volumes.obstacles():
        (pytest.fail if os.environ.get("HORTUS_ALL") == "1" else pytest.skip)(f"no volumes here: {why[0]}")
    found = tre.settings.load(settings.home, volumes="encrypted", volume_gigabytes=1)
    yield found
    volumes.shut(found, "sunrise")


@pytest.fixture
def worked(encrypted):
    """A volume in which somebody wrote, shut again."""
    volumes.opened(encrypted, "sunrise")
    encrypted.workspace("sunrise").mkdir()
    (encrypted.workspace("sunrise") / "notes.txt").write_bytes(SECRET)
    volumes.shut(encrypted, "sunrise")
    return encrypted


def image(settings):
    return settings.home / "volumes" / "sunrise.img"


def key(settings):
    return settings.home / "volumes" / "sunrise.key"


def test_what_was_written_is_there_again_and_never_in_clear_on_the_disk(worked):
    assert not worked.workspace("sunrise").exists()
    assert not volumes.is_open(worked, "sunrise")
    assert not volumes._holds(image(worked), SECRET)
    volumes.opened(worked, "sunrise")
    volumes.opened(worked, "sunrise")
    assert (worked.workspace("sunrise") / "notes.txt").read_bytes() == SECRET


def test_a_missing_or_foreign_key_opens_nothing_and_changes_nothing(worked):
    own, before = key(worked).read_bytes(), image(worked).stat()
    key(worked).unlink()
    with pytest.raises(Unreadable, match="no key"):
        volumes.opened(worked, "sunrise")
    key(worked).write_bytes(own[:-1] + bytes([own[-1] ^ 1]))
    with pytest.raises(Tampered, match="seal"):
        volumes.opened(worked, "sunrise")
    key(worked).write_bytes(volumes.Keys.load(worked).seal("volume", b"0" * 64, bound_to="sunrise"))
    with pytest.raises(Unavailable, match="gocryptfs refused"):
        volumes.opened(worked, "sunrise")
    assert not volumes.is_open(worked, "sunrise")
    assert image(worked).stat().st_size == before.st_size
    key(worked).write_bytes(own)
    volumes.opened(worked, "sunrise")
    assert (worked.workspace("sunrise") / "notes.txt").read_bytes() == SECRET


def test_a_killed_gocryptfs_is_mounted_again(worked):
    volumes.opened(worked, "sunrise")
    for pid in volumes._holders(worked.home / "volumes" / "sunrise"):
        os.kill(pid, 9)
    volumes.opened(worked, "sunrise")
    assert (worked.workspace("sunrise") / "notes.txt").read_bytes() == SECRET


def test_data_in_clear_are_not_hidden_by_a_volume(encrypted):
    encrypted.workspace("sunrise").mkdir(parents=True)
    with pytest.raises(Unavailable, match="in clear"):
        volumes.opened(encrypted, "sunrise")
    shutil.rmtree(encrypted.workspace("sunrise").parent)


def test_a_volume_that_is_lost_is_not_made_anew(worked):
    image(worked).rename(image(worked).with_suffix(".lost"))
    with pytest.raises(Unreadable, match="gone"):
        volumes.opened(worked, "sunrise")


def test_the_quota_stops_who_writes_too_much(encrypted):
    volumes.opened(encrypted, "sunrise")
    large = encrypted.workspace("sunrise").parent / "large"
    with pytest.raises(OSError, match="No space left"), large.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 10 << 30)


def test_once_the_key_is_destroyed_a_copy_of_the_disk_does_not_open(worked, tmp_path):
    copy = tmp_path / "stolen.img"
    shutil.copyfile(image(worked), copy)
    said = volumes.shredded(worked, "sunrise")
    assert (said["key_destroyed"], said["opens"], said["in_clear"]) == (True, False, False)
    assert not image(worked).exists()
    assert not key(worked).exists()
    copy.rename(image(worked))
    with pytest.raises(Unreadable, match="no key"):
        volumes.opened(worked, "sunrise")


def test_a_volume_is_shut_once_no_room_and_no_job_needs_it(worked):
    with volumes.working(worked, "sunrise"):
        assert volumes.settle(worked, tuple) == ()
    assert volumes.settle(worked, lambda: {"sunrise"}) == ()
    assert volumes.settle(worked, tuple) == ("sunrise",)
    assert not volumes.is_open(worked, "sunrise")


def test_a_file_of_an_outbox_is_staged_from_a_volume(worked):
    from airlock import staging

    volumes.opened(worked, "sunrise")
    outbox = worked.outbox("sunrise", "ann")
    outbox.mkdir(parents=True)
    (outbox / "table.csv").write_text("arm,n\na,20\nb,30\n")
    volumes.shut(worked, "sunrise")
    assert [one.size for one in staging.stage(worked, "sunrise", "ann", ["table.csv"])] == [16]
