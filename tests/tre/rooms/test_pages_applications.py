"""An application's pages: no draft is lost, each fault is told at its field, nobody reads what is not theirs."""

import re

import pytest
from sqlalchemy import select

from tests.committee_house import FORM, furnish, state_of, walk
from tests.house import _from
from tests.hub import a_hub
from tre.governance.applications import drafts, papers
from tre.governance.applications.form import FIELDS
from tre.records.tables import DutyRow, PersonRow
from tre.rooms.pages.applications import MEANS

PATHS = ("/hub/applications", "/hub/applications/1", "/hub/applications/1/edit", "/hub/committee", "/hub/committee/1")


@pytest.fixture(scope="module")
def hub():
    with a_hub(furnish) as made:
        walk(made, "draft", project="first")
        yield made


def edition(hub, number):
    with hub.records.read() as session:
        return str(papers.get(session, number).edition)


def form_of(hub, number):
    with hub.records.read() as session:
        return papers.form_of(papers.get(session, number))


def save(hub, number, person="ann", do="save", **given):
    fields = {**FORM, "edition": edition(hub, number), "do": do, **given}
    return hub.person(person).send(f"/hub/applications/{number}/edit", **fields)


@pytest.mark.parametrize("path", PATHS)
def test_who_is_not_signed_in_is_led_to_the_door(hub, path):
    answer = hub.stranger().page(path)
    assert "/hub/login" in str(answer.url)
    assert FORM["title"] not in answer.text


@pytest.mark.parametrize("path", PATHS[1:3])
def test_who_is_not_named_finds_nothing(hub, path):
    answer = hub.person("cyd").page(path)
    assert answer.status_code == 404
    assert FORM["title"] not in answer.text


def test_a_new_draft_may_say_next_to_nothing_and_is_kept(hub):
    answer = hub.person("ann").send("/hub/applications")
    number = int(re.search(r"/applications/(\d+)/edit", str(answer.url))[1])
    page = hub.person("ann").send(
        f"/hub/applications/{number}/edit", project="NO such name!", until="soon", edition="1", do="save"
    )
    assert page.status_code == 200
    assert 'value="NO such name!"' in page.text
    assert 'value="soon"' in page.text
    assert form_of(hub, number).until == "soon"


def test_every_fault_is_told_at_its_field(hub):
    number = walk(hub, "draft", project="Bad name", until="2020-01-01", title="", datasets=["unicorns"])
    page = hub.person("ann").page(f"/hub/applications/{number}/edit?check=yes")
    for name in ("project", "title", "until", "datasets"):
        assert f'id="{name}-fault"' in page.text
        assert f'href="#{name}"' in page.text
    assert 'id="purpose-fault"' not in page.text


def test_each_field_of_the_form_is_on_the_page_with_its_help(hub):
    page = hub.person("ann").page("/hub/applications/1/edit").text
    missing = [
        each.name for each in FIELDS if f'name="{each.name}"' not in page or f'id="{each.name}-help"' not in page
    ]
    assert missing == []


def test_each_kind_of_research_is_said_in_plain_words():
    terms = {value for each in FIELDS if each.name == "terms" for value, _ in each.choices}
    assert set(MEANS) == terms


def test_what_cannot_be_submitted_is_kept_and_says_what_is_missing(hub):
    number = walk(hub, "draft", project="unready")
    answer = save(hub, number, do="submit", project="unready", lay_summary="", outputs="what I typed last")
    assert answer.status_code == 422
    assert "Lay summary: is needed." in answer.text
    assert "ben has not accepted" in answer.text
    assert form_of(hub, number).outputs == "what I typed last"
    assert state_of(hub, number) == "draft"


def test_of_two_who_edit_at_once_the_second_sees_both_texts_and_loses_none(hub):
    number = walk(hub, "draft", project="both")
    old = edition(hub, number)
    save(hub, number, person="ben", project="both", title="Ben's title")
    answer = save(hub, number, project="both", title="Ann's title", edition=old)
    assert answer.status_code == 409
    assert "Ben&#39;s title" in answer.text
    assert 'value="Ann&#39;s title"' in answer.text
    assert form_of(hub, number).title == "Ben's title"
    told = re.search(r'name="edition" value="(\d+)"', answer.text)[1]
    assert save(hub, number, project="both", title="Ann's title", edition=told).status_code == 200
    assert form_of(hub, number).title == "Ann's title"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"admin": "yes"}, 422),
        ({"title": ["one", "two"]}, 422),
        ({"title": "a\x07bell"}, 422),
        ({"title": "x" * 2001}, 422),
        ({"edition": "many"}, 422),
        ({"edition": "1" * 9}, 409),
    ],
)
def test_a_form_is_read_strictly(hub, sent, status):
    before = form_of(hub, 1)
    assert save(hub, 1, **sent).status_code == status
    assert form_of(hub, 1) == before


def test_what_is_too_long_comes_back_as_it_was_typed(hub):
    answer = save(hub, 1, title="y" * 2001, outputs="and this is kept too")
    assert "title: write at most 2000 characters; these are 2001" in answer.text.lower()
    assert "and this is kept too" in answer.text


def test_another_encoding_is_not_read(hub):
    ann = hub.person("ann")
    files = {"title": (None, "by files"), "_xsrf": (None, ann.token())}
    answer = ann.http.post(f"{ann.hub}/hub/applications/1/edit", files=files, headers=_from(ann.hub, "navigate"))
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "changed",
    [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
)
def test_what_another_site_sends_is_refused(hub, changed):
    ann = hub.person("ann")
    headers = {**_from(ann.hub, "navigate"), **changed}
    answer = ann.http.post(f"{ann.hub}/hub/applications/1/withdraw", data={"_xsrf": ann.token()}, headers=headers)
    assert answer.status_code == 403
    assert state_of(hub, 1) == "draft"


def test_without_the_pages_token_nothing_is_done(hub):
    ann = hub.person("ann")
    answer = ann.http.post(f"{ann.hub}/hub/applications/1/withdraw", headers=_from(ann.hub, "navigate"))
    assert answer.status_code == 403
    assert state_of(hub, 1) == "draft"


@pytest.mark.parametrize("verb", ["submit", "withdraw", "accept", "amend", "renew", "evidence"])
def test_looking_changes_nothing(hub, verb):
    answer = hub.person("ann").page(f"/hub/applications/1/{verb}")
    assert answer.status_code == 200
    assert state_of(hub, 1) == "draft"


def test_somebody_named_accepts_what_they_read(hub):
    number = walk(hub, "draft", project="named")
    ben = hub.person("ben")
    assert "You are named here" in ben.page(f"/hub/applications/{number}").text
    assert ben.send(f"/hub/applications/{number}/accept", seen="0" * 64).status_code == 409
    seen = re.search(r'name="seen" value="(\w+)"', ben.page(f"/hub/applications/{number}").text)[1]
    ben.send(f"/hub/applications/{number}/accept", seen=seen)
    with hub.records.read() as session:
        assert drafts.waiting(papers.get(session, number)) == ()


@pytest.mark.parametrize("verb", ["submit", "withdraw"])
def test_only_the_applicant_takes_the_applicants_steps(hub, verb):
    number = walk(hub, "accepted", project=f"not-{verb}")
    assert hub.person("ben").send(f"/hub/applications/{number}/{verb}").status_code == 409
    assert hub.person("cyd").send(f"/hub/applications/{number}/{verb}").status_code in {404, 409}
    assert state_of(hub, number) == "draft"


def test_what_is_withdrawn_stays_readable(hub):
    number = walk(hub, "submitted", project="gone")
    page = hub.person("ann").send(f"/hub/applications/{number}/withdraw")
    assert "withdrew it" in page.text
    assert FORM["purpose"] in page.text
    assert state_of(hub, number) == "withdrawn"


def test_what_the_data_say_is_shown_once_the_draft_is_saved(hub):
    number = walk(hub, "draft", project="matched", datasets=["ancestry"])
    page = hub.person("ann").page(f"/hub/applications/{number}/edit").text
    row = re.search(r"<td>POA</td>.*?</tr>", page, re.DOTALL)[0]
    assert "deny" in row
    assert "origins alone" in row


def test_an_amendment_shows_what_it_changes(hub):
    number = walk(hub, "active", project="amended")
    answer = hub.person("ann").send(f"/hub/applications/{number}/amend")
    child = int(re.search(r"/applications/(\d+)/edit", str(answer.url))[1])
    save(hub, child, project="amended", datasets=["trial@1"], purpose="To compare prices.")
    page = hub.person("ann").page(f"/hub/applications/{child}").text
    assert f"What it changes of application {number}" in page
    assert f"<del>{FORM['purpose']}</del>" in page
    assert "<ins>To compare prices.</ins>" in page
    assert "changes the purpose" in page


def test_words_are_shown_as_words(hub):
    number = walk(hub, "draft", project="words", title="<script>alert(1)</script>")
    for path in (f"/hub/applications/{number}", f"/hub/applications/{number}/edit", "/hub/applications"):
        page = hub.person("ann").page(path).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("path", PATHS[:3])
def test_no_script_of_the_page_itself_may_run(hub, path):
    answer = hub.person("ann").page(path)
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert [tag for tag in re.findall(r"<script[^>]*>", answer.text) if "src=" not in tag] == []


def test_whoever_is_suspended_is_out_at_once_and_reads_whom_to_ask(hub):
    cyd = hub.person("cyd")
    assert cyd.page("/hub/applications").status_code == 200
    with hub.changed() as session:
        session.get(PersonRow, "cyd").suspended = True
    try:
        answer = cyd.page("/hub/applications")
        assert answer.status_code == 403
        assert "R01" in answer.text
        assert "Ask: " in answer.text
    finally:
        with hub.changed() as session:
            session.get(PersonRow, "cyd").suspended = False


def test_a_duty_is_shown_by_the_project_and_accepted_by_the_committee(hub):
    number = walk(hub, "active", project="owing")
    with hub.changed() as session:
        approval = papers.approvals(session, number)[0]
        session.add(DutyRow(approval=approval.id, code="PUB", text="Publish what was found."))
        session.flush()
        duty = str(session.scalars(select(DutyRow.id)).all()[-1])
    shown = hub.person("ann").send(f"/hub/applications/{number}/duty", duty=duty, evidence="doi 10.1/2")
    assert "the committee looks at it" in shown.text
    page = hub.person("erin").page(f"/hub/committee/{number}").text
    seen = re.search(rf'name="duty" value="{duty}"><input type="hidden" name="seen" value="([^"]+)"', page)[1]
    refused = hub.person("erin").send(f"/hub/committee/{number}/duty", duty=duty, seen="0" * 64)
    assert "is not as you read it" in refused.text
    hub.person("erin").send(f"/hub/committee/{number}/duty", duty=duty, seen=seen)
    assert "erin accepted it on" in hub.person("ann").page(f"/hub/applications/{number}").text
