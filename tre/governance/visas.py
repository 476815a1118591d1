"""What trusted issuers vouch for: GA4GH Passport v1.2 visas, checked against keys that were brought in by hand.

`visas/issuers.toml` under the home names each issuer (`[name]` with `iss`, and `jku` if its visas carry one), and
`visas/<name>.jwks.json` holds its public keys. Nothing is ever fetched. A visa is checked again whenever it is used:
one whose key is gone from the file, or whose issuer from the table, says nothing any more.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote

import jwt
from sqlalchemy import select
from sqlalchemy.orm import Session

from tre.errors import NotFound, Refused, Unreadable
from tre.governance import accounts
from tre.governance.identities import LINKED, Marker, owner
from tre.records import audit, files
from tre.records.tables import VisaRow
from tre.settings import Settings

ALGORITHMS: Final = {"ES256": "EC", "RS256": "RSA"}
HEADER: Final = {"alg", "typ", "kid", "jku"}
"""What a header may hold: keys and certificates that a visa brings along are nobody's."""
TYPES: Final = {"AffiliationAndRole", "AcceptedTermsAndPolicies", "ResearcherStatus", "ControlledAccessGrants", LINKED}
BY: Final = {"", "self", "peer", "system", "so", "dac"}
REGISTERED: Final = "https://doi.org/10.1038/s41431-018-0219-y"
"""What both visas of registered access say, letter by letter."""
SLACK: Final = timedelta(minutes=1)
"""How far an issuer's clock may be ahead of ours."""
LONGEST: Final = 16_384
LAST: Final = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())

Claims = Mapping[str, Any]  # JSON as an issuer wrote it


@dataclass(frozen=True)
class Visa:
    """What a visa says, once its signature and its times hold."""

    issuer: str
    subject: str
    jti: str
    type: str
    value: str
    source: str
    by: str
    asserted: datetime
    expires_at: datetime
    sha256: str
    """Of what is signed: another signature over the same words is the same visa."""


def accept(session: Session, settings: Settings, person: str, token: str, *, actor: str, now: datetime) -> VisaRow:
    """Keep what a visa says of a person, or refuse it in one line."""
    accounts.person(session, person)
    token = token.strip()
    visa = read(settings, token, now=now)
    if whose(session, settings, visa, now=now) != person:
        raise Refused(f"this visa is not known to be {person}'s: link its subject at {visa.issuer} with them first")
    held = session.get(VisaRow, visa.sha256)
    if held is not None:
        if held.person != person or held.refused_at is not None:
            raise Refused("this visa was refused, or is somebody else's")
        return held
    for folder in (settings.home / "visas", settings.home / "visas" / "held"):
        files.folder(folder, 0o700)
    files.replace(_kept(settings, visa.sha256), token.encode("ascii"))
    row = VisaRow(person=person, accepted_at=now, refused_at=None, **vars(visa))
    session.add(row)
    facts = {"issuer": visa.issuer, "type": visa.type, "until": audit.stamp(visa.expires_at), "visa": visa.sha256}
    audit.append(session, "visa.accept", actor=actor, subject=f"person/{person}", at=now, **facts)
    return row


def refuse(session: Session, number: str, *, why: str, actor: str, now: datetime) -> VisaRow:
    """Take a visa back, for good; it cannot be accepted again."""
    row = session.get(VisaRow, number)
    if row is None:
        raise NotFound(f"there is no visa {number[:64]!r}: see `tre visa list PERSON`")
    row.refused_at = row.refused_at or now
    audit.append(
        session, "visa.refuse", actor=actor, subject=f"person/{row.person}", at=now, visa=number, why=why[:2000]
    )
    return row


def of(session: Session, person: str) -> tuple[VisaRow, ...]:
    """Return every visa that was ever accepted of a person."""
    return tuple(session.scalars(select(VisaRow).where(VisaRow.person == person).order_by(VisaRow.accepted_at)))


def holding(session: Session, settings: Settings, person: str, *, now: datetime) -> tuple[Visa, ...]:
    """Return what is vouched for now: not refused, not ended, and still signed by a key that is trusted."""
    return tuple(visa for row in of(session, person) if row.refused_at is None and (visa := _again(settings, row, now)))


def is_registered(session: Session, settings: Settings, person: str, *, now: datetime) -> bool:
    """Whether a person is a bona fide researcher who accepted the terms: registered access of GA4GH.

    Both must be said, in these letters; nobody says of themselves that they are a researcher.
    """
    said = {(visa.type, visa.by) for visa in holding(session, settings, person, now=now) if visa.value == REGISTERED}
    return any(kind == "AcceptedTermsAndPolicies" for kind, _ in said) and bool(
        said & {("ResearcherStatus", "so"), ("ResearcherStatus", "system")}
    )


def grants(session: Session, settings: Settings, person: str, *, now: datetime) -> tuple[Visa, ...]:
    """Return what other committees granted a person: evidence for an application, and never an approval by itself."""
    return tuple(visa for visa in holding(session, settings, person, now=now) if visa.type == "ControlledAccessGrants")


def evidence(session: Session, settings: Settings, person: str, *, now: datetime) -> tuple[str, ...]:
    """Say what others vouch for that a committee may weigh; it opens nothing by itself."""
    registered = is_registered(session, settings, person, now=now)
    said = ("registered researcher who accepted the terms (GA4GH registered access)",) if registered else ()
    granted = (
        f"{visa.value} granted by {visa.issuer} until {visa.expires_at:%Y-%m-%d}"
        for visa in grants(session, settings, person, now=now)
    )
    return (*said, *granted)


def whose(session: Session, settings: Settings, visa: Visa, *, now: datetime) -> str | None:
    """Name of the person a visa speaks of: by an identity on record, or by a trusted visa that links two."""
    marker = Marker(visa.issuer, visa.subject)
    if (known := owner(session, marker)) is not None:
        return known
    links = select(VisaRow).where(VisaRow.type == LINKED, VisaRow.refused_at.is_(None))
    people = {row.person for row in session.scalars(links) if marker in linked(_again(settings, row, now))}
    return people.pop() if len(people) == 1 else None


def linked(visa: Visa | None) -> frozenset[Marker]:
    """Return the identities that a visa says are its subject's."""
    pairs = (pair.split(",") for pair in visa.value.split(";")) if visa else ()
    return frozenset(Marker(unquote(pair[1]), unquote(pair[0])) for pair in pairs if len(pair) == 2)  # noqa: PLR2004


# --- reading ----------------------------------------------------------------------------------------------------------
def read(settings: Settings, token: str, *, now: datetime) -> Visa:
    """Check a visa from its first letter to its last, or refuse it."""
    header, said = _unchecked(token)
    iss = said.get("iss")
    name, issuer = next(((name, row) for name, row in _issuers(settings).items() if row["iss"] == iss), ("", {}))
    if not name:
        raise Refused("the visa's issuer is not one that this house trusts")
    if "jku" in header and header["jku"] != issuer.get("jku"):
        raise Refused(f"the visa of {name} says that its keys are elsewhere than agreed")
    key = _key(settings, name, header)
    try:
        claims: Claims = jwt.decode(
            token, key.key, algorithms=[header["alg"]], options={"verify_exp": False, "verify_iat": False,
            "verify_nbf": False, "verify_aud": False, "require": ["iss", "sub", "iat", "exp"]},
        )  # its times are compared with ours below  # fmt: skip
    except jwt.InvalidSignatureError:
        raise Refused(f"the visa's signature is not by the key of {name} that it names") from None
    except jwt.PyJWTError as error:
        raise Refused(f"the visa of {name} cannot be checked: {type(error).__name__}") from None
    return _visa(name, claims, token, now)


def _unchecked(token: str) -> tuple[Claims, Claims]:
    """Return header and claims of what nobody vouches for yet, if their form is right."""
    if len(token) > LONGEST or not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", token, re.ASCII):
        raise Unreadable(f"a visa is three parts of a compact JWS with dots between, at most {LONGEST} characters")
    try:
        header: Claims = jwt.get_unverified_header(token)
        claims: Claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError:
        raise Unreadable("this is no visa: its header or its claims are no JSON object") from None
    if header.get("alg") not in ALGORITHMS:
        raise Refused(f"a visa is signed by {' or '.join(ALGORITHMS)}, and this one is not")
    if odd := header.keys() - HEADER:
        raise Refused(f"the visa's header holds what is not understood: {', '.join(sorted(odd))[:100]}")
    if str(header.get("typ", "JWT")).casefold().removeprefix("application/") not in {"jwt", "vnd.ga4gh.visa+jwt"}:
        raise Refused("the token is of another type than a visa")
    return header, claims


def _visa(name: str, claims: Claims, token: str, now: datetime) -> Visa:
    said = claims.get("ga4gh_visa_v1")
    if not isinstance(said, dict):
        raise Refused(f"the token of {name} has no ga4gh_visa_v1: it is no visa")
    texts = {key: said.get(key, "") for key in ("type", "value", "source", "by")} | {"jti": claims.get("jti", "")}
    texts |= {"issuer": claims["iss"], "subject": claims["sub"]}
    longest = {"jti": 200, "issuer": 200, "subject": 255}
    if not all(isinstance(text, str) and len(text) <= longest.get(key, 2000) for key, text in texts.items()):
        raise Refused(f"the visa of {name} holds something that is no text, or too long")
    if texts["type"] not in TYPES or texts["by"] not in BY or not all(texts[k] for k in ("value", "source", "subject")):
        raise Refused(f"the visa of {name} is of no known type, or does not say what, of whom and by whom")
    if said.get("conditions"):
        raise Refused(f"the visa of {name} holds under conditions, and this house cannot judge them")
    times = [_time(name, claims["iat"]), _time(name, said.get("asserted")), _time(name, claims["exp"])]
    issued, asserted, expires = times
    if max(issued, asserted) > now + SLACK:
        ahead = (max(issued, asserted) - now).total_seconds()
        raise Refused(f"the clock of {name} is {ahead:.0f} s ahead of ours: set right whichever is wrong")
    if expires <= now:
        raise Refused(f"the visa of {name} ended {expires:%Y-%m-%d %H:%M} UTC: ask for a new one")
    signed = sha256(token.rpartition(".")[0].encode()).hexdigest()
    return Visa(**texts, asserted=asserted, expires_at=expires, sha256=signed)


def _time(name: str, seconds: object) -> datetime:
    if type(seconds) is not int or not 0 < seconds < LAST:
        raise Refused(f"the visa of {name} holds a time that is none")
    return datetime.fromtimestamp(seconds, UTC)


def _again(settings: Settings, row: VisaRow, now: datetime) -> Visa | None:
    """Check a visa that was kept once more; None if it says nothing any more."""
    try:
        visa = read(settings, _kept(settings, row.sha256).read_text("ascii"), now=now)
    except (Refused, Unreadable, OSError, UnicodeDecodeError):
        return None
    return visa if (visa.sha256, visa.issuer, visa.subject) == (row.sha256, row.issuer, row.subject) else None


def _kept(settings: Settings, number: str) -> Any:  # noqa: ANN401 -- a path of the home
    return settings.home / "visas" / "held" / f"{number}.jwt"


# --- who is trusted ---------------------------------------------------------------------------------------------------
def _issuers(settings: Settings) -> Mapping[str, Mapping[str, str]]:
    path = settings.home / "visas" / "issuers.toml"
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise Unreadable(f"{path} is no TOML: write [name] with iss, and jku if visas carry one") from None
    for name, row in table.items():
        if (
            not re.fullmatch(r"[a-z0-9-]{1,30}", name)
            or not isinstance(row, dict)
            or not isinstance(row.get("iss"), str)
        ):
            raise Unreadable(f"{path}: [{name[:30]}] needs a plain name, and iss")
    return table


def _key(settings: Settings, name: str, header: Claims) -> jwt.PyJWK:
    """Return the one key of an issuer that a visa names."""
    path = settings.home / "visas" / f"{name}.jwks.json"
    try:
        listed = json.loads(path.read_text("utf-8"))["keys"]
        named = [key for key in listed if key.get("kid") == header.get("kid") and key.get("use", "sig") == "sig"]
    except FileNotFoundError:
        raise Refused(f"there are no keys of {name}: put its JWKS at {path}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Unreadable(f"{path} is no JWKS: ask {name} for it again") from None
    fitting = [key for key in named if key.get("kty") == ALGORITHMS[header["alg"]]]
    if not header.get("kid") or len(fitting) != 1 or fitting[0].get("alg", header["alg"]) != header["alg"]:
        raise Refused(f"the key that the visa names is not one of {name}: if they have a new one, bring it in")
    try:
        return jwt.PyJWK(fitting[0], algorithm=header["alg"])
    except jwt.PyJWTError:
        raise Unreadable(f"{path}: a key cannot be read; ask {name} for it again") from None
