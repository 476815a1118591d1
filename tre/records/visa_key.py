"""What this house says of its people to others: signed by a key of its own, which anyone may check by its public half.

The key signs visas and nothing else. GA4GH wants ES256 here, which the log's key (Ed25519) cannot give.
"""

import hmac
import json
from collections.abc import Mapping
from hashlib import sha256

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from jwt.algorithms import ECAlgorithm

from tre.records import audit, keys
from tre.settings import Settings

ALGORITHM = "ES256"
TYPE = "vnd.ga4gh.visa+jwt"


def sign(settings: Settings, claims: Mapping[str, object], *, jku: str) -> str:
    """Sign claims as a visa; `jku` says where the public keys are shown."""
    key = keys.visa_signer(settings)
    headers = {"typ": TYPE, "kid": _public(key)["kid"], "jku": jku}
    return jwt.encode(dict(claims), key, algorithm=ALGORITHM, headers=headers)


def jwks(settings: Settings) -> dict[str, list[dict[str, str]]]:
    """Give the public key as a JWK set: what another house brings in by hand to check our visas."""
    return {"keys": [_public(keys.visa_signer(settings))]}


def subject(settings: Settings, person: str) -> str:
    """Give the name under which others know a person: always the same, and it tells nothing of them."""
    mark = keys.Keys.load(settings).mark_key("visa-subject")
    return hmac.new(mark, person.encode(), sha256).hexdigest()[:32]


def _public(key: EllipticCurvePrivateKey) -> dict[str, str]:
    """Return the public half, with its thumbprint for a name (RFC 7638)."""
    whole = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    made_of = {name: str(whole[name]) for name in ("crv", "kty", "x", "y")}
    return made_of | {"kid": audit.digest(made_of)[:32], "use": "sig", "alg": ALGORITHM}
