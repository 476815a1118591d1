"""A person is trained until a date, and has signed the agreement as it reads today."""

from datetime import timedelta
from hashlib import sha256

import pytest

from tests.builders import HOST, YEAR, rules_only
from tre.errors import NotFound, StepRefused, Unreadable
from tre.governance import training, training_list
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


# --- third parties ----------------------------------------------------------------------------------------------------
def imported(records, now, folder, text):
    file = folder / "list.csv"
    file.write_text(text, "utf-8")
    with records.act(HOST, "training.import", "training") as session:
        for line in training_list.read(session, file, now=now):
            training.record(
                session, line.person, line.course, line.until, actor=HOST, now=now, source="an academy",
                evidence=line.certificate,
            )  # fmt: skip


def test_a_third_partys_list_names_people_by_name_or_address_and_vouches_for_them(sunrise, now, tmp_path, said):
    imported(
        sunrise, now, tmp_path,
        "\ufeffperson,course,until,certificate\nben,first-aid,2027-06-30,C 7\n"
        "BEN+x@Hortus.example,gdpr-2,2028-01-01,\n",
    )  # fmt: skip
    with sunrise.read() as session:
        held = training.courses(session, "ben")
    assert (held["first-aid"].isoformat(), held["gdpr-2"].year) == ("2027-06-30T23:59:59+00:00", 2028)
    facts = [entry["facts"] for entry in said("training.record") if entry["facts"]["course"] == "first-aid"]
    assert [(each["source"], each["evidence"]) for each in facts] == [("an academy", "C 7")]


def test_every_bad_row_is_a_line_and_nothing_is_half_done(sunrise, now, tmp_path):
    bad = (
        "person,course,until,certificate\nben,first-aid,2027-06-30,C 7\nnobody,first-aid,2027-06-30,\n"
        "ben,First Aid,2027-06-30,\nben,first-aid,30.6.2027,\nben,first-aid,2020-01-01,\nben,first-aid\n"
    )
    with pytest.raises(Unreadable) as error:
        imported(sunrise, now, tmp_path, bad)
    lines = str(error.value).splitlines()
    assert [line.partition(":")[0] for line in lines[1:]] == [f"row {number}" for number in (3, 4, 5, 6, 7)]
    assert "nothing was recorded" in lines[0]
    with sunrise.read() as session:
        assert "first-aid" not in training.courses(session, "ben")


@rules_only
@pytest.mark.parametrize(
    "text", ["", "name,course\nben,x\n", "person,course,until,certificate\n", 'person,course,until,certificate\n"ben'],
    ids=["nothing", "other columns", "no rows", "an open quote"],
)  # fmt: skip
def test_what_is_no_list_is_one_clear_line(sunrise, now, tmp_path, text):
    with pytest.raises(Unreadable, match=r"list\.csv") as error:
        imported(sunrise, now, tmp_path, text)
    assert "\n" not in str(error.value)


# --- versions of the agreement ----------------------------------------------------------------------------------------
def publish(records, now, text="Another text.\n", since=None):
    with records.act("grace", "agreement.publish", "agreement") as session:
        return training.publish(session, text, since=since or now, actor="grace", now=now)


def test_a_new_agreement_is_in_force_from_its_day_on_and_must_be_signed_anew(sunrise, now, said):
    day = now + timedelta(days=3)
    assert publish(sunrise, now, since=day) == 2
    with sunrise.read() as session:
        assert training.standing(session, "ann", day - timedelta(seconds=1)) == "signed"
        assert training.standing(session, "ann", day) == "an older one"
        assert training.agreement(session, day).number == 2
    assert said("agreement.publish")[0]["subject"] == "agreement/2"
    with sunrise.act("ann", "agreement.sign", "person/ann") as session:
        training.sign_agreement(session, "ann", actor="ann", now=day)
    with sunrise.read() as session:
        assert training.standing(session, "ann", day) == "signed"
        assert training.signatures(session)[training.agreement_sha256(session, day)] == 1


@rules_only
def test_who_signed_an_older_one_sees_what_changed(sunrise, now):
    publish(sunrise, now, training.packaged().replace("# User agreement", "# The user agreement"))
    with sunrise.read() as session:
        assert training.changes(session, "ann", now) == ("-# User agreement", "+# The user agreement")


@rules_only
def test_what_was_shown_is_what_is_signed(sunrise, now):
    with sunrise.read() as session:
        shown = training.agreement_sha256(session, now)
    publish(sunrise, now)
    with pytest.raises(StepRefused, match="changed while"), sunrise.act("ann", "agreement.sign", "x") as session:
        training.sign_agreement(session, "ann", actor="ann", now=now, seen=shown)


@rules_only
def test_an_agreement_does_not_begin_in_the_past_nor_twice_nor_empty(sunrise, now):
    with pytest.raises(StepRefused, match="past"):
        publish(sunrise, now, since=now - timedelta(seconds=1))
    with pytest.raises(StepRefused, match="agreement 1 already"):
        publish(sunrise, now, training.packaged())
    for text in ("", "  \n", "x\x00", "x" * 200_001):
        with pytest.raises(Unreadable, match="agreement"):
            publish(sunrise, now, text)


@rules_only
def test_of_two_that_begin_at_once_the_newer_counts(sunrise, now):
    publish(sunrise, now, "one")
    publish(sunrise, now, "two")
    with sunrise.read() as session:
        assert training.agreement(session, now).text == "two"
