import json

import pytest

from tests.tre.data.test_vocabulary import SITE
from tre.cli import build, run
from tre.show import as_json


@pytest.fixture
def tre(settings, monkeypatch, capsys):
    monkeypatch.setenv("TRE_HOME", str(settings.home))

    def command(*words):
        as_json.set(False)
        code = run(build(), [*map(str, words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    yield command
    as_json.set(False)


def test_a_vocabulary_is_loaded_and_shown(tre, tmp_path):
    assert tre("vocabulary", "show")[0] == 4
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "lab.sssom.tsv").write_text(SITE, "utf-8")
    code, said, _ = tre("vocabulary", "load", tmp_path / "own")
    assert (code, said) == (0, "vocabulary 1 holds: 0 concepts, mappings only\n")
    shown = json.loads(tre("vocabulary", "show", "--json")[1])
    assert (shown["number"], [file["rows"] for file in shown["files"]]) == (1, [2])
    assert "lab.sssom.tsv" in tre("vocabulary", "show")[1]


def test_a_folder_that_is_none_is_one_line(tre, tmp_path):
    code, said, complaint = tre("vocabulary", "load", tmp_path / "none")
    assert (code, said, complaint.count("\n")) == (5, "", 1)
