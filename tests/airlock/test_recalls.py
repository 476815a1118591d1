import io
import json
import zipfile

import pytest
from sqlalchemy import select

from airlock import certificate, recalls, release
from airlock.states import State, Verdict
from airlock.tables import IncidentRow, ReleaseRow
from policies.facts import Role
from tests.airlock.house import SAFE
from tests.builders import a_person
from tre.errors import NotFound, Refused, StepRefused
from tre.records import checkpoint
from tre.records.tables import MailRow, NoticeRow

MORE = b"arm,n\na,30\nb,30\n"


@pytest.fixture
def home(home):
    """With one of the committee who was in the project, beside those who were not."""
    from tre.governance import projects

    with home.act("test.build") as session:
        a_person(session, "carl", Role.COMMITTEE, settings=home.settings, now=home.now)
        until = home.now.replace(year=2027)
        projects.add_member(session, "sunrise", "carl", until=until, actor="host/test", now=home.now)
        projects.remove_member(session, "sunrise", "carl", actor="host/test", now=home.now)
    return home


def recall(home, request, person="ann", *, second_factor=True, reason="a count was wrong"):
    with home.act("export.recall", person, f"export/{request}") as session:
        return recalls.recall(
            session, home.settings, request=request, person=person, reason=reason, second_factor=second_factor,
            now=home.now,
        ).id  # fmt: skip


def close(home, incident, person="erin", *, second_factor=True):
    with home.act("export.incident.close", person, f"incident/{incident}") as session:
        recalls.close(
            session, incident=incident, person=person, outcome="deleted", second_factor=second_factor, now=home.now
        )


def incident_of(home, number):
    with home.records.read() as session:
        return session.get_one(IncidentRow, number)


def test_a_recall_is_for_who_answers_for_it(home):
    requests = {who: home.released({f"{who}.csv": SAFE}) for who in ("ann", "dave", "adam", "erin")}
    for stranger in ("ben", "zoe", "olive"):
        with pytest.raises(Refused) as refused:
            recall(home, requests["ann"], stranger)
        assert "R43" in refused.value.rules
    for who, request in requests.items():
        recall(home, request, who)
        assert (home.state(request), home.files(request)) == (State.RECALLED, {f"{who}.csv": "recalled"})
        with pytest.raises(StepRefused):
            recall(home, request, who)


def test_a_recall_wants_a_fresh_code_a_reason_and_something_that_left(home):
    request = home.released()
    with pytest.raises(Refused):
        recall(home, request, second_factor=False)
    with pytest.raises(Exception, match="reason"):
        recall(home, request, reason=" ")
    with pytest.raises(NotFound):
        recall(home, 4711)
    other = home.approved({"more.csv": MORE})
    with pytest.raises(StepRefused, match="nothing of"):
        recall(home, other)


def test_a_recall_ends_every_link_at_once(home):
    request = home.released()
    token = home.link(request)
    incident = recall(home, request)
    with pytest.raises(Refused, match="recalled"):
        home.collect(token)
    with pytest.raises(Refused, match="recalled"):
        home.link(request)
    assert incident_of(home, incident).collected is False


def test_a_recall_says_whether_it_was_collected_and_when_and_tells_those_concerned(home):
    request = home.released()
    home.collect(home.link(request))
    with home.records.read() as session:
        before = set(session.scalars(select(NoticeRow.id)))
    incident = recall(home, request, "dave")
    with home.records.read() as session:
        (said,) = recalls.listed(session)
        notices = [row for row in session.scalars(select(NoticeRow)) if row.id not in before]
        mailed = {row.person for row in session.scalars(select(MailRow)) if "recalled" in row.subject}
    assert (said["id"], said["collected"], said["collected_at"]) == (incident, True, [home.now])
    assert {row.person for row in notices} == {"ann", "ben", "bob", "carol", "adam", "erin", "frank", "carl"}
    assert mailed <= {row.person for row in notices}
    assert all("collected at 2026-11-02 09:00" in row.text for row in notices)


def test_nothing_leaves_the_project_until_one_of_the_committee_has_closed_the_incident(home):
    request, other = home.released(), home.approved({"more.csv": MORE})
    incident = recall(home, request)
    with pytest.raises(Refused, match="incident"):
        home.release(other)
    for person, factor in (("ann", True), ("adam", True), ("carl", True), ("erin", False)):
        with pytest.raises(Refused, match="cannot close"):
            close(home, incident, person, second_factor=factor)
    close(home, incident)
    with pytest.raises(StepRefused, match="closed by erin"):
        close(home, incident)
    home.release(other)
    assert home.state(other) is State.RELEASED
    assert incident_of(home, incident).outcome == "deleted"


def test_what_was_recalled_does_not_leave_again_under_another_name(home):
    request, again = home.released(), home.approved({"renamed.csv": SAFE})
    close(home, recall(home, request))
    with pytest.raises(Refused, match="recalled before"):
        home.release(again)


def test_what_left_in_part_is_recalled_and_what_is_left_of_the_request_with_it(home):
    request = home.in_review({"a.csv": SAFE, "b.csv": MORE})
    for person in ("bob", "carol"):
        home.vote(request, person, files={0: Verdict.APPROVE, 1: Verdict.SEND_BACK})
    home.release(request)
    assert home.state(request) is State.RETURNED
    recall(home, request)
    assert (home.state(request), home.files(request)) == (State.RECALLED, {"a.csv": "recalled", "b.csv": "withdrawn"})


def test_who_holds_a_recalled_release_can_find_out(home, tmp_path):
    request = home.released()
    bundle = home.collect(home.link(request))
    place, key = tmp_path / "release.zip", checkpoint.public_key(home.settings)
    place.write_bytes(b"".join(release.stream(home.settings, bundle)))
    with home.records.read() as session:
        none = recalls.signed_list(session, home.settings, now=home.now)
    certificate.verify(place, key, recalled=none)
    recall(home, request)
    with home.records.read() as session:
        listed = recalls.signed_list(session, home.settings, now=home.now)
        row = session.get_one(ReleaseRow, (request, 1))
    assert json.loads(listed)["recalled"]["releases"][0]["certificate"] == certificate.digest(row.certificate)
    with pytest.raises(Refused, match="recalled at 2026-11-02"):
        certificate.verify(place, key, recalled=listed)
    with zipfile.ZipFile(io.BytesIO(place.read_bytes())) as archive, pytest.raises(Exception, match="recalled"):
        certificate.verify(place, key, recalled=archive.read("certificate.json"))


def test_the_check_blocks_what_was_recalled_until_one_of_the_committee_excepts_it(home):
    close(home, recall(home, home.released()))
    request = home.submit({"renamed.csv": SAFE})
    home.check(request)
    assert "recalled" in {check for check, severity, *_ in home.findings(request) if severity == "block"}
    assert home.state(request) is State.RETURNED
