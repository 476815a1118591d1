"""The process that finds one person again: it alone opens the keys, tells the clinical contact alone, and ends.

    python -m tre.data.recontact_answer NUMBER

It goes forward over all persons, as an extract does, until the pseudonym is the one that was asked for. It prints
where the sealed answer lies and nothing of what is in it.
"""

import resource
import sys
from datetime import datetime
from pathlib import Path

import pyarrow as pa
from sqlalchemy.orm import Session

from tre import show
from tre.data import catalogue, crypt4gh, keeping, linkage, persons, recontact, withdrawals
from tre.data.deid import plan as plans
from tre.data.deid import pseudonyms
from tre.data.links import Links
from tre.data.recontact_states import State
from tre.errors import TREError, Unreadable
from tre.governance import projects
from tre.governance.operator import house
from tre.records import files
from tre.records.db import Records
from tre.records.tables import RecontactRow
from tre.settings import Settings

Ids = list[dict[str, str]]


def answer(records: Records, settings: Settings, number: int, *, actor: str, now: datetime) -> State:
    """Find the person and seal the answer for the contact; or close the matter if there is nobody."""
    subject = f"recontact/{number}"
    with keeping.alone(settings.recontact / "answers", f"re-contact {number}"):
        with records.act(actor, "recontact.answer", subject) as session:
            row = recontact.answerable(session, settings, number)
            key = recontact.contact_key(settings, row.dataset)
        with records.read() as session:
            ids = _ids(session, settings, row)
        if ids is None:
            with records.act(actor, "recontact.close", subject) as session:
                return recontact.settle(session, number, "close", actor=actor, now=now)
        place = recontact.answer_path(settings, number)
        made = _sealed(place, recontact.sealed_text(row, ids), key)
        with records.act(actor, "recontact.answer", subject) as session:
            recontact.answerable(session, settings, number)
            state = recontact.settle(session, number, "answer", actor=actor, now=now)
            made.replace(place)
            files.sync(place.parent)
    return state


def _ids(session: Session, settings: Settings, row: RecontactRow) -> Ids | None:
    """Return every id of the person; nothing if nobody is found, or the one found withdrew."""
    epoch = recontact.epoch(settings, projects.get(session, row.project), row.pseudonym)
    if epoch is None:
        return None
    key = pseudonyms.keys_of(settings, row.project, epoch=epoch).pseudonym
    name = plans.parse(catalogue.get(session, row.dataset).plan).linkage_name
    links = linkage.newest(session, settings, name) if name else None
    found = pseudonyms.whose(row.pseudonym, _subjects(session, settings, row, links), key)
    if found and links:
        found = links.stays(found)
    scope = withdrawals.scope_of(row.dataset, name)
    if found is None or withdrawals.of(session, settings, scope, row.dataset, [found]):
        return None
    if links is None:
        return [{"system": row.dataset, "type": "subject", "value": found}]
    return [{"system": system, "type": kind, "value": value} for system, kind, value in links.of_subject(found)]


def _subjects(session: Session, settings: Settings, row: RecontactRow, links: Links | None) -> pa.Array:
    """Return all who may be in an extract, also under who they were before."""
    if links is not None:
        return links.ever()
    versions = catalogue.versions(session, row.dataset)
    return pa.concat_arrays([persons.of_version(session, settings, row.dataset, one.number) for one in versions])


def _sealed(place: Path, said: bytes, key: bytes) -> Path:
    """Write the answer beside its place, so that only the contact can read it."""
    made = place.with_name(f"{keeping.ASIDE}{place.name}")
    made.unlink(missing_ok=True)
    sink = crypt4gh.Writer(made, key)
    try:
        sink.write(said)
        sink.finish()
    finally:
        sink.close()
    made.chmod(0o400)
    return made


def main(words: list[str]) -> int:
    """Answer one re-contact; print its state, never a person."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the keys
    try:
        if len(words) != 1 or not words[0].isdecimal():
            raise Unreadable("give the number of a re-contact")
        with house() as at:
            state = answer(at.records, at.settings, int(words[0]), actor=at.actor, now=at.now)
    except TREError as error:
        return show.fault(error)
    print(state)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
