"""What the host's operator and admins do about people: accounts, roles, training, the user agreement."""

from pathlib import Path

from cyclopts import App
from sqlalchemy import select

from policies.facts import Role
from tre import show
from tre.errors import Unreadable
from tre.governance import accounts, enrolment, identities, nudge, projects, roles, training_list
from tre.governance import training as courses
from tre.governance.operator import As, Code, Day, first_moment, house, last_moment
from tre.records.tables import AgreementTextRow, PersonRow, RoleChangeRow, RoleRow, TrainingRow

person = App(name="person", help="People: accounts and invitations.")
role = App(name="role", help="Roles, each granted and taken away by two admins.")
training = App(name="training", help="Courses passed, and until when they count.")
agreement = App(name="agreement", help="The user agreement: its versions, and who signed it.")


# --- people -----------------------------------------------------------------------------------------------------------
@person.command(name="add")
def person_add(name: str, /, *, role: list[Role], full_name: str = "", email: str = "") -> None:
    """Give a person an account; their password and second factor are shown once and kept nowhere else."""
    made, waits = _added(name, role, full_name, email, invited=False)
    record = {"name": name, "password": made.password, "second_factor": made.totp_uri}
    show.one(record | ({"roles_wait": waits} if waits else {}))


@person.command(name="invite")
def person_invite(name: str, /, *, role: list[Role] | None = None, full_name: str = "", email: str = "") -> None:
    """Print a link by which a person chooses password and second factor; with `--role` for somebody new."""
    waits = _added(name, role, full_name, email, invited=True)[1] if role else []
    with house() as at:
        with at.records.act(at.actor, "person.invite", f"person/{name[:30]}") as session:
            token = enrolment.invite(session, name, actor=at.actor, now=at.now)
        link, until = enrolment.url(at.settings, token), at.now + enrolment.VALID
    show.one({"name": name, "link": link, "until": until} | ({"roles_wait": waits} if waits else {}))


@person.command(name="link")
def person_link(name: str, /, *, orcid: str) -> None:
    """Note a person's ORCID iD, so that no second account can have it."""
    marker = identities.Marker(identities.ORCID, identities.checked_orcid(orcid))
    with house() as at, at.records.act(at.actor, "identity.link", f"person/{name[:30]}") as session:
        accounts.person(session, name)
        identities.link(session, name, marker, actor=at.actor, now=at.now)
    show.one({"name": name, "orcid": marker.subject}, sentence=f"{name} is {marker.subject} at ORCID")


@person.command(name="list")
def person_list() -> None:
    """Everybody who has an account."""
    with house() as at, at.records.read() as session:
        rows = [
            {"name": row.name, "full_name": row.full_name, "roles": _held(accounts.roles_of(session, row.name)),
             "suspended": row.suspended, "enrolled": row.enrolled_at is not None}
            for row in session.scalars(select(PersonRow).order_by(PersonRow.name))
        ]  # fmt: skip
    show.rows(rows, none="nobody yet: `tre person add NAME --role analyst`")


@person.command(name="show")
def person_show(name: str, /) -> None:
    """One person: roles, training, agreement, projects."""
    with house() as at, at.records.read() as session:
        row = accounts.person(session, name)
        trained = courses.courses(session, name)
        record = {
            "name": row.name,
            "full_name": row.full_name,
            "email": row.email,
            "roles": _held(accounts.roles_of(session, name)),
            "suspended": row.suspended,
            "enrolled": row.enrolled_at is not None,
            "locked_until": row.locked_until if row.locked_until and row.locked_until > at.now else None,
            "training": [f"{course} until {until:%Y-%m-%d}" for course, until in sorted(trained.items())],
            "agreement": courses.standing(session, name, at.now),
            "also": sorted(identities.also_accounts(session, name)),
            "projects": [project.name for project in projects.of_person(session, name, now=at.now)],
        }
    show.one(record)


@person.command(name="suspend")
def person_suspend(name: str, /, *, why: str) -> None:
    """Keep a person out from now on."""
    with house() as at:
        with at.records.act(at.actor, "person.suspend", f"person/{name[:30]}") as session:
            accounts.suspend(session, name, why=why, actor=at.actor, now=at.now)
        nudge.sentinel(at.settings)
    show.one({"name": name, "suspended": True}, sentence=f"{name} is suspended; sessions and rooms end now")


@person.command(name="resume")
def person_resume(name: str, /) -> None:
    """Let a suspended person in again."""
    with house() as at, at.records.act(at.actor, "person.resume", f"person/{name[:30]}") as session:
        accounts.resume(session, name, actor=at.actor, now=at.now)
    show.one({"name": name, "suspended": False}, sentence=f"{name} may sign in again")


@person.command(name="password")
def person_password(name: str, /, *, second_factor: bool = False) -> None:
    """Give a person a new password, and with `--second-factor` a new second factor; shown once."""
    with house() as at, at.records.act(at.actor, "person.password", f"person/{name[:30]}") as session:
        made = accounts.set_password(
            session, name, actor=at.actor, now=at.now, settings=at.settings, second_factor=second_factor
        )
    record = {"name": name, "password": made.password}
    show.one(record | ({"second_factor": made.totp_uri} if second_factor else {}))


def _added(
    name: str, wanted: list[Role], full_name: str, email: str, *, invited: bool
) -> tuple[accounts.Enrolment, list[str]]:
    """Make an account; once the house has two admins its roles are only proposed, and wait for them."""
    with house() as at, at.records.act(at.actor, "person.add", f"person/{name[:30]}") as session:
        founding = roles.founding(session)
        made = accounts.add(
            session, name, full_name=full_name or name, email=email, roles=wanted, actor=at.actor, now=at.now,
            settings=at.settings, invited=invited, granted=founding,
        )  # fmt: skip
        rows = () if founding else roles.enter(session, name, wanted, actor=at.actor, now=at.now)
        waits = [f"{row.role}: two admins run `tre role second {row.id} --as ADMIN --code CODE`" for row in rows]
    return made, waits


# --- roles ------------------------------------------------------------------------------------------------------------
@role.command(name="grant")
def role_grant(name: str, wanted: Role, /, *, by: As, code: Code, why: str) -> None:
    """Propose that a person gets a role; a second admin makes it so."""
    _propose(name, wanted, roles.GRANT, by=by, code=code, why=why)


@role.command(name="remove")
def role_remove(name: str, wanted: Role, /, *, by: As, code: Code, why: str) -> None:
    """Propose that a person loses a role; a second admin makes it so."""
    _propose(name, wanted, roles.REMOVE, by=by, code=code, why=why)


@role.command(name="second")
def role_second(number: int, /, *, by: As, code: Code, refuse: bool = False) -> None:
    """Make a proposed change so, as the second of two admins, or `--refuse` it."""
    with house() as at:
        with at.records.read() as session:
            purpose = roles.confirms(roles.get(session, number), not refuse)
        at.confirm(by, code, purpose)
        with at.records.act(by, "role.settle", f"role-change/{number}") as session:
            row = roles.settle(session, number, actor=by, now=at.now, agree=not refuse)
            record = _change(row)
    told = {roles.PROPOSED: "taken over: one more admin is needed", roles.MADE: "made", roles.REFUSED: "refused"}
    show.one(record, sentence=f"{number} ({row.change} {row.role}, {row.person}) is {told[row.state]}")


@role.command(name="list")
def role_list() -> None:
    """Who has which role, and what is proposed."""
    with house() as at, at.records.read() as session:
        changes = select(RoleChangeRow).where(RoleChangeRow.state == roles.PROPOSED).order_by(RoleChangeRow.id)
        rows = [_change(row) for row in session.scalars(changes)]
        rows += [
            {"number": None, "person": row.person, "role": row.role, "change": "", "by": "", "state": "held"}
            for row in session.scalars(select(RoleRow).order_by(RoleRow.person, RoleRow.role))
        ]
    show.rows(rows, none="nobody has a role yet: `tre person add NAME --role admin`")


def _propose(name: str, wanted: Role, change: str, *, by: str, code: str, why: str) -> None:
    with house() as at:
        at.confirm(by, code, f"role {change} {wanted} {name}")
        with at.records.act(by, "role.propose", f"person/{name[:30]}") as session:
            row = roles.propose(session, name, wanted, change, why=why, actor=by, now=at.now)
            record = _change(row)
    show.one(record, sentence=f"proposed as {row.id}; next: another admin, `tre role second {row.id} --as NAME`")


def _change(row: RoleChangeRow) -> dict[str, object]:
    return {"number": row.id, "person": row.person, "role": row.role, "change": row.change, "by": row.proposed_by,
            "state": row.state}  # fmt: skip


# --- training ---------------------------------------------------------------------------------------------------------
@training.command(name="record")
def training_record(name: str, course: str, /, *, until: Day, source: str = "", evidence: str = "") -> None:
    """Note that a person passed a course, who vouches for it, on what evidence, and when that lapses."""
    end = last_moment(until, "--until")
    with house() as at, at.records.act(at.actor, "training.record", f"person/{name[:30]}") as session:
        courses.record(
            session, name, course, end, actor=at.actor, now=at.now, source=source, evidence=evidence
        )  # fmt: skip
    show.one({"name": name, "course": course, "until": end}, sentence=f"{name}: {course} counts until {end:%Y-%m-%d}")


@training.command(name="import")
def training_import(file: Path, /, *, source: str) -> None:
    """Take over a third party's list (person, course, until, certificate): all of it, or nothing."""
    with house() as at, at.records.act(at.actor, "training.import", "training") as session:
        lines = training_list.read(session, file, now=at.now)
        for line in lines:
            courses.record(
                session, line.person, line.course, line.until, actor=at.actor, now=at.now, source=source,
                evidence=line.certificate,
            )  # fmt: skip
    show.one({"recorded": len(lines)}, sentence=f"{len(lines)} courses recorded, as {source} says")


@training.command(name="list")
def training_shown(name: str = "", /) -> None:
    """Courses of one person, or of everybody."""
    with house() as at, at.records.read() as session:
        asked = select(TrainingRow).order_by(TrainingRow.person, TrainingRow.course, TrainingRow.until)
        if name:
            asked = asked.where(TrainingRow.person == accounts.person(session, name).name)
        rows = [
            {"name": row.person, "course": row.course, "until": row.until, "in_date": row.until > at.now,
             "source": row.source, "evidence": row.evidence}
            for row in session.scalars(asked)
        ]  # fmt: skip
    show.rows(rows, none="no training recorded: `tre training record NAME COURSE --until DATE`")


# --- the agreement ----------------------------------------------------------------------------------------------------
@agreement.command(name="show")
def agreement_show() -> None:
    """Print the agreement in force."""
    with house() as at, at.records.read() as session:
        row = courses.agreement(session, at.now)
    show.one({"number": row.number, "sha256": row.sha256, "text": row.text}, sentence=row.text)


@agreement.command(name="list")
def agreement_list() -> None:
    """Every version, from when it is in force, and how many have it as their last signature."""
    with house() as at, at.records.read() as session:
        current = courses.agreement(session, at.now).number
        count = courses.signatures(session)
        rows = [
            {"number": row.number, "since": row.since, "in_force": row.number == current, "by": row.actor,
             "signed_by": count.get(row.sha256, 0), "sha256": row.sha256}
            for row in session.scalars(select(AgreementTextRow).order_by(AgreementTextRow.number))
        ]  # fmt: skip
    show.rows(rows, none="no agreement: `tre agreement publish FILE --since DATE`")


@agreement.command(name="publish")
def agreement_publish(file: Path, /, *, since: Day, by: As, code: Code) -> None:
    """Make a text the agreement from a day on, when everybody must sign it anew."""
    words, begins = _read(file), first_moment(since, "--since")
    with house() as at:
        at.confirm(by, code, f"agreement publish {courses.sha(words)} {since}")
        with at.records.act(by, "agreement.publish", "agreement") as session:
            roles.must_be_admin(session, by)
            start = max(begins, at.now) if begins.date() == at.now.date() else begins
            number = courses.publish(session, words, since=start, actor=by, now=at.now)
    show.one({"number": number, "since": start}, sentence=f"agreement {number} is in force from {start:%Y-%m-%d} on")


@agreement.command(name="sign")
def agreement_sign(*, by: As, code: Code) -> None:
    """Put a person's name under the agreement in force, confirmed by their code."""
    with house() as at:
        with at.records.read() as session:
            sha = courses.agreement_sha256(session, at.now)
        at.confirm(by, code, f"agreement {sha}")
        with at.records.act(by, "agreement.sign", f"person/{by}") as session:
            courses.sign_agreement(session, by, actor=by, now=at.now, seen=sha)
    show.one({"name": by, "sha256": sha}, sentence=f"{by} signed the agreement")


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"{file}: this is no text that can be read ({type(error).__name__})") from None


def _held(held: frozenset[Role]) -> list[str]:
    return sorted(role.value for role in held)
