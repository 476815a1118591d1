"""`tre room show` says what somebody would get now, and `tre room list` what is open."""

import json
from datetime import timedelta

import pytest

from tests.builders import HOST, a_dataset, a_person, a_project, an_approval
from tests.house import an_extract
from tre import show
from tre.cli import build, run
from tre.host import image
from tre.rooms import visits


@pytest.fixture
def tre(settings, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("TRE_HOME", str(settings.home))
    made = image.Image("sha256:" + "0" * 64, "0" * 64, tmp_path, 1)
    monkeypatch.setattr(image, "current", lambda _: made)

    def tre(*words):
        show.as_json.set(False)
        code = run(build(), words)
        return code, capsys.readouterr()

    yield tre
    show.as_json.set(False)


@pytest.fixture
def database():
    """Nothing here is the database's to decide."""
    return ""


@pytest.fixture
def project(records, settings, now):
    from datetime import UTC, datetime

    began = datetime.now(UTC) - timedelta(minutes=5)
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=began)
        a_person(session, "eve", settings=settings, now=began)
        a_dataset(session, "trial", now=began)
        a_project(session, "sunrise", ("ann",), now=began)
        an_approval(session, "sunrise", "trial", settings=settings, now=began)
        an_extract(session, settings, "sunrise", now=began)
    return began


@pytest.mark.usefixtures("project")
def test_the_room_of_a_member_is_shown_whole(tre, settings):
    code, said = tre("room", "show", "sunrise", "ann", "--json")
    room = json.loads(said.out)
    assert code == 0
    assert [(one["target"], one["writable"]) for one in room["binds"]] == [
        ("/data/trial", False),
        ("/imports", False),
        ("/workspace", True),
        ("/home/analyst", True),
        ("/outbox", True),
        ("/run/tre/in", True),
        ("/run/tre/api", False),
    ]
    assert (room["host"], room["locked"]["network"], room["pids"]) == (f"ann--sunrise.{settings.domain}", "none", 256)
    assert room["image"] == "sha256:" + "0" * 64
    code, said = tre("room", "show", "sunrise", "ann")
    assert (code, "/data/trial      read  " in said.out, "network none" in said.out) == (0, True, True)


@pytest.mark.usefixtures("project")
def test_who_would_get_no_room_hears_why(tre):
    code, said = tre("room", "show", "sunrise", "eve")
    assert (code, said.out) == (3, "")
    assert "no room of eve in sunrise would open" in said.err
    assert "  - " in said.err
    assert tre("room", "show", "moon", "ann")[0] == 4


def test_what_is_open_is_listed_with_whether_it_runs(tre, records, project):
    assert tre("room", "list")[1].out == "no room is open\n"
    visits.opened(records, "sunrise", "ann", image="sha256:1", now=project + timedelta(minutes=1))
    (one,) = json.loads(tre("room", "list", "--json")[1].out)
    assert (one["project"], one["person"], one["runs"]) == ("sunrise", "ann", False)
