"""Ways around the airlock that leave its steps as they are."""

from airlock import queries, requests
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
