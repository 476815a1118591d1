"""A closed project leaves no file behind, and anybody can check the statement that says so."""

import json
import os
from datetime import timedelta

import pytest

from tests.builders import HOST, a_dataset, a_person, a_project, an_approval
from tre import closing
from tre.errors import StepRefused, Tampered, Unavailable, Unreadable
from tre.governance import committee, projects
from tre.governance.applications import active
from tre.records import audit, checkpoint
from tre.records.tables import ExtractRow, RoomRow


@pytest.fixture
def database():
    """One database is enough here."""
    return ""


@pytest.fixture
def played(records, settings, now):
    """The project sunrise with an extract, a workspace and a home on the disk; the project harbour beside it."""
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        for name in ("sunrise", "harbour"):
            a_project(session, name, ("ann",), now=now)
            an_approval(session, name, "trial", settings=settings, now=now)
        row = ExtractRow(project="sunrise", dataset="trial", version=1, number=1, manifest="{}", report="{}",
                               assessed=True, prepared_at=now)  # fmt: skip
        session.add(row)
    for name in ("sunrise", "harbour"):
        for folder in (settings.extracts / name / "trial" / "1", settings.workspace(name),
                       settings.person_home(name, "ann"), settings.outbox(name, "ann")):  # fmt: skip
            folder.mkdir(parents=True)
            (folder / "data.csv").write_text("12345")
    return records


@pytest.fixture
def closed(played, now):
    with played.act(HOST, "test.close", "project/sunrise") as session:
        active.close(session, "sunrise", why="it is over", actor="grace", now=now)
    return played


def delete(records, settings, now):
    return closing.delete(records, settings, "sunrise", why="it is over", actor="grace", now=now)


def files(home):
    return [path for path in home.rglob("data.csv") if "sunrise" in str(path)]


def test_nothing_of_a_closed_project_is_left_and_that_is_signed(closed, settings, now):
    came_in = settings.imports / "sunrise" / "1" / "data.csv"
    came_in.parent.mkdir(parents=True)
    came_in.write_bytes(b"a,b\n1")
    proof = delete(closed, settings, now)
    assert files(settings.home) == []
    assert (settings.workspace("harbour") / "data.csv").is_file()
    said = closing.verify(proof, checkpoint.public_key(settings))
    assert said["folders"] == {
        "extracts": {"files": 1, "bytes": 5},
        "imports": {"files": 1, "bytes": 5},
        "workspace_homes_outboxes": {"files": 3, "bytes": 15},
    }
    assert [one["dataset"] for one in said["extracts"]] == ["trial"]
    with closed.read() as session:
        row = projects.get(session, "sunrise")
        assert (row.deleted_at, row.deletion) == (now, proof)
        assert committee.get(session, 1).state == "closed"


def test_a_proof_that_somebody_changed_is_none(closed, settings, now):
    proof = json.loads(delete(closed, settings, now))
    proof["statement"]["project"] = "harbour"
    with pytest.raises(Tampered):
        closing.verify(json.dumps(proof), checkpoint.public_key(settings))
    with pytest.raises(Unreadable):
        closing.verify("{}", checkpoint.public_key(settings))


def test_the_data_of_an_open_project_stay(played, settings, now):
    with pytest.raises(StepRefused, match="close it before"):
        delete(played, settings, now)
    assert len(files(settings.home)) == 4


def test_nothing_is_deleted_under_an_open_room(closed, settings, now):
    with closed.act(HOST, "test.build", "home") as session:
        session.add(RoomRow(project="sunrise", person="ann", mounts="[]", opened_at=now))
        audit.append(session, "session.open", actor="ann", subject="project/sunrise", at=now)
    with pytest.raises(Unavailable, match="still open"):
        delete(closed, settings, now)
    assert len(files(settings.home)) == 4


def test_data_are_deleted_once(closed, settings, now):
    delete(closed, settings, now)
    with pytest.raises(StepRefused, match="were deleted on"):
        delete(closed, settings, now + timedelta(days=1))


def test_a_link_that_a_room_left_leads_nowhere(closed, settings, now, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "data.csv").write_text("precious")
    (settings.workspace("sunrise") / "link").symlink_to(outside)
    delete(closed, settings, now)
    assert (outside / "data.csv").read_text() == "precious"


def test_the_key_of_an_encrypted_project_is_destroyed_and_the_certificate_says_so(records, settings, now):
    import tre.settings
    from tre import volumes

    if why := volumes.obstacles():
        (pytest.fail if os.environ.get("HORTUS_ALL") == "1" else pytest.skip)(f"no volumes here: {why[0]}")
    settings = tre.settings.load(settings.home, volumes="encrypted", volume_gigabytes=1)
    with records.act(HOST, "test.build", "home") as session:
        a_project(session, "sunrise", (), now=now)
        active.close(session, "sunrise", why="it is over", actor="grace", now=now)
    with volumes.working(settings, "sunrise"):
        settings.workspace("sunrise").mkdir()
        (settings.workspace("sunrise") / "data.csv").write_text("12345")
    said = closing.verify(delete(records, settings, now), checkpoint.public_key(settings))
    assert said["folders"]["workspace_homes_outboxes"] == {"files": 1, "bytes": 5}
    assert (said["volume"]["key_destroyed"], said["volume"]["opens"]) == (True, False)
    assert list((settings.home / "volumes").glob("*.key")) == []
    assert not volumes.is_open(settings, "sunrise")
