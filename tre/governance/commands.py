"""What the host's operator does about projects and who belongs to them."""

from datetime import datetime

from cyclopts import App
from sqlalchemy import select

from tre import show
from tre.governance import profiles, projects
from tre.governance.applications import papers
from tre.governance.operator import As, Code, Day, house, last_moment
from tre.records.tables import MemberRow, ProjectRow

project = App(name="project", help="Projects, from opening to closing.")
member = App(name="member", help="Who belongs to a project.")


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
            "disclosure_profile": row.disclosure_profile,
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


@project.command(name="profile")
def project_profile(name: str, profile: str, /, *, why: str, by: As, code: Code) -> None:
    """Choose, for the committee, the disclosure profile that a project keeps besides the house's; `house` ends it."""
    with house() as at:
        at.confirm(by, code, f"project/{name[:30]} profile {profile[:40]}")
        with at.records.act(by, "project.profile", f"project/{name[:30]}") as session:
            profiles.of_project(session, name, profile, why=why, person=by, now=at.now)
    show.one({"name": name, "profile": profile}, sentence=f"exports of project {name} keep {profile} from now on")


@member.command(name="add")
def member_add(project: str, name: str, /, *, until: Day = "") -> None:
    """Let a person belong to a project, until a day or as long as it is approved."""
    end = last_moment(until, "--until") if until else None
    with house() as at, at.records.act(at.actor, "member.add", f"project/{project[:30]}") as session:
        papers.must_name(session, project, name)
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
