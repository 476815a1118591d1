"""One person has one pseudonym in one project, and nobody can tell that it is theirs in another project.

    pseudonym = "tre1-" + payload + check
    payload   = 20 characters of HMAC-SHA256(project key, "subject|" + id)
    check     =  6 characters of HMAC-SHA256(project key, "check|" + payload)

A character is one of A-Z2-7 and carries the low five bits of one byte of the HMAC: 100 bits of payload, 30 of check.
The prefix makes a pseudonym easy to find in a file; the check tells which project it came from. As a whole it is a
FHIR id, a DICOM LO, a sample's name in a VCF and a file's name, so that it is the same text everywhere.

Whatever else names a thing of a person (an encounter, a specimen, an image) gets its name from the same key in a
domain of its own: equal numbers in two domains have unrelated names.

    name      = HMAC-SHA256(project key, domain + "|" + length of system + "|" + system + "|" + value)
    code      = 26 characters of it (FHIR id); short = 16 characters (DICOM SH); number = 63 bits (OMOP);
    uid       = "2.25." + 128 bits in decimal (PS3.5, B.2)
"""

import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, NewType

import pyarrow as pa

if TYPE_CHECKING:
    from tre.settings import Settings

PatientId = NewType("PatientId", str)
Pseudonym = NewType("Pseudonym", str)

PREFIX = "tre1-"
PAYLOAD, CHECK = 20, 6
SHAPE = re.compile(rf"{PREFIX}[A-Z2-7]{{{PAYLOAD + CHECK}}}")

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_TO_LETTER = bytes(_LETTERS[byte & 31] for byte in range(256))
PORTION = 131_072
_BLOCK = 64  # bytes of a SHA-256 block (RFC 2104)


@dataclass(frozen=True)
class ProjectKeys:
    """The two secrets of a project's data: one for names, one for days."""

    pseudonym: bytes
    date: bytes


class Domain(StrEnum):
    """What a name is given to; equal values in two domains have unrelated names."""

    ENCOUNTER = "encounter"
    SPECIMEN = "specimen"
    PROVIDER = "provider"
    ORGANISATION = "organisation"
    LOCATION = "location"
    DEVICE = "device"
    RECORD = "record"
    """Any other resource or row that has an id."""
    ACCESSION = "accession"
    STUDY = "study"
    SAMPLE = "sample"
    READ_GROUP = "read-group"
    READ = "read"
    FILE = "file"
    UID = "uid"
    PERSON_NUMBER = "person-number"
    ORDER = "order"


@dataclass(frozen=True)
class Person:
    """One person as one project sees them."""

    subject: PatientId
    """Never leaves the process that de-identifies."""
    pseudonym: Pseudonym
    number: int
    """The same person where a carrier takes only a number: OMOP's person_id, 1 to 2^63 - 1."""
    days: int
    """By which all their dates move; see `dates`."""


class Naming:
    """Gives every name of one project: the one function behind all carriers."""

    def __init__(self, keys: ProjectKeys) -> None:
        """Take the project's keys."""
        self.keys = keys
        self._mac = Mac(keys.pseudonym)

    def __reduce__(self) -> tuple[type["Naming"], tuple[ProjectKeys]]:
        """Go to the process that de-identifies as the keys alone."""
        return Naming, (self.keys,)

    def pseudonym(self, subject: PatientId) -> Pseudonym:
        """Return a person's pseudonym."""
        return _pseudonym(subject, self._mac)

    def code(self, domain: Domain, value: str, *, system: str = "") -> str:
        """Return 26 characters A-Z2-7 (130 bits): a FHIR id, a file's name."""
        return self._letters(domain, system, value, 26)

    def short(self, domain: Domain, value: str, *, system: str = "") -> str:
        """Return 16 characters A-Z2-7 (80 bits): a DICOM SH."""
        return self._letters(domain, system, value, 16)

    def number(self, domain: Domain, value: str, *, system: str = "") -> int:
        """Return 63 bits, never 0: an OMOP BIGINT. Two values may meet; whoever uses them checks."""
        return int.from_bytes(self._name(domain, system, value)[:8]) >> 1 or 1

    def uid(self, value: str) -> str:
        """Return the DICOM UID that stands for one of the source: 2.25. and 128 bits, at most 44 characters."""
        return f"2.25.{int.from_bytes(self._name(Domain.UID, '', value.strip(' ' + chr(0)))[:16])}"

    def order(self, value: str) -> bytes:
        """Return what to sort by, so that the source's order is gone and two projects' orders are unrelated."""
        return self._name(Domain.ORDER, "", value)

    def _letters(self, domain: Domain, system: str, value: str, size: int) -> str:
        return self._name(domain, system, value)[:size].translate(_TO_LETTER).decode("ascii")

    def _name(self, domain: Domain, system: str, value: str) -> bytes:
        return self._mac(f"{domain}|{len(system)}|{system}|{value}".encode("utf-8", "surrogateescape"))


def keys_of(settings: "Settings", project: str, *, epoch: int = 1) -> ProjectKeys:
    """Derive a project's keys from the root key."""
    from tre.records.keys import Keys  # a confined process has none and starts faster without

    keys = Keys.load(settings)
    return ProjectKeys(
        keys.project_key(project, "pseudonym", epoch=epoch), keys.project_key(project, "date", epoch=epoch)
    )


def withdrawal_marks(settings: "Settings", scope: str, things: Iterable[str]) -> Iterator[str]:
    """Yield the mark (hex) of each thing that names one who withdrew, within a linkage; it tells nobody who that is."""
    from tre.records.keys import Keys

    mac = Mac(Keys.load(settings).mark_key("withdrawal"))
    head = f"{len(scope)}|{scope}|".encode()
    for thing in things:
        yield mac(head + thing.encode("utf-8", "surrogatepass")).hex()


def pseudonym(subject: PatientId, key: bytes) -> Pseudonym:
    """Return the pseudonym of one person under a project's key."""
    return next(iter(pseudonyms([subject], key)))


def pseudonyms(subjects: Iterable[PatientId], key: bytes) -> Iterable[Pseudonym]:
    """Yield the pseudonym of each person in turn: two HMACs each, keyed once for all."""
    mac = Mac(key)
    for subject in subjects:
        yield _pseudonym(subject, mac)


def _pseudonym(subject: PatientId, mac: "Mac") -> Pseudonym:
    payload = mac(b"subject|" + subject.encode())[:PAYLOAD].translate(_TO_LETTER)
    check = mac(b"check|" + payload)[:CHECK].translate(_TO_LETTER)
    return Pseudonym(PREFIX + (payload + check).decode("ascii"))


def whose(name: str, subjects: pa.Array, key: bytes) -> PatientId | None:
    """Return who has this pseudonym, by giving each their own until one is equal."""
    sought = name.encode("ascii", "replace")[len(PREFIX) :][:PAYLOAD]
    letter = sought[:1]
    for at in range(0, len(subjects), PORTION):
        portion = subjects[at : at + PORTION].cast(pa.binary()).to_pylist()
        for subject, made in zip(portion, Mac(key).many(b"subject|", portion), strict=True):
            if made[:1].translate(_TO_LETTER) == letter and made[:PAYLOAD].translate(_TO_LETTER) == sought:
                found = PatientId(subject.decode())
                return found if pseudonym(found, key) == name else None
    return None


def verify(text: str, key: bytes) -> bool:
    """Say whether a pseudonym, or what is left of it without its prefix, bears this key's check."""
    body = text.upper().removeprefix(PREFIX.upper()).encode("ascii", "replace")
    if len(body) != PAYLOAD + CHECK:
        return False
    mac = hmac.digest(key, b"check|" + body[:PAYLOAD], "sha256")
    return hmac.compare_digest(mac[:CHECK].translate(_TO_LETTER), body[PAYLOAD:])


def checks(mac: "Mac", message: bytes) -> bytes:
    """Return the check of `check|payload` under a key that is absorbed already."""
    return mac(message)[:CHECK].translate(_TO_LETTER)


def project_of(text: str, keys: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> str | None:
    """Name the project whose check a pseudonym bears; `keys` are pseudonym keys by project, perhaps of many epochs."""
    pairs = keys.items() if isinstance(keys, Mapping) else keys
    return next((project for project, key in pairs if verify(text, key)), None)


def crosswalk(subjects: pa.Array, key: bytes) -> pa.Table:
    """Return (subject, pseudonym) for distinct subjects: set at a time, to be joined and then forgotten."""
    named = pa.array(pseudonyms(subjects.to_pylist(), key), pa.string())
    return pa.table({"subject": subjects, "pseudonym": named})


class Mac:
    """HMAC-SHA256 (RFC 2104) with the key's two blocks hashed once: three times as fast for many short messages."""

    def __init__(self, key: bytes) -> None:
        """Absorb the inner and the outer pad."""
        padded = (key if len(key) <= _BLOCK else sha256(key).digest()).ljust(_BLOCK, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in padded))
        self._outer = sha256(bytes(byte ^ 0x5C for byte in padded))

    def __call__(self, message: bytes) -> bytes:
        """Return the 32 bytes."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()

    def many(self, head: bytes, bodies: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the 32 bytes of each message, which all begin alike: the head is absorbed once."""
        begun = self._inner.copy()
        begun.update(head)
        begin, end = begun.copy, self._outer.copy
        for body in bodies:
            inner, outer = begin(), end()
            inner.update(body)
            outer.update(inner.digest())
            yield outer.digest()
