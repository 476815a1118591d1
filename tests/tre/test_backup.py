"""The house comes back from its backup on a bare machine, on either database, and says that it did."""

import base64
import json
import os
import shutil
import stat
import subprocess

import pytest
from sqlalchemy import create_engine, select, text

import tre.settings
from tests.builders import HOST, a_dataset, a_person, a_project
from tre import backup, restoring, show, volumes
from tre.cli import build, run
from tre.errors import Refused, Tampered, Unavailable, Unreadable
from tre.records import audit, checkpoint, cosigned, export, note, schema, witness
from tre.records.db import opened
from tre.records.keys import Keys
from tre.records.tables import EntryRow


@pytest.fixture
def key(tmp_path):
    """The offline key: its private file, and its public half."""
    return tmp_path / "offline.pem", backup.new_key(tmp_path / "offline.pem")


@pytest.fixture
def lived_in(settings, records, now):
    """A house with people, a sealed secret, and files of odd names, owners and kinds."""
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_project(session, "sunrise", ("ann",), now=now)
    (settings.home / "tre.toml").write_text("port = 9100\n")
    (settings.silo / "trial").mkdir()
    (settings.silo / "trial" / "1.sealed").write_bytes(Keys.load(settings).seal("silo", b"rows", bound_to="trial/1"))
    home = settings.person_home("sunrise", "ann")
    home.mkdir(parents=True)
    (home / "data").symlink_to("/data")
    (home / "work.ipynb").write_text("{}")
    (home / "work.ipynb").chmod(0o600)
    os.chown(home / "work.ipynb", 70_001, 70_001)
    os.mkfifo(home / "pipe")
    (home / os.fsdecode(b"na\xefve \xe2\x82\xac")).write_text("not UTF-8")
    (home / "etc").symlink_to("/etc")
    (settings.sockets / "control.sock").touch()
    return settings


@pytest.fixture
def made(lived_in, key, tmp_path, now):
    backup.make(lived_in, tmp_path / "backup", [key[1]], actor=HOST, now=now)
    return tmp_path / "backup"


@pytest.fixture
def bare(tmp_path, request, database):
    """Settings of a machine that has nothing; on PostgreSQL where the house was."""
    other = request.getfixturevalue("another_database") if database else ""
    return tre.settings.load(tmp_path / "new" / "home", database=other)


@pytest.fixture
def another_database(postgres_server):
    engine = create_engine(postgres_server.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE bare"))
    yield postgres_server.format("bare")
    with engine.connect() as connection:
        connection.execute(text("DROP DATABASE bare WITH (FORCE)"))
    engine.dispose()


def restored(bare, made, key, now, **more):
    return restoring.restore(bare, made, key[0].read_text(), actor=HOST, now=now, **more)


def everything(home):
    """Path -> what lies there, of all that a backup holds."""
    found = {}
    for path in sorted(home.rglob("*")):
        at = path.relative_to(home)
        if at.parts[0] in backup.MADE_ANEW or path.is_fifo() or at.parts[0] == "cosigned":
            continue
        state = path.lstat()
        content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(at)] = (state.st_uid, stat.S_IMODE(state.st_mode), content)
    return found


def test_what_comes_back_is_what_was(lived_in, made, key, bare, now):
    report = restored(bare, made, key, now)
    assert (report.faults, report.size) == (
        (),
        json.loads((made / "manifest.json").read_bytes())["statement"]["entries"],
    )
    assert everything(bare.home) == everything(lived_in.home)
    assert (
        Keys.load(bare).unseal("silo", (bare.silo / "trial" / "1.sealed").read_bytes(), bound_to="trial/1") == b"rows"
    )
    there, here = opened(lived_in), opened(bare)
    with there.read() as left, here.read() as right:
        for table in schema.metadata().sorted_tables:
            if not table.name.startswith("audit_"):
                assert left.execute(select(table)).all() == right.execute(select(table)).all(), table.name
    there.close()
    here.close()


def test_a_restored_house_goes_on_and_its_log_says_where_it_comes_from(made, key, bare, now):
    restored(bare, made, key, now)
    records = opened(bare)
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "new", settings=bare, now=now)
    with records.act("sentinel", "audit.checkpoint", "audit/log") as session:
        checkpoint.sign(session, bare, now)
    with records.read() as session:
        assert not export.examine(session, checkpoint.note_key(bare), {}).faults
        said = session.scalars(select(EntryRow.body).where(EntryRow.act == "backup.restore")).one()
        assert json.loads(said)["facts"]["made_at"] == audit.stamp(now)
    with records.engine.connect() as connection, pytest.raises(Exception, match="only grows"):
        connection.exec_driver_sql("UPDATE audit_entry SET act = 'x'")
    records.close()


def test_the_keys_are_in_no_file_of_the_backup(lived_in, made):
    root = (lived_in.keys / "root.key").read_bytes()
    signing = (lived_in.keys / "signing.key").read_bytes().strip()
    secrets = [path.read_bytes().strip() for path in lived_in.secrets.iterdir()]
    for path in made.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            assert not any(word in content for word in (root, signing, *secrets)), path


def test_links_pipes_and_sockets_lead_a_backup_nowhere(made):
    lines = [json.loads(line) for line in (made / "files.jsonl").read_text().splitlines()]
    kinds = {one["path"].rpartition("/")[2]: one["kind"] for one in lines}
    assert (kinds["etc"], kinds["data"]) == ("link", "link")
    assert not {"pipe", "control.sock", "passwd"} & set(kinds)


DAMAGE = {
    "a file changed": lambda at: flip(next(at.glob("files/silo/trial/*"))),
    "a file missing": lambda at: next(at.glob("files/silo/trial/*")).unlink(),
    "a file made a link": lambda at: relink(next(at.glob("files/silo/trial/*"))),
    "a file cut": lambda at: cut(next(at.glob("files/silo/trial/*"))),
    "the list changed": lambda at: flip(at / "files.jsonl"),
    "a record changed": lambda at: swap(at / "records.jsonl", b'"ann"', b'"eve"'),
    "the records cut": lambda at: cut(at / "records.jsonl"),
    "the keys changed": lambda at: flip(at / "keys.0.sealed"),
    "the keys of another": lambda at: (at / "keys.0.sealed").write_bytes(backup.SUITE.encrypt(
        b"{}", backup._recipient(backup.new_key(at.parent / "another.pem")), backup.INFO)),
    "the manifest changed": lambda at: swap(at / "manifest.json", b'"entries":', b'"entries":1'),
    "no manifest": lambda at: (at / "manifest.json").unlink(),
    "a manifest of nothing": lambda at: (at / "manifest.json").write_text("[]"),
    "another version": lambda at: swap(at / "manifest.json", b'"revision":"0', b'"revision":"9'),
}  # fmt: skip


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


def swap(path, before, after):
    content = path.read_bytes()
    assert before in content
    path.write_bytes(content.replace(before, after))


def relink(path):
    path.unlink()
    path.symlink_to("/etc/hostname")


@pytest.mark.parametrize("how", DAMAGE)
def test_a_backup_that_was_tampered_with_restores_nothing(made, key, bare, now, how):
    DAMAGE[how](made)
    with pytest.raises((Tampered, Unreadable)) as no:
        restored(bare, made, key, now)
    assert "\n" not in str(no.value)
    assert not bare.home.exists()
    assert not list(bare.home.parent.glob(".*"))


def signed_anew(made, lived_in, lines):
    """Somebody who has the signing key writes another list of files."""
    (made / "files.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    statement = json.loads((made / "manifest.json").read_bytes())["statement"]
    statement["files"] = backup.hash_of(made / "files.jsonl")
    signature = checkpoint.sign_bytes(lived_in, audit.canonical(statement), backup.CONTEXT)
    whole = {"statement": statement, "signature": base64.b64encode(signature).decode()}
    (made / "manifest.json").write_bytes(audit.canonical(whole))


WAYS_OUT = {
    "a path above": [{"path": "../out", "kind": "file"}],
    "a path from the root": [{"path": "/tmp/out", "kind": "file"}],
    "below a link": [{"path": "silo", "kind": "link", "to": "/tmp"}, {"path": "silo/out", "kind": "file"}],
    "over the keys": [{"path": "keys", "kind": "folder"}, {"path": "keys/root.key", "kind": "file"}],
    "a path of nothing": [{"path": "", "kind": "file"}],
}


@pytest.mark.parametrize("how", WAYS_OUT)
def test_a_list_that_leads_out_of_the_home_restores_nothing(lived_in, made, key, bare, now, how):
    common = {"mode": 0o644, "uid": 0, "gid": 0, "size": 0, "sha256": "0" * 64}
    signed_anew(made, lived_in, [{**common, **line} for line in WAYS_OUT[how]])
    with pytest.raises(Tampered, match="nothing was restored"):
        restored(bare, made, key, now)
    assert not bare.home.exists()


def test_another_key_opens_nothing(made, bare, now, tmp_path):
    backup.new_key(tmp_path / "other.pem")
    with pytest.raises(Unreadable, match="this key does not open the backup"):
        restoring.restore(bare, made, (tmp_path / "other.pem").read_text(), actor=HOST, now=now)
    assert not bare.home.exists()


def test_a_home_that_holds_anything_stays_as_it_is(lived_in, made, key, now):
    before = everything(lived_in.home)
    with pytest.raises(Refused, match="is not empty"):
        restored(lived_in, made, key, now)
    assert everything(lived_in.home) == before


def test_a_backup_of_another_house_is_not_taken_for_this_one(made, key, bare, now, tmp_path):
    other = tre.settings.load(tmp_path / "other")
    schema.initialise(other)
    with pytest.raises(Tampered, match="is of another house"):
        restored(bare, made, key, now, house=checkpoint.note_key(other))
    assert not bare.home.exists()


def test_a_backup_is_made_whole_or_not_at_all(lived_in, key, tmp_path, now, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "stream", full)
    with pytest.raises(Unavailable, match="No space left"):
        backup.make(lived_in, tmp_path / "backup", [key[1]], actor=HOST, now=now)
    assert not list(tmp_path.glob("*backup*"))


def test_where_something_is_deleted_meanwhile_the_backup_is_none(lived_in, records, key, tmp_path, now, monkeypatch):
    real = backup._copied

    def slow(*given):
        with records.act(HOST, "project.delete", "project/moon") as session:
            audit.append(session, "project.deleting", actor=HOST, subject="project/moon", at=now)
        return real(*given)

    monkeypatch.setattr(backup, "_copied", slow)
    with pytest.raises(Unavailable, match="make it again"):
        backup.make(lived_in, tmp_path / "backup", [key[1]], actor=HOST, now=now)
    assert not (tmp_path / "backup").exists()


def test_an_encrypted_volume_comes_back_shut_and_opens_and_is_not_copied_while_it_is_open(
    lived_in, key, bare, tmp_path, now
):
    shutil.rmtree(lived_in.home / "projects" / "sunrise")
    there = lived_in.model_copy(update={"volumes": "encrypted", "volume_gigabytes": 1})
    with volumes.working(there, "sunrise"):
        there.workspace("sunrise").mkdir()
        (there.workspace("sunrise") / "notes").write_text("a secret of nobody")
        with pytest.raises(Unavailable, match="is open: close its rooms"):
            backup.make(there, tmp_path / "backup", [key[1]], actor=HOST, now=now)
    volumes.shut(there, "sunrise")
    made = backup.make(there, tmp_path / "backup", [key[1]], actor=HOST, now=now)
    assert made.bytes >= 2**30
    assert sum(path.stat().st_blocks for path in (tmp_path / "backup").rglob("*.img")) * 512 < 2**28  # its holes stay
    restored(bare, tmp_path / "backup", key, now)
    here = bare.model_copy(update={"volumes": "encrypted", "volume_gigabytes": 1})
    with volumes.working(here, "sunrise"):
        assert (here.workspace("sunrise") / "notes").read_text() == "a secret of nobody"
    volumes.shut(here, "sunrise")


@pytest.fixture
def watched(lived_in, records, tmp_path, now):
    """A witness that has co-signed the log so far."""
    folder = tmp_path / "witness"
    by = witness.init(folder, "witness.example")
    witness.watch(folder, checkpoint.note_key(lived_in))
    with records.act(HOST, "audit.witness.trust", "audit") as session:
        cosigned.trust(session, str(by), url="", actor=HOST, now=now)
    cosign(lived_in, records, folder, now)
    return folder, by


def cosign(settings, records, folder, now, how=witness.cosign, **more):
    with records.act("sentinel", "audit.checkpoint", "audit/log") as session:
        checkpoint.sign(session, settings, now)
    with records.read() as session:
        asked = cosigned.request(session, settings, cosigned.row_of(session, "witness.example"))
    line = how(folder, witness.written(asked).encode(), *more.values(), now)
    return cosigned.take(records, settings, note.with_lines(asked.note, line), now=now)


def test_a_restored_log_verifies_against_the_last_witness(lived_in, watched, key, bare, tmp_path, now):
    folder, by = watched
    backup.make(lived_in, tmp_path / "backup", [key[1]], actor=HOST, now=now)
    last = witness.last(folder, note.verifier(checkpoint.note_key(lived_in)).name)
    report = restored(bare, tmp_path / "backup", key, now, kept={"the witness's last": last})
    assert not report.faults
    records = opened(bare)
    with records.read() as session:
        found = export.examine(session, checkpoint.note_key(bare), {"last": last}, [by])
    records.close()
    assert (found.faults, found.witnessed["witness.example"] > 0) == ((), True)


def test_a_backup_older_than_the_witness_needs_a_reason_and_the_witness_another(
    lived_in, records, watched, key, bare, tmp_path, now
):
    folder, _ = watched
    backup.make(lived_in, tmp_path / "backup", [key[1]], actor=HOST, now=now)
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "late", settings=lived_in, now=now)
    cosign(lived_in, records, folder, now)
    last = witness.last(folder, note.verifier(checkpoint.note_key(lived_in)).name)
    with pytest.raises(Refused, match="what happened since is not in it"):
        restored(bare, tmp_path / "backup", key, now, kept={"the witness's last": last})
    assert not bare.home.exists()
    restored(bare, tmp_path / "backup", key, now, kept={"the witness's last": last}, accept_loss="the disk burnt")
    new = opened(bare)
    with pytest.raises(witness.NotAsked):
        cosign(bare, new, folder, now)
    assert cosign(bare, new, folder, now, how=witness.accept, why="the disk burnt, said Bo")
    kept = [json.loads(line) for line in next(folder.glob("*.refused")).read_text().splitlines()]
    new.close()
    assert (kept[-1]["why"], kept[-1]["before"]) == ("accepted: the disk burnt, said Bo", last)


def test_by_command_and_through_restic_the_house_is_back(lived_in, bare, tmp_path, monkeypatch, capsys):
    """Backup, restic, an empty machine, restic, restore, verify: as the README says it."""
    monkeypatch.setenv("RESTIC_PASSWORD", "offline")
    monkeypatch.setenv("RESTIC_CACHE_DIR", str(tmp_path / "cache"))

    def tre(*words, at=lived_in):
        show.as_json.set(False)
        monkeypatch.setenv("TRE_HOME", str(at.home))
        monkeypatch.setenv("TRE_DATABASE", at.database)
        code = run(build(), words)
        return code, capsys.readouterr()

    def restic(*words):
        subprocess.run(["restic", "-r", str(tmp_path / "store"), *words], check=True, capture_output=True)

    (tmp_path / "pub").write_text(tre("backup", "key", str(tmp_path / "offline.pem"))[1].out)
    (tmp_path / "house.key").write_text(tre("audit", "key")[1].out)
    code, said = tre("backup", str(tmp_path / "made"), "--recipient", str(tmp_path / "pub"))
    assert (code, "a log of" in said.out) == (0, True), said.err
    restic("init")
    restic("backup", str(tmp_path / "made"))
    shutil.rmtree(tmp_path / "made")
    restic("restore", "latest", "--target", str(tmp_path / "back"))
    back = next((tmp_path / "back").rglob("manifest.json")).parent
    words = ("restore", str(back), "--key", str(tmp_path / "offline.pem"), "--house", str(tmp_path / "house.key"))
    code, said = tre(*words, at=bare)
    assert (code, "nothing was changed or removed" in said.out) == (0, True), said.err
    code, said = tre("audit", "verify", "--key", str(tmp_path / "house.key"), at=bare)
    assert code == 0
    code, said = tre(*words, at=bare)
    assert (code, "is not empty" in said.err) == (3, True)
