"""Ways around the airlock that leave its steps as they are."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from airlock import queries, release, requests
from airlock.checks import grid, thresholds
from airlock.checks.file import File
from airlock.login import Visitor
from airlock.pages import approver, previews
from airlock.pages.page import House
from airlock.states import State, Verdict
from policies.facts import Role
from tests.airlock.conftest import home, house  # noqa: F401 -- fixtures
from tre.errors import NotFound, Refused, Unreadable
from tre.records.tables import EntryRow


def seen(house, request, person):  # noqa: F811
    with house.records.read() as session:
        return queries.detail(session, request, person, now=house.now)


def test_an_author_who_takes_a_request_back_does_not_learn_the_one_vote(house):  # noqa: F811
    request = house.in_review()
    house.vote(request, "bob", Verdict.REJECT)
    with house.act("export.comment", "bob", f"export/{request}") as session:
        requests.comment(session, request=request, person="bob", text="row 3 is one man", now=house.now)
    with house.act("export.withdraw", "ann", f"export/{request}") as session:
        requests.withdraw(session, request=request, person="ann", now=house.now)
    assert house.state(request) is State.WITHDRAWN
    for person in ("ann", "carol"):
        assert [vote.approver for vote in seen(house, request, person).votes] == []
        assert [said.person for said in seen(house, request, person).comments] == []
    assert [vote.approver for vote in seen(house, request, "bob").votes] == ["bob"]


def unseen(kind, content):
    """Signs that an approver cannot reach on any page of the file."""
    text, first, seen = content.decode(), 0, ""
    while True:
        page = previews.of(kind, content, wheres=(), first=first)
        rows = page.rows if first else (*((page.head,) if page.head else ()), *page.rows)
        seen += "".join(part for row in rows for cell in row.cells for part, named in cell.parts if not named)
        first += page.step
        if first >= page.total:
            break
    return sum(1 for sign in text if sign.isalnum()) - sum(1 for sign in seen if sign.isalnum())


@pytest.mark.parametrize("kind", ["txt", "md", "json"])
def test_rows_of_people_far_to_the_right_of_a_line_are_on_the_page(kind):
    line = '{"n": 60, "note": "' + " " * 5000 + "; ".join(f"{n} f {20 + n}" for n in range(400)) + '"}'
    assert unseen(kind, line.encode()) == 0


@pytest.mark.parametrize(
    "content",
    [
        ("group,n,note\na,30," + "x" * 401 + "\n").encode(),
        (",".join(f"c{n}" for n in range(101)) + "\n" + ",".join("30" for _ in range(101)) + "\n").encode(),
    ],
    ids=["a long cell", "many columns"],
)
def test_a_table_that_nobody_can_see_the_whole_of_does_not_pass(content):
    assert unseen("csv", content) > 0
    found = grid.plain(File("t.csv", "csv", content), thresholds.load("default"))
    assert [str(each.severity) for each in found] == ["block"]


def test_one_person_cannot_fill_the_approvers_day(house, monkeypatch):  # noqa: F811
    monkeypatch.setattr(requests, "MOST_A_DAY", 2)
    for _ in range(2):
        request = house.submit()
        with house.act("export.withdraw", "ann", f"export/{request}") as session:
            requests.withdraw(session, request=request, person="ann", now=house.now)
    with pytest.raises(Refused, match="within a day"):
        house.submit()
    house.now += timedelta(days=1)
    assert house.submit()


@pytest.mark.parametrize("sign", ["\0", "\ud800"], ids=["NUL", "half a sign"])
def test_a_reason_that_the_records_cannot_hold_is_told_so(house, sign):  # noqa: F811
    house.put("table.csv")
    with pytest.raises(Unreadable), house.act("export.submit", "ann", "project/sunrise") as session:
        requests.submit(
            session, house.settings, project="sunrise", person="ann", paths=["table.csv"], why=f"a{sign}", now=house.now
        )


def test_a_release_by_hand_is_not_put_down_to_the_worker(house):  # noqa: F811
    request = house.approved()
    with house.act("export.release", "host/olga", f"export/{request}") as session:
        release.release(session, house.settings, request=request, now=house.now, actor="host/olga")
    with house.records.read() as session:
        entry = session.scalars(select(EntryRow).where(EntryRow.act == "export.release")).one()
    assert entry.actor == "host/olga"


def test_a_vote_on_a_request_that_is_hidden_is_in_the_log(house):  # noqa: F811
    request = house.in_review()
    here = House(house.settings, house.records, None, lambda: house.now)
    olive = Visitor("olive", frozenset({Role.APPROVER}), "")  # was in the project once
    with pytest.raises(NotFound):
        approver.cast(here, olive, request, verdict="approve", reason="good", seen="0" * 64, code="000000")
    assert house.acts()[-1] == "export.vote.refused"
