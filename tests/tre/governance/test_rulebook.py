import json

import pytest
from sqlalchemy import update

from policies import book
from policies.facts import Role
from tests.builders import HOST, a_person, a_project, rules_only
from tre.errors import NotFound, Refused, StepRefused, Unreadable
from tre.governance import access, accounts, endings, proposals, rulebook
from tre.governance.applications import papers
from tre.records import audit
from tre.records.tables import RulebookRow
from tre.rooms.pages import telling

pytestmark = rules_only


@pytest.fixture
def house(records, settings, now):
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now)
        for name in ("grace", "heidi"):
            a_person(session, name, Role.ADMIN, settings=settings, now=now)
        a_project(session, "sunrise", ("ann",), now=now)
    return records


def changed(**texts):
    """The package's rules, in which analysts need one more course."""
    files = book.bundle()
    files["trainings.toml"] = files["trainings.toml"].replace(
        'analyst = ["gdpr", "safe-researcher"]', 'analyst = ["gdpr", "safe-researcher", "statistics"]'
    )
    assert files != book.bundle()
    return files | texts


def propose(house, now, files=None, actor="grace"):
    with house.act(actor, "rules.propose", "rules") as session:
        row = proposals.propose(session, files or changed(), why="a test", actor=actor, now=now)
        return row.number, row.sha256


def adopt(house, now, number, seen, actor="heidi"):
    with house.act(actor, "rules.adopt", f"rules/{number}") as session:
        proposals.adopt(session, number, actor=actor, seen=seen, now=now)


def rules_of(house, now):
    with house.read() as session:
        return access.opening(session, "sunrise", "ann", now=now).decision.rules


def test_a_house_begins_with_the_rules_of_the_package(house):
    with house.read() as session:
        row = proposals.newest(session)
        found = rulebook.in_force(session)
    assert (row.number, rulebook.files_of(row)) == (1, book.bundle())
    assert found.policy_hash == rulebook.packaged().policy_hash


def test_what_one_admin_proposes_has_no_effect_until_another_adopts_it(house, now):
    number, seen = propose(house, now)
    assert rules_of(house, now) == ()
    adopt(house, now, number, seen)
    assert rules_of(house, now) == ("R03",)


def test_the_hash_of_each_decision_is_that_of_the_rules_in_force(house, now):
    number, seen = propose(house, now)
    with house.read() as session:
        before = access.opening(session, "sunrise", "ann", now=now).decision.policy_hash
    adopt(house, now, number, seen)
    with house.read() as session:
        assert access.opening(session, "sunrise", "ann", now=now).decision.policy_hash != before


def test_nobody_adopts_what_they_proposed(house, now):
    number, seen = propose(house, now)
    with pytest.raises(Refused, match="proposed rules 2") as told:
        adopt(house, now, number, seen, actor="grace")
    assert told.value.rules == ("R28",)


@pytest.mark.parametrize("actor", ["ann", "mallory"])
def test_who_is_no_admin_neither_proposes_nor_adopts(house, now, actor):
    with pytest.raises(Refused, match="no admin"):
        propose(house, now, actor=actor)
    number, seen = propose(house, now)
    with pytest.raises(Refused, match="no admin"):
        adopt(house, now, number, seen, actor=actor)


def test_a_proposal_of_somebody_who_was_suspended_since_is_not_adopted(house, now):
    number, seen = propose(house, now)
    with house.act(HOST, "test.change", "home") as session:
        accounts.suspend(session, "grace", why="a test", actor=HOST, now=now)
    with pytest.raises(Refused, match="no admin any more"):
        adopt(house, now, number, seen)


def test_other_bytes_than_those_confirmed_are_not_adopted(house, now):
    number, _ = propose(house, now)
    with pytest.raises(Refused):
        adopt(house, now, number, "0" * 64)
    assert rules_of(house, now) == ()


def test_rules_that_do_not_fit_are_not_proposed(house, now):
    with pytest.raises(Unreadable, match="do not fit"):
        propose(house, now, changed(**{"cedar/session.cedar": "permit (principal, action, resource);"}))
    with pytest.raises(Unreadable, match="do not fit"):
        propose(house, now, {"rules.toml": ""})


def test_the_same_rules_are_no_proposal(house, now):
    with pytest.raises(StepRefused, match="nothing to change"):
        propose(house, now, book.bundle())


def test_an_older_proposal_is_not_adopted_over_a_newer_one(house, now):
    first, seen = propose(house, now)
    more = changed()
    more["rules.toml"] += "\n# a note\n"
    second, newer = propose(house, now, more)
    adopt(house, now, second, newer)
    with pytest.raises(StepRefused, match="were adopted since"):
        adopt(house, now, first, seen)


def test_a_refused_proposal_stays_refused(house, now):
    number, seen = propose(house, now)
    with house.act("heidi", "rules.refuse", "rules") as session:
        proposals.refuse(session, number, actor="heidi", now=now)
    with pytest.raises(StepRefused, match="refused already"):
        adopt(house, now, number, seen)


def test_the_difference_says_which_lines_change(house, now):
    number, _ = propose(house, now)
    with house.read() as session:
        said = proposals.difference(session, proposals.get(session, number))
        with pytest.raises(NotFound):
            proposals.get(session, 99)
    assert '+analyst = ["gdpr", "safe-researcher", "statistics"]' in said


def tamper(house, now, **values):
    with house.act(HOST, "test.change", "home") as session:
        session.execute(update(RulebookRow).where(RulebookRow.number == 1).values(**values))
        audit.append(session, "test.change", actor=HOST, subject="rules/1", at=now)


def test_rules_that_do_not_fit_this_version_deny_everything_and_say_what_to_do(house, now):
    files = book.bundle() | {"rules.toml": "[R00]\nsentence = 'x'\n"}
    tamper(house, now, files=json.dumps(files), sha256=rulebook.digest(files))
    with house.read() as session:
        decision = access.opening(session, "sunrise", "ann", now=now).decision
        signing = access.decide(session, access.sign_in_ask(session, "ann", now=now, second_factor=True))
    assert (decision.rules, decision.remedies) == (("E00",), (rulebook.UNFIT,))
    assert not signing.allowed
    number, seen = propose(house, now, book.bundle())
    adopt(house, now, number, seen)
    assert rules_of(house, now) == ()


def test_rules_changed_in_the_database_deny_everything(house, now):
    files = changed()
    files["rules.toml"] += "\n# weaker\n"
    tamper(house, now, files=json.dumps(files), sha256="f" * 64)
    with house.read() as session:
        decision = access.opening(session, "sunrise", "ann", now=now).decision
    assert decision.rules == ("E00",)
    assert "not those that were adopted" in decision.errors[0]


def test_a_folder_of_rules_is_read_as_it_lies(house, tmp_path):
    for name, text in book.bundle().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    assert proposals.read(tmp_path) == book.bundle()
    with pytest.raises(Unreadable, match="no folder"):
        proposals.read(tmp_path / "none")
    (tmp_path / "rules.toml").unlink()
    with pytest.raises(Unreadable, match="cannot be read"):
        proposals.read(tmp_path)


def of_three():
    files = book.bundle()
    files["committee.toml"] = files["committee.toml"].replace("quorum = 2", "quorum = 3")
    assert files != book.bundle()
    return files


def test_the_committee_works_by_the_numbers_that_were_adopted(house, now):
    number, seen = propose(house, now, of_three())
    with house.read() as session:
        assert papers.numbers(session).quorum == 2
    adopt(house, now, number, seen)
    with house.read() as session:
        assert papers.numbers(session).quorum == 3


def test_rules_of_a_version_without_the_committees_numbers_deny_everything_in_a_clear_line(house, now):
    files = book.bundle()
    del files["committee.toml"]
    tamper(house, now, files=json.dumps(files), sha256=rulebook.digest(files))
    with house.read() as session:
        decision = access.opening(session, "sunrise", "ann", now=now).decision
    assert (decision.rules, decision.remedies) == (("E00",), (rulebook.UNFIT,))
    assert "no committee.toml" in decision.errors[0]
    assert "tre policy propose --package" in decision.remedies[0]


def test_rules_that_say_nothing_of_a_moment_of_this_version_deny_and_name_it(house, now):
    files = book.bundle()
    named = next(name for name, text in files.items() if '@id("may_mount")' in text)
    files[named] = files[named].replace('@id("may_mount")', '@id("may_mounted")')
    tamper(house, now, files=json.dumps(files), sha256=rulebook.digest(files))
    with house.read() as session:
        decision = access.opening(session, "sunrise", "ann", now=now).decision
    assert decision.remedies == (rulebook.UNFIT,)
    assert decision.errors == ("rules 1 do not fit this version: each moment has one permit, named may_<moment>",)


def test_what_will_lapse_for_a_person_follows_the_courses_that_were_adopted(house, now):
    number, seen = propose(house, now)
    adopt(house, now, number, seen)
    with house.read() as session:
        courses = {each.what for each in endings.of_people(session, ("ann",), now)["ann"] if each.kind == "course"}
        room = endings.first(session, "sunrise", "ann", (), now)
    assert courses == {"gdpr", "safe-researcher", "statistics"}
    assert room <= now


def test_a_no_is_told_in_the_words_that_were_adopted(house, now):
    files = book.bundle()
    before = rulebook.packaged().book["R05"].sentence
    files["rules.toml"] = files["rules.toml"].replace(before, "You belong to it still.")
    number, seen = propose(house, now, files)
    adopt(house, now, number, seen)
    reason, *_ = telling.reasons_of(telling.in_words(house, Refused("no", rules=("R05",))))
    assert reason.sentence == "You belong to it still."
