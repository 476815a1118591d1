import io
import json
import zipfile

import pytest
from sqlalchemy import update

from airlock import certificate, release, staging
from airlock.states import State
from airlock.tables import FileRow, ReleaseRow, RoundRow, VoteRow
from tests.airlock.house import SAFE
from tre.errors import NotFound, Refused, StepRefused, Tampered, Unreadable
from tre.governance import accounts, projects
from tre.records import checkpoint


def collected(house, request):
    bundle = house.collect(house.link(request))
    return b"".join(release.stream(house.settings, bundle))


def test_what_is_collected_is_what_was_asked_for_with_its_certificate(house, tmp_path):
    content = collected(house, house.released({"out/table.csv": SAFE, "note.md": b"# Ten people\n"}))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == ["files/out/table.csv", "files/note.md", "certificate.json"]
        assert archive.read("files/out/table.csv") == SAFE
    (tmp_path / "release.zip").write_bytes(content)
    said = certificate.verify(tmp_path / "release.zip", checkpoint.public_key(house.settings))
    assert said["requester"] == "ann"
    assert [vote["approver"] for vote in said["approved"]] == ["bob", "carol"]
    assert said["checks"]["thresholds"]["smallest_count"] == 10
    assert "row_level" in said["checks"]["ran"]
    assert said["audit"]["checkpoint"].startswith("localhost/") or said["audit"]["checkpoint"]


def test_the_zip_is_the_same_bytes_every_time(home):
    request = home.released()
    assert collected(home, request) == collected(home, request)


def test_an_unpacked_release_verifies_and_every_change_shows(home, tmp_path):
    content = collected(home, home.released())
    key = checkpoint.public_key(home.settings)
    folder = tmp_path / "release"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)
    certificate.verify(folder, key)
    file = folder / "files" / "table.csv"
    file.chmod(0o600)
    file.write_bytes(SAFE + b"2,1\n")
    with pytest.raises(Tampered, match="byte for byte"):
        certificate.verify(folder, key)
    file.unlink()
    with pytest.raises(Tampered, match="is not here"):
        certificate.verify(folder, key)
    file.write_bytes(SAFE)
    (folder / "files" / "more.csv").write_bytes(SAFE)
    with pytest.raises(Tampered, match="was not released"):
        certificate.verify(folder, key)


def test_a_certificate_that_was_edited_does_not_verify(home, tmp_path):
    content = collected(home, home.released())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        said = json.loads(archive.read("certificate.json"))
    said["certificate"]["requester"] = "ben"
    with pytest.raises(Tampered, match="signature"):
        certificate.read(json.dumps(said).encode(), checkpoint.public_key(home.settings))


def test_what_the_checkpoint_key_signs_elsewhere_is_no_certificate(home):
    statement = {"format": certificate.FORMAT, "files": []}
    other = checkpoint.sign_bytes(home.settings, certificate.stated(statement), "something-else")
    with pytest.raises(Tampered):
        certificate.read(certificate.sealed(statement, other), checkpoint.public_key(home.settings))


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"not json", b'{"certificate": 1, "signature": "!"}', b"[" * 100_000]
)
def test_what_is_no_certificate_is_unreadable(home, content):
    with pytest.raises(Unreadable):
        certificate.read(content, checkpoint.public_key(home.settings))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"text"])
def test_what_is_no_zip_is_unreadable(home, tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(Unreadable):
        certificate.verify(tmp_path / "x.zip", checkpoint.public_key(home.settings))


def test_only_what_is_approved_is_released(house):
    request = house.in_review()
    house.vote(request, "bob")
    with pytest.raises(StepRefused):
        house.release(request)
    assert house.state(request) is State.IN_REVIEW


def test_the_rules_are_asked_again_at_the_last_moment(house):
    request = house.approved()
    with house.act("project.suspend") as session:
        projects.suspend(session, "sunrise", why="a test", actor="host/test", now=house.now)
    with pytest.raises(Refused) as refused:
        house.release(request)
    assert refused.value.rules == ("R06",)
    assert house.state(request) is State.APPROVED
    assert house.acts()[-1] == "export.release.refused"


def test_nothing_is_collected_from_a_project_that_was_suspended_since(house):
    token = house.link(house.released())
    with house.act("project.suspend") as session:
        projects.suspend(session, "sunrise", why="a test", actor="host/test", now=house.now)
    with pytest.raises(Refused):
        house.collect(token)


def test_a_stored_file_that_changes_between_link_and_stream_cuts_the_stream(home):
    request = home.released({"a.csv": SAFE, "b.csv": b"arm,n\na,30\nb,30\n"})
    bundle = home.collect(home.link(request))
    place = home.stored(b"arm,n\na,30\nb,30\n")
    place.chmod(0o600)
    place.write_bytes(b"arm,n\na,30\nb,99\n")
    came = bytearray()
    with pytest.raises(Tampered):
        came.extend(byte for part in release.stream(home.settings, bundle) for byte in part)
    assert b"b,99" not in came
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(came))


@pytest.mark.parametrize("change", ["size", "sha256", "name", "manifest"])
def test_rows_edited_in_the_database_release_nothing(home, change):
    request = home.approved()
    with home.act("test.edit") as session:
        if change == "manifest":
            text = session.get_one(RoundRow, (request, 1)).manifest
            session.execute(update(RoundRow).values(manifest=text.replace("table.csv", "other.csv")))
            session.execute(update(FileRow).values(name="other.csv"))
        elif change == "sha256":
            session.execute(update(FileRow).values(sha256=staging.keep(home.settings, b"person,age\nP1,44\n")))
        else:
            session.execute(update(FileRow).values({change: 3 if change == "size" else "other.csv"}))
        from tre.records import audit

        audit.append(session, "test.edit", actor="host/test", subject="home", at=home.now)
    with pytest.raises((Tampered, Refused)):
        home.release(request)
    with home.records.read() as session:
        assert session.get(ReleaseRow, (request, 1)) is None


def test_votes_moved_to_other_bytes_release_nothing(home):
    request = home.approved()
    with home.act("test.edit") as session:
        session.execute(update(VoteRow).values(manifest_sha256="0" * 64))
        from tre.records import audit

        audit.append(session, "test.edit", actor="host/test", subject="home", at=home.now)
    with pytest.raises(Refused) as refused:
        home.release(request)
    assert "R21" in refused.value.rules


def test_a_link_is_for_the_requester_alone(house):
    request = house.released()
    with pytest.raises(NotFound):
        house.link(request, person="ben")
    token = house.link(request)
    with pytest.raises(Refused, match="another person"):
        house.collect(token, person="ben")
    assert house.collect(token).request == request


def test_a_suspended_requester_collects_nothing(house):
    token = house.link(house.released())
    with house.act("person.suspend") as session:
        accounts.suspend(session, "ann", why="a test", actor="host/test", now=house.now)
    with pytest.raises(Refused):
        house.collect(token)


def test_a_new_link_ends_the_one_before_and_there_are_few(home):
    request = home.released()
    tokens = [home.link(request) for _ in range(release.MOST_LINKS)]
    with pytest.raises(Refused, match="expired"):
        home.collect(tokens[0])
    with pytest.raises(Refused, match="links were made"):
        home.link(request)
    home.collect(tokens[-1])
