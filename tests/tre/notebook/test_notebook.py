"""What an analyst calls in a room, against a real server on a real socket."""

import ast
import sys
from pathlib import Path

import pytest

import tre.notebook as room
from tre.notebook import door
from tre.notebook.shown import html, size

R = {
    "id": 7,
    "state": "in_review",
    "why": "table 2",
    "round": 1,
    "files": [
        {
            "name": "table.csv",
            "size": 1200,
            "kind": "csv",
            "findings": [{"check": "small_counts", "severity": "block", "where": "column n, row 3", "message": "few"}],
        }
    ],
    "says": "Two approvers are looking at it.",
    "url": "http://airlock--service.localhost:8000/services/airlock/requests/7",
}


def test_a_file_of_the_outbox_is_asked_for_by_its_name(house, outbox):
    (outbox / "table.csv").write_text("arm,persons\n")
    house.answers["POST", "/v1/requests"] = 201, R
    request = room.request_export("table.csv", why=" table 2 ")
    assert house.asked == [("POST", "/v1/requests", {"paths": ["table.csv"], "why": "table 2"})]
    assert (request.id, request.state) == (7, "in_review")


def test_an_absolute_path_in_the_outbox_means_the_same(house, outbox):
    (outbox / "deep").mkdir()
    (outbox / "deep" / "a.csv").touch()
    house.answers["POST", "/v1/requests"] = 201, R
    room.request_export([outbox / "deep" / "a.csv"], why="x")
    assert house.asked[0][2] == {"paths": ["deep/a.csv"], "why": "x"}


@pytest.mark.parametrize(
    ("paths", "why", "says"),
    [
        ([], "x", "no file named"),
        ("gone.csv", "x", "there is no"),
        ("/etc/passwd", "x", "is not in /outbox"),
        ("../a.csv", "x", "is not in /outbox"),
        ("folder", "x", "is a folder"),
        ("a.csv", "  ", "say why"),
    ],
)
def test_what_the_airlock_would_refuse_is_said_at_once(house, outbox, paths, why, says):
    (outbox / "a.csv").touch()
    (outbox / "folder").mkdir()
    with pytest.raises(room.Refused, match=says):
        room.request_export(paths, why=why)
    assert house.asked == []


def test_a_file_that_lies_beside_the_notebook_comes_with_the_line_that_copies_it(house, outbox, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.csv").touch()
    with pytest.raises(room.Refused) as refusal:
        room.request_export("here.csv", why="x")
    assert refusal.value.remedies == ("copy it there: shutil.copy('here.csv', '/outbox/')",)


def test_a_refusal_keeps_rules_and_remedies_and_shows_no_traceback(house, outbox):
    (outbox / "a.csv").touch()
    said = {"error": "the project is suspended", "rules": ["R04"], "remedies": ["ask the committee"]}
    house.answers["POST", "/v1/requests"] = 403, said
    with pytest.raises(room.Refused) as refusal:
        room.request_export("a.csv", why="x")
    assert refusal.value.rules == ("R04",)
    assert refusal.value._render_traceback_() == ["refused: the project is suspended", "  - ask the committee"]


@pytest.mark.parametrize("answer", [(500, {"error": "disk full"}), (502, "<html>bad gateway</html>"), (200, "[1]")])
def test_a_house_in_trouble_is_no_refusal(house, answer):
    house.answers["GET", "/v1/requests"] = answer
    with pytest.raises(room.NoAnswer):
        room.status()


def test_a_door_that_is_gone_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(door, "SOCKET", tmp_path / "none.sock")
    with pytest.raises(room.NoAnswer, match="does not answer") as no:
        room.datasets()
    assert "\n" not in str(no.value)


def test_the_status_shows_state_findings_and_who_is_next(house):
    house.answers["GET", "/v1/requests"] = 200, {"requests": [R]}
    found = room.status()
    assert found[0].findings == ("block: table.csv, column n, row 3: few",)
    assert "Two approvers are looking at it." in repr(found)
    assert "in_review" in found._repr_html_()


def test_one_request_can_be_asked_for_withdrawn_and_handed_in_again(house, outbox):
    (outbox / "b.csv").touch()
    house.answers["GET", "/v1/requests/7"] = 200, R
    house.answers["POST", "/v1/requests/7/withdraw"] = 200, {**R, "state": "withdrawn"}
    house.answers["POST", "/v1/requests/7/resubmit"] = 200, {**R, "round": 2}
    assert room.status(7)[0].id == 7
    assert room.withdraw(7).state == "withdrawn"
    assert room.resubmit(7, ["b.csv"], why="better").round == 2
    assert house.asked[-1][2] == {"paths": ["b.csv"], "why": "better"}


def test_datasets_are_taken_by_name_and_list_their_tables(house, tmp_path):
    (tmp_path / "people.parquet").touch()
    said = {"datasets": [{"name": "trial", "version": 2, "path": str(tmp_path)}]}
    house.answers["GET", "/v1/me"] = 200, said
    found = room.datasets()
    assert found["trial"].tables == ("people",)
    assert found["trial"].file() == tmp_path / "people.parquet"
    with pytest.raises(room.RoomError, match="it has trial"):
        found["other"]
    with pytest.raises(room.RoomError, match="trial has people"):
        found["trial"].file("visits")


def test_the_meter_says_how_much_was_shown(house):
    meter = {"hour_bytes": 1_500_000, "hour_limit": 200_000_000, "day_bytes": 2_000_000, "day_limit": 500_000_000}
    house.answers["GET", "/v1/me"] = 200, {"meter": meter, "notices": ["the room closes at 18:00"]}
    assert repr(room.meter()).splitlines() == [
        "shown to you: 1.5 MB of 200.0 MB this hour, 2.0 MB of 500.0 MB today",
        "the room closes at 18:00",
    ]


def test_what_others_wrote_is_shown_as_text():
    assert "<script>" not in html(["why"], [["<script>alert(1)</script>"]], below="<b>")


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (2_500_000_000, "2.5 GB")]
)
def test_sizes_are_written_as_people_do(count, said):
    assert size(count) == said


def test_the_package_needs_nothing_but_python_itself():
    allowed = set(sys.stdlib_module_names) | {"tre", "pandas"}
    for file in Path(room.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= allowed, file.name
