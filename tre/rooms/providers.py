"""Who else may say who somebody is, as the operator wrote it in `openid.toml` of the home; without the file nobody.

[[provider]]
key = "uni"                                  # secrets/openid-uni holds the client's secret
name = "Example University"
issuer = "https://idp.example.org"
client_id = "hortus"
mfa_amr = ["mfa", "otp", "hwk"]
claims = { country = "country", institution = "ror" }
require = { eduperson_entitlement = ["https://example.org/researcher"] }
"""

import tomllib
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tre.errors import Unreadable
from tre.settings import Settings

FILE = "openid.toml"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
OURS = frozenset({"country", "institution", "not_for_profit", "orcid"})
"""What the house would learn from a provider."""


class Provider(BaseModel):
    """What the operator wrote of one provider."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(pattern=r"^[a-z][a-z0-9-]{0,19}$")
    name: str = Field(min_length=1, max_length=60)
    issuer: str = Field(max_length=200)
    client_id: str = Field(min_length=1)
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    mfa_acr: tuple[str, ...] = ()
    """Values of `acr` that say that two factors were used."""
    mfa_amr: tuple[str, ...] = ("mfa",)
    """Values of `amr` that say so, any of them."""
    claims: Mapping[str, str] = Field(default_factory=dict)
    """What of ours (country, institution, not_for_profit, orcid) stands in which claim."""
    require: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Claims of which a person must have one of these values."""


def load(settings: Settings) -> tuple[Provider, ...]:
    """Read who else may say who somebody is, or say in one line what is wrong with the file; without it nobody."""
    path = settings.home / FILE
    if not path.exists():
        return ()
    try:
        read = tomllib.loads(path.read_text("utf-8"))
        found = tuple(Provider(**each) for each in read.pop("provider", ()))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError) as error:
        raise Unreadable(f"{path}: this cannot be read ({error})") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise Unreadable(f"{path}: provider {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    _sound(path.name, found, read)
    return found


def _sound(file: str, found: tuple[Provider, ...], rest: Mapping[str, object]) -> None:
    if rest:
        raise Unreadable(f"{file}: it has {min(rest)}, which nobody reads: write [[provider]]")
    if len({each.key for each in found}) != len(found) or len({each.issuer for each in found}) != len(found):
        raise Unreadable(f"{file}: two providers have one key or one issuer")
    for each in found:
        reachable(f"{file}: provider {each.key}: issuer", each.issuer)
        if "openid" not in each.scopes:
            raise Unreadable(f"{file}: provider {each.key}: scopes must name openid")
        if foreign := set(each.claims) - OURS:
            raise Unreadable(f"{file}: provider {each.key}: claims: the house has no {min(foreign)}")


def reachable(what: str, url: str) -> str:
    """Return an address that can be asked safely, or say that it cannot: only on this host without TLS."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise Unreadable(f"{what}: it must begin with https://")
    return url
