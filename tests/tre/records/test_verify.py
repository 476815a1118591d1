"""An exported log is proved on a machine that has nothing of the house."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tre.errors import Unavailable, Unreadable
from tre.records import checkpoint, export, note, verify


@pytest.fixture
def folder(records, settings, happen, sign, tmp_path):
    """An exported log: 3 entries, a checkpoint, 3 entries, a checkpoint."""
    happen(3)
    sign()
    happen(3)
    sign()
    with records.read() as session:
        assert export.write(session, tmp_path / "log", checkpoint.note_key(settings)) == 8
    return tmp_path / "log"


def test_an_untouched_log_has_no_fault(folder):
    report = verify.folder(folder)
    assert (report.size, report.checkpoints, report.signed, report.faults) == (8, 2, 8, ())


def test_the_records_say_the_same_as_their_export(records, settings, folder):
    with records.read() as session:
        assert export.examine(session, checkpoint.note_key(settings), {}) == verify.folder(folder)


def test_the_export_is_exactly_the_entries_a_line_each(folder, records):
    assert {path.name for path in folder.iterdir()} == {"entries.jsonl", "checkpoints.jsonl", "checkpoint", "log.pub"}
    lines = (folder / "entries.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(8))


def test_the_newest_checkpoint_lies_beside_the_log_as_a_note(folder, settings):
    kept = (folder / "checkpoint").read_text()
    assert note.checkpoint(kept, note.verifier(checkpoint.note_key(settings))).size == 8


def test_an_empty_log_is_whole(records, settings, tmp_path):
    with records.read() as session:
        export.write(session, tmp_path / "log", checkpoint.note_key(settings))
    assert verify.folder(tmp_path / "log").faults == ()


def test_the_verifier_says_when_the_key_is_the_folders_own(folder, capsys, settings, tmp_path):
    assert verify.main([str(folder)]) == 0
    assert verify.UNTRUSTED in capsys.readouterr().out
    (tmp_path / "key").write_text(checkpoint.note_key(settings))
    assert verify.main([str(folder), "--key", str(tmp_path / "key")]) == 0
    assert verify.UNTRUSTED not in capsys.readouterr().out


ALONE = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        ours = {"tre", "tre.records", "tre.records.merkle", "tre.records.note", "tre.records.verify"}
        if (top == "tre" and name not in ours) or top in {"sqlalchemy", "pydantic", "cyclopts", "rich", "orjson"}:
            raise AssertionError(f"the verifier imports {name}")
sys.meta_path.insert(0, Block())
from tre.records import verify
sys.exit(verify.main(sys.argv[1:]))
"""


def test_the_verifier_needs_nothing_of_the_house(folder):
    done = subprocess.run([sys.executable, "-c", ALONE, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "nothing was changed or removed" in done.stdout


def test_three_files_are_enough_of_the_verifier(folder, tmp_path):
    """An auditor may copy these files alone, and read them."""
    alone = tmp_path / "alone" / "tre" / "records"
    alone.mkdir(parents=True)
    for name in ("merkle.py", "note.py", "verify.py"):
        (alone / name).write_bytes((Path(verify.__file__).parent / name).read_bytes())
    words = [sys.executable, "-m", "tre.records.verify", str(folder)]
    done = subprocess.run(words, cwd=tmp_path / "alone", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["entries.jsonl", "checkpoints.jsonl", "log.pub"])
def test_a_missing_file_is_named(folder, name, capsys):
    (folder / name).unlink()
    assert verify.main([str(folder)]) == 5
    assert name in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"[]\n", b"{}\n", b"nonsense\n", b'{"size": 1}\n', b"\xff\n"])
def test_broken_checkpoints_are_named_by_file(folder, content, capsys):
    (folder / "checkpoints.jsonl").write_bytes(content)
    assert verify.main([str(folder)]) == 5
    assert "checkpoints.jsonl" in capsys.readouterr().err


def test_a_log_is_never_written_over_another(records, settings, folder):
    with records.read() as session, pytest.raises(Unreadable, match="there already"):
        export.write(session, folder, checkpoint.note_key(settings))


def test_an_export_that_cannot_be_written_leaves_nothing(records, settings, tmp_path):
    with records.read() as session, pytest.raises(Unavailable, match="cannot write"):
        export.write(session, tmp_path / "no" / "log", checkpoint.note_key(settings))
    with records.read() as session, pytest.raises(ZeroDivisionError):
        export.write(session, tmp_path / "log", Unwritable())
    assert not [path for path in tmp_path.iterdir() if "log" in path.name]


class Unwritable:
    def __format__(self, _):
        raise ZeroDivisionError
