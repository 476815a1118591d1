"""Attempts on the Hub's pages: from other sites, with used codes, at what is others', and with hostile words."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from sqlalchemy import select, update

from policies.facts import Role
from tests.builders import a_dataset, a_person, a_project, an_approval
from tests.house import _from
from tests.hub import a_hub
from tre.governance import accounts, notices, roles
from tre.records.tables import (
    EntryRow,
    ExtractRow,
    HeadRow,
    MemberRow,
    NoticeRow,
    PersonRow,
    ProjectRow,
    RoleChangeRow,
    RoomRow,
)
from tre.rooms.pages import HANDLERS

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"
LATER = "2027-03-01"


def filled(hub):
    """ann is in sunrise, mallory in sunset; adam and ada are admins. What can be written holds a script."""
    now, settings = datetime.now(UTC) - timedelta(minutes=5), hub.settings
    with hub.changed() as session:
        for name in ("ann", "mallory"):
            a_person(session, name, settings=settings, now=now)
        for name in ("adam", "ada"):
            a_person(session, name, Role.ADMIN, settings=settings, now=now)
        a_person(session, "olga", Role.AUDITOR, settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_project(session, "sunrise", ("ann",), now=now)
        a_project(session, "sunset", ("mallory",), now=now)
        an_approval(session, "sunrise", "trial", settings=settings, now=now)
        session.add(
            ExtractRow(
                project="sunrise", dataset="trial", version=1, number=1, manifest="{}", report="{}", assessed=True,
                prepared_at=now,
            )
        )  # fmt: skip
        session.execute(update(ProjectRow).values(title=f"Title {SCRIPT}", purpose=f"Purpose {SCRIPT}"))
        session.execute(update(PersonRow).where(PersonRow.name == "ann").values(full_name=f"Ann {SCRIPT}"))
        notices.tell(session, "ann", key="k", text=f"Told {SCRIPT}", url="javascript:alert(1)", now=now)
        roles.propose(session, "mallory", Role.COMMITTEE, "grant", why=f"Why {SCRIPT}", actor="ada", now=now)
        session.add(
            RoomRow(
                project="sunrise", person="ann", mounts="[]", opened_at=now, closed_at=now,
                closed_because=f"Closed {SCRIPT}",
            )
        )  # fmt: skip


@pytest.fixture(scope="module")
def hub():
    with a_hub(filled) as made:
        yield made


@pytest.fixture
def standing(hub):
    """What an attempt must leave as it is: members, projects, people, roles."""

    def look():
        with hub.records.read() as session:
            return (
                [(row.project, row.person, row.until, row.removed_at) for row in session.scalars(select(MemberRow))],
                [(row.name, row.suspended, row.closed_at) for row in session.scalars(select(ProjectRow))],
                [(row.name, row.suspended) for row in session.scalars(select(PersonRow))],
                [(row.id, row.state) for row in session.scalars(select(RoleChangeRow))],
                [(row.id, row.read_at) for row in session.scalars(select(NoticeRow))],
            )

    before = look()
    yield look
    assert look() == before


ACTS = (
    ("/hub/projects/sunrise/add", {"person": "mallory", "until": LATER}),
    ("/hub/projects/sunrise/remove", {"person": "ann", "until": ""}),
    ("/hub/projects/sunrise/suspend", {"why": "x"}),
    ("/hub/projects/sunrise/close", {"why": "x"}),
    ("/hub/admin/suspend", {"person": "ann", "why": "x"}),
    ("/hub/admin/roles", {"person": "ann", "role": "approver", "change": "grant", "why": "x"}),
    ("/hub/admin/roles/1", {"say": "role-change/1 agree grant committee mallory"}),
    ("/hub/admin/invite", {"person": "eve", "full_name": "Eve", "email": "", "role": "analyst"}),
    ("/hub/admin/training", {"person": "mallory", "course": "gdpr", "until": LATER, "evidence": "x"}),
    ("/hub/admin/projects", {"project": "mine", "title": "x", "purpose": "x", "until": LATER}),
    ("/hub/admin/agreements", {"since": LATER, "text": "anything goes"}),
    ("/hub/emergencies/ask", {"project": "sunrise", "person": "ann", "hours": "1", "why": "x"}),
)


def sent(guest, path, fields):
    """Send these fields with the token of the page, and nothing else."""
    given = {"_xsrf": guest.token(), **fields}
    return guest.http.post(f"{guest.hub}{path}", data=given, headers=_from(guest.hub, "navigate"))


# --- from another site ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_a_form_that_another_site_sends_does_nothing_even_with_token_and_code(hub, standing, headers):
    adam = hub.person("adam")
    for path, fields in ACTS[:3]:
        given = {"_xsrf": adam.token(), "code": hub.code("adam"), **fields}
        answer = adam.http.post(f"{adam.hub}{path}", data=given, headers={**_from(adam.hub, "navigate"), **headers})
        assert answer.status_code == 403


@pytest.mark.parametrize(("path", "fields"), ACTS, ids=lambda each: each if isinstance(each, str) else "")
def test_a_form_without_its_token_does_nothing(hub, standing, path, fields):
    adam = hub.person("adam")
    given = {"code": hub.code("adam"), **fields}
    answer = adam.http.post(f"{adam.hub}{path}", data=given, headers=_from(adam.hub, "navigate"))
    assert answer.status_code == 403


def test_what_adam_may_nobody_may_who_is_signed_out(hub, standing):
    nobody = hub.stranger()
    for path, fields in ACTS:
        answer = nobody.http.post(f"{nobody.hub}{path}", data=fields, headers=_from(nobody.hub, "navigate"))
        assert answer.status_code == 403


# --- codes ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("path", "fields"), ACTS, ids=lambda each: each if isinstance(each, str) else "")
def test_no_act_is_done_without_a_code_or_with_one_that_was_used(hub, standing, path, fields):
    adam = hub.person("adam")
    assert adam.send(path, code=False, **fields).status_code == 422
    used = hub.code("adam")
    with hub.records.read() as session:
        assert session.get(PersonRow, "adam").totp_step == 0
    now = datetime.now(UTC)
    accounts.check_code(hub.records, hub.settings, "adam", used, now=now, purpose="something else")
    answer = sent(adam, path, {**fields, "code": used})
    assert answer.status_code == 403
    assert "he code is not accepted" in answer.text


def test_a_code_of_another_person_confirms_nothing(hub, standing):
    answer = sent(hub.person("adam"), "/hub/projects/sunrise/suspend", {"why": "x", "code": hub.code("ada")})
    assert answer.status_code == 403


# --- what is others' --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("path", "fields"), ACTS, ids=lambda each: each if isinstance(each, str) else "")
@pytest.mark.parametrize("person", ["mallory", "olga"])
def test_who_is_no_admin_does_nothing_with_a_good_code_and_the_log_knows(hub, standing, person, path, fields):
    with hub.records.read() as session:
        size = session.get(HeadRow, 1).size
    answer = hub.person(person).send(path, code=True, **fields)
    assert answer.status_code in {403, 404}
    with hub.records.read() as session:
        acts = session.scalars(select(EntryRow.act).where(EntryRow.seq >= size, EntryRow.actor == person)).all()
    assert any(act.endswith(".refused") for act in acts)


def test_another_members_project_does_not_show_itself(hub):
    mallory = hub.person("mallory")
    for path in ("projects/sunrise", "projects/sunrise/log", "audit", "admin"):
        answer = mallory.page(f"/hub/{path}")
        assert answer.status_code in {403, 404}
        assert "Purpose" not in answer.text
        assert "Ann" not in answer.text


def test_another_persons_notice_cannot_be_read_away(hub, standing):
    with hub.records.read() as session:
        ids = [str(each.id) for each in notices.of(session, "ann")]
    hub.person("mallory").send("/hub/me/notices", notice=ids)


def test_an_admin_opens_no_room_is_told_why_and_sees_no_votes(hub):
    adam = hub.person("adam")
    page = adam.page("/hub/projects/sunrise").text
    assert "What holds and what lacks" not in page
    assert "/hub/spawn/" not in page
    assert 'id="exports"' not in page
    api = adam.hub_api("POST", "/users/ann/servers/sunrise")
    assert api.status_code in {403, 404}


def test_an_admin_does_not_second_what_they_proposed_or_what_is_about_them(hub, standing):
    answer = hub.person("ada").send("/hub/admin/roles/1", code=True, say="role-change/1 agree grant committee mallory")
    assert answer.status_code == 403
    assert "R28" in answer.text


def test_a_role_is_not_settled_by_words_that_name_another_change(hub, standing):
    for say in ("role-change/1 agree grant admin mallory", "role-change/2 agree grant committee mallory", "agree", ""):
        assert hub.person("adam").send("/hub/admin/roles/1", code=True, say=say).status_code == 422


# --- hostile words ----------------------------------------------------------------------------------------------------
class Tags(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page):
        super().__init__()
        self.images, self.scripts, self.links, self.handlers = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "img":
            self.images.append(found.get("src"))
        if tag == "script":
            self.scripts.append(found.get("src"))
        if "href" in found:
            self.links.append(found["href"])
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


@pytest.mark.parametrize(
    ("person", "path"),
    [
        ("ann", "me"), ("ann", "home"), ("ann", "projects/sunrise"), ("adam", "projects/sunrise"), ("adam", "admin"),
    ],
)  # fmt: skip
def test_html_in_names_titles_and_reasons_stays_text(hub, person, path):
    page = hub.person(person).page(f"/hub/{path}").text
    assert "&lt;script&gt;alert(1)" in page
    tags = Tags(page)
    assert tags.images == []
    assert tags.handlers == []
    assert not [link for link in tags.links if link.startswith("javascript:")]
    assert "<script>alert" not in page


def test_words_of_a_form_come_back_as_words(hub, standing):
    page = hub.person("adam").send("/hub/projects/sunrise/add", code=True, person=f'">{SCRIPT}', until=LATER).text
    assert "<script>alert" not in page
    assert Tags(page).images == []


# --- looking ----------------------------------------------------------------------------------------------------------
def test_no_get_changes_anything(hub, standing):
    adam = hub.person("adam")
    for pattern, _ in HANDLERS:
        path = re.sub(r"\((?!\?)[^()]*(?:\{[^}]*\})?\)", "1", pattern.replace(r"([a-z][a-z0-9-]{0,29})", "sunrise"))
        if not re.fullmatch(r"[/a-z0-9-]+", path):
            continue
        query = "?person=ann&why=x&agree=1&say=role-change/1&code=" + hub.code("adam")
        assert adam.page(f"/hub{path}{query}").status_code < 500, path


@pytest.mark.parametrize("name", ["%2e%2e%2fetc", "sunrise%00", "A", "a" * 31, "sunrise%0a"])
def test_a_name_that_is_none_finds_nothing(hub, name):
    assert hub.person("adam").page(f"/hub/projects/{name}").status_code in {400, 404}


@pytest.mark.parametrize(
    "fields",
    [
        {"person": ["ann", "mallory"], "until": LATER},
        {"person": "ann", "until": LATER, "role": "admin"},
        {"person": "a" * 60, "until": LATER},
        {"person": "ann\x00", "until": LATER},
        {"person": "ann", "until": "tomorrow"},
    ],
    ids=str,
)
def test_a_form_that_no_page_of_ours_has_is_refused_in_a_line(hub, standing, fields):
    answer = hub.person("adam").send("/hub/projects/sunset/add", code=True, **fields)
    assert answer.status_code in {404, 422}
