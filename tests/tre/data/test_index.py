import json
import os
import pickle
from hashlib import sha256

import pytest

from tests.tre.data import mixed, standing
from tests.tre.data.mixed import vcf
from tre.data import catalogue, index, silo
from tre.data.deid.stored import Kind
from tre.data.index import State
from tre.data.manifest import Count, Manifest
from tre.errors import Tampered


@pytest.fixture(autouse=True)
def seen(monkeypatch):
    standing.seen(monkeypatch)


@pytest.fixture
def database():
    """One is enough: nothing here is the database's to decide."""
    return ""


@pytest.fixture
def brought(records, settings, now, tmp_path):
    """Bring the folder in; return how to read its index and its files."""

    def bring(**more):
        at = mixed.folder(tmp_path / "in", **more)
        number = mixed.bring_in(records, settings, now, at)
        with records.read() as session:
            row, manifest = catalogue.version(session, "mixed", number)
        return row, manifest

    return bring


def listed(settings, manifest):
    return {row.path.rpartition("/")[2]: row for row in index.read(settings, "mixed", 1, manifest)}


def stored(settings, manifest, **how):
    return list(index.stored(settings, "mixed", 1, manifest, **how))


def test_every_file_is_in_the_index_with_what_became_of_it(brought, settings):
    _, manifest = brought(some=vcf("plain", "S1", "S77"), none=vcf("plain", "S88"), bad=vcf("unreadable"))
    rows = listed(settings, manifest)
    assert {name: (row.state, row.kind, row.records, row.held_records) for name, row in rows.items()} == {
        "bad.vcf": (State.REFUSED, "vcf", 0, 0),
        "labs.csv": (State.TAKEN, "csv", 4, 2),
        "none.vcf": (State.HELD, "vcf", 1, 1),
        "one.vcf": (State.TAKEN, "vcf", 1, 0),
        "some.vcf": (State.TAKEN, "vcf", 2, 1),
        "two.vcf": (State.TAKEN, "vcf", 2, 0),
    }
    assert [row.number for row in rows.values()] == list(range(6))
    assert rows["none.vcf"].reason == "an id that is not in the linkage"
    assert rows["some.vcf"].reason == "1 of its 2 ids are not in the linkage"
    assert rows["labs.csv"].reason == "2 of its 4 rows: an id that is not in the linkage"
    assert json.loads(rows["one.vcf"].facts) == {"build": "GRCh38"}


def test_the_records_know_how_many_and_no_path(brought, settings):
    row, manifest = brought(none=vcf("plain", "S88"), bad=vcf("unreadable"))
    assert manifest.counts == {
        "csv": Count(files=1, records=4, persons=2, held=1, held_records=2),
        "vcf": Count(files=3, records=4, persons=3, held=1, held_records=1, refused=1),
    }
    assert (row.persons, row.rows, manifest.linkage, manifest.linkage_version) == (3, 4, "hospital", 1)
    for name in ("one", "none", "bad", "labs.csv/", "in/"):
        assert f"{name}.vcf" not in row.manifest
        assert f'"{name}' not in row.manifest


def test_stored_files_come_back_byte_by_byte_at_any_place(brought, settings, tmp_path):
    _, manifest = brought(large=vcf("plain", "S1", size=300_000), none=vcf("plain", "S88"), bad=vcf("unreadable"))
    found = stored(settings, manifest)
    assert [one.path for one in found] == ["in/large.vcf", "in/none.vcf", "in/one.vcf", "in/two.vcf"]
    for one in found:
        content = (tmp_path / one.path).read_bytes()
        with one.open() as file:
            assert file.read() == content
            file.seek(7)
            assert file.read(5) == content[7:12]
        assert (one.kind, one.bytes, one.sha256) == (Kind.VCF, len(content), sha256(content).hexdigest())
        assert one.facts == {"build": "GRCh38"}
        with pickle.loads(pickle.dumps(one)).open() as file:
            assert file.readline() == b"##fileformat=VCF\n"
    assert stored(settings, manifest, kinds={Kind.DICOM}) == []


def test_nothing_of_a_stored_file_can_be_read_on_the_disk(brought, settings):
    brought(large=vcf("plain", "S1", size=70_000))
    for path in settings.silo.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert b"fileformat" not in content
            assert b"one.vcf" not in content
            assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_is_not_told_by_what_is_printed(brought, settings):
    _, manifest = brought()
    for one in stored(settings, manifest):
        assert repr(one.open) == "Opener"
        assert "open=" not in repr(one)


def flip(path, at=-1):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("how", [flip, cut, os.unlink])
def test_a_stored_file_that_is_not_what_was_stored_is_told_as_tampering(brought, settings, how):
    _, manifest = brought()
    first = stored(settings, manifest)[0]
    how(first.open.path)
    with pytest.raises(Tampered), first.open() as file:
        file.read()


def test_two_stored_files_that_changed_places_are_told_as_tampering(brought, settings):
    _, manifest = brought(ten=vcf("plain", "S1"))
    first, second = (one for one in stored(settings, manifest) if one.path != "in/two.vcf")
    content = first.open.path.read_bytes()
    first.open.path.write_bytes(second.open.path.read_bytes())
    second.open.path.write_bytes(content)
    for one in (first, second):
        with pytest.raises(Tampered), one.open() as file:
            file.read()


@pytest.mark.parametrize("how", [flip, cut, os.unlink])
def test_an_index_that_is_not_what_was_stored_is_told_as_tampering(brought, settings, how):
    _, manifest = brought()
    how(silo.path_of(settings, "mixed", 1, "index"))
    with pytest.raises(Tampered):
        list(index.read(settings, "mixed", 1, manifest))


def test_a_manifest_of_the_days_of_tables_only_is_still_read():
    old = json.dumps({"files": [{"name": "t", "source": "t.csv", "format": "csv", "rows": 1, "bytes": 2, "sha256": "a",
                                 "stored_bytes": 3, "stored_sha256": "b"}],
                      "plan": "p", "plan_sha256": "c", "key": "a2V5"})  # fmt: skip
    manifest = Manifest.from_json(old, "an old one")
    assert (manifest.files[0].rows, manifest.key, manifest.index, manifest.counts) == (1, b"key", "", {})
    assert Manifest.from_json(manifest.to_json(), "the same") == manifest
    assert list(index.read(None, "old", 1, manifest)) == []


def test_a_name_that_is_no_text_is_kept_as_it_is(records, settings, now, tmp_path):
    at = mixed.folder(tmp_path / "in")
    name = b"x\xff\n\x1b[31m.vcf"
    (at / os.fsdecode(name)).write_bytes(vcf("plain", "S1"))
    mixed.bring_in(records, settings, now, at)
    with records.read() as session:
        _, manifest = catalogue.version(session, "mixed", 1)
    assert os.fsencode(stored(settings, manifest)[-1].path) == b"in/" + name
