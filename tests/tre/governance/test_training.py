"""A person is trained until a date, and has signed the agreement as it reads today."""

from datetime import timedelta
from hashlib import sha256

import pytest

from tests.builders import HOST, YEAR, rules_only
from tre.errors import NotFound, StepRefused, Unreadable
from tre.governance import training
from tre.records.tables import AgreementRow


def record(records, now, name="ben", course="first-aid", until=None, **given):
    with records.act(HOST, "training.record", f"person/{name}") as session:
        training.record(session, name, course, until or now + YEAR, actor=HOST, now=now, **given)


def test_a_renewal_counts_from_when_it_is_recorded_and_the_older_course_stays_known(sunrise, now, said):
    record(sunrise, now, until=now + timedelta(days=10))
    record(sunrise, now, until=now + timedelta(days=20), evidence="certificate 7")
    with sunrise.read() as session:
        assert training.courses(session, "ben")["first-aid"] == now + timedelta(days=20)
    entries = [e["facts"] for e in said("training.record") if e["facts"]["course"] == "first-aid"]
    assert [facts["evidence"] for facts in entries] == ["", "certificate 7"]


def test_a_course_recorded_with_an_earlier_end_does_not_shorten_a_later_one(sunrise, now):
    record(sunrise, now, until=now + timedelta(days=20))
    record(sunrise, now, until=now + timedelta(days=10))
    with sunrise.read() as session:
        assert training.courses(session, "ben")["first-aid"] == now + timedelta(days=20)


@rules_only
@pytest.mark.parametrize("course", ["", "First Aid", "a--b", "a" * 61, "first-aid\n", "\x00"])
def test_a_course_has_a_name_that_can_be_asked_for(sunrise, now, course):
    with pytest.raises(Unreadable):
        record(sunrise, now, course=course)


def test_a_course_that_has_lapsed_is_not_recorded(sunrise, now):
    with pytest.raises(StepRefused, match="past"):
        record(sunrise, now, until=now)


def test_nobody_unknown_is_trained(sunrise, now):
    with pytest.raises(NotFound):
        record(sunrise, now, name="nobody")


def test_what_is_signed_is_the_text_that_is_shown(sunrise, now):
    with sunrise.read() as session:
        shown = training.agreement(session, now).text
        assert training.agreement_sha256(session, now) == sha256(shown.encode()).hexdigest()
        assert shown == training.packaged()


def test_an_agreement_is_signed_once_by_the_hash_of_its_text(sunrise, now, said):
    with sunrise.read() as session:
        sha = training.agreement_sha256(session, now)
        assert training.signed(session, "ann") == sha
    assert said("agreement.sign")[0]["facts"] == {"text_sha256": sha}
    with pytest.raises(StepRefused), sunrise.act("ann", "agreement.sign", "person/ann") as session:
        training.sign_agreement(session, "ann", actor="ann", now=now)


def test_the_signature_that_counts_is_the_last(sunrise, now):
    with sunrise.act(HOST, "test.change", "person/ann") as session:
        session.add(AgreementRow(person="ann", text_sha256="0" * 64, signed_at=now))
        training.audit.append(session, "test.change", actor=HOST, subject="person/ann")
    with sunrise.read() as session:
        assert training.signed(session, "ann") == "0" * 64
    with sunrise.act("ann", "agreement.sign", "person/ann") as session:
        training.sign_agreement(session, "ann", actor="ann", now=now)
    with sunrise.read() as session:
        assert training.signed(session, "ann") == training.agreement_sha256(session, now)
