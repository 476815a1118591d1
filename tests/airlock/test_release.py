import io
import json
import os
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update

import tre.settings
from airlock import certificate, crate, ledger, package, record, release, staging, statement
from airlock.states import State, Verdict
from airlock.tables import FileRow, LinkRow, ReleaseRow, RoundRow, VoteRow
from tests.airlock.house import SAFE, House
from tre.errors import NotFound, Refused, StepRefused, Tampered, Unavailable, Unreadable
from tre.governance import access, accounts, projects
from tre.records import audit, checkpoint, note, verify
from tre.records.db import opened
from tre.records.tables import CheckpointRow, EntryRow

MORE = b"arm,n\na,30\nb,30\n"


def collected(house, request):
    bundle = house.collect(house.link(request))
    return b"".join(release.stream(house.settings, bundle))


def parts(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def left(made_home, tmp_path_factory):
    """A house of which two requests left, one after the other; what was collected of each; and its key."""
    home = tmp_path_factory.mktemp("left") / "home"
    shutil.copytree(made_home, home, symlinks=True)
    settings = tre.settings.load(home)
    records = opened(settings)
    house = House(records, settings, datetime(2026, 11, 2, 9, tzinfo=UTC))
    contents = [
        collected(house, house.released(files))
        for files in ({"out/table.csv": SAFE, "note.md": b"# Sixty people\n"}, {"more.csv": MORE})
    ]
    yield house, contents, checkpoint.public_key(settings)
    records.close()


@pytest.fixture
def held(left, tmp_path):
    """The first release, in a file."""
    place = tmp_path / "release.zip"
    place.write_bytes(left[1][0])
    return place


def test_what_is_collected_is_what_was_asked_for_with_what_says_so(left, held):
    assert list(parts(left[1][0])) == [
        "files/out/table.csv", "files/note.md", "ro-crate-metadata.json", "disclosure-record.json", "certificate.json",
    ]  # fmt: skip
    said = certificate.verify(held, left[2])
    table = said["files"][0]
    assert (said["format"], said["requester"], said["held_back"]) == ("hortus-release/2", "ann", 0)
    assert [(vote["approver"], vote["verdict"], vote["turn"]) for vote in table["votes"]] == [
        ("bob", "approve", 1), ("carol", "approve", 1),
    ]  # fmt: skip
    assert said["checks"]["thresholds"]["smallest_count"] == 10
    assert {"row_level", "leaks", "small_counts"} <= set(table["checks"])
    assert table["submitted"]["sha256"] == certificate.digest(SAFE)


def test_the_zip_is_the_same_bytes_every_time(left):
    house, contents, _ = left
    assert (
        collected(house, 1)
        == contents[0]
        == b"".join(package.write(map(package.Part, *zip(*parts(contents[0]).items(), strict=True))))
    )


def test_each_byte_of_a_release_counts(left, tmp_path):
    """Flip every byte between the parts, and every so-many-th of each."""
    content = left[1][1]
    place, step = tmp_path / "broken.zip", 41
    flips = sorted({*range(0, len(content), step), *range(130), *range(len(content) - 700, len(content))})
    for at in flips:
        broken = bytearray(content)
        broken[at] ^= 1 << at % 8
        place.write_bytes(broken)
        with pytest.raises((Tampered, Unreadable)):
            certificate.verify(place, left[2])


@pytest.mark.parametrize("change", ["cut", "longer", "before", "comment", "order", "packed", "twice"])
def test_another_zip_of_the_same_files_is_not_the_release(left, tmp_path, change):
    content, place = left[1][0], tmp_path / "other.zip"
    held = parts(content)
    if change in {"order", "packed"}:
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED if change == "packed" else zipfile.ZIP_STORED) as other:
            for name in reversed(held):
                other.writestr(name, held[name])
    elif change == "twice":
        twice = [package.Part("files/note.md", SAFE), *(package.Part(*part) for part in held.items())]
        with pytest.warns(UserWarning, match="Duplicate"):
            place.write_bytes(b"".join(package.write(twice)))
    else:
        broken = {"cut": content[:-1], "longer": content + b"\0", "before": b"#!" + content}
        place.write_bytes(broken.get(change, content))
    if change == "comment":
        with zipfile.ZipFile(place, "a") as other:
            other.comment = b"more"
    with pytest.raises((Tampered, Unreadable)):
        certificate.verify(place, left[2])


def test_an_unpacked_release_verifies_and_every_change_shows(left, tmp_path):
    _, contents, key = left
    folder = tmp_path / "release"
    with zipfile.ZipFile(io.BytesIO(contents[0])) as archive:
        archive.extractall(folder)
    certificate.verify(folder, key)
    file = folder / "files" / "out" / "table.csv"
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


@pytest.mark.parametrize("change", ["statement", "space", "padding"])
def test_a_certificate_that_was_edited_does_not_verify(left, change):
    content = parts(left[1][0])["certificate.json"]
    if change == "statement":
        content = content.replace(b'"requester": "ann"', b'"requester": "ben"')
    elif change == "space":
        content = content.replace(b"\n", b"\n ", 1)
    else:  # the last letter of a signature has four bits that say nothing
        at = content.index(b'==",\n') if b'==",\n' in content else content.index(b'=="\n')
        content = content[: at - 1] + bytes([content[at - 1] + 1]) + content[at:]
    with pytest.raises(Tampered):
        certificate.read(content, left[2])


def test_a_release_of_the_first_format_still_verifies(left, tmp_path):
    house, _, key = left
    file = {"name": "t.csv", "sha256": certificate.digest(SAFE)}
    said = {"format": "hortus-release/1", "project": "sunrise", "request": 1, "files": [file]}
    signed = certificate.sealed(said, checkpoint.sign_bytes(house.settings, certificate.stated(said)))
    place = tmp_path / "old.zip"
    written = package.write([package.Part("files/t.csv", SAFE), package.Part("certificate.json", signed)])
    place.write_bytes(b"".join(written))
    assert certificate.verify(place, key)["project"] == "sunrise"


def test_the_entry_of_a_release_is_proved_to_be_in_the_log_that_anyone_can_have(left, held):
    house, _, key = left
    said = certificate.verify(held, key)["audit"]
    with house.records.read() as session:
        assert session.get_one(EntryRow, said["entry"]).body.decode() == said["body"]
        notes = {signed: signed for signed in session.scalars(select(CheckpointRow.note))}
        bodies = list(session.scalars(select(EntryRow.body).order_by(EntryRow.seq)))
    assert said["checkpoint"] in notes
    by = note.verifier(checkpoint.note_key(house.settings))
    assert not verify.log(bodies, notes, by).faults


@pytest.mark.parametrize("change", ["entry", "proof", "body", "checkpoint"])
def test_a_signed_certificate_whose_entry_is_not_in_the_log_does_not_verify(left, change):
    house, contents, key = left
    said = json.loads(parts(contents[0])["certificate.json"])["certificate"]
    other = json.loads(parts(contents[1])["certificate.json"])["certificate"]
    said["audit"][change] = 0 if change == "entry" else [] if change == "proof" else other["audit"][change]
    signed = certificate.sealed(said, checkpoint.sign_bytes(house.settings, certificate.stated(said)))
    with pytest.raises(Tampered):
        certificate.read(signed, key)


def test_each_release_of_a_project_names_the_one_before(left, tmp_path):
    _, contents, key = left
    first, second = (parts(content)["certificate.json"] for content in contents)
    place = tmp_path / "second.zip"
    place.write_bytes(contents[1])
    said = certificate.verify(place, key, previous=first)
    assert said["previous"] == {"request": 1, "round": 1, "sha256": certificate.digest(first)}
    with pytest.raises(Tampered, match="previous"):
        certificate.verify(place, key, previous=second)


def test_the_disclosure_record_goes_with_the_release_and_stays(left):
    house, contents, _ = left
    record = parts(contents[0])["disclosure-record.json"]
    with house.records.read() as session:
        assert session.get_one(ReleaseRow, (1, 1)).record.encode() == record
    said = json.loads(record)
    assert said["thresholds"]["smallest_count"]["value"] == 10
    assert said["thresholds"]["smallest_count"]["source"]
    assert said["rules"]["F1"]["sentence"]
    assert [one["sha256"] for one in said["outputs"]] == [
        certificate.digest(content) for name, content in parts(contents[0]).items() if name.startswith("files/")
    ]


def test_what_the_checkpoint_key_signs_elsewhere_is_no_certificate(left):
    house, _, key = left
    said = {"format": certificate.FORMAT, "files": []}
    elsewhere = checkpoint.sign_bytes(house.settings, certificate.stated(said), "something-else")
    here = checkpoint.sign_bytes(house.settings, certificate.stated(said))
    with pytest.raises(Tampered):
        certificate.read(certificate.sealed(said, elsewhere), key)
    with pytest.raises(Unreadable):  # signed, and says nothing
        certificate.read(certificate.sealed(said, here), key)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"not json", b'{"certificate": 1, "signature": "!"}', b"[" * 100_000]
)
def test_what_is_no_certificate_is_unreadable(left, content):
    with pytest.raises(Unreadable):
        certificate.read(content, left[2])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"text", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_release_is_unreadable(left, tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(Unreadable):
        certificate.verify(tmp_path / "x.zip", left[2])


# --- the crate --------------------------------------------------------------------------------------------------------
def test_everything_the_crate_points_at_is_told_of_in_it(left):
    graph = json.loads(parts(left[1][0])["ro-crate-metadata.json"])["@graph"]
    told = {entity["@id"] for entity in graph}

    def pointed(value):
        if isinstance(value, dict):
            return {value["@id"]} if set(value) == {"@id"} else set().union(*map(pointed, value.values()))
        return set().union(*map(pointed, value)) if isinstance(value, list) else set()

    elsewhere = ("https://w3id.org/shp#", "https://w3id.org/ro/", "https://w3id.org/workflowhub/")
    outside = {name for name in pointed(graph) - told if not name.startswith(elsewhere)}
    assert outside == set()
    assert len(told) == len(graph)


def test_the_crate_is_one_to_the_validator_of_the_field(left, held):
    """The validator's wishes (rich 13) are not ours, so `make setup-test` gives it an environment of its own."""
    python = Path(__file__).parents[2] / ".hortus/roc/bin/python"
    if not python.exists():
        (pytest.fail if os.environ.get("HORTUS_ALL") == "1" else pytest.skip)("no roc-validator: make setup-test")
    folder = held.with_suffix("")
    with zipfile.ZipFile(held) as archive:
        archive.extractall(folder)
    words = [python, Path(__file__).with_name("roc.py"), folder]
    said = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout
    assert json.loads(said) == {"passed": True, "issues": []}


def test_the_crate_says_what_the_five_safes_profile_asks_for(left):
    content = parts(left[1][0])
    graph = {entity["@id"]: entity for entity in json.loads(content["ro-crate-metadata.json"])["@graph"]}
    root = graph["./"]
    assert root["conformsTo"] == {"@id": "https://w3id.org/5s-crate/0.4"}
    assert graph[root["sourceOrganization"]["@id"]]["@type"] == "Project"
    assert graph[root["mainEntity"]["@id"]]["conformsTo"]["@id"].startswith(
        "https://w3id.org/workflowhub/workflow-ro-crate"
    )
    assert {part["@id"] for part in root["hasPart"]} == set(content) - {"ro-crate-metadata.json"}
    acts = [graph[act["@id"]] for act in root["mentions"]]
    made = [act for act in acts if act["@type"] == "CreateAction"]
    assert [graph[act["agent"]["@id"]]["@type"] for act in made] == ["Person"]
    assert {act["additionalType"]["@id"].partition("#")[2] for act in acts if act not in made} == {
        "CheckValue", "SignOff", "DisclosureCheck",
    }  # fmt: skip
    assert all(act["actionStatus"] == crate.DONE and len(act["name"]) >= 10 and act["endTime"] for act in acts)
    assert {act["agent"]["@id"] for act in acts} == {"#ann", "#airlock", "#bob", "#carol"}
    assert graph["files/out/table.csv"]["sha256"] == certificate.digest(SAFE)


# --- who, when, how often ---------------------------------------------------------------------------------------------
def test_only_what_is_approved_is_released(home):
    request = home.in_review()
    home.vote(request, "bob")
    with pytest.raises(StepRefused):
        home.release(request)
    assert home.state(request) is State.IN_REVIEW


def test_of_a_round_only_the_approved_files_leave(home):
    request = home.in_review({"a.csv": SAFE, "b.csv": MORE})
    for person in ("bob", "carol"):
        home.vote(request, person, files={0: Verdict.APPROVE, 1: Verdict.SEND_BACK})
    home.release(request)
    content = parts(collected(home, request))
    assert [name for name in content if name.startswith("files/")] == ["files/a.csv"]
    assert json.loads(content["certificate.json"])["certificate"]["held_back"] == 1
    assert (home.state(request), home.files(request)) == (State.RETURNED, {"a.csv": "released", "b.csv": "returned"})


def test_the_rules_are_asked_again_at_the_last_moment(house):
    request = house.approved()
    with house.act("project.suspend") as session:
        projects.suspend(session, "sunrise", why="a test", actor="host/test", now=house.now)
    with pytest.raises(Refused) as refused:
        house.release(request)
    assert refused.value.rules == ("R06",)
    assert house.state(request) is State.APPROVED
    assert house.acts()[-1] == "export.release.refused"


class Stopped(Exception):
    """The process ends here."""


STEPS = (
    (access, "require"), (statement, "of"), (checkpoint, "sign"), (crate, "write"), (record, "write"),
    (staging, "keep"), (checkpoint, "sign_bytes"), (ledger, "write"), (audit, "append"),
)  # fmt: skip


def test_a_release_that_stops_anywhere_has_not_begun(home, monkeypatch):
    request = home.approved()
    before = home.acts()
    for module, name in STEPS:
        with monkeypatch.context() as broken:
            broken.setattr(module, name, _stops)
            with pytest.raises(Stopped):
                home.release(request)
        assert (home.state(request), home.files(request)) == (State.APPROVED, {"table.csv": "approved"})
        with home.records.read() as session:
            assert session.get(ReleaseRow, (request, 1)) is None
    assert home.acts() == before
    home.release(request)
    assert home.state(request) is State.RELEASED


def _stops(*_args, **_words):
    raise Stopped


def test_a_full_disk_is_said_in_words_and_nothing_left(home, monkeypatch):
    request = home.approved()
    monkeypatch.setattr(staging, "keep", _is_full)
    with pytest.raises(Unavailable, match="No space left"):
        home.release(request)
    assert home.state(request) is State.APPROVED


def _is_full(*_args, **_words):
    raise OSError(28, "No space left on device")


def test_nothing_is_collected_from_a_project_that_was_suspended_since(home):
    token = home.link(home.released())
    with home.act("project.suspend") as session:
        projects.suspend(session, "sunrise", why="a test", actor="host/test", now=home.now)
    with pytest.raises(Refused):
        home.collect(token)


def test_a_stored_file_that_changes_between_link_and_stream_cuts_the_stream(home):
    bundle = home.collect(home.link(home.released({"a.csv": SAFE, "b.csv": MORE})))
    place = home.stored(MORE)
    place.chmod(0o600)
    place.write_bytes(MORE.replace(b"b,30", b"b,99"))
    came = bytearray()
    with pytest.raises(Tampered):
        came.extend(byte for part in release.stream(home.settings, bundle) for byte in part)
    assert b"b,99" not in came
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(came))


def edited(home, statement):
    with home.act("test.edit") as session:
        session.execute(statement)
        audit.append(session, "test.edit", actor="host/test", subject="home", at=home.now)


@pytest.mark.parametrize("change", ["size", "sha256", "name", "leaves_sha256", "manifest"])
def test_rows_edited_in_the_database_release_nothing(home, change):
    request = home.approved()
    rows = b"person,age\nP1,44\n"
    if change == "manifest":
        with home.records.read() as session:
            text = session.get_one(RoundRow, (request, 1)).manifest
        edited(home, update(RoundRow).values(manifest=text.replace("table.csv", "other.csv")))
        edited(home, update(FileRow).values(name="other.csv"))
    elif "sha256" in change:
        edited(home, update(FileRow).values({change: staging.keep(home.settings, rows)}))
    else:
        edited(home, update(FileRow).values({change: 3 if change == "size" else "other.csv"}))
    with pytest.raises((Tampered, Refused)):
        home.release(request)
    with home.records.read() as session:
        assert session.get(ReleaseRow, (request, 1)) is None


def test_a_certificate_edited_in_the_database_is_not_handed_out(home):
    request = home.released()
    with home.records.read() as session:
        text = session.get_one(ReleaseRow, (request, 1)).certificate
    token = home.link(request)
    edited(home, update(ReleaseRow).values(certificate=text.replace(b"bob", b"ben")))
    with pytest.raises(Tampered):
        home.collect(token)


def test_votes_moved_to_other_bytes_release_nothing(home):
    request = home.approved()
    edited(home, update(VoteRow).values(manifest_sha256="0" * 64))
    with pytest.raises(Refused) as refused:
        home.release(request)
    assert "R21" in refused.value.rules


def test_a_link_is_for_the_requester_alone(home):
    request = home.released()
    with pytest.raises(NotFound):
        home.link(request, person="ben")
    token = home.link(request)
    with pytest.raises(Refused, match="another person"):
        home.collect(token, person="ben")
    assert home.collect(token).request == request
    with pytest.raises(Refused, match="works once"):
        home.collect(token)


def test_a_suspended_requester_collects_nothing(home):
    token = home.link(home.released())
    with home.act("person.suspend") as session:
        accounts.suspend(session, "ann", why="a test", actor="host/test", now=home.now)
    with pytest.raises(Refused):
        home.collect(token)


def test_a_new_link_ends_the_one_before_and_there_are_few_for_a_few_days(home):
    request = home.released()
    tokens = [home.link(request) for _ in range(release.MOST_LINKS)]
    with pytest.raises(Refused, match="expired"):
        home.collect(tokens[0])
    with pytest.raises(Refused, match="links were made"):
        home.link(request)
    home.later(days=release.LASTS_DAYS)
    with pytest.raises(Refused, match="expired"):
        home.collect(tokens[-1])
    with pytest.raises(Refused, match="for 7 days"):
        home.link(request)
    with home.records.read() as session:
        assert {link.round for link in session.scalars(select(LinkRow))} == {1}
