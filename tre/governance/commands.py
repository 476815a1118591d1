"""What the host's operator does about people and projects."""

from datetime import datetime

from cyclopts import App
from sqlalchemy import select

from policies.facts import Role
from tre import show
from tre.governance import accounts, projects
from tre.governance import training as courses
from tre.governance.operator import As, Code, Day, house, last_moment
from tre.records.tables import MemberRow, PersonRow, ProjectRow, TrainingRow

person = App(name="person", help="People and their roles.")
training = App(name="training", help="Courses passed, and until when they count.")
agreement = App(name="agreement", help="The user agreement and who signed it.")
project = App(name="project", help="Projects, from opening to closing.")
member = App(name="member", help="Who belongs to a project.")


# --- people -----------------------------------------------------------------------------------------------------------
@person.command(name="add")
def person_add(name: str, /, *, role: list[Role], full_name: str = "", email: str = "") -> None:
    """Give a person an account; their password and second factor are shown once and kept nowhere else."""
    with house() as at, at.records.act(at.actor, "person.add", f"person/{name[:30]}") as session:
        made = accounts.add(
            session,
            name,
            full_name=full_name or name,
            email=email,
            roles=role,
            actor=at.actor,
            now=at.now,
            settings=at.settings,
        )
    show.one({"name": name, "password": made.password, "second_factor": made.totp_uri})


@person.command(name="list")
def person_list() -> None:
    """Everybody who has an account."""
    with house() as at, at.records.read() as session:
        rows = [
            {"name": row.name, "full_name": row.full_name, "roles": _roles(accounts.roles_of(session, row.name)),
             "suspended": row.suspended}
            for row in session.scalars(select(PersonRow).order_by(PersonRow.name))
        ]  # fmt: skip
    show.rows(rows, none="nobody yet: `tre person add NAME --role analyst`")


@person.command(name="show")
def person_show(name: str, /) -> None:
    """One person: roles, training, agreement, projects."""
    with house() as at, at.records.read() as session:
        row = accounts.person(session, name)
        trained = courses.courses(session, name)
        mine = projects.of_person(session, name, now=at.now)
        signed = courses.signed(session, name)
        record = {
            "name": row.name,
            "full_name": row.full_name,
            "email": row.email,
            "roles": _roles(accounts.roles_of(session, name)),
            "suspended": row.suspended,
            "locked_until": row.locked_until if row.locked_until and row.locked_until > at.now else None,
            "training": [f"{course} until {until:%Y-%m-%d}" for course, until in sorted(trained.items())],
            "agreement": "signed"
            if signed == courses.agreement_sha256(session, at.now)
            else "an older one"
            if signed
            else "not signed",
            "projects": [project.name for project in mine],
        }
    show.one(record)


@person.command(name="suspend")
def person_suspend(name: str, /, *, why: str) -> None:
    """Keep a person out from now on."""
    with house() as at, at.records.act(at.actor, "person.suspend", f"person/{name[:30]}") as session:
        accounts.suspend(session, name, why=why, actor=at.actor, now=at.now)
    show.one({"name": name, "suspended": True}, sentence=f"{name} is suspended; their rooms stop within a minute")


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


# --- training and agreement -------------------------------------------------------------------------------------------
@training.command(name="record")
def training_record(name: str, course: str, /, *, until: Day, evidence: str = "") -> None:
    """Note that a person passed a course, on what evidence, and when that lapses."""
    end = last_moment(until, "--until")
    with house() as at, at.records.act(at.actor, "training.record", f"person/{name[:30]}") as session:
        courses.record(session, name, course, end, actor=at.actor, now=at.now, evidence=evidence)
    show.one({"name": name, "course": course, "until": end}, sentence=f"{name}: {course} counts until {end:%Y-%m-%d}")


@training.command(name="list")
def training_list(name: str = "", /) -> None:
    """Courses of one person, or of everybody."""
    with house() as at, at.records.read() as session:
        asked = select(TrainingRow).order_by(TrainingRow.person, TrainingRow.course, TrainingRow.until)
        if name:
            asked = asked.where(TrainingRow.person == accounts.person(session, name).name)
        rows = [
            {"name": row.person, "course": row.course, "until": row.until, "in_date": row.until > at.now}
            for row in session.scalars(asked)
        ]
    show.rows(rows, none="no training recorded: `tre training record NAME COURSE --until DATE`")


@agreement.command(name="show")
def agreement_show() -> None:
    """Print the agreement in force."""
    with house() as at, at.records.read() as session:
        row = courses.agreement(session, at.now)
    show.one({"number": row.number, "sha256": row.sha256, "text": row.text}, sentence=row.text)


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


# --- projects and members ---------------------------------------------------------------------------------------------
@project.command(name="create")
def project_create(name: str, /, *, title: str, purpose: str, until: Day, retain_until: Day = "") -> None:
    """Open a project; its data are kept until `--retain-until`, or as long as it is approved."""
    end = last_moment(until, "--until")
    kept = last_moment(retain_until, "--retain-until") if retain_until else end
    with house() as at, at.records.act(at.actor, "project.create", f"project/{name[:30]}") as session:
        projects.create(
            session, name, title=title, purpose=purpose, approved_until=end, retained_until=kept, actor=at.actor,
            now=at.now,
        )  # fmt: skip
    show.one({"name": name, "until": end}, sentence=f"project {name} is open until {end:%Y-%m-%d}")


@project.command(name="list")
def project_list() -> None:
    """Every project there is or was."""
    with house() as at, at.records.read() as session:
        rows = [
            {"name": row.name, "title": row.title, "state": _state(row, at.now), "until": row.approved_until}
            for row in session.scalars(select(ProjectRow).order_by(ProjectRow.name))
        ]
    show.rows(rows, none="no project yet: `tre project create NAME --title ... --purpose ... --until DATE`")


@project.command(name="show")
def project_show(name: str, /) -> None:
    """One project: purpose, dates, members now and before."""
    with house() as at, at.records.read() as session:
        row = projects.get(session, name)
        record = {
            "name": row.name,
            "title": row.title,
            "purpose": row.purpose,
            "state": _state(row, at.now),
            "until": row.approved_until,
            "retained_until": row.retained_until,
            "uid": row.uid,
            "smallest_k": row.smallest_k,
            "members": [_membership(one, at.now) for one in projects.members(session, name)],
        }
    show.one(record)


@project.command(name="suspend")
def project_suspend(name: str, /, *, why: str) -> None:
    """Stop all work in a project."""
    with house() as at, at.records.act(at.actor, "project.suspend", f"project/{name[:30]}") as session:
        projects.suspend(session, name, why=why, actor=at.actor, now=at.now)
    show.one({"name": name, "state": "suspended"}, sentence=f"project {name} is suspended; rooms stop within a minute")


@project.command(name="resume")
def project_resume(name: str, /) -> None:
    """Let work in a suspended project go on."""
    with house() as at, at.records.act(at.actor, "project.resume", f"project/{name[:30]}") as session:
        projects.resume(session, name, actor=at.actor, now=at.now)
    show.one({"name": name, "state": "open"}, sentence=f"project {name} goes on")


@project.command(name="rotate")
def project_rotate(name: str, /, *, reason: str) -> None:
    """Give a project new keys: its next extracts have new pseudonyms and dates, and old ones do not match them."""
    with house() as at, at.records.act(at.actor, "project.rotate", f"project/{name[:30]}") as session:
        epoch = projects.rotate(session, name, why=reason, actor=at.actor, now=at.now)
    said = f"project {name} has keys of epoch {epoch}; next: `tre extract prepare DATASET {name}` for each dataset"
    show.one({"name": name, "epoch": epoch}, sentence=said)


@project.command(name="close")
def project_close(name: str, /, *, why: str) -> None:
    """End a project for good."""
    with house() as at, at.records.act(at.actor, "project.close", f"project/{name[:30]}") as session:
        projects.close(session, name, why=why, actor=at.actor, now=at.now)
    show.one({"name": name, "state": "closed"}, sentence=f"project {name} is closed")


@member.command(name="add")
def member_add(project: str, name: str, /, *, until: Day = "") -> None:
    """Let a person belong to a project, until a day or as long as it is approved."""
    end = last_moment(until, "--until") if until else None
    with house() as at, at.records.act(at.actor, "member.add", f"project/{project[:30]}") as session:
        projects.add_member(session, project, name, until=end, actor=at.actor, now=at.now)
    show.one({"project": project, "name": name, "until": end}, sentence=f"{name} is a member of {project}")


@member.command(name="remove")
def member_remove(project: str, name: str, /) -> None:
    """End a membership now; that there was one stays known."""
    with house() as at, at.records.act(at.actor, "member.remove", f"project/{project[:30]}") as session:
        projects.remove_member(session, project, name, actor=at.actor, now=at.now)
    show.one({"project": project, "name": name}, sentence=f"{name} is no longer a member of {project}")


def _state(row: ProjectRow, now: datetime) -> str:
    if row.closed_at:
        return "closed"
    if row.suspended:
        return "suspended"
    return "open" if row.approved_until > now else "lapsed"


def _membership(row: MemberRow, now: datetime) -> str:
    if row.removed_at:
        return f"{row.person} (removed {row.removed_at:%Y-%m-%d})"
    return f"{row.person} ({'until' if row.until > now else 'lapsed'} {row.until:%Y-%m-%d})"


def _roles(held: frozenset[Role]) -> list[str]:
    return sorted(role.value for role in held)
