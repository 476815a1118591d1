"""Attempts to be vouched for by somebody who did not, or to stay vouched for when they no longer do."""

import base64
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.builders import HOST, a_committee, a_dataset, a_person, a_project, an_application
from tre.errors import Refused, TREError
from tre.governance import access, visas
from tre.governance.desk import committee as desk
from tre.governance.identities import Marker, link
from tre.records.db import opened

ISS, OTHER = "https://visas.example", "https://other.example"
NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
KEYS = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("good", "gone", "stranger")}
RSA = rsa.generate_private_key(65537, 2048)


def jwk(key, kid):
    kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return json.loads(kind.to_jwk(key.public_key())) | {"kid": kid, "use": "sig"}


@pytest.fixture
def database():
    return ""


@pytest.fixture
def house(settings):
    folder = settings.home / "visas"
    folder.mkdir(parents=True)
    (folder / "issuers.toml").write_text(f'[broker]\niss = "{ISS}"\njku = "{ISS}/keys"\n[other]\niss = "{OTHER}"\n')
    keys = {"keys": [jwk(KEYS["good"], "good"), jwk(KEYS["gone"], "gone"), jwk(RSA, "rsa")]}
    (folder / "broker.jwks.json").write_text(json.dumps(keys))
    (folder / "other.jwks.json").write_text(json.dumps({"keys": [jwk(KEYS["stranger"], "theirs")]}))
    records = opened(settings)
    with records.act(HOST, "test.build", "home") as session:
        for name in ("ann", "ben"):
            a_person(session, name, settings=settings, now=NOW)
            link(session, name, Marker(ISS, f"{name}-1"), actor=HOST, now=NOW)
    yield records
    records.close()


def claims(kind="ResearcherStatus", *, value=visas.REGISTERED, by="so", seconds=0, **changed):
    said = {"type": kind, "asserted": at(seconds), "value": value, "source": "https://uni.example", "by": by}
    return {"iss": ISS, "sub": "ann-1", "iat": at(0), "exp": at(3600), "jti": "j", "ga4gh_visa_v1": said} | changed


def at(seconds):
    return int((NOW + timedelta(seconds=seconds)).timestamp())


def signed(said, key=KEYS["good"], kid="good", alg="ES256", **header):
    return jwt.encode(said, key, algorithm=alg, headers={"kid": kid, "typ": "vnd.ga4gh.visa+jwt", **header})


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def by_public_key():
    """HS256 with the public key as the secret, as a careless reader would check it."""
    pem = (
        KEYS["good"]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    told = f"{part({'alg': 'HS256', 'kid': 'good'})}.{part(claims())}"
    mac = hmac.HMAC(pem, hashes.SHA256())
    mac.update(told.encode())
    return f"{told}.{base64.urlsafe_b64encode(mac.finalize()).rstrip(b'=').decode()}"


def extended():
    header, _, signature = signed(claims()).split(".")
    return f"{header}.{part(claims(exp=at(10**8)))}.{signature}"


def accept(house, settings, token, person="ann", now=NOW):
    with house.act(HOST, "visa.accept", f"person/{person}") as session:
        return visas.accept(session, settings, person, token, actor=HOST, now=now).sha256


ATTEMPTS = {
    "forged signature": (signed(claims(), KEYS["stranger"]), "signature"),
    "no algorithm": (f"{part({'alg': 'none', 'kid': 'good'})}.{part(claims())}.AA", "signed by"),
    "the public key as a secret": (by_public_key(), "signed by"),
    "an issuer nobody trusts": (signed(claims(iss="https://evil.example")), "not one that this house trusts"),
    "another trusted issuer's key": (signed(claims(), KEYS["stranger"], "theirs"), "not one of broker"),
    "in the name of another issuer": (signed(claims(iss=OTHER)), "not one of other"),
    "keys elsewhere": (signed(claims(), jku="https://evil.example/keys"), "elsewhere"),
    "a key brought along": (signed(claims(), jwk=jwk(KEYS["good"], "good")), "not understood"),
    "critical header": (signed(claims(), crit=["x"]), "not understood|no visa"),
    "another type of token": (signed(claims(), typ="at+jwt"), "another type"),
    "an RSA key's name for an EC signature": (signed(claims(), kid="rsa"), "not one of broker"),
    "expired": (signed(claims(exp=at(0))), "ended"),
    "extended": (extended(), "signature"),
    "issued in the future": (signed(claims(iat=at(120))), "clock of broker is 120 s ahead"),
    "asserted in the future": (signed(claims(seconds=120)), "clock of broker"),
    "an end that is a text": (signed(claims() | {"exp": "9999999999"}), "cannot be checked|no"),
    "no end": (signed({key: value for key, value in claims().items() if key != "exp"}), "cannot be checked"),
    "conditions": (
        signed(claims() | {"ga4gh_visa_v1": claims()["ga4gh_visa_v1"] | {"conditions": [[{"type": "x"}]]}}),
        "conditions",
    ),
    "somebody else's": (signed(claims(sub="ben-1")), "not known to be ann's"),
    "nobody's": (signed(claims(sub="eve")), "not known to be ann's"),
    "not a visa": (signed({key: value for key, value in claims().items() if key != "ga4gh_visa_v1"}), "no visa"),
    "letters": ("not a visa", "three parts"),
}


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_visa_that_nobody_trusted_gave_is_refused_in_one_line(house, settings, attempt):
    token, said = ATTEMPTS[attempt]
    with pytest.raises(TREError, match=said) as refused:
        accept(house, settings, token)
    assert "\n" not in str(refused.value)
    with house.read() as session:
        assert visas.of(session, "ann") == ()


@pytest.mark.parametrize("token", [signed(claims()), signed(claims(), RSA, "rsa", "RS256", jku=f"{ISS}/keys")])
def test_a_sound_visa_counts_once_however_often_it_comes(house, settings, token):
    assert accept(house, settings, token) == accept(house, settings, f"{token}\n")
    with house.read() as session:
        assert len(visas.holding(session, settings, "ann", now=NOW)) == 1


def test_a_visa_replayed_by_another_person_is_refused(house, settings):
    token = signed(claims())
    accept(house, settings, token)
    with pytest.raises(Refused, match="not known to be ben's"):
        accept(house, settings, token, person="ben")


def test_a_visa_that_was_taken_back_does_not_come_again_under_another_signature(house, settings):
    first, second = signed(claims()), signed(claims())
    number = accept(house, settings, first)
    with house.act(HOST, "visa.refuse", "visa") as session:
        visas.refuse(session, number, why="left", actor=HOST, now=NOW)
    assert first != second
    with pytest.raises(Refused, match="was refused"):
        accept(house, settings, second)
    with house.read() as session:
        assert visas.holding(session, settings, "ann", now=NOW) == ()


def test_a_key_that_is_gone_and_an_end_that_came_take_the_facts_with_them(house, settings):
    accept(house, settings, signed(claims(), KEYS["gone"], "gone"))
    accept(house, settings, signed(claims("AcceptedTermsAndPolicies", by="self")))
    with house.read() as session:
        assert visas.is_registered(session, settings, "ann", now=NOW)
        assert not visas.is_registered(session, settings, "ann", now=NOW + timedelta(hours=1))
        file = settings.home / "visas" / "broker.jwks.json"
        file.write_text(json.dumps({"keys": [jwk(KEYS["good"], "good")]}))
        assert not visas.is_registered(session, settings, "ann", now=NOW)


@pytest.mark.parametrize(
    ("value", "by"), [(visas.REGISTERED.upper(), "so"), (visas.REGISTERED + "/", "so"), (visas.REGISTERED, "self")]
)
def test_almost_the_right_words_make_nobody_a_researcher(house, settings, value, by):
    accept(house, settings, signed(claims(value=value, by=by)))
    accept(house, settings, signed(claims("AcceptedTermsAndPolicies", by="self")))
    with house.read() as session:
        assert not visas.is_registered(session, settings, "ann", now=NOW)


def test_a_visa_of_another_issuer_counts_once_a_trusted_one_links_the_two(house, settings):
    theirs = signed(claims(iss=OTHER, sub="a-9"), KEYS["stranger"], "theirs")
    with pytest.raises(Refused, match="not known"):
        accept(house, settings, theirs)
    accept(house, settings, signed(claims("LinkedIdentities", value="a-9,https%3A%2F%2Fother.example", by="system")))
    accept(house, settings, theirs)
    with house.read() as session:
        assert len(visas.holding(session, settings, "ann", now=NOW)) == 2


def test_the_committee_reads_what_others_granted_and_nothing_opens_by_it(house, settings):
    accept(house, settings, signed(claims()))
    accept(house, settings, signed(claims("AcceptedTermsAndPolicies", by="self")))
    accept(house, settings, signed(claims("ControlledAccessGrants", value="https://dac.example/d1", by="dac")))
    with house.act(HOST, "test.build", "home") as session:
        a_dataset(session, "trial", now=NOW)
        a_project(session, "sunrise", ("ann",), now=NOW)
        (erin, *_) = a_committee(session, settings=settings, now=NOW)
        number = an_application(session, "sunrise", "trial", now=NOW, applicant="ann")
    with house.read() as session:
        seen = desk.before(session, settings, number, erin, now=NOW)
        room = access.opening(session, "sunrise", "ann", now=NOW)
    (ann,) = (one for one in seen.people if one.name == "ann")
    assert ann.vouched == (
        "registered researcher who accepted the terms (GA4GH registered access)",
        f"https://dac.example/d1 granted by {ISS} until 2026-11-02",
    )
    assert room.mounts == ()
