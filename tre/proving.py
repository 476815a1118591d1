"""`tre doctor --deep`: everything that is safe to try is tried on the running house, and what came of it is signed.

The report lies in the home, its hash and signature in the audit log, so that nobody can say later that it was never
tried, or that it held. A wall that did not hold is told to every admin.
"""

import base64
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from tre.errors import TREError, Unreadable
from tre.governance import notices, roles
from tre.records import audit, checkpoint, files
from tre.records.db import Records
from tre.rooms import probing
from tre.rooms.probing import Tried
from tre.settings import Settings

CONTEXT = "probe report"
ACT = "doctor.deep"
MOST_NAMED = 20


def tried(settings: Settings, records: Records) -> list[Tried]:
    """Try from outside, look at the rooms of people, and try in a room of nobody."""
    found = [*probing.from_outside(settings), *probing.open_rooms(settings, records)]
    try:
        return [*found, *probing.in_a_room(settings)]
    except TREError as error:
        return [*found, Tried("open a room to try in", "P1", "2.4.03", ok=False, says=str(error))]


def proved(settings: Settings, records: Records, *, actor: str, now: datetime) -> tuple[list[Tried], Path]:
    """Try everything, sign what came of it, write it down, and tell the admins if a wall did not hold."""
    began = time.monotonic()
    found = tried(settings, records)
    report = {
        "at": audit.stamp(now),
        "by": actor,
        "seconds": round(time.monotonic() - began, 1),
        "tried": [asdict(one) for one in found],
    }
    body = audit.canonical(report)
    signature = base64.b64encode(checkpoint.sign_bytes(settings, body, CONTEXT)).decode("ascii")
    place = settings.reports / f"{now.astimezone(UTC):%Y%m%dT%H%M%S%f}.json"
    files.folder(settings.reports, 0o700)
    files.replace(place, audit.canonical({"report": report, "signature": signature}), mode=0o400)
    lost = [f"{one.promise} {one.name}: {one.says}" for one in found if not one.ok]
    with records.act(actor, ACT, "house") as session:
        audit.append(
            session, ACT, actor=actor, subject="house", at=now, tried=len(found), lost=lost[:MOST_NAMED],
            sha256=sha256(body).hexdigest(), signature=signature, file=place.name,
        )  # fmt: skip
        if lost:
            text = f"A wall of the house did not hold: {lost[0]}. See `tre doctor --deep`; {len(lost)} in all."
            for admin in sorted(roles.admins(session)):
                notices.tell(session, admin, key=f"deep/{place.stem}", text=text, now=now)
    return found, place


def read(settings: Settings, place: Path) -> dict[str, object]:
    """Return a report, or raise Tampered if it is not what was signed."""
    import orjson

    try:
        said = orjson.loads(place.read_bytes())
        report, signature = said["report"], base64.b64decode(said["signature"])
    except (OSError, ValueError, KeyError, TypeError):
        raise Unreadable(f"{place} is not a report of `tre doctor --deep`") from None
    checkpoint.verify_bytes(checkpoint.public_key(settings), audit.canonical(report), signature, CONTEXT)
    return dict(report)


def told(found: Sequence[Tried]) -> list[str]:
    """Say in lines what came of it: each that did not hold, and how many did."""
    lost = [f"NO  {one.promise:<3} {one.name}: {one.says} (SATRE {one.satre})" for one in found if not one.ok]
    held = sum(one.ok for one in found)
    return [*lost, f"{'ok' if not lost else 'NO'}  {held} of {len(found)} attempts were refused"]
