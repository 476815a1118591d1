"""A person behind a pseudonym can be found again for their own good, by two who agree and for one who treats them.

Who asks is in the project and learns nothing. Two approvers who never were in it agree. A process of its own then
computes every person's pseudonym forward until one is equal (`tre.data.recontact_answer`): no table leads back. What
it finds is sealed for the dataset's clinical contact alone.
"""

import base64
import binascii
import json
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from policies.facts import Recontact, Role
from tre.data import catalogue
from tre.data.deid import plan as plans
from tre.data.deid import pseudonyms
from tre.data.recontact_states import FIRST, QUORUM, By, State, Verdict, take
from tre.errors import NotFound, Refused, StepRefused, Unreadable
from tre.governance import access, accounts, projects, text
from tre.records import audit, files
from tre.records.tables import ExtractRow, ProjectRow, RecontactRow, RecontactVoteRow
from tre.settings import Settings

A_DAY = 5
"""Re-contacts that one project may ask for within 24 hours."""
HEAD, TAIL = "-----BEGIN CRYPT4GH PUBLIC KEY-----", "-----END CRYPT4GH PUBLIC KEY-----"
KEY_SIZE = 32
FINGERPRINT = 16


# --- who is told -----------------------------------------------------------------------------------------------------
def set_contact(session: Session, settings: Settings, dataset: str, key: str, *, actor: str, now: datetime) -> str:
    """Register the key of a dataset's clinical contact; return its fingerprint. What was asked before is asked anew."""
    catalogue.get(session, dataset, for_update=True)
    public = _public(key)
    for folder in (settings.recontact, settings.recontact / "contacts"):
        files.folder(folder, 0o700)
    fingerprint = sha256(public).hexdigest()
    audit.append(session, "recontact.contact", actor=actor, subject=f"dataset/{dataset}", at=now, key=fingerprint)
    files.replace(_key_path(settings, dataset), f"{HEAD}\n{base64.b64encode(public).decode()}\n{TAIL}\n".encode())
    return fingerprint


def contact_key(settings: Settings, dataset: str) -> bytes:
    """Return the key of a dataset's clinical contact."""
    try:
        return _public(_key_path(settings, dataset).read_text("ascii"))
    except FileNotFoundError:
        raise Refused(
            f"dataset {dataset} has no clinical contact who could be told",
            remedies=[f"`tre recontact contact {dataset} --public-key FILE`"],
        ) from None


def contact(session: Session, settings: Settings, dataset: str) -> str:
    """Name who is told, with the beginning of their key's fingerprint: what approvers agree to."""
    name = plans.parse(catalogue.get(session, dataset).plan).about.contact or "clinical contact"
    return f"{name[:40]} {sha256(contact_key(settings, dataset)).hexdigest()[:FINGERPRINT]}"


def _key_path(settings: Settings, dataset: str) -> Path:
    return settings.recontact / "contacts" / f"{dataset}.pub"


def _public(key: str) -> bytes:
    lines = [line.strip() for line in key.strip().splitlines()]
    if "PRIVATE" in (lines or [""])[0]:
        raise Unreadable("this is a private key, which stays with its owner: give the public one")
    framed = bool(lines) and (lines[0], lines[-1]) == (HEAD, TAIL)
    try:
        public = base64.b64decode("".join(lines[1:-1]), validate=True)
    except binascii.Error:
        public = b""
    if not framed or len(public) != KEY_SIZE or not any(public):
        raise Unreadable("not a crypt4gh public key: make one with `crypt4gh-keygen`")
    return public


# --- asking ----------------------------------------------------------------------------------------------------------
def request(
    session: Session, settings: Settings, project: str, dataset: str, pseudonym: str, *, requester: str, reason: str,
    now: datetime,
) -> int:  # fmt: skip
    """Ask that the person behind a pseudonym be found; return the number of the re-contact."""
    row = _working(session, project)
    accounts.person(session, requester)
    if not projects.is_member(session, project, requester, now=now):
        raise StepRefused(f"{requester} cannot ask for project {project}: not a member")
    if epoch(settings, row, pseudonym) is None:
        raise Refused(f"this is not a pseudonym of project {project}: copy it whole from its data")
    if not _has_extract(session, project, dataset):
        raise Refused(f"project {project} has no extract of dataset {dataset[:40]}")
    _not_too_many(session, project, now=now)
    told = contact(session, settings, dataset)
    about = Recontact(request="new", requester=requester, contact=bool(told))
    _require(session, "ask_recontact", requester, project, about, now=now)
    asked = RecontactRow(
        project=project,
        dataset=dataset,
        pseudonym=pseudonym,
        reason=text.line(reason, "reason", longest=2000),
        requester=requester,
        contact=told,
        state=FIRST.value,
        asked_at=now,
    )
    session.add(asked)
    session.flush()
    facts = {"project": project, "dataset": dataset, "reason": asked.reason, "contact": asked.contact}
    audit.append(session, "recontact.request", actor=requester, subject=_subject(asked), at=now, **facts)
    return asked.id


def epoch(settings: Settings, project: ProjectRow, pseudonym: str) -> int | None:
    """Return under which keys of the project a pseudonym was made, by its check; None if under none."""
    if not pseudonyms.SHAPE.fullmatch(pseudonym):
        return None
    keys = ((n, pseudonyms.keys_of(settings, project.name, epoch=n).pseudonym) for n in range(project.epoch, 0, -1))
    return next((number for number, key in keys if pseudonyms.verify(pseudonym, key)), None)


def _has_extract(session: Session, project: str, dataset: str) -> bool:
    wanted = select(ExtractRow.id).where(ExtractRow.project == project, ExtractRow.dataset == dataset)
    return session.scalars(wanted.where(ExtractRow.assessed).limit(1)).first() is not None


def _not_too_many(session: Session, project: str, *, now: datetime) -> None:
    day = RecontactRow.asked_at > now - timedelta(days=1)
    count = session.scalar(select(func.count()).select_from(RecontactRow).where(RecontactRow.project == project, day))
    if (count or 0) >= A_DAY:
        raise Refused(f"project {project} asked for {A_DAY} re-contacts within a day, which is all: ask tomorrow")


# --- deciding --------------------------------------------------------------------------------------------------------
def vote(session: Session, number: int, person: str, verdict: str, *, reason: str, now: datetime) -> State:
    """Cast one approver's vote, one each: two who approve decide, one who rejects does."""
    row = get(session, number, for_update=True)
    try:
        said = Verdict(verdict)
    except ValueError:
        raise Unreadable(f"a vote is {' or '.join(Verdict)}, not {verdict[:20]!r}") from None
    after = take(said, State(row.state), By.APPROVERS)
    _working(session, row.project)
    accounts.person(session, person)
    if why := _why_not(session, row, person):
        raise StepRefused(f"{person} cannot vote on re-contact {row.id}: {why}")
    if session.get(RecontactVoteRow, (row.id, person)):
        raise StepRefused(f"{person} has voted on re-contact {row.id} already")
    _require(session, "vote_recontact", person, row.project, _facts(session, row), now=now)
    reason = text.line(reason, "reason", longest=2000)
    session.add(RecontactVoteRow(recontact=row.id, person=person, vote=said.value, reason=reason, at=now))
    session.flush()
    if said is Verdict.REJECT or len(_standing(session, row)) >= QUORUM:
        row.state = after.value
    facts = {"vote": said.value, "reason": reason, "state": row.state}
    audit.append(session, "recontact.vote", actor=person, subject=_subject(row), at=now, **facts)
    return State(row.state)


def answerable(session: Session, settings: Settings, number: int) -> RecontactRow:
    """Return a re-contact that two approvers stand behind now, for the contact they agreed to; or refuse."""
    row = get(session, number)
    take("answer", State(row.state), By.SYSTEM)
    _working(session, row.project)
    if len(_standing(session, row)) < QUORUM:
        raise StepRefused(f"re-contact {row.id} has no longer the votes of {QUORUM} approvers: ask again")
    if row.contact.rpartition(" ")[2] != sha256(contact_key(settings, row.dataset)).hexdigest()[:FINGERPRINT]:
        raise StepRefused(f"the key of the contact of {row.dataset} is not the one that was agreed to: ask again")
    return row


def settle(session: Session, number: int, verb: str, *, actor: str, now: datetime) -> State:
    """Take the last step: answered, or closed because there is nobody."""
    row = get(session, number, for_update=True)
    row.state = take(verb, State(row.state), By.SYSTEM).value
    row.answered_at = now
    audit.append(session, f"recontact.{verb}", actor=actor, subject=_subject(row), at=now, contact=row.contact)
    return State(row.state)


def get(session: Session, number: int, *, for_update: bool = False) -> RecontactRow:
    """Return a re-contact, or say that there is none of that number."""
    row = session.get(RecontactRow, number, with_for_update=for_update) if 0 < number < 2**31 else None
    if row is None:
        raise NotFound(f"there is no re-contact {number}: see `tre recontact list`")
    return row


def listed(session: Session) -> tuple[RecontactRow, ...]:
    """Every re-contact there was, oldest first."""
    return tuple(session.scalars(select(RecontactRow).order_by(RecontactRow.id)))


def answer_path(settings: Settings, number: int) -> Path:
    """Where the sealed answer lies for the clinical contact."""
    return settings.recontact / "answers" / f"{number}.c4gh"


def sealed_text(row: RecontactRow, ids: list[dict[str, str]]) -> bytes:
    """Write what the clinical contact is told."""
    said = {
        "recontact": row.id, "project": row.project, "dataset": row.dataset, "pseudonym": row.pseudonym,
        "reason": row.reason, "asked_at": audit.stamp(row.asked_at), "ids": ids,
    }  # fmt: skip
    return json.dumps(said, ensure_ascii=False, indent=2).encode()


def _require(session: Session, verb: str, person: str, project: str, about: Recontact, *, now: datetime) -> None:
    """Ask the rules in force, too. Whoever votes has just confirmed it with a code."""
    asked = access.ask(session, verb, person, now=now, second_factor=True, project=project, recontact=about)
    access.require(session, asked)


def _facts(session: Session, row: RecontactRow) -> Recontact:
    voted = session.scalars(select(RecontactVoteRow.person).where(RecontactVoteRow.recontact == row.id))
    return Recontact(
        request=str(row.id),
        requester=row.requester,
        contact=bool(row.contact),
        approvals=frozenset(one.person for one in _standing(session, row)),
        voted=frozenset(voted),
    )


def _standing(session: Session, row: RecontactRow) -> list[RecontactVoteRow]:
    """Return the votes for it of those who may still cast one."""
    votes = select(RecontactVoteRow).where(RecontactVoteRow.recontact == row.id, RecontactVoteRow.vote == "approve")
    return [one for one in session.scalars(votes) if _why_not(session, row, one.person) is None]


def _why_not(session: Session, row: RecontactRow, person: str) -> str | None:
    if Role.APPROVER not in accounts.roles_of(session, person):
        return "not an approver"
    if not accounts.active(session, person):
        return "suspended"
    if person == row.requester or projects.ever_member(session, row.project, person):
        return f"is or was a member of {row.project}"
    return None


def _working(session: Session, project: str) -> ProjectRow:
    row = projects.get(session, project)
    if row.closed_at or row.suspended:
        state = "closed" if row.closed_at else "suspended"
        raise StepRefused(f"cannot re-contact for project {project}, which is {state}")
    return row


def _subject(row: RecontactRow) -> str:
    return f"recontact/{row.id}"
