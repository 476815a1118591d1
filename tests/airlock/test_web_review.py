"""What approvers, the committee and the author read and send: cells, numbers made again, votes by file, exceptions."""

import re
import shutil
from datetime import UTC, datetime

import pytest

import tre.settings
from airlock import release
from airlock.checks.finding import Exhibit, Finding, Severity
from tests.airlock.web import PNG, an_airlock

PEOPLE = ("ann", "bob", "dan", "eve", "gina", "olga")
TABLE = b"arm,n\nA,30\nB,40\nC,<10\n"
CELL = Finding(
    "recompute", Severity.WARN, "column n, row 2", "not what the data say", "C1", "make it again", ((0, 1, 1),)
)
NOTE = Finding("disclosure", Severity.NOTE, "file", "one group is large", "F4")
FEW = Finding("disclosure", Severity.BLOCK, "column n, row 1", "too few people", "F1", "hide it", ((0, 0, 1),))
SHOWN = (
    Exhibit("recomputed", {"table": 0, "cells": [[1, 1, "40", 41, False], [0, 1, "30", 30, True]], "of": 2}),
    Exhibit("intervals", {"table": 0, "cells": [[2, 1, 3, 8]]}),
)

OVERLAP = {
    "request": 99, "round": 1, "position": 0, "persons": 1, "project": "sunrise", "released_at": "2026-10-01T00:00:00",
    "says": "one person is in this table only",
}  # fmt: skip


@pytest.fixture(scope="module")
def airlock(made_home, tmp_path_factory):
    home = tmp_path_factory.mktemp("review") / "home"
    shutil.copytree(made_home, home, symlinks=True)
    with an_airlock(tre.settings.load(home), datetime(2026, 11, 2, 9, tzinfo=UTC)) as found:
        yield found


def a_request(airlock, findings=None, exhibits=None, **files):
    files = files or {"one_csv": TABLE, "two_csv": TABLE, "plot_png": PNG}
    return airlock.checked(airlock.ask(**files), findings, exhibits)


def seen(airlock, name, request):
    return airlock.sign_in(name).get(f"requests/{request}").text


def vote(airlock, name, request, **form):
    return airlock.sign_in(name).post(f"requests/{request}/vote", airlock.ballot(request, name, **form))


def each(*verdicts, **other):
    return {"verdict": "each", **{f"verdict-{at}": said for at, said in enumerate(verdicts)}, **other}


# --- what an approver reads -------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def shown(airlock):
    earlier = airlock.released()
    beside = {0: (*SHOWN, Exhibit("overlaps", {"releases": [OVERLAP | {"request": earlier}]}))}
    return earlier, seen(airlock, "bob", a_request(airlock, {0: [NOTE, CELL]}, beside))


def test_a_cell_that_is_meant_is_marked_with_the_number_of_its_finding(shown):
    cells = re.findall(r'<td class="[^"]*flag[^"]*">([^<]+)<sup class="mark"><span[^>]*>[^<]*</span>([^<]+)', shown[1])
    assert cells == [("40", "1")]


def test_what_can_be_worked_out_of_a_hidden_cell_stands_in_it(shown):
    assert re.search(r"&lt;10<span class=\"within\"><span class=\"hidden\">can be worked out: </span>3 to 8<", shown[1])


def test_the_number_of_the_data_stands_beside_the_one_of_the_file(shown):
    assert "2 numbers were made again from the data: 1 of those shown differ" in re.sub(r"\s+", " ", shown[1])
    assert re.search(
        r'class="flag">\s*<td>2</td><td>2</td><td class="num">40</td><td class="num">41</td><td>no', shown[1]
    )


def test_the_heaviest_finding_comes_first_with_its_rule_and_what_helps(shown):
    first, second = re.findall(r'<li class="finding (\w+)"', shown[1])
    assert (first, second) == ("warn", "note")
    assert "make it again" in shown[1]
    assert "rule C1" in shown[1]


def test_an_earlier_release_that_overlaps_is_named_and_who_may_see_it_can_go_there(shown):
    earlier, text = shown
    assert f'requests/{earlier}">Request {earlier}</a>' in text
    assert "one person is in this table only" in text


def test_who_works_in_the_project_is_on_the_page(shown):
    assert re.findall(r'<tr><th scope="row">(\w+)</th><td>[^<]*analyst', shown[1]) == ["ann", "dan"]


def test_looking_is_noted_once(airlock):
    request = a_request(airlock)
    before = airlock.acts().count("export.open")
    for name in ("bob", "bob", "cleo", "ann"):
        seen(airlock, name, request)
    assert airlock.acts().count("export.open") - before == 2


# --- a vote on each file ----------------------------------------------------------------------------------------------
def test_a_vote_is_cast_for_each_file_by_a_form_alone(airlock):
    request = a_request(airlock)
    said = each("approve", "send_back", "approve", **{"reason-1": "leave out arm C"})
    assert [vote(airlock, name, request, **said).status_code for name in ("bob", "cleo")] == [303, 303]
    text = seen(airlock, "ann", request)
    states = re.findall(r'</h3>\s*<span class="badge \w+">(\w+)</span>', text)
    assert states == ["approved", "returned", "approved"]
    assert "leave out arm C" in text


@pytest.mark.parametrize(
    ("form", "says"),
    [
        (each("approve", "send_back", "approve"), "file 2: say why"),
        (each("approve", "approve"), "file 3: choose one of"),
        (each("approve", "approve", "approve", reason=" "), "reason: write a sentence"),
        ({"verdict": "approve", "verdict-1": "reject"}, "file 2 has another verdict than all"),
    ],
)
def test_a_reason_is_asked_for_and_what_was_said_is_kept(airlock, form, says):
    request = a_request(airlock)
    answer = vote(airlock, "bob", request, **{**form, "reason-0": "typed before"})
    assert answer.status_code == 422
    assert says in answer.text
    assert "typed before" in answer.text


def test_a_ballot_can_be_filled_in_without_scripts(airlock):
    text = seen(airlock, "bob", a_request(airlock))
    assert len(re.findall(r'<input type="radio" form="ballot" name="verdict-\d"', text)) == 9
    assert 'method="post"' in re.search(r'<form[^>]*id="ballot"[^>]*>', text)[0]


def test_nothing_of_a_blind_vote_is_on_anybody_elses_page(airlock):
    request = a_request(airlock)
    vote(
        airlock, "bob", request, **each("reject", "approve", "approve", reason="bob-whole", **{"reason-0": "bob-file"})
    )
    for name in ("ann", "dan", "cleo", "finn"):
        text = seen(airlock, name, request)
        assert not re.search(r"bob-whole|bob-file|badge stop\">reject", text)
        assert not re.search(r"\bbob\b", text)


@pytest.fixture(scope="module")
def differing(airlock):
    request = a_request(airlock)
    vote(
        airlock, "bob", request, **each("send_back", "approve", "approve", reason="bob-all", **{"reason-0": "bob-why"})
    )
    vote(
        airlock, "cleo", request, **each("reject", "approve", "approve", reason="cleo-all", **{"reason-0": "cleo-why"})
    )
    return request


@pytest.mark.parametrize(("name", "sees"), [("bob", True), ("finn", True), ("ann", False), ("dan", False)])
def test_where_they_differ_those_who_decide_see_both_votes_beside_each_other(airlock, differing, name, sees):
    text = seen(airlock, name, differing)
    assert [word in text for word in ("bob-why", "cleo-why", "they differ", 'id="ballot"')] == [sees] * 4


def test_a_third_decides(airlock):
    request = a_request(airlock, one_csv=TABLE)
    vote(airlock, "bob", request, reason="fine")
    vote(airlock, "cleo", request, verdict="reject", reason="not fine")
    assert "decide as a third" in seen(airlock, "finn", request)
    assert vote(airlock, "finn", request, reason="it is fine").status_code == 303
    assert 'aria-current="step">\n        Approved' in seen(airlock, "finn", request)


# --- the author -------------------------------------------------------------------------------------------------------
def test_the_author_reads_what_to_change_cell_by_cell(airlock):
    request = a_request(airlock, {0: [FEW]}, one_csv=TABLE)
    text = re.sub(r"\s+", " ", seen(airlock, "ann", request))
    assert re.search(r"What to change</h4> <ul> <li> row 1, column 2: hide it", text)
    assert "What to change" not in seen(airlock, "dan", request)


def test_what_is_said_of_a_file_goes_with_it_and_is_there_in_the_next_round(airlock):
    airlock.lay("sunrise", "ann", said_csv=TABLE)
    made = '{"dataset": "trial", "version": 1, "table": "trial", "dimensions": ["arm"], "measures": {"n": "persons"}}'
    form = {"project": "sunrise", "paths": ["said.csv"], "why": "for the paper"}
    ann = airlock.sign_in("ann")
    at = re.search(r'name="file-(\d+)" value="said.csv"', ann.get("requests/new").text)[1]
    form |= {f"file-{at}": "said.csv", f"kind-{at}": "table", f"context-{at}": "Table 7", f"made-{at}": made}
    where = ann.post("requests/new", form).headers["location"]
    request = airlock.checked(int(where.rpartition("/")[2]), {0: [FEW]})
    assert "Table 7" in seen(airlock, "bob", request) or "Table 7" in seen(airlock, "ann", request)
    again = ann.get(f"requests/{request}/again").text
    assert 'value="Table 7"' in again
    assert "&#34;measures&#34;" in again


def test_a_manifest_that_is_none_is_told_with_the_file(airlock):
    airlock.lay("sunrise", "ann", bad_csv=TABLE)
    form = {
        "project": "sunrise",
        "paths": ["bad.csv"],
        "why": "x",
        "file-0": "bad.csv",
        "kind-0": "table",
        "made-0": "{",
    }
    answer = airlock.sign_in("ann").post("requests/new", form)
    assert answer.status_code == 422
    assert "bad.csv" in answer.text.partition('role="alert"')[2][:400]


def test_of_a_part_that_left_the_rest_is_asked_for_again(airlock):
    request = a_request(airlock, left_csv=TABLE, rest_csv=TABLE)
    for name in ("bob", "cleo"):
        vote(airlock, name, request, **each("approve", "send_back", **{"reason-1": "leave out arm C"}))
    with airlock.records.act("worker", "export.release", f"export/{request}") as session:
        release.release(session, airlock.settings, request=request, now=airlock.clock())
    text = seen(airlock, "ann", request)
    for said in (
        "<li>left.csv</li>",
        "Make a link to collect",
        "leave out arm C",
        "Correct the rest and submit it again",
    ):
        assert said in text
    again = airlock.sign_in("ann").get(f"requests/{request}/again").text
    assert "Already released, and not asked for again: left.csv" in again
    assert re.findall(r'name="paths" value="([^"]+)" checked', again) == ["rest.csv"]
    assert 'value="left.csv"' not in again


def test_the_author_reads_what_waits_before_their_request_and_when_it_ends(airlock):
    for _ in range(2):
        request = a_request(airlock, one_csv=TABLE)
    text = re.sub(r"\s+", " ", seen(airlock, "ann", request))
    assert re.search(r"\d+ requests? waits? for approvers before it", text)
    assert re.search(r"Ends by itself</dt><dd>02 Dec 2026", text)


def test_the_author_calls_back_what_left_with_a_reason_and_a_code(airlock):
    ann, request = airlock.sign_in("ann"), airlock.released()
    assert "Call back what left" in seen(airlock, "ann", request)
    assert ann.post(f"requests/{request}/recall", {"recall": " ", "code": airlock.code("ann")}).status_code == 422
    answer = ann.post(f"requests/{request}/recall", {"recall": "the wrong arm", "code": airlock.code("ann")})
    assert answer.status_code == 303
    text = seen(airlock, "ann", request)
    assert "the wrong arm" in text
    assert "Make a link to collect" not in text
    listed = airlock.sign_in("gina").get("incidents").text
    number = re.search(r'id="incident-(\d+)"', listed)[1]
    form = {"outcome": "nobody had it", "code": airlock.code("gina")}
    assert airlock.sign_in("gina").post(f"incidents/{number}/close", form).status_code == 303
    assert "nobody had it" in seen(airlock, "ann", request)


@pytest.mark.parametrize(("name", "status"), [("ann", 404), ("bob", 404), ("gina", 200), ("olga", 200)])
def test_incidents_are_for_who_answers_for_the_house(airlock, name, status):
    assert airlock.sign_in(name).get("incidents").status_code == status


def test_what_is_said_of_a_file_is_text_to_whoever_reads_it(airlock):
    bad = "<img src=x onerror=alert(1)>"
    about = {"one.csv": {"kind": "table", "context": bad, "controls": bad, "asks": bad}}
    shown = {0: (Exhibit("fit", {bad: bad}), Exhibit("overlaps", {"releases": [OVERLAP | {"says": bad}]}))}
    request = airlock.checked(airlock.ask(about=about, one_csv=TABLE), {0: [FEW]}, shown)
    for name in ("ann", "gina"):
        text = seen(airlock, name, request)
        assert "&lt;img src=x" in text
        assert "<img src=x" not in text


# --- an exception -----------------------------------------------------------------------------------------------------
def test_an_exception_is_for_the_committee_alone_and_stands_beside_the_finding(airlock):
    request = a_request(airlock, {0: [FEW]}, one_csv=TABLE)
    form = {"file": "0", "check": "disclosure", "exception": "it is published already", "seen": airlock.digest(request)}
    offers = {name: f"requests/{request}/except" in seen(airlock, name, request) for name in PEOPLE}
    assert offers == {**dict.fromkeys(PEOPLE, False), "gina": True}
    for name in ("ann", "bob", "olga"):
        answer = airlock.sign_in(name).post(f"requests/{request}/except", {**form, "code": airlock.code(name)})
        assert answer.status_code in {403, 404}
    gina = airlock.sign_in("gina")
    assert gina.post(f"requests/{request}/except", {**form, "exception": "", "code": "1"}).status_code == 422
    answer = gina.post(f"requests/{request}/except", {**form, "code": airlock.code("gina")})
    assert answer.status_code == 303
    text = re.sub(r"\s+", " ", seen(airlock, "bob", request))
    assert re.search(r"Excepted by gina, [^:]+:\d\d UTC: it is published already", text)
    assert 'id="ballot"' in text


def test_a_check_of_which_there_is_no_exception_offers_none(airlock):
    never = Finding("leaks", Severity.BLOCK, "row 1", "a pseudonym")
    request = a_request(airlock, {0: [FEW, never]}, one_csv=TABLE)
    assert f"requests/{request}/except" not in seen(airlock, "gina", request)


# --- how the airlock does ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "status", "says"),
    [
        ("bob", 200, "Your own votes"),
        ("gina", 200, "From looking to voting"),
        ("olga", 200, "From looking to voting"),
        ("ann", 404, "Nothing here"),
    ],
)
def test_statistics_are_for_approvers_and_who_runs_the_house(airlock, name, status, says):
    answer = airlock.sign_in(name).get("statistics")
    assert answer.status_code == status
    assert says in answer.text


def test_statistics_count_waits_rules_and_votes_beside_bars(airlock):
    request = a_request(airlock, {1: [FEW]})
    seen(airlock, "bob", request)
    vote(airlock, "bob", request, reason="fine")
    text = airlock.sign_in("gina").get("statistics").text
    assert re.search(r'<th scope="row">F1<.*?<td class="num">\d+</td><td><svg class="bar"', text, re.DOTALL)
    assert re.search(r'<th scope="row">bob</th>\s*<td class="num">\d+</td>', text)
    assert '<th scope="row">cleo</th>' not in airlock.sign_in("bob").get("statistics").text


def test_days_that_are_not_offered_are_refused(airlock):
    assert airlock.sign_in("gina").get("statistics?days=1e9").status_code == 422
