"""A house whose projects lie in encrypted volumes: open while somebody is in a room, shut after, and of fixed size."""

import time

import pytest

from tests.house import a_house, furnish
from tre import volumes

pytestmark = pytest.mark.docker  # the image of the rooms is the same
PROJECTS = ("sunrise", "sunset")


@pytest.fixture(scope="module")
def own():
    def filled(house):
        with volumes.working(house.settings, "sunrise"), volumes.working(house.settings, "sunset"):
            furnish(house)

    with a_house(rooms="bubblewrap", volumes="encrypted", volume_gigabytes=1, filled=filled) as made:
        try:
            made.start()
            yield made
        finally:
            made.stop()
            for project in PROJECTS:
                volumes.shut(made.settings, project)


def wait_until_shut(own, project):
    until = time.monotonic() + 60
    while volumes.is_open(own.settings, project):
        assert time.monotonic() < until, "the volume stays open though nobody works in it"
        time.sleep(0.3)


def test_a_volume_is_open_for_a_room_and_shut_after_it_and_holds_what_was_written(own):
    wait_until_shut(own, "sunrise")
    alice = own.person("alice").open("sunrise")
    code = "import pandas as pd; open('/workspace/x', 'w').write('kept'); print(len(pd.read_parquet('/data/trial')))"
    assert alice.run("sunrise", code).splitlines()[-1] == "60"
    assert volumes.is_open(own.settings, "sunrise")
    alice.leave("sunrise")
    wait_until_shut(own, "sunrise")
    assert not (own.settings.workspace("sunrise") / "x").exists()
    alice.open("sunrise")
    assert alice.run("sunrise", "print(open('/workspace/x').read())") == "kept\n"


def test_who_writes_without_end_meets_the_end_of_the_volume_and_of_nobody_elses(own):
    alice = own.person("alice").open("sunset")
    code = """
import os
try:
    with open('/outbox/large', 'wb') as file:
        for _ in range(10_240):
            file.write(b'x' * 2**20)
except OSError as error:
    print(error.strerror)
os.unlink('/outbox/large')
"""
    assert alice.run("sunset", code, seconds=120) == "No space left on device\n"
    assert alice.run("sunset", "print(2 + 2)") == "4\n"
    alice.leave("sunset")


def test_a_volume_that_cannot_be_opened_opens_no_room_and_the_person_hears_of_it(own):
    alice = own.person("alice")
    wait_until_shut(own, "sunset")
    key = own.settings.home / "volumes" / "sunset.key"
    content = key.read_bytes()
    key.unlink()
    try:
        answer = alice.hub_api("POST", "/users/alice/servers/sunset")
        assert answer.status_code >= 400
        assert "no key of the volume of sunset" in answer.json()["message"]
        assert not own.running("sunset", "alice")
    finally:
        key.write_bytes(content)
        key.chmod(0o400)
