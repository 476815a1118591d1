import os
import socket
import stat
import threading

import pytest

from tre.rooms import sockets


@pytest.fixture
def folder(tmp_path):
    return tmp_path


@pytest.fixture
def door(folder):
    made = sockets.listen(folder, "a.sock", uid=os.geteuid())
    yield made
    made.close()


def test_a_door_opens_for_its_own_user(folder, door):
    sockets.connect(folder, "a.sock", uid=os.geteuid()).close()


def test_a_door_is_made_for_one_user(folder, door):
    found = (folder / "a.sock").stat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_uid == os.geteuid()


def test_a_door_of_another_user_is_not_taken(folder, door):
    with pytest.raises(sockets.NotADoor, match="another user"):
        sockets.connect(folder, "a.sock", uid=os.geteuid() + 1)


def test_a_door_that_another_user_serves_is_not_taken(folder, door):
    if os.geteuid() != 0:
        pytest.fail("this claim needs root")
    os.chown(folder / "a.sock", 4242, 4242)
    with pytest.raises(sockets.NotADoor, match="served by another"):
        sockets.connect(folder, "a.sock", uid=4242)


@pytest.mark.parametrize("what", ["link", "dangling link", "fifo", "folder", "file", "nothing"])
def test_what_is_no_door_is_not_opened(folder, door, what):
    place = folder / "b.sock"
    match what:
        case "link":
            place.symlink_to(folder / "a.sock")
        case "dangling link":
            place.symlink_to(folder / "none")
        case "fifo":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case "file":
            place.write_text("x")
    with pytest.raises(OSError):  # noqa: PT011 -- which one depends on what lies there
        sockets.connect(folder, "b.sock", uid=os.geteuid(), seconds=1)


def test_a_folder_that_is_a_link_is_not_entered(tmp_path, door):
    (tmp_path / "in").symlink_to(tmp_path)
    with pytest.raises(NotADirectoryError):
        sockets.connect(tmp_path / "in", "a.sock", uid=os.geteuid())


def test_a_full_door_is_given_up_in_time(folder):
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(str(folder / "full.sock"))
    silent.listen(0)
    held = []
    try:
        with pytest.raises((TimeoutError, BlockingIOError)):  # noqa: PT012 -- the kernel says how many find room
            for _ in range(5):
                held.append(sockets.connect(folder, "full.sock", uid=os.geteuid(), seconds=0.3))  # noqa: PERF401
    finally:
        for one in (*held, silent):
            one.close()


def test_a_path_longer_than_an_address_is_reached(tmp_path):
    deep = tmp_path
    for _ in range(6):
        deep = deep / ("long" * 10)
    deep.mkdir(parents=True)
    door = sockets.listen(deep, "a.sock", uid=os.geteuid())
    try:
        sockets.connect(deep, "a.sock", uid=os.geteuid()).close()
    finally:
        door.close()


def test_a_door_that_was_left_behind_is_made_anew(folder, door):
    again = sockets.listen(folder, "a.sock", uid=os.geteuid())
    try:
        answered = threading.Thread(target=lambda: sockets.connect(folder, "a.sock", uid=os.geteuid()).close())
        answered.start()
        answered.join(2)
        again.accept()[0].close()
    finally:
        again.close()
