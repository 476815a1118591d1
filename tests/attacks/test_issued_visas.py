"""Attempts to be vouched for by this house beyond what its committee granted; and another house, which believes us."""

import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from sqlalchemy import select, update

import tre.settings
from policies.facts import Role
from tests.builders import HOST, a_dataset, a_person, a_project, an_approval
from tre.errors import NotFound, Refused, Tampered
from tre.governance import accounts, committee, issuing, projects, visas
from tre.governance.identities import Marker, link
from tre.records import audit, schema, visa_key
from tre.records.db import opened
from tre.records.tables import ApprovalRow, DatasetRow, EntryRow, IssuedVisaRow, ProjectRow

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def database():
    return ""


@pytest.fixture
def house(settings):
    records = opened(settings)
    with records.act(HOST, "test.build", "home") as session:
        for name in ("ann", "ben"):
            a_person(session, name, Role.ANALYST, settings=settings, now=NOW)
        a_dataset(session, "trial", now=NOW)
        a_project(session, "sunrise", ("ann",), now=NOW)
        an_approval(session, "sunrise", "trial", settings=settings, now=NOW)
    yield records
    records.close()


@pytest.fixture
def elsewhere(tmp_path, settings):
    """A second house, which trusts the first by its public key."""
    there = tre.settings.load(tmp_path / "elsewhere")
    schema.initialise(there)
    (there.home / "visas").mkdir()
    iss = settings.hub_origin
    (there.home / "visas" / "issuers.toml").write_text(f'[first]\niss = "{iss}"\njku = "{iss}/hub/visas/jwks.json"\n')
    (there.home / "visas" / "first.jwks.json").write_text(json.dumps(visa_key.jwks(settings)))
    return there


def issue(house, settings, person="ann", project="sunrise", now=NOW, **which):
    with house.act(HOST, "visa.issue", f"person/{person}") as session:
        return issuing.issue(session, settings, person, project, actor=HOST, now=now, **which)


def change(house, do):
    with house.act(HOST, "test.change", "home") as session:
        do(session)
        audit.append(session, "test.change", actor=HOST, subject="home", at=NOW)


def test_another_house_believes_our_visa_by_our_public_key_alone(house, settings, elsewhere):
    (one,) = issue(house, settings)
    there = opened(elsewhere)
    with there.act(HOST, "visa.accept", "person/anna") as session:
        a_person(session, "anna", settings=elsewhere, now=NOW)
        link(session, "anna", Marker(settings.hub_origin, visa_key.subject(settings, "ann")), actor=HOST, now=NOW)
        visas.accept(session, elsewhere, "anna", one.token, actor=HOST, now=NOW)
    with there.read() as session:
        (said,) = visas.evidence(session, elsewhere, "anna", now=NOW)
        assert visas.evidence(session, elsewhere, "anna", now=NOW + DAY) == ()
    there.close()
    assert said == (
        f"{settings.hub_origin}/hub/catalogue/trial#version-1 granted by {settings.hub_origin} until 2026-11-03"
    )


def test_a_visa_says_what_was_granted_and_who_it_is_for_only_to_us(house, settings):
    (one,) = issue(house, settings)
    header = jwt.get_unverified_header(one.token)
    claims = jwt.decode(one.token, options={"verify_signature": False})
    (key,) = visa_key.jwks(settings)["keys"]
    assert header == {
        "alg": "ES256",
        "typ": "vnd.ga4gh.visa+jwt",
        "kid": key["kid"],
        "jku": f"{settings.hub_origin}/hub/visas/jwks.json",
    }
    assert claims == {
        "iss": settings.hub_origin,
        "sub": visa_key.subject(settings, "ann"),
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + DAY).timestamp()),
        "jti": one.jti,
        "ga4gh_visa_v1": {
            "type": "ControlledAccessGrants",
            "asserted": int(NOW.timestamp()),
            "value": f"{settings.hub_origin}/hub/catalogue/trial#version-1",
            "source": settings.hub_origin,
            "by": "dac",
        },
    }
    assert "ann" not in claims["sub"]


def test_each_visa_is_on_record_and_in_the_log_without_the_token(house, settings):
    (one,) = issue(house, settings)
    with house.read() as session:
        row = session.get(IssuedVisaRow, one.jti)
        entry = session.scalars(select(EntryRow).where(EntryRow.act == "visa.issue")).one()
        assert (row.person, row.expires_at) == ("ann", NOW + DAY)
        assert issuing.of(session, "ann", now=NOW) == (issuing.Shown("sunrise", "trial", NOW, NOW + DAY),)
        assert issuing.of(session, "ann", now=NOW + DAY) == ()
    assert json.loads(entry.body)["facts"]["jti"] == one.jti
    assert one.token not in entry.body.decode()


def test_the_public_key_tells_nothing_of_the_private_one(settings):
    (key,) = visa_key.jwks(settings)["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert visa_key.jwks(settings) == {"keys": [key]}
    assert (settings.keys / "visa.key").stat().st_mode & 0o7777 == 0o400


def test_a_key_of_another_kind_signs_nothing(settings):
    (settings.keys / "visa.key").write_text("no key")
    (settings.keys / "visa.key").chmod(0o400)
    with pytest.raises(Tampered, match="not a key of visas"):
        visa_key.jwks(settings)


def suspended(session):
    accounts.suspend(session, "ann", why="a test", actor=HOST, now=NOW)


def left(session):
    projects.remove_member(session, "sunrise", "ann", actor=HOST, now=NOW)


def revoked(session):
    committee.revoke(session, 1, why="a test", actor="erin", now=NOW)


def ended(session):
    session.execute(update(ApprovalRow).values(until=NOW))


def revoked_alone(session):
    session.execute(update(ApprovalRow).values(revoked_at=NOW))


def not_begun(session):
    session.execute(update(ApprovalRow).values(since=NOW + DAY))


def withdrawn(session):
    session.execute(update(DatasetRow).values(withdrawn=True))


def at_rest(session):
    session.execute(update(ProjectRow).values(suspended=True))


def over(session):
    session.execute(update(ProjectRow).values(approved_until=NOW))


@pytest.mark.parametrize(
    ("happened", "rule"),
    [
        (suspended, "R01"),
        (left, "R00"),
        (revoked, None),
        (ended, "R09"),
        (revoked_alone, "R09"),
        (not_begun, "R09"),
        (withdrawn, "R09"),
        (at_rest, "R06"),
        (over, "R06"),
    ],
)
def test_nobody_is_vouched_for_beyond_what_holds_now(house, settings, happened, rule):
    change(house, happened)
    with pytest.raises(Refused) as no:
        issue(house, settings)
    assert rule is None or no.value.rules == (rule,)
    with house.read() as session:
        assert session.scalars(select(IssuedVisaRow)).all() == []


@pytest.mark.parametrize(
    ("who", "refusal"),
    [
        ({"person": "ben"}, Refused),
        ({"person": "mallory"}, NotFound),
        ({"project": "moonrise"}, NotFound),
        ({"dataset": "other"}, Refused),
    ],
)
def test_nobody_is_vouched_for_who_has_no_part_in_it(house, settings, who, refusal):
    with pytest.raises(refusal):
        issue(house, settings, **who)


def test_a_visa_ends_no_later_than_what_it_speaks_of(house, settings):
    soon = NOW + timedelta(hours=2)
    change(house, lambda session: session.execute(update(ApprovalRow).values(until=soon)))
    (one,) = issue(house, settings)
    assert one.until == soon
