"""Two of the committee, and nobody of the project, decide about data."""

from tests.builders import HOST, a_dataset, a_person, a_project, an_approval
from tre.governance import committee


def test_two_votes_approve_an_application_until_a_date(records, settings, now):
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_project(session, "sunrise", ("ann",), now=now)
        number = an_approval(session, "sunrise", "trial", settings=settings, now=now)
    with records.read() as session:
        row = committee.get(session, number)
        assert (row.state, row.dataset, row.version) == ("approved", "trial", 1)
        assert row.approved_until > now
