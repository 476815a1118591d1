import dataclasses
import json
from datetime import timedelta

import pytest
from sqlalchemy import event

from policies.facts import ALWAYS, NEVER, Ask, Export, Role
from tests.builders import HOST, YEAR, a_dataset, a_person, a_project, an_approval
from tre.errors import Refused
from tre.governance import access, accounts, committee, projects, training
from tre.records import audit
from tre.records.tables import AgreementRow, DatasetRow, EntryRow, ExtractRow

DAY = timedelta(days=1)


@pytest.fixture
def house(records, settings, now):
    """Ann in sunrise, with one approved, prepared and assessed extract of one dataset."""
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now)
        a_person(session, "bob", Role.APPROVER, settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_project(session, "sunrise", ("ann",), now=now)
        an_approval(session, "sunrise", "trial", settings=settings, now=now)
        an_extract(session, "trial", now=now)
    return records


def an_extract(session, dataset, *, now, number=1, version=1, assessed=True, project="sunrise"):
    session.add(
        ExtractRow(
            project=project, dataset=dataset, version=version, number=number, manifest="{}", report="{}",
            assessed=assessed, prepared_at=now,
        )
    )  # fmt: skip
    audit.append(session, "extract.prepare", actor=HOST, subject=f"extract/{project}/{dataset}/{number}", at=now)


def changing(records):
    return records.act(HOST, "test.change", "home")


def opened(records, now, person="ann"):
    with records.read() as session:
        return access.opening(session, "sunrise", person, now=now)


def test_a_room_opens_with_the_extract_that_was_approved_and_assessed(house, now):
    found = opened(house, now)
    assert found.decision.allowed
    assert found.mounts == (access.Mount("trial", 1, 1),)
    assert found.refused == ()


def test_a_project_without_extracts_opens_with_an_empty_room(records, settings, now):
    with changing(records) as session:
        a_person(session, "ann", settings=settings, now=now)
        a_project(session, "sunrise", ("ann",), now=now)
    found = opened(records, now)
    assert (found.decision.allowed, found.mounts) == (True, ())


def test_somebody_and_something_unknown_are_refused_for_every_reason(house, now):
    with house.read() as session:
        nobody = access.opening(session, "sunrise", "mallory", now=now)
        nowhere = access.opening(session, "nowhere", "ann", now=now)
    assert nobody.decision.rules == ("R00", "R01", "R02", "R03", "R04", "R29")
    assert nowhere.decision.rules == ("R00", "R06", "R07", "R08", "R13", "R33")


def sign_other_words(session, now):
    session.add(AgreementRow(person="ann", text_sha256="0" * 64, signed_at=now + DAY))
    audit.append(session, "agreement.sign", actor="ann", subject="person/ann")


def withdraw(session, dataset):
    session.get_one(DatasetRow, dataset).withdrawn = True
    audit.append(session, "dataset.withdraw", actor=HOST, subject=f"dataset/{dataset}")


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        (lambda s, now: accounts.suspend(s, "ann", why="test", actor=HOST, now=now), ("R01",)),
        (lambda s, now: projects.remove_member(s, "sunrise", "ann", actor=HOST, now=now), ("R00",)),
        (lambda s, now: projects.suspend(s, "sunrise", why="test", actor=HOST, now=now), ("R06",)),
        (lambda s, now: projects.close(s, "sunrise", why="test", actor=HOST, now=now), ("R06",)),
        (sign_other_words, ("R04",)),
        (lambda s, now: committee.revoke(s, 1, why="test", actor="erin", now=now), ("R09", "R12")),
        (lambda s, now: withdraw(s, "trial"), ("R10",)),
        (lambda s, now: an_extract(s, "trial", now=now, number=2, assessed=False), ("R36",)),
        (lambda s, now: an_extract(s, "trial", now=now, number=2, version=2), ("R09", "R12")),
    ],
)
def test_when_one_fact_changes_the_room_closes_for_that_reason(house, now, change, rules):
    with changing(house) as session:
        change(session, now)
    found = opened(house, now + DAY)
    assert (found.decision.rules, found.mounts) == (rules, ())


@pytest.mark.parametrize(
    ("days", "rules"), [(364, ()), (365, ("R03", "R05", "R07")), (800, ("R03", "R05", "R07", "R08"))]
)
def test_time_alone_closes_a_room(house, now, days, rules):
    assert opened(house, now + days * DAY).decision.rules == rules


def test_a_training_that_is_renewed_counts_as_renewed(house, now):
    with changing(house) as session:
        for course in ("gdpr", "safe-researcher"):
            training.record(session, "ann", course, now + 2 * YEAR, actor=HOST, now=now)
    assert "R03" not in opened(house, now + 400 * DAY).decision.rules


def test_a_dataset_that_is_denied_is_left_out_and_the_rest_is_mounted(house, now):
    with changing(house) as session:
        a_dataset(session, "registry", now=now)
        an_extract(session, "registry", now=now)
    found = opened(house, now)
    assert found.decision.allowed
    assert [mount.dataset for mount in found.mounts] == ["trial"]
    assert [(name, decision.rules) for name, decision in found.refused] == [("registry", ("R09", "R12"))]


def test_the_newest_extract_is_mounted(house, now):
    with changing(house) as session:
        for number in (3, 10, 2):
            an_extract(session, "trial", now=now, number=number)
    assert opened(house, now).mounts == (access.Mount("trial", 1, 10),)


def test_the_extract_of_another_project_is_not_seen(house, now):
    with changing(house) as session:
        a_dataset(session, "registry", now=now)
        a_project(session, "harbour", now=now)
        an_extract(session, "registry", now=now, project="harbour")
    assert [mount.dataset for mount in opened(house, now).mounts] == ["trial"]


def test_an_approval_for_another_project_does_not_count(house, settings, now):
    with changing(house) as session:
        a_person(session, "zoe", settings=settings, now=now)
        a_project(session, "harbour", ("zoe",), now=now)
        an_extract(session, "trial", now=now, project="harbour")
    with house.read() as session:
        assert access.opening(session, "harbour", "zoe", now=now).decision.rules == ("R09", "R12")


def test_a_new_approval_opens_what_was_revoked(house, settings, now):
    with changing(house) as session:
        committee.revoke(session, 1, why="test", actor="erin", now=now)
        an_approval(session, "sunrise", "trial", settings=settings, now=now)
    assert opened(house, now).decision.allowed


def test_the_newest_word_of_the_committee_counts(house, settings, now):
    with changing(house) as session:
        second = an_approval(session, "sunrise", "trial", settings=settings, now=now)
        committee.revoke(session, second, why="test", actor="erin", now=now)
    assert opened(house, now).decision.rules == ("R09", "R12")


def test_an_application_that_is_not_decided_approves_nothing(records, settings, now):
    with changing(records) as session:
        a_person(session, "ann", settings=settings, now=now)
        a_dataset(session, "trial", now=now)
        a_project(session, "sunrise", ("ann",), now=now)
        committee.apply(session, "sunrise", "trial", applicant="ann", purpose="to see", now=now)
        an_extract(session, "trial", now=now)
    assert opened(records, now).decision.rules == ("R09", "R12")


def test_whoever_requires_a_room_that_may_not_open_is_refused_with_reasons_and_remedies(house, now):
    with changing(house) as session:
        accounts.suspend(session, "ann", why="test", actor=HOST, now=now)
    with house.read() as session, pytest.raises(Refused, match=r"ann cannot open a room in sunrise \(R01\)") as told:
        access.require_open(session, "sunrise", "ann", now=now)
    assert told.value.rules == ("R01",)
    assert len(told.value.remedies) == 1


def test_a_refusal_inside_an_act_is_in_the_log_with_its_rules(house, now):
    with pytest.raises(Refused), house.act("bob", "session.open", "project/sunrise") as session:
        access.require_open(session, "sunrise", "bob", now=now)
    with house.read() as session:
        last = session.query(EntryRow).order_by(EntryRow.seq.desc()).first()
    said = json.loads(last.body)
    assert (said["act"], said["actor"]) == ("session.open.refused", "bob")
    assert said["facts"]["rules"] == ["R00", "R03", "R29"]


def test_require_returns_the_decision_and_the_rules_it_rests_on(house, now):
    with house.read() as session:
        decision = access.require_open(session, "sunrise", "ann", now=now).decision
        asked = access.require(session, access.sign_in_ask(session, "ann", now=now, second_factor=True))
    assert decision.policy_hash == asked.policy_hash
    assert len(decision.policy_hash) == 64


def test_without_a_second_factor_nothing_opens(house, now):
    with house.read() as session:
        found = access.opening(session, "sunrise", "ann", now=now, second_factor=False)
        asked = access.sign_in_ask(session, "ann", now=now, second_factor=False)
        with pytest.raises(Refused, match="R02"):
            access.require(session, asked)
    assert found.decision.rules == ("R02",)


# --- exports ----------------------------------------------------------------------------------------------------------
SOUND = Export(
    request="1", requester="ann", manifest="m", seen_manifest="m", kinds=frozenset({"csv"}), row_level=False,
    blocked=False, approvals=frozenset({"bob", "cat"}), quota=1, approvals_until=ALWAYS, data_in_force=True,
)  # fmt: skip


def export_rules(records, now, verb, person, **changed):
    with records.read() as session:
        export = dataclasses.replace(SOUND, **changed)
        ask = access.export_ask(
            session, verb, person=person, project="sunrise", export=export, now=now, second_factor=True
        )
        try:
            access.require(session, ask)
        except Refused as refusal:
            return refusal.rules
    return ()


def test_a_member_submits_an_approver_votes_and_the_requester_receives(house, now):
    assert export_rules(house, now, "submit_export", "ann") == ()
    assert export_rules(house, now, "vote_export", "bob", approvals=frozenset()) == ()
    assert export_rules(house, now, "release_export", "ann") == ()


def test_an_approver_who_once_was_a_member_never_votes_in_that_project(house, now):
    with changing(house) as session:
        projects.add_member(session, "sunrise", "bob", until=now + DAY, actor=HOST, now=now)
    assert export_rules(house, now + 9 * DAY, "vote_export", "bob", approvals=frozenset()) == ("R22",)


def test_an_approver_who_was_removed_from_a_project_never_votes_in_it(house, now):
    with changing(house) as session:
        projects.add_member(session, "sunrise", "bob", actor=HOST, now=now)
        projects.remove_member(session, "sunrise", "bob", actor=HOST, now=now)
    assert export_rules(house, now, "vote_export", "bob", approvals=frozenset()) == ("R22",)


def test_the_requester_and_an_admin_do_not_vote(house, settings, now):
    with changing(house) as session:
        a_person(session, "eve", Role.ADMIN, settings=settings, now=now)
    assert export_rules(house, now, "vote_export", "ann") == ("R03", "R22")
    assert export_rules(house, now, "vote_export", "eve") == ("R03", "R22", "R29")


def test_whoever_left_the_project_receives_nothing_of_it(house, now):
    with changing(house) as session:
        projects.remove_member(session, "sunrise", "ann", actor=HOST, now=now)
    assert export_rules(house, now, "release_export", "ann") == ("R00",)


# --- facts ------------------------------------------------------------------------------------------------------------
def test_a_membership_that_begins_later_is_none_yet(house, now):
    with house.read() as session:
        known = access.project_facts(session, "sunrise", "ann", now=now - DAY)
    assert (known.member_until, known.was_member) == (NEVER, True)


def test_a_dataset_of_which_there_is_no_extract_is_denied(house, now):
    with house.read() as session:
        ask = Ask(
            verb="mount",
            now=now,
            person=access.person_facts(session, "ann", second_factor=True, now=now),
            project=access.project_facts(session, "sunrise", "ann", now=now),
            dataset=access.dataset_facts(session, "sunrise", "other", "ann", now=now),
            agreement=training.agreement_sha256(session, now),
        )
        with pytest.raises(Refused, match=r"ann cannot read other \(R09, R10, R11, R12, R19, R31, R36, R40\)"):
            access.require(session, ask)


def test_a_room_is_judged_with_as_many_queries_for_ten_datasets_as_for_one(house, now):
    def count():
        asked = []
        event.listen(house.engine, "before_cursor_execute", lambda *words: asked.append(words[2]))
        assert opened(house, now).decision.allowed
        return len([words for words in asked if words.startswith("SELECT")])

    one = count()
    with changing(house) as session:
        for number in range(9):
            a_dataset(session, f"more-{number}", now=now)
            an_extract(session, f"more-{number}", now=now)
    assert count() == one <= 18
