"""The pages: where am I, whose turn is it, what happens next, and no button that would be refused."""

import re
from hashlib import sha256

import pytest

from airlock.checks.finding import Finding, Severity
from airlock.pages import views
from airlock.pages.page import HERE
from airlock.states import STEPS, State
from tests.airlock.web import PNG, an_airlock


@pytest.fixture
def airlock(settings, now):
    with an_airlock(settings, now) as found:
        yield found


def _here(page):
    """Where the bar says the request stands."""
    return re.search(r'aria-current="step">\s*([^<]+?)\s*<', page.text)[1]


# --- the first page ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "says"),
    [("ann", "No request yet"), ("bob", "Nothing waits for you"), ("olga", "Nothing for you to do here")],
)
def test_an_empty_first_page_says_what_it_is_for(airlock, name, says):
    assert says in airlock.sign_in(name).get().text


def test_the_author_sees_their_request_and_whose_turn_it_is(airlock):
    request = airlock.ask()
    page = airlock.sign_in("ann").get().text
    assert f"requests/{request}" in page
    assert "The airlock" in page


def test_a_request_waits_for_approvers_once_its_checks_passed(airlock):
    bob, request = airlock.sign_in("bob"), airlock.ask()
    assert f"requests/{request}" not in bob.get().text
    airlock.checked(request)
    assert f"requests/{request}" in bob.get().text


def test_a_member_sees_what_colleagues_asked_for(airlock):
    airlock.ask("ann")
    assert "asked by ann" in airlock.sign_in("dan").get().text


# --- a request --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("step", "stands"),
    [("ask", "Checking"), ("in_review", "In review"), ("approved", "Approved"), ("released", "Released")],
)
def test_the_bar_shows_where_the_request_stands(airlock, step, stands):
    request = getattr(airlock, step)()
    assert _here(airlock.sign_in("ann").get(f"requests/{request}")) == stands


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_its_place_on_the_bar(state):
    assert [stop.label for stop in views.bar(state) if stop.how == "here"] == [views.label(state)]


def test_nothing_follows_a_state_without_steps():
    ends = [state for state in State if not any(step.source is state for step in STEPS)]
    assert all(views.bar(state)[-1].how == "here" for state in ends)


def test_findings_say_how_heavy_where_and_what_to_do(airlock):
    request = airlock.ask()
    airlock.checked(request, {0: [Finding("small_counts", Severity.BLOCK, "column 2, row 1", "too few: suppress it")]})
    page = airlock.sign_in("ann").get(f"requests/{request}").text
    for said in ("must be corrected", "column 2, row 1", "too few: suppress it", "Correct and submit again"):
        assert said in page


def test_a_flagged_cell_is_marked_in_the_table(airlock):
    request = airlock.ask(table_csv=b"arm,n\nA,3\nB,40\n")
    airlock.checked(request, {0: [Finding("small_counts", Severity.BLOCK, "column 2, row 1", "too few")]})
    page = airlock.sign_in("ann").get(f"requests/{request}/rounds/1/files/0").text
    assert re.findall(r'<td class="[^"]*flag[^"]*">([^<]+)', page) == ["3"]


def test_what_changed_since_the_last_round_is_listed(airlock):
    request = airlock.ask(a_csv=b"n\n1\n", b_csv=b"n\n20\n")
    few = [Finding("small_counts", Severity.BLOCK, "column 1, row 1", "too few")]
    airlock.checked(request, {0: few, 1: few})
    airlock.lay("sunrise", "ann", a_csv=b"n\n30\n")
    form = {"project": "sunrise", "paths": ["a.csv", "b.csv"], "why": "corrected"}
    ann = airlock.sign_in("ann")
    assert ann.post(f"requests/{request}/again", form).status_code == 303
    page = ann.get(f"requests/{request}").text
    assert "Changed since round 1" in page
    assert re.findall(r'<span class="badge \w*">(same|changed|added|removed)<', page) == ["changed", "same"]


BUTTONS = {
    "vote": 'name="verdict"',
    "withdraw": "Withdraw this request",
    "again": "Correct and submit again",
    "link": "Make a link to collect",
    "comment": "Say something about this request",
}


@pytest.mark.parametrize(
    ("step", "name", "buttons"),
    [
        ("ask", "ann", {"withdraw", "comment"}),
        ("ask", "dan", {"comment"}),
        ("in_review", "ann", {"withdraw", "comment"}),
        ("in_review", "dan", {"comment"}),
        ("in_review", "bob", {"vote", "comment"}),
        ("approved", "ann", {"withdraw", "comment"}),
        ("approved", "bob", {"comment"}),
        ("released", "ann", {"link"}),
        ("released", "dan", set()),
        ("released", "bob", set()),
    ],
)
def test_a_button_exists_only_for_whom_and_when_its_step_does(airlock, step, name, buttons):
    page = airlock.sign_in(name).get(f"requests/{getattr(airlock, step)()}").text
    assert {button for button, words in BUTTONS.items() if words in page} == buttons


# --- the author -------------------------------------------------------------------------------------------------------
def test_the_author_asks_on_the_page_for_files_of_their_outbox(airlock):
    airlock.lay("sunrise", "ann", table_csv=b"n\n30\n")
    ann = airlock.sign_in("ann")
    assert 'value="table.csv"' in ann.get("requests/new").text
    answer = ann.post("requests/new", {"project": "sunrise", "paths": ["table.csv"], "why": "for the paper"})
    assert answer.status_code == 303
    assert ann.get(answer.headers["location"]).status_code == 200


def test_an_empty_outbox_says_what_to_do(airlock):
    assert "Your outbox is empty" in airlock.sign_in("ann").get("requests/new").text


def test_who_is_in_no_project_reads_whom_to_ask(airlock):
    assert "You are in no project" in airlock.sign_in("bob").get("requests/new").text


def test_a_form_that_is_refused_keeps_what_was_typed(airlock):
    airlock.lay("sunrise", "ann", table_csv=b"")
    form = {"project": "sunrise", "paths": ["table.csv"], "why": "a reason worth keeping"}
    answer = airlock.sign_in("ann").post("requests/new", form)
    assert answer.status_code == 422
    assert "a reason worth keeping" in answer.text
    assert "is empty" in answer.text
    assert re.search(r'value="table.csv" checked', answer.text)


def test_the_outbox_shows_plain_files_and_follows_nothing(airlock, tmp_path):
    airlock.lay("sunrise", "ann", table_csv=b"n\n30\n")
    outbox = airlock.settings.outbox("sunrise", "ann")
    outbox.joinpath("sub").mkdir()
    outbox.joinpath("sub", "deep.txt").write_text("deep")
    tmp_path.joinpath("secret").write_text("secret")
    outbox.joinpath("link.csv").symlink_to(tmp_path / "secret")
    outbox.joinpath("folder").symlink_to(tmp_path)
    page = airlock.sign_in("ann").get("requests/new").text
    assert re.findall(r'name="paths" value="([^"]+)"', page) == ["sub/deep.txt", "table.csv"]


def test_the_author_withdraws(airlock):
    ann, request = airlock.sign_in("ann"), airlock.in_review()
    ann.post(f"requests/{request}/withdraw")
    assert _here(ann.get(f"requests/{request}")) == "Withdrawn"


def test_the_author_collects_once(airlock):
    ann, request = airlock.sign_in("ann"), airlock.released()
    link = ann.post(f"requests/{request}/link").headers["location"]
    assert "Collect now" in ann.get(link).text
    first, second = ann.post(link), ann.post(link)
    assert first.content.startswith(b"PK")
    assert first.headers["content-disposition"].startswith("attachment")
    assert second.status_code == 403


def test_looking_at_a_link_does_not_use_it_up(airlock):
    ann, request = airlock.sign_in("ann"), airlock.released()
    link = ann.post(f"requests/{request}/link").headers["location"]
    for _ in range(3):
        ann.get(link)
    assert ann.post(link).status_code == 200


def test_the_certificate_is_the_one_that_was_signed(airlock):
    ann, request = airlock.sign_in("ann"), airlock.released()
    answer = ann.get(f"requests/{request}/certificate")
    assert answer.json()
    assert answer.headers["content-disposition"].startswith("attachment")


# --- the approver -----------------------------------------------------------------------------------------------------
def test_two_votes_on_the_page_approve(airlock):
    request = airlock.in_review()
    for name in ("bob", "cleo"):
        answer = airlock.sign_in(name).post(f"requests/{request}/vote", airlock.ballot(request, name))
        assert answer.status_code == 303
    assert _here(airlock.sign_in("ann").get(f"requests/{request}")) == "Approved"


def test_the_form_shows_the_digest_that_the_vote_is_bound_to(airlock):
    request = airlock.in_review()
    page = airlock.sign_in("bob").get(f"requests/{request}").text
    assert f'name="seen" value="{airlock.digest(request)}"' in page
    assert f'id="digest">{airlock.digest(request)}<' in page


def test_nobody_sees_the_first_vote_before_the_second(airlock):
    request = airlock.in_review()
    airlock.sign_in("bob").post(
        f"requests/{request}/vote", airlock.ballot(request, "bob", verdict="reject", reason="looks like rows")
    )
    for name in ("ann", "dan", "cleo", "finn"):
        page = airlock.sign_in(name).get(f"requests/{request}").text
        assert "looks like rows" not in page
        assert "1 of 2 approvers has voted" in page


def test_who_voted_reads_that_the_other_has_not(airlock):
    bob, request = airlock.sign_in("bob"), airlock.in_review()
    bob.post(f"requests/{request}/vote", airlock.ballot(request, "bob"))
    page = bob.get(f"requests/{request}").text
    assert "The other approver has not voted yet" in page
    assert 'name="verdict"' not in page


def test_both_votes_are_open_once_both_are_in(airlock):
    request = airlock.in_review()
    for name in ("bob", "cleo"):
        ballot = airlock.ballot(request, name, verdict="send_back", reason=f"{name} sends it back")
        airlock.sign_in(name).post(f"requests/{request}/vote", ballot)
    page = airlock.sign_in("ann").get(f"requests/{request}").text
    assert "bob sends it back" in page
    assert "cleo sends it back" in page
    assert "Correct and submit again" in page


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"code": "000000"}, "not accepted"),
        ({"code": ""}, "not accepted"),
        ({"reason": " "}, "reason"),
        ({"verdict": "maybe"}, "verdict"),
    ],
)
def test_a_faulty_ballot_is_told_with_what_was_typed_kept(airlock, wrong, says):
    request = airlock.in_review()
    ballot = airlock.ballot(request, "bob", **{"reason": "kept words", **wrong})
    answer = airlock.sign_in("bob").post(f"requests/{request}/vote", ballot)
    assert answer.status_code in {403, 422}
    assert says in answer.text
    assert ballot["reason"].strip() in answer.text


def test_an_empty_reason_does_not_spend_the_code(airlock):
    bob, request = airlock.sign_in("bob"), airlock.in_review()
    ballot = airlock.ballot(request, "bob", reason="")
    bob.post(f"requests/{request}/vote", ballot)
    assert bob.post(f"requests/{request}/vote", {**ballot, "reason": "safe"}).status_code == 303


def test_a_comment_is_shown_to_those_concerned(airlock):
    request = airlock.in_review()
    airlock.sign_in("ann").post(f"requests/{request}/comment", {"text": "the arms are those of the paper"})
    assert "the arms are those of the paper" in airlock.sign_in("bob").get(f"requests/{request}").text


def test_an_open_page_learns_that_the_request_moved_on(airlock):
    ann, request = airlock.sign_in("ann"), airlock.ask()
    assert "data-hx-trigger" in ann.get(f"requests/{request}").text
    airlock.checked(request)
    part = ann.get(f"requests/{request}/standing?seen=checking").text
    assert "This request moved on" in part
    assert "data-hx-trigger" not in part


# --- around the pages -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "status"),
    [("nothing", 404), ("requests/999", 404), ("requests/99999999999999999999", 404), ("requests/1e3", 404)],
)
def test_what_is_not_there_has_a_page_that_helps(airlock, path, status):
    answer = airlock.sign_in("ann").get(path)
    assert answer.status_code == status
    assert "What helps" in answer.text


def test_a_refusal_names_the_rules_and_what_helps(airlock):
    request = airlock.in_review()
    answer = airlock.sign_in("dan").post(f"requests/{request}/vote", airlock.ballot(request, "dan"))
    assert answer.status_code == 403
    assert re.findall(r'badge stop">(R\d\d)<', answer.text)
    assert re.search(r'role="alert">.*<li>', answer.text, re.DOTALL)


def test_a_step_that_cannot_be_taken_is_a_conflict(airlock):
    ann, request = airlock.sign_in("ann"), airlock.released()
    answer = ann.post(f"requests/{request}/withdraw")
    assert answer.status_code == 409
    assert "cannot withdraw a request that is released" in answer.text


def test_too_large_a_form_is_refused(airlock):
    answer = airlock.sign_in("ann").post("requests/new", {"why": "x" * 300_000})
    assert answer.status_code == 413
    assert "Too much at once" in answer.text


def test_the_airlock_says_that_it_is_alive_without_a_session(airlock):
    assert airlock.client.get("/services/airlock/healthz", headers={"host": "127.0.0.1"}).text == "ok"


def test_htmx_is_the_file_that_was_vendored():
    said = re.search(r"\| (htmx\S+) \|.* ([0-9a-f]{64}) \|", HERE.joinpath("static/README.md").read_text())
    assert sha256(HERE.joinpath("static", said[1]).read_bytes()).hexdigest() == said[2]


def test_no_template_has_a_script_a_style_or_a_handler_in_line():
    for template in HERE.joinpath("templates").glob("*.html"):
        text = template.read_text()
        assert not re.search(r"<style|<script(?![^>]*src=)|\sstyle=|\son\w+=|javascript:|\| *safe|hx-on", text), (
            template
        )


def test_a_picture_is_sent_as_one(airlock):
    request = airlock.in_review(plot_png=PNG)
    answer = airlock.sign_in("bob").get(f"requests/{request}/rounds/1/files/0/picture")
    assert (answer.headers["content-type"], answer.content) == ("image/png", PNG)
