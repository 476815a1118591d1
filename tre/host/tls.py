"""TLS at the one public port: a certificate from files, or one that the house makes for itself.

A self-made one is signed by a certificate authority of this house's own, which can vouch for names below its domain and
for nothing else (RFC 5280, name constraints): whoever trusts it in their browser trusts it for no other site.
"""

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tre.errors import Unreadable
from tre.settings import Settings

SELF_MADE: Final = "self-made"
AUTHORITY_DAYS: Final = 3650
DAYS: Final = 397
"""No browser takes a certificate for longer."""
RENEW: Final = timedelta(days=30)
LATE: Final = timedelta(days=14)
Say = Callable[[str], None]


class Pair(NamedTuple):
    """Files of a certificate with its chain, and of its key."""

    certificate: Path
    key: Path


def pair(settings: Settings, *, now: datetime | None = None) -> Pair | None:
    """Return what the proxy serves, made or made anew if it is self-made; None where TLS ends elsewhere."""
    if not settings.certificate:
        return None
    if settings.scheme != "https":
        raise Unreadable("setting certificate: set scheme to https as well")
    now = now or datetime.now(UTC)
    if settings.certificate != SELF_MADE:
        return _checked(settings, Pair(Path(settings.certificate), Path(settings.certificate_key)), now)
    made = _made(settings)
    there = made.certificate.exists() and not _lacks(settings, made)
    if not there or _read(made.certificate).not_valid_after_utc - now < RENEW:
        _make(settings, made, now)
    return _checked(settings, made, now)


def authority(settings: Settings) -> Path:
    """File of the house's own authority: what a browser is told to trust."""
    return _folder(settings) / "authority.pem"


def ends(settings: Settings) -> datetime | None:
    """Return until when the served certificate is valid."""
    found = pair(settings)
    return _read(found.certificate).not_valid_after_utc if found else None


def _folder(settings: Settings) -> Path:
    return settings.home / "tls"


def _made(settings: Settings) -> Pair:
    return Pair(_folder(settings) / "certificate.pem", _folder(settings) / "key.pem")


# --- looking ----------------------------------------------------------------------------------------------------------
def _checked(settings: Settings, found: Pair, now: datetime) -> Pair:
    """Refuse a certificate that no browser would take, or a key that others may read."""
    certificate, key = _read(found.certificate), _key(found.key)
    if certificate.public_key().public_bytes(*_PUBLIC) != key.public_key().public_bytes(*_PUBLIC):
        raise Unreadable(f"{found.key} is not the key of {found.certificate}: name the pair that belongs together")
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        raise Unreadable(f"{found.certificate} is valid until {certificate.not_valid_after_utc:%Y-%m-%d}: renew it")
    if lacks := _lacks(settings, found):
        raise Unreadable(f"{found.certificate} is not for {', '.join(sorted(lacks))}: rooms have names of their own")
    return found


def _lacks(settings: Settings, found: Pair) -> set[str]:
    """Return the names of the house that a certificate is not for."""
    try:
        names = _read(found.certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return {settings.domain}
    return set(_names(settings)) - set(names.get_values_for_type(x509.DNSName))


def _names(settings: Settings) -> tuple[str, ...]:
    """Return the names that one certificate must be for: the Hub's, the airlock's, and those of all rooms."""
    return tuple(dict.fromkeys((settings.domain, f"*.{settings.domain}", f"*.{settings.rooms_below}")))


_PUBLIC: Final = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _read(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    except ValueError:
        raise Unreadable(f"{path} is not a certificate in PEM") from None


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Unreadable(f"{path} can be read by others: chmod 0400 it")
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError):
        raise Unreadable(f"{path} is not a private key in PEM without a password") from None
    return key  # type: ignore[return-value]  # of any kind: only its public half is asked for


# --- making -----------------------------------------------------------------------------------------------------------
def _make(settings: Settings, to: Pair, now: datetime) -> None:
    folder = _folder(settings)
    folder.mkdir(mode=0o700, exist_ok=True)
    by, by_key = _authority(settings, now)
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.DNSName(name) for name in _names(settings)]
    made = (
        _begun(_named(settings.domain), by.subject, key, now, DAYS)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key()), critical=False)
        .sign(by_key, hashes.SHA256())
    )
    _write(to.key, _private(key), 0o400)
    _write(to.certificate, made.public_bytes(Encoding.PEM) + by.public_bytes(Encoding.PEM), 0o444)


def _authority(settings: Settings, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    place, key_place = authority(settings), _folder(settings) / "authority.key"
    lasts = place.exists() and _read(place).not_valid_after_utc - now > timedelta(days=DAYS)
    if lasts and _vouches(settings, _read(place)):
        return _read(place), _key(key_place)
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named(f"Hortus at {settings.domain}")
    below = [x509.DNSName(name) for name in dict.fromkeys((settings.domain, settings.rooms_below))]
    only = x509.NameConstraints(permitted_subtrees=below, excluded_subtrees=None)
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    made = (
        _begun(name, name, key, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(only, critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(key_place, _private(key), 0o400)
    _write(place, made.public_bytes(Encoding.PEM), 0o444)
    return made, key


def _vouches(settings: Settings, by: x509.Certificate) -> bool:
    """Tell whether an authority is one for all domains of the house."""
    only = by.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or ()
    return {settings.domain, settings.rooms_below} <= {name.value for name in only}


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes, mode: int) -> None:
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    part.replace(path)
