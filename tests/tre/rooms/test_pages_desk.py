"""Pages of a person, a project, the admin and the log, at the Hub alone: what each shows to whom, and what it does."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from policies import book
from policies.facts import Role
from tests.builders import HOST, a_dataset, a_person, a_project, an_approval
from tests.hub import a_hub
from tre.governance import accounts, emergencies, notices, projects, proposals, roles
from tre.records.tables import DatasetRow, EntryRow, ExtractRow, MemberRow, ProjectRow, RoleChangeRow, RoomRow

LATER = "2027-03-01"


def filled(hub):
    """ann leads sunrise and ben is in it; cleo is in nothing; adam and ada are admins, olga reads the log."""
    now, settings = datetime.now(UTC) - timedelta(minutes=5), hub.settings
    with hub.changed() as session:
        for name in ("ann", "ben", "cleo", "dora"):
            a_person(session, name, settings=settings, now=now)
        for name in ("adam", "ada"):
            a_person(session, name, Role.ADMIN, settings=settings, now=now)
        a_person(session, "olga", Role.AUDITOR, settings=settings, now=now)
        a_person(session, "carol", Role.APPROVER, settings=settings, now=now)
        for name in ("trial", "births"):
            a_dataset(session, name, now=now)
        a_project(session, "sunrise", ("ann", "ben"), now=now)
        a_project(session, "sunset", ("dora",), now=now)
        session.get(ProjectRow, "sunrise").lead = "ann"
        for name in ("trial", "births"):
            an_approval(session, "sunrise", name, settings=settings, now=now, until=now + timedelta(days=20))
            session.add(an_extract(name, now))
        session.get(DatasetRow, "births").withdrawn = True
        session.add(
            RoomRow(
                project="sunrise", person="ben", mounts="[]", opened_at=now - timedelta(hours=3), closed_at=now,
                closed_because="its training lapsed",
            )
        )  # fmt: skip


def an_extract(dataset, now):
    return ExtractRow(
        project="sunrise", dataset=dataset, version=1, number=1, manifest="{}", report="{}", assessed=True,
        prepared_at=now,
    )  # fmt: skip


@pytest.fixture(scope="module")
def hub():
    with a_hub(filled) as made:
        yield made


def entries(hub, act):
    with hub.records.read() as session:
        rows = session.scalars(select(EntryRow).where(EntryRow.act == act).order_by(EntryRow.seq))
        return [json.loads(row.body) for row in rows]


def members(hub, project="sunrise"):
    with hub.records.read() as session:
        return {row.person: row for row in projects.members(session, project)}


# --- me ---------------------------------------------------------------------------------------------------------------
def test_a_person_sees_what_they_have_and_what_ends_first(hub):
    page = hub.person("ann").page("/hub/me").text
    for words in ("Ann Tester", "analyst", "safe-researcher", "ann@hortus.example", "The project sunrise"):
        assert words in page
    assert re.search(r"Next to end: <strong>(trial|births) in project sunrise</strong>, 20 days left", page)


def test_a_notice_is_shown_until_its_person_has_read_it(hub):
    with hub.changed() as session:
        notices.tell(session, "ben", key="k", text="Your course ends.", now=datetime.now(UTC))
        number = next(each.id for each in notices.of(session, "ben") if each.key == "k")
    ben = hub.person("ben")
    assert "Your course ends." in ben.page("/hub/home").text
    hub.person("ann").send("/hub/me/notices", notice=str(number))
    assert f'value="{number}"' in ben.page("/hub/me").text, "another's notice is theirs to read"
    ben.send("/hub/me/notices", notice=str(number))
    assert f'value="{number}"' not in ben.page("/hub/me").text
    assert "Your course ends." not in ben.page("/hub/home").text


def test_a_role_that_one_admin_proposed_stands_on_the_page_as_not_settled(hub):
    with hub.changed() as session:
        roles.propose(session, "cleo", Role.COMMITTEE, "grant", why="she knows", actor="adam", now=datetime.now(UTC))
    assert "to come: committee" in hub.person("cleo").page("/hub/me").text


# --- a project --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("person", "sees", "not_"),
    [
        ("ann", ("People", "Data", "Rooms", "Exports", "What lacks", "The log of this"), ("Suspend sunrise",)),
        ("ben", ("People", "Data", "Rooms", "Exports", "What lacks"), ("Suspend sunrise", "The log of this")),
        ("adam", ("People", "Rooms", "Suspend sunrise", "neither its data"), ("Exports", "What lacks")),
        ("carol", ("People", "Data"), ("Rooms", "Exports", "Suspend sunrise")),
        ("olga", ("People", "Rooms", "Exports", "The log of this"), ("Suspend sunrise", "What lacks")),
    ],
)
def test_each_sees_their_parts_of_a_project_and_no_other(hub, person, sees, not_):
    page = hub.person(person).page("/hub/projects/sunrise")
    text = page.text.replace("What holds and what lacks", "What lacks")
    heads = " ".join(re.findall(r"<h2[^>]*>([^<]*)</h2>", text)) + re.sub(r"<[^>]*>", "", text)
    assert page.status_code == 200
    assert [words for words in sees if words not in heads] == []
    shown = set(re.findall(r'id="(\w+)">([A-Z][^<]*)</h2>', page.text))
    assert [words for words in not_ if any(words == head for _, head in shown) or f">{words}<" in page.text] == []


def test_a_project_of_others_looks_like_none(hub):
    cleo = hub.person("cleo")
    there, nowhere = cleo.page("/hub/projects/sunrise"), cleo.page("/hub/projects/nowhere")
    assert there.status_code == nowhere.status_code == 404
    assert there.text.replace("sunrise", "nowhere") == nowhere.text or "sunrise" not in there.text.split("<main")[1]


def test_a_dataset_that_stays_out_says_which_rule_and_whom_to_ask(hub):
    page = hub.person("ann").page("/hub/projects/sunrise").text
    assert "not in the room: births" in page
    assert "R10: The dataset has not been withdrawn. Ask: data access committee." in page


def test_why_a_room_closed_is_on_the_project_page(hub):
    assert "its training lapsed" in hub.person("ann").page("/hub/projects/sunrise").text


def test_an_admin_adds_and_removes_a_member_each_with_a_code(hub):
    adam = hub.person("adam")
    adam.send("/hub/projects/sunrise/add", code=True, person="cleo", until=LATER)
    assert f"{members(hub)['cleo'].until:%Y-%m-%d}" == LATER
    assert entries(hub, "member.add")[-1]["actor"] == "adam"
    adam.send("/hub/projects/sunrise/remove", code=True, person="cleo", until="")
    assert members(hub)["cleo"].removed_at is not None


def test_what_was_typed_is_kept_beside_what_was_wrong_with_it(hub):
    page = hub.person("adam").send("/hub/projects/sunrise/add", code=True, person="cleo", until="2020-01-01")
    assert page.status_code == 409
    assert 'role="alert"' in page.text
    assert 'value="2020-01-01"' in page.text
    assert 'value="cleo"' in page.text


def test_a_project_rests_and_goes_on(hub):
    adam = hub.person("adam")
    adam.send("/hub/projects/sunset/suspend", code=True, why="a complaint")
    with hub.records.read() as session:
        assert session.get(ProjectRow, "sunset").suspended
    adam.send("/hub/projects/sunset/resume", code=True)
    with hub.records.read() as session:
        assert not session.get(ProjectRow, "sunset").suspended


# --- the admin --------------------------------------------------------------------------------------------------------
def test_whoever_is_no_admin_is_told_by_which_rule_and_the_log_knows(hub):
    page = hub.person("ann").page("/hub/admin")
    assert page.status_code == 403
    assert "R29" in page.text
    assert "Ask: information governance" in page.text
    assert entries(hub, "admin.view.refused")[-1]["actor"] == "ann"


def test_a_second_admin_makes_a_role_so(hub):
    with hub.changed() as session:
        row = roles.propose(
            session, "dora", Role.COMMITTEE, "grant", why="she knows", actor="ada", now=datetime.now(UTC)
        )
        say, number = roles.confirms(row), row.id
    adam = hub.person("adam")
    assert "Make dora committee" in adam.page("/hub/admin").text
    adam.send(f"/hub/admin/roles/{number}", code=True, say=say)
    with hub.records.read() as session:
        assert Role.COMMITTEE in accounts.roles_of(session, "dora")


def test_an_admin_proposes_and_another_refuses(hub):
    hub.person("adam").send(
        "/hub/admin/roles", code=True, person="ben", role="approver", change="grant", why="outputs pile up"
    )
    with hub.records.read() as session:
        row = next(each for each in roles.waiting(session) if each.person == "ben")
    hub.person("ada").send(f"/hub/admin/roles/{row.id}", code=True, say=roles.confirms(row, False))
    with hub.records.read() as session:
        assert session.get(RoleChangeRow, row.id).state == "refused"
        assert accounts.roles_of(session, "ben") == {Role.ANALYST}


def test_who_is_invited_gets_a_link_that_is_shown_once_and_no_role_yet(hub):
    adam = hub.person("adam")
    page = adam.send(
        "/hub/admin/invite", code=True, person="eve", full_name="Eve New", email="eve@hortus.example", role=["analyst"]
    )
    assert re.search(r"/hub/enrol/[\w-]{43}", page.text)
    assert "/hub/enrol/" not in adam.page("/hub/admin").text
    with hub.records.read() as session:
        assert accounts.roles_of(session, "eve") == frozenset()
        assert [each.role for each in roles.waiting(session) if each.person == "eve"] == ["analyst"]


def test_a_course_is_recorded_with_its_evidence(hub):
    hub.person("adam").send(
        "/hub/admin/training", code=True, person="ben", course="omics", until=LATER, evidence="certificate 12"
    )
    assert entries(hub, "training.record")[-1]["facts"]["evidence"] == "certificate 12"
    assert "omics" in hub.person("ben").page("/hub/me").text


def test_a_suspended_person_is_out_at_once_and_may_come_back(hub):
    with hub.changed() as session:
        a_person(session, "fred", settings=hub.settings, now=datetime.now(UTC))
    adam = hub.person("adam")
    adam.send("/hub/admin/suspend", code=True, person="fred", why="a lost phone")
    with hub.records.read() as session:
        assert not accounts.active(session, "fred")
    adam.send("/hub/admin/resume", code=True, person="fred", why="")
    with hub.records.read() as session:
        assert accounts.active(session, "fred")


def test_an_admin_opens_a_project(hub):
    adam = hub.person("adam")
    adam.send("/hub/admin/projects", code=True, project="moonlit", title="By night", purpose="to see", until=LATER)
    assert "By night" in adam.page("/hub/admin").text
    assert members(hub, "moonlit") == {}


# --- rules and emergencies --------------------------------------------------------------------------------------------
def test_a_change_of_the_rules_is_shown_line_by_line_and_adopted_by_another_admin(hub):
    files = book.bundle() | {"rules.toml": book.bundle()["rules.toml"].replace("speak with an admin", "ask an admin")}
    with hub.changed() as session:
        row = proposals.propose(session, files, why="plainer words", actor="ada", now=datetime.now(UTC))
        number, sha = row.number, row.sha256
    adam = hub.person("adam")
    page = adam.page("/hub/admin").text
    assert re.search(r"<ins>\+remedy = [^<]*ask an admin of this environment", page)
    assert re.search(r"<del>-remedy = [^<]*speak with an admin", page)
    adam.send(f"/hub/admin/rules/{number}", code=True, say=proposals.confirms(sha, "adopt"))
    with hub.records.read() as session:
        assert proposals.newest(session).number == number


def test_an_emergency_is_asked_for_seconded_ended_and_reviewed_each_by_whom_it_may_be(hub):
    hub.person("adam").send(
        "/hub/emergencies/ask", code=True, project="sunrise", person="ben", hours="2", why="an outbreak"
    )
    with hub.records.read() as session:
        row = emergencies.listed(session)[-1]
    erin = hub.person("erin")
    assert "an outbreak" in erin.page("/hub/emergencies").text
    erin.send(f"/hub/emergencies/{row.id}/second", code=True, say=emergencies.confirms(row, "second"))
    ben = hub.person("ben")
    assert "Close it now" in ben.page("/hub/emergencies").text
    ben.send(f"/hub/emergencies/{row.id}/end", code=True)
    hub.person("olga").send(f"/hub/emergencies/{row.id}/review", code=True, why="it was right")
    with hub.records.read() as session:
        found = emergencies.get(session, row.id)
        assert (found.asked_by, found.seconded_by, found.reviewed_by) == ("adam", "erin", "olga")
    assert "it was right" in ben.page("/hub/emergencies").text


def test_emergencies_are_nobodys_business_who_has_no_part_in_any(hub):
    assert hub.person("cleo").page("/hub/emergencies").status_code == 404


# --- the log ----------------------------------------------------------------------------------------------------------
def test_the_auditor_reads_the_whole_log_and_looking_is_an_entry(hub):
    olga = hub.person("olga")
    assert "person.add" in olga.page("/hub/audit?act=person.add&subject=person%2Fann").text
    looked = entries(hub, "log.view")[-1]
    assert (looked["actor"], looked["facts"]["narrowed"]) == ("olga", {"act": "person.add", "subject": "person/ann"})


def test_the_log_is_narrowed_paged_and_says_when_nothing_fits(hub):
    olga = hub.person("olga")
    first = olga.page("/hub/audit").text
    older = re.search(r'href="([^"]*before=\d+)"', first)[1].replace("&amp;", "&")
    numbers = [int(each) for each in re.findall(r'<th scope="row">(\d+)</th>', first)]
    further = [int(each) for each in re.findall(r'<th scope="row">(\d+)</th>', olga.page(older).text)]
    assert numbers == sorted(numbers, reverse=True)
    assert further[0] == numbers[-1] - 1
    assert "No such entries" in olga.page("/hub/audit?actor=nobody-at-all").text
    assert olga.page("/hub/audit?day=yesterday").status_code == 422
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    assert "olga" in olga.page(f"/hub/audit?day={today}&actor=olga").text


@pytest.mark.parametrize("person", ["ann", "adam", "carol"])
def test_nobody_but_the_auditor_reads_the_whole_log(hub, person):
    page = hub.person(person).page("/hub/audit")
    assert page.status_code == 403
    assert "R32" in page.text
    assert entries(hub, "log.view.refused")[-1]["actor"] == person


def test_the_lead_reads_what_was_done_in_her_project_and_nothing_of_another(hub):
    ann = hub.person("ann")
    page = ann.page("/hub/projects/sunrise/log").text
    assert "project/sunrise" in page
    assert "sunset" not in page
    assert ann.page("/hub/projects/sunset/log").status_code == 403
    assert hub.person("ben").page("/hub/projects/sunrise/log").status_code == 403


def test_every_page_asks_nobody_else_and_runs_no_script_of_its_own(hub):
    for person, path in (("ann", "me"), ("ann", "projects/sunrise"), ("adam", "admin"), ("adam", "emergencies")):
        answer = hub.person(person).page(f"/hub/{path}")
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert set(re.findall(r"<script[^>]*src=\"([^\"?]*)", answer.text)) <= {"/hub/static/js/darkmode.js"}
        assert "<script>" not in answer.text
        assert not re.search(r"\son[a-z]+=", answer.text)


def test_nobody_was_made_a_member_beside_what_the_tests_asked_for(hub):
    with hub.records.read() as session:
        assert {row.person for row in session.scalars(select(MemberRow))} == {"ann", "ben", "cleo", "dora"}
    assert HOST not in {entry["actor"] for entry in entries(hub, "role.made")}
