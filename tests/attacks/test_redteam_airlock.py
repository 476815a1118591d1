"""Ways around the airlock that leave its steps as they are."""

import pytest

from airlock import queries, requests
from airlock.checks import grid, thresholds
from airlock.checks.file import File
from airlock.pages import previews
from airlock.states import State, Verdict
from tests.airlock.conftest import home, house  # noqa: F401 -- fixtures


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
