"""A person comes by a link that works once, and chooses what nobody else may know."""

import re
from datetime import timedelta

import pyotp
import pytest

from policies.facts import Role
from tests.builders import HOST, PASSWORD, at_once, rules_only
from tre.errors import NotFound, Refused, StepRefused, Unreadable
from tre.governance import accounts, enrolment, identities, notices, recovery
from tre.records.tables import InvitationRow

OWN = "a password of my own"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def link(sunrise, settings, now):
    """zoe's link."""
    with sunrise.act(HOST, "person.add", "person/zoe") as session:
        accounts.add(
            session, "zoe", full_name="Zoe", email="zoe@hortus.example", roles=[Role.ANALYST], actor=HOST, now=now,
            settings=settings, invited=True,
        )  # fmt: skip
    return invited(sunrise, "zoe", now)


def invited(records, name, now):
    with records.act(HOST, "person.invite", f"person/{name}") as session:
        return enrolment.invite(session, name, actor=HOST, now=now)


def offered(records, settings, token, now):
    with records.read() as session:
        return enrolment.look(session, settings, token, now=now)


def shown(records, settings, token, now):
    return pyotp.TOTP(offered(records, settings, token, now).secret).at(now)


def accept(records, settings, token, now, **given):
    code = given.pop("code", None) or shown(records, settings, token, now)
    words = {"password": OWN, "again": OWN, **given}
    return enrolment.accept(records, settings, token, code=code, now=now, **words)


def code_of(records, settings, name, now):
    with records.read() as session:
        return accounts.code_now(session, settings, name, now)


def comes_in(records, settings, now, password=OWN, code=None, name="zoe", **given):
    code = code or code_of(records, settings, name, now)
    return accounts.sign_in(records, settings, name, password, code, now=now, **given)


# --- the link ---------------------------------------------------------------------------------------------------------
def test_who_is_invited_chooses_a_password_and_signs_in_with_the_app(sunrise, settings, link, now):
    codes = accept(sunrise, settings, link, now)
    assert len(set(codes)) == recovery.HOW_MANY
    assert comes_in(sunrise, settings, now + MINUTE)


@rules_only
def test_before_that_nobody_signs_in_as_them(sunrise, settings, link, now):
    assert not comes_in(sunrise, settings, now, password="")
    assert not comes_in(sunrise, settings, now, password=accounts.DECOY)
    with sunrise.read() as session:
        assert accounts.person(session, "zoe").enrolled_at is None


def test_a_link_works_once(sunrise, settings, link, now):
    accept(sunrise, settings, link, now)
    with pytest.raises(NotFound, match="used, too old"):
        accept(sunrise, settings, link, now, code="000000")


def test_a_link_that_two_use_in_the_same_instant_works_once(sunrise, settings, link, now):
    code = shown(sunrise, settings, link, now)
    outcomes = at_once(3, lambda n: accept(sunrise, settings, link, now, code=code, password=OWN * n, again=OWN * n)
                       if n else accept(sunrise, settings, link, now, code=code))  # fmt: skip
    assert sum(isinstance(outcome, tuple) for outcome in outcomes) == 1


@rules_only
def test_a_link_ends_after_seven_days_and_when_a_newer_one_is_made(sunrise, settings, link, now):
    late = now + enrolment.VALID
    assert offered(sunrise, settings, link, late - MINUTE).person == "zoe"
    with pytest.raises(NotFound):
        offered(sunrise, settings, link, late)
    invited(sunrise, "zoe", now + MINUTE)
    with pytest.raises(NotFound):
        offered(sunrise, settings, link, now + MINUTE)


@rules_only
@pytest.mark.parametrize("token", ["", "x", "\x00", "\udcff", "a" * 5000, "' OR 1=1 --"])
def test_what_is_no_link_of_ours_opens_nothing(sunrise, settings, link, now, token):
    with pytest.raises(NotFound, match="ask an admin"):
        offered(sunrise, settings, token, now)


@rules_only
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"again": "another password"}, "not the same"),
        ({"password": "short", "again": "short"}, "12 to 1000"),
        ({"code": "000000x"}, "the app shows"),
        ({"code": "\uff11\uff12\uff13\uff14\uff15\uff16"}, "the app shows"),
    ],
)
def test_what_does_not_fit_changes_nothing_and_the_link_stays_good(sunrise, settings, link, now, given, said):
    with pytest.raises(Unreadable, match=said):
        accept(sunrise, settings, link, now, **given)
    assert accept(sunrise, settings, link, now)


@rules_only
def test_the_picture_is_the_same_each_time_it_is_looked_at(sunrise, settings, link, now):
    first, second = (offered(sunrise, settings, link, now).secret for _ in range(2))
    assert first == second
    drawn = enrolment.picture(settings, "zoe", first)
    assert drawn.startswith("<svg")
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")
    assert enrolment.spaced(first).replace(" ", "") == first


@rules_only
def test_the_link_is_not_in_the_records(sunrise, link):
    with sunrise.read() as session:
        assert link not in {row.token_sha256 for row in session.query(InvitationRow)}


@rules_only
def test_a_suspended_person_is_not_invited_and_does_not_enrol(sunrise, settings, link, now):
    with sunrise.act(HOST, "person.suspend", "person/zoe") as session:
        accounts.suspend(session, "zoe", why="a test", actor=HOST, now=now)
    with pytest.raises(StepRefused, match="suspended"):
        invited(sunrise, "zoe", now)
    with pytest.raises(NotFound):
        offered(sunrise, settings, link, now)


@rules_only
def test_who_is_invited_again_keeps_the_old_way_in_until_the_link_is_used(sunrise, settings, now):
    token = invited(sunrise, "ann", now)
    assert comes_in(sunrise, settings, now, PASSWORD, name="ann")
    accept(sunrise, settings, token, now)
    assert not comes_in(sunrise, settings, now + MINUTE, PASSWORD, name="ann")
    assert comes_in(sunrise, settings, now + MINUTE * 2, name="ann")


@rules_only
def test_a_link_can_be_accepted_with_a_provider_instead_of_a_password(sunrise, settings, link, now, said):
    marker = identities.Marker("https://idp.example", "z-17")
    with sunrise.read() as session:
        step = enrolment.step_of(
            session, settings, link, pyotp.TOTP(accounts.secret_of(settings, link)).at(now), now=now
        )
    assert enrolment.accept_with(sunrise, settings, link, marker, step=step, now=now, also=lambda *_: None) == "zoe"
    with sunrise.read() as session:
        assert identities.owner(session, marker) == "zoe"
    assert not comes_in(sunrise, settings, now + MINUTE)
    accounts.check_code(sunrise, settings, "zoe", code_of(sunrise, settings, "zoe", now + MINUTE), now=now + MINUTE,
                        purpose="a vote")  # fmt: skip
    assert said("person.enrol")[0]["facts"]["by"] == "https://idp.example"


# --- recovery codes ---------------------------------------------------------------------------------------------------
def test_a_recovery_code_stands_in_for_the_app_once_and_the_person_is_told(sunrise, settings, link, now, said):
    codes = accept(sunrise, settings, link, now)
    written = codes[3].upper().replace("-", " ")
    assert comes_in(sunrise, settings, now, code=written, told=enrolment.tell_recovery)
    assert not comes_in(sunrise, settings, now, code=codes[3])
    assert comes_in(sunrise, settings, now, code=codes[4])
    assert said("session.sign_in")[0]["facts"] == {"left": 9, "recovery": True}
    with sunrise.read() as session:
        assert [row.text for row in notices.of(session, "zoe")][:1] == [
            "A recovery code was used to sign in; 9 are left. If that was not you, tell an admin of this house at once."
        ]


def test_a_recovery_code_used_in_the_same_instant_works_once(sunrise, settings, link, now):
    code = accept(sunrise, settings, link, now)[0]
    assert sum(at_once(3, lambda _: comes_in(sunrise, settings, now, code=code))) == 1


@rules_only
def test_a_recovery_code_without_the_password_is_nothing_and_is_not_used(sunrise, settings, link, now):
    code = accept(sunrise, settings, link, now)[0]
    assert not comes_in(sunrise, settings, now, password="not the password", code=code)
    assert comes_in(sunrise, settings, now, code=code)


@rules_only
def test_a_recovery_code_confirms_no_act_and_is_nobody_elses(sunrise, settings, link, now):
    code = accept(sunrise, settings, link, now)[0]
    with pytest.raises(Refused):
        accounts.check_code(sunrise, settings, "zoe", code, now=now, purpose="a vote")
    assert not comes_in(sunrise, settings, now, PASSWORD, code=code, name="ann")


@rules_only
def test_new_recovery_codes_make_the_old_ones_worthless(sunrise, settings, link, now):
    old = accept(sunrise, settings, link, now)[0]
    later = now + MINUTE
    new = enrolment.renew_recovery(sunrise, settings, "zoe", code_of(sunrise, settings, "zoe", later), now=later)
    assert not comes_in(sunrise, settings, later, code=old)
    assert comes_in(sunrise, settings, later, code=new[0])


@rules_only
def test_codes_are_read_easily_and_none_is_in_the_records(sunrise, settings, link, now):
    codes = accept(sunrise, settings, link, now)
    assert all(re.fullmatch(r"([a-hjkmnp-z2-9]{4}-){3}[a-hjkmnp-z2-9]{4}", code) for code in codes)
    with sunrise.read() as session:
        stored = " ".join(row.code for row in session.query(recovery.RecoveryCodeRow))
    assert stored.count("$argon2id$") == recovery.HOW_MANY
    assert not any(code in stored for code in codes)


# --- later ------------------------------------------------------------------------------------------------------------
@rules_only
def test_a_password_is_changed_by_who_knows_the_old_one_and_holds_the_app(sunrise, settings, now):
    begun = now - MINUTE

    def change(old, at):
        enrolment.change_password(
            sunrise, settings, "ann", old=old, new=OWN, again=OWN, code=code_of(sunrise, settings, "ann", at), now=at
        )

    with pytest.raises(Refused, match="is another"):
        change("not the password", now)
    change(PASSWORD, now + MINUTE)
    assert comes_in(sunrise, settings, now + 2 * MINUTE, name="ann")
    with sunrise.read() as session:
        assert not accounts.active(session, "ann", since=begun)
        assert accounts.active(session, "ann", since=now + 2 * MINUTE)
        assert notices.of(session, "ann")[0].text.startswith("Your password was changed")


@rules_only
def test_a_second_factor_is_renewed_by_who_still_has_the_old_one(sunrise, settings, now):
    offer = enrolment.offer(settings, "ann")
    old = code_of(sunrise, settings, "ann", now)
    shown = pyotp.TOTP(offer.secret).at(now)
    with pytest.raises(Refused):
        enrolment.renew(sunrise, settings, "ann", offer.sealed, shown=shown, code="000000", now=now)
    enrolment.renew(sunrise, settings, "ann", offer.sealed, shown=shown, code=old, now=now)
    later = pyotp.TOTP(offer.secret).at(now + MINUTE)
    assert comes_in(sunrise, settings, now + MINUTE, PASSWORD, later, name="ann")


@rules_only
def test_a_page_of_another_person_offers_nothing(sunrise, settings, now):
    sealed = enrolment.offer(settings, "ben").sealed
    for forged in (sealed, "", "x", "AAAA", sealed[:-4] + "AAAA"):
        if forged:
            with pytest.raises(Unreadable, match="out of date"):
                enrolment.offer(settings, "ann", forged)
