"""The log at the command line: shown, signed, taken out and proved; a changed one is exit code 6."""

import json
import sqlite3

import pytest

from tre import show
from tre.cli import build, run
from tre.records import audit
from tre.records.db import opened


@pytest.fixture
def tre(settings, monkeypatch, capsys):
    """Run one command line; return exit code, stdout and stderr."""
    monkeypatch.setenv("TRE_HOME", str(settings.home))

    def tre(*words):
        show.as_json.set(False)
        code = run(build(), words)
        said = capsys.readouterr()
        return code, said.out, said.err

    yield tre
    show.as_json.set(False)


@pytest.fixture
def happened(settings, now):
    records = opened(settings)
    for actor, act in (("ann", "export.submit"), ("bob", "export.vote"), ("ann", "session.open")):
        with records.act(actor, act, "project/sunrise") as session:
            audit.append(session, act, actor=actor, subject="project/sunrise", at=now, n=1)
    records.close()


def test_init_makes_a_home_and_prints_the_public_key(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRE_HOME", str(tmp_path / "home"))
    assert run(build(), ["init"]) == 0
    assert "localhost/audit/" in capsys.readouterr().out
    assert run(build(), ["init"]) == 0


@pytest.mark.parametrize(
    ("words", "acts"),
    [
        ((), ["export.submit", "export.vote", "session.open"]),
        (("--last", "1"), ["session.open"]),
        (("--act", "export."), ["export.submit", "export.vote"]),
        (("--act", "export.vote"), ["export.vote"]),
        (("--actor", "ann"), ["export.submit", "session.open"]),
        (("--subject", "project/other"), []),
    ],
)
@pytest.mark.usefixtures("happened")
def test_entries_are_listed_as_asked_for(tre, words, acts):
    code, out, _ = tre("audit", "list", *words, "--json")
    assert code == 0
    assert [entry["act"] for entry in json.loads(out)] == acts


@pytest.mark.usefixtures("happened")
def test_people_see_a_table(tre):
    code, out, _ = tre("audit", "list")
    assert code == 0
    assert "2026-11-02 09:00:00" in out


def test_a_list_of_none_is_refused(tre):
    assert tre("audit", "list", "--last", "0")[0] == 5


@pytest.mark.usefixtures("happened")
def test_a_log_goes_out_and_is_proved_elsewhere(tre, tmp_path):
    key, kept, log = tmp_path / "key", tmp_path / "kept", tmp_path / "log"
    key.write_text(json.loads(tre("audit", "key", "--json")[1])["checkpoints"])
    kept.write_text(tre("audit", "checkpoint")[1])
    assert tre("audit", "export", str(log))[0] == 0
    code, out, _ = tre("audit", "verify", str(log), "--key", str(key), "--checkpoint", str(kept), "--json")
    said = json.loads(out)
    assert code == 0
    assert (said["size"], said["faults"], said["key_trusted"]) == (4, [], True)
    code, out, _ = tre("audit", "verify", str(log))
    assert (code, "the key is the folder's own" in out) == (0, True)


@pytest.mark.usefixtures("happened")
def test_the_records_are_proved_where_they_are(tre):
    code, out, _ = tre("audit", "verify")
    assert code == 0
    assert "nothing was changed or removed" in out


@pytest.mark.usefixtures("happened")
def test_a_changed_log_is_exit_code_6_and_names_the_entry(tre, settings):
    connection = sqlite3.connect(settings.home / "records.sqlite")
    connection.execute("DROP TRIGGER audit_entry_update")
    connection.execute("UPDATE audit_entry SET body = replace(body, 'ann', 'eve') WHERE seq = 0")
    connection.commit()
    connection.close()
    code, out, err = tre("audit", "verify")
    assert code == 6
    assert err.startswith("TAMPERED: entry 0 was changed")
    assert "nothing was changed" not in out
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("verify", "nowhere"), 5, "log.pub"),
        (("verify", "--checkpoint", "nowhere"), 5, "nowhere"),
        (("verify", "--key", "nowhere"), 5, "nowhere"),
        (("verify", "--key", "/etc/hostname"), 5, "public key"),
        (("checkpoint",), 4, "nothing happened yet"),
        (("export", "/proc/log"), 4, "nothing happened yet"),
    ],
)
def test_what_a_person_gets_wrong_is_one_line(tre, words, code, says):
    found, _, err = tre("audit", *words)
    assert (found, says in err, err.count("\n")) == (code, True, 1)


@pytest.mark.usefixtures("happened")
def test_an_export_to_where_nothing_can_be_written_is_unavailable(tre):
    assert tre("audit", "export", "/proc/log")[0] == 7


def test_a_home_without_records_says_what_to_do(tre, settings):
    (settings.home / "records.sqlite").unlink()
    code, _, err = tre("audit", "list")
    assert (code, "run `tre init`" in err) == (5, True)


def test_a_witness_is_made_trusted_and_asked_by_files(tre, settings, happened, tmp_path):
    """The README's words: init and watch there, trust here, ask, carry, answer, carry, take, verify."""
    code, key, _ = tre("audit", "witness", "init", str(tmp_path / "w"), "--name", "witness.example")
    (tmp_path / "w.pub").write_text(key)
    (tmp_path / "log.pub").write_text(tre("audit", "key")[1])
    assert tre("audit", "witness", "watch", str(tmp_path / "w"), str(tmp_path / "log.pub"))[0] == 0
    assert tre("audit", "witness", "trust", str(tmp_path / "w.pub"))[0] == 0
    code, _, said = tre("audit", "witness", "ask", "witness.example")
    assert (code, "has no address" in said or "nothing is signed" in said) in {(5, True), (4, True)}
    tre("audit", "checkpoint")
    asked, answered = tmp_path / "asked", tmp_path / "answered"
    tre("audit", "witness", "ask", "witness.example", "--to", str(asked))
    code, note, _ = tre("audit", "witness", "answer", str(tmp_path / "w"), str(asked))
    assert code == 0
    answered.write_text(note)
    code, said, _ = tre("audit", "witness", "take", str(answered))
    assert (code, said) == (0, "witness.example co-signed 5 entries\n")
    code, said, _ = tre("audit", "verify", "--witness", str(tmp_path / "w.pub"))
    assert code == 0
    assert "witness.example co-signed it up to 5 entries" in said
    assert json.loads(tre("audit", "witness", "list", "--json")[1])[0]["entries"] == 5
    code, _, said = tre("audit", "witness", "answer", str(tmp_path / "w"), str(tmp_path / "log.pub"))
    assert (code, "not a request for a co-signature" in said) == (3, True)
    code, _, said = tre("audit", "witness", "answer", str(tmp_path / "none"), str(asked))
    assert (code, "is no witness" in said) == (4, True)
    assert tre("audit", "witness", "drop", "witness.example")[0] == 0
    assert "no witness" in tre("audit", "witness", "list")[1]
