import threading

import pytest

from airlock import queries, requests
from airlock.states import State, Verdict
from tests.airlock.web import PNG
from tre.errors import NotFound, Refused, StepRefused, TREError, Unreadable
from tre.governance import accounts, projects
from tre.settings import load


def test_a_request_goes_from_asking_to_release(house):
    request = house.submit()
    assert house.state(request) is State.CHECKING
    house.check(request)
    assert house.state(request) is State.IN_REVIEW
    house.vote(request, "bob")
    assert house.state(request) is State.IN_REVIEW
    house.vote(request, "carol")
    assert house.state(request) is State.APPROVED
    house.release(request)
    assert house.state(request) is State.RELEASED
    ours = [act for act in house.acts() if act.startswith("export.")]
    assert ours == [
        "export.submit", "export.check", "export.vote", "export.vote", "export.approve", "export.release",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        (Verdict.APPROVE, Verdict.APPROVE, State.APPROVED),
        (Verdict.APPROVE, Verdict.SEND_BACK, State.CONSOLIDATING),
        (Verdict.APPROVE, Verdict.REJECT, State.CONSOLIDATING),
        (Verdict.SEND_BACK, Verdict.SEND_BACK, State.RETURNED),
        (Verdict.SEND_BACK, Verdict.REJECT, State.CONSOLIDATING),
        (Verdict.REJECT, Verdict.REJECT, State.REJECTED),
    ],
)
def test_two_votes_decide(home, first, second, state):
    request = home.in_review()
    home.vote(request, "bob", first)
    home.vote(request, "carol", second)
    assert home.state(request) is state


def test_both_votes_of_the_same_instant_land_and_one_settles(house):
    request = house.in_review()
    start = threading.Barrier(2)
    wrong = []

    def vote(person):
        start.wait()
        try:
            house.vote(request, person)
        except TREError as error:
            wrong.append(error)

    voters = [threading.Thread(target=vote, args=(person,)) for person in ("bob", "carol")]
    for voter in voters:
        voter.start()
    for voter in voters:
        voter.join()
    assert not wrong
    assert house.state(request) is State.APPROVED
    assert house.acts().count("export.vote") == 2
    assert house.acts().count("export.approve") == 1


def test_a_third_vote_comes_too_late(home):
    request = home.approved()
    with pytest.raises(StepRefused):
        home.vote(request, "dave")


def test_a_request_whose_checks_block_goes_back_to_its_author(house):
    request = house.submit({"small.csv": b"sex,n\n0,30\n1,3\n"})
    house.check(request)
    assert house.state(request) is State.RETURNED
    assert ("small_counts", "block") in {finding[:2] for finding in house.findings(request)}


def test_a_new_round_starts_without_votes_and_says_what_changed(house):
    request = house.in_review({"a.csv": SAFE_A, "b.csv": SAFE_B})
    house.vote(request, "bob", Verdict.SEND_BACK)
    house.vote(request, "carol", Verdict.SEND_BACK)
    house.resubmit(request, {"a.csv": SAFE_A, "c.csv": SAFE_B})
    house.check(request)
    with house.records.read() as session:
        seen = queries.detail(session, request, "bob", now=house.now)
    assert seen.votes_in == 0
    assert "vote" in seen.may
    assert [(change.name, change.what) for change in seen.changes] == [
        ("a.csv", "same"), ("c.csv", "added"), ("b.csv", "removed"),
    ]  # fmt: skip
    house.vote(request, "dave", Verdict.APPROVE)
    assert house.state(request) is State.IN_REVIEW


def test_a_picture_goes_back_with_the_table_of_its_numbers(house):
    said = {"numbers.csv": {"kind": "table", "supports": "curve.png"}}
    request = house.submit({"numbers.csv": b"sex,n\n0,30\n1,3\n", "curve.png": PNG}, about=said)
    house.check(request)
    assert {"small_counts", "graphs"} <= {check for check, weight, *_ in house.findings(request) if weight == "block"}
    request = house.submit(
        {"right.csv": b"sex,n\n0,30\n1,30\n", "other.png": PNG},
        about={"right.csv": said["numbers.csv"] | {"supports": "other.png"}},
    )
    house.check(request)
    assert house.state(request) is State.IN_REVIEW


def test_a_file_that_left_is_not_called_removed(house):
    request = house.in_review({"a.csv": SAFE_A, "b.csv": SAFE_B})
    for name in ("bob", "carol"):
        house.vote(request, name, files={0: Verdict.APPROVE, 1: Verdict.SEND_BACK})
    house.release(request)
    house.resubmit(request, {"b.csv": b"arm,n\na,40\nb,40\n"})
    with house.records.read() as session:
        seen = queries.detail(session, request, "ann", now=house.now)
    assert [(change.name, change.what) for change in seen.changes] == [("b.csv", "changed"), ("a.csv", "left")]


SAFE_A, SAFE_B = b"sex,n\n0,30\n1,30\n", b"arm,n\na,30\nb,30\n"


def test_a_vote_is_its_voters_alone_until_both_are_in(house):
    request = house.in_review()
    house.vote(request, "bob")
    with house.act("export.comment", "bob") as session:
        requests.comment(session, request=request, person="bob", text="row 2 looks odd", now=house.now)
    with house.records.read() as session:
        seen = {name: queries.detail(session, request, name, now=house.now) for name in ("ann", "ben", "bob", "carol")}
    assert [(len(each.votes), len(each.comments)) for each in seen.values()] == [(0, 0), (0, 0), (1, 1), (0, 0)]
    house.vote(request, "carol", Verdict.SEND_BACK)
    assert said(house, request) == {"ann": [], "ben": [], **{key: ["bob", "carol"] for key in ("bob", "carol", "dave")}}
    house.vote(request, "dave", Verdict.SEND_BACK)
    assert said(house, request) == {key: ["bob", "carol", "dave"] for key in ("ann", "ben", "bob", "carol", "dave")}
    with house.records.read() as session:
        assert len(queries.detail(session, request, "ann", now=house.now).comments) == 1


def said(house, request):
    """Whose votes each of them sees."""
    with house.records.read() as session:
        seen = {name: queries.detail(session, request, name, now=house.now) for name in PEOPLE}
    return {name: [vote.approver for vote in each.votes] for name, each in seen.items()}


PEOPLE = ("ann", "ben", "bob", "carol", "dave")


@pytest.mark.parametrize(
    ("person", "sees"),
    [("ann", True), ("ben", True), ("bob", True), ("olive", False), ("zoe", False), ("adam", False), ("nobody", False)],
)
def test_a_request_is_seen_by_author_members_and_those_who_may_decide(home, person, sees):
    request = home.in_review()
    with home.records.read() as session:
        if sees:
            assert queries.detail(session, request, person, now=home.now).request.id == request
        else:
            with pytest.raises(NotFound):
                queries.detail(session, request, person, now=home.now)


def test_a_suspended_approver_sees_nothing(home):
    request = home.in_review()
    with home.act("person.suspend") as session:
        accounts.suspend(session, "bob", why="a test", actor="host/test", now=home.now)
    with home.records.read() as session, pytest.raises(NotFound):
        queries.detail(session, request, "bob", now=home.now)


def test_the_queue_holds_what_waits_for_this_approver(home):
    first, second = home.in_review(), home.in_review({"b.csv": SAFE_B})
    home.vote(first, "bob")
    with home.records.read() as session:
        assert [row.id for row in queries.queue(session, "bob", now=home.now)] == [second]
        assert [row.id for row in queries.queue(session, "carol", now=home.now)] == [first, second]
        assert queries.queue(session, "olive", now=home.now) == ()
        assert queries.queue(session, "ann", now=home.now) == ()
        assert [row.id for row in queries.decided(session, "bob")] == [first]


def test_only_the_author_withdraws(house):
    request = house.in_review()
    for person in ("ben", "bob", "adam"):
        with pytest.raises(NotFound), house.act("export.withdraw", person) as session:
            requests.withdraw(session, request=request, person=person, now=house.now)
    with house.act("export.withdraw", "ann") as session:
        requests.withdraw(session, request=request, person="ann", now=house.now)
    assert house.state(request) is State.WITHDRAWN


def test_only_a_member_asks(house):
    house.put("table.csv")
    with pytest.raises(Refused) as refused:
        house.ask("table.csv", person="zoe")
    assert "R00" in refused.value.rules
    assert house.acts()[-1] == "export.submit.refused"


def test_a_project_at_rest_exports_nothing(home):
    home.put("table.csv")
    with home.act("project.suspend") as session:
        projects.suspend(session, "sunrise", why="a test", actor="host/test", now=home.now)
    with pytest.raises(Refused) as refused:
        home.ask("table.csv")
    assert "R06" in refused.value.rules


@pytest.mark.parametrize("name", ["data.parquet", "cohort.vcf", "model.pkl", "table.csv"])
def test_a_kind_that_may_not_leave_is_refused_when_asked_for(home, name):
    content = b"##fileformat=VCFv4.2\n" if name.endswith(("vcf", "csv")) else b"PAR1\x00\x01\x02"
    with pytest.raises(Refused) as refused:
        home.submit({name: content})
    assert refused.value.rules == ("R20",)


def test_a_reason_is_needed_and_is_short(home):
    home.put("table.csv")
    for why in ("", "  \n", "x" * 5000):
        with pytest.raises(Unreadable), home.act("export.submit", "ann") as session:
            requests.submit(
                session, home.settings, project="sunrise", person="ann", paths=["table.csv"], why=why, now=home.now
            )


def test_checks_of_a_round_that_is_over_are_refused(home):
    request = home.submit()
    with pytest.raises(StepRefused), home.act("export.check", "worker") as session:
        requests.record_checks(session, request=request, number=2, findings={}, checks={"ran": []}, now=home.now)


def test_another_profile_of_thresholds_is_used_and_recorded(home):
    home.settings = load(home.settings.home, thresholds="opensafely")
    request = home.submit({"counts.csv": b"sex,n\n0,30\n1,29\n"})
    home.check(request)
    assert any("multiple of 5" in message for *_, message in home.findings(request))
