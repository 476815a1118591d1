"""Another house may say who somebody is. Whether they may come in, and that they proved it twice, is for us to see.

Nobody signs up. A provider's answer counts only if it is signed with a key that it publishes, is for this house and
this sign-in, was made just now, and says that a second factor was used.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import jwt
from oauthenticator.generic import GenericOAuthenticator
from sqlalchemy.orm import Session
from tornado.httpclient import HTTPClientError
from tornado.web import HTTPError
from traitlets import Any as AnyTrait
from traitlets import Instance, Unicode

from tre.errors import Refused, StepRefused, Unavailable, Unreadable
from tre.governance import access, accounts, identities
from tre.governance.identities import Marker
from tre.records import audit
from tre.records.tables import PersonRow
from tre.rooms.providers import Provider, reachable

SKEW_SECONDS = 60
BEGUN_SECONDS = 600
"""How long somebody may take at the provider."""
PATIENCE_SECONDS = 10
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""Signatures with a key pair; never one that whoever knows the client's secret could make."""
ROR = re.compile(r"https://ror\.org/0[a-z0-9]{6}[0-9]{2}")
COUNTRY = re.compile(r"[A-Z]{2}")


class Said(NamedTuple):
    """What a provider says of whoever signs in, checked."""

    subject: str
    second_factor: bool
    claims: Mapping[str, Any]


class OpenID(GenericOAuthenticator):  # type: ignore[misc]  # oauthenticator has no types
    """One provider: where it is, what it publishes, and whether its answer counts."""

    provider = Instance(Provider)
    house = AnyTrait()
    """The authenticator of the Hub."""
    otp_prompt = Unicode()

    _published: Mapping[str, Any]
    _keys: jwt.PyJWKSet | None = None

    @classmethod
    def of(cls, provider: Provider, house: Any) -> "OpenID":  # noqa: ANN401 -- the Hub's authenticator
        """Speak to a provider as this house."""
        settings = house.settings
        return cls(
            provider=provider,
            house=house,
            otp_prompt=house.otp_prompt,
            login_service=provider.name,
            client_id=provider.client_id,
            client_secret=settings.secret(f"openid-{provider.key}"),
            scope=list(provider.scopes),
            oauth_callback_url=f"{settings.hub_origin}/hub/openid/{provider.key}/back",
            basic_auth=True,
            enable_pkce=True,
            allow_all=True,
            username_claim="sub",
            http_request_kwargs={"connect_timeout": PATIENCE_SECONDS, "request_timeout": PATIENCE_SECONDS},
        )

    def login_url(self, base_url: str) -> str:
        """Give the page with both ways in."""
        return f"{base_url}login"

    # --- what it publishes -------------------------------------------------------------------------------------------
    async def discover(self) -> None:
        """Learn where its doors are, and its keys: with each sign-in, so that a provider's silence is noticed here."""
        where = f"{self.provider.issuer.rstrip('/')}/.well-known/openid-configuration"
        published = await self._get(where)
        if published.get("issuer") != self.provider.issuer:
            raise self._broken("it publishes another issuer than the one that this house knows")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            try:
                reachable(name, str(published.get(name, "")))
            except Unreadable:
                raise self._broken(f"its {name} is missing, or is not https") from None
        self._published = published
        self.authorize_url, self.token_url = published["authorization_endpoint"], published["token_endpoint"]
        await self._read_keys()

    async def _read_keys(self) -> None:
        try:
            self._keys = jwt.PyJWKSet.from_dict(dict(await self._get(self._published["jwks_uri"])))
        except jwt.PyJWTError:
            raise self._broken("it publishes no key that can be read") from None

    async def _get(self, url: str, **headers: str) -> Mapping[str, Any]:
        try:
            found = await self.httpfetch(url, method="GET", headers={"Accept": "application/json", **headers})
        except (HTTPClientError, HTTPError, OSError, ValueError) as error:
            raise self._silent(error) from None
        if not isinstance(found, dict):
            raise self._broken("its answer is not JSON")
        return found

    # --- what it says ------------------------------------------------------------------------------------------------
    async def said(self, handler: Any, nonce: str, now: datetime) -> Said:  # noqa: ANN401 -- tornado's own
        """Fetch and check the answer for this sign-in."""
        if self._keys is None:
            await self.discover()
        try:
            answer = await self.get_token_info(handler, self.build_access_tokens_request_params(handler))
        except (HTTPClientError, HTTPError) as error:
            status = error.code if isinstance(error, HTTPClientError) else error.status_code
            if 400 <= status < 500:  # noqa: PLR2004 -- HTTP's own numbers
                raise StepRefused(f"{self.provider.name} did not confirm this sign-in: begin again") from None
            raise self._silent(error) from None
        except (OSError, ValueError) as error:
            raise self._silent(error) from None
        claims = await self._checked(str(answer.get("id_token") or ""), nonce, now)
        return self._as_said(claims, await self._more(answer, claims))

    async def _checked(self, token: str, nonce: str, now: datetime) -> Mapping[str, Any]:
        """Return what the ID token claims, if all of OpenID Connect Core 3.1.3.7 holds."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                await self._key_of(token),
                algorithms=list(ALGORITHMS),
                audience=self.client_id,
                issuer=self.provider.issuer,
                options={"require": ["iss", "sub", "aud", "exp", "iat"], "verify_exp": False, "verify_iat": False,
                         "verify_nbf": False},
            )  # fmt: skip
        except jwt.InvalidSignatureError:
            raise self._broken("its answer is not signed with a key that it publishes") from None
        except jwt.PyJWTError as error:
            raise self._broken(f"its answer does not hold ({type(error).__name__})") from None
        self._in_time(claims, now)
        if claims.get("azp", self.client_id) != self.client_id or claims.get("nonce") != nonce:
            raise self._broken("its answer is for another sign-in")
        return claims

    async def _key_of(self, token: str) -> jwt.PyJWK:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
        except jwt.PyJWTError:
            raise self._broken("its answer is no ID token") from None
        for again in (True, False):
            keys = [key for key in self._keys.keys if key.key_id == kid or kid is None] if self._keys else []
            if keys:
                return keys[0]
            if again:
                await self._read_keys()
        raise self._broken("its answer is not signed with a key that it publishes")

    def _in_time(self, claims: Mapping[str, Any], now: datetime) -> None:
        """Refuse what was not made just now: the answer came straight from the provider, so the clocks differ."""
        try:
            made, ends = float(claims["iat"]), float(claims["exp"])
        except (TypeError, ValueError):
            raise self._broken("its answer has no time that can be read") from None
        off = made - now.timestamp()
        if abs(off) > SKEW_SECONDS or ends + SKEW_SECONDS < now.timestamp():
            way = "ahead of" if off > 0 else "behind"
            raise self._broken(f"its clock is {abs(off):.0f} s {way} this house's, at most {SKEW_SECONDS} s are borne")

    async def _more(self, answer: Mapping[str, Any], claims: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask for what does not stand in the ID token; it must be of the same subject."""
        where = self._published.get("userinfo_endpoint")
        if not where or "access_token" not in answer:
            return {}
        more = await self._get(where, Authorization=f"Bearer {answer['access_token']}")
        if more.get("sub") != claims["sub"]:
            raise self._broken("it speaks of two people in one answer")
        return more

    def _as_said(self, claims: Mapping[str, Any], more: Mapping[str, Any]) -> Said:
        amr = claims.get("amr")
        methods = set(amr) if isinstance(amr, list) and all(isinstance(each, str) for each in amr) else set()
        factor = claims.get("acr") in self.provider.mfa_acr or bool(methods & set(self.provider.mfa_amr))
        return Said(str(claims["sub"]), factor, {**more, **claims})

    # --- what it means here ------------------------------------------------------------------------------------------
    def markers(self, said: Said) -> tuple[Marker, ...]:
        """Return the names by which somebody is known, as far as the provider vouches for them."""
        found = [Marker(self.provider.issuer, said.subject)]
        if orcid := said.claims.get(self.provider.claims.get("orcid", "")):
            found.append(Marker(identities.ORCID, identities.checked_orcid(str(orcid))))
        return tuple(found)

    def address(self, said: Said) -> str:
        """Return the e-mail address that the provider verified; empty if it did not."""
        return str(said.claims.get("email") or "") if said.claims.get("email_verified") is True else ""

    def enter(self, session: Session, name: str, said: Said, *, now: datetime) -> None:
        """Let a person in, or refuse by the rules; keep what the provider vouches for."""
        try:
            access.require(session, access.sign_in_ask(session, name, now=now, second_factor=said.second_factor))
        except Refused as no:
            raise no if said.second_factor else self._once(no) from None
        self.eligible(said)
        self.vouch(session, name, said, now=now)
        audit.append(session, "session.sign_in", actor=name, subject=f"person/{name}", at=now, by=self.provider.issuer)

    def eligible(self, said: Said) -> None:
        """Refuse whoever the provider does not call eligible."""
        for claim, wanted in self.provider.require.items():
            has = said.claims.get(claim)
            if not set(has if isinstance(has, list) else [has]) & set(wanted):
                raise Refused(
                    f"{self.provider.name} does not say that you are eligible (claim {claim})",
                    remedies=("have your organisation say so, then sign in again",),
                )

    def vouch(self, session: Session, name: str, said: Said, *, now: datetime) -> None:
        """Keep a person's markers, and where they work."""
        for marker in self.markers(said):
            identities.link(session, name, marker, actor=name, now=now)
        identities.link_address(session, name, self.address(said), actor=name, now=now)
        row = accounts.person(session, name)
        if changed := {what: value for what, value in self._facts(said).items() if getattr(row, what) != value}:
            for what, value in changed.items():
                setattr(row, what, value)
            facts: dict[str, audit.Fact] = {"by": self.provider.issuer, **changed}
            audit.append(session, "person.vouch", actor=name, subject=f"person/{name}", at=now, **facts)

    def _facts(self, said: Said) -> dict[str, str | bool]:
        """Return what the rules ask of a person and the provider answers; what cannot be read is as not said."""
        mapped = {ours: said.claims.get(theirs) for ours, theirs in self.provider.claims.items()}
        facts: dict[str, str | bool] = {}
        for what, form in (("country", COUNTRY), ("institution", ROR)):
            if what in mapped:
                value = str(mapped[what] or "")
                facts[what] = value if form.fullmatch(value) else ""
        if "not_for_profit" in mapped:
            facts["not_for_profit"] = mapped["not_for_profit"] is True
        return facts

    def owner(self, session: Session, said: Said) -> str | None:
        """Name of the person whom the provider means, if the house knows them."""
        name = identities.owner(session, Marker(self.provider.issuer, said.subject))
        return name if name and session.get(PersonRow, name) else None

    def _once(self, no: Refused) -> Refused:
        """Say what helps where it helps: the second factor is asked for by the provider."""
        here = f"set up a second factor at {self.provider.name} and use it: it must say so (acr, amr) when you sign in"
        told = zip(no.rules, no.remedies, strict=True)
        return Refused(str(no), rules=no.rules, remedies=[here if rule == "R02" else each for rule, each in told])

    # --- faults ------------------------------------------------------------------------------------------------------
    def _broken(self, what: str) -> Refused:
        return Refused(f"{self.provider.name} cannot be believed: {what}; tell whoever runs it")

    def _silent(self, error: Exception) -> Unavailable:
        self.log.warning("openid %s: %s", self.provider.key, type(error).__name__)
        return Unavailable(f"{self.provider.name} does not answer: try again later; rooms that are open go on")
