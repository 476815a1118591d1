"""A whole TRE to try: a real trial inside, people with every role, and nothing to configure.

`tre demo` makes what is missing, step by step, and runs the house. A second start finds it all there.
"""

import json
import os
import secrets
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cyclopts import App
from sqlalchemy import select

from policies import book
from policies.facts import Role
from tre import show
from tre.data import actg175, catalogue, extract, ingest
from tre.errors import NotFound, Refused
from tre.governance import accounts, committee, projects, training
from tre.governance.applications import drafts, papers, review
from tre.governance.applications import form as forms
from tre.host import engine, image, proxy
from tre.records import db, schema
from tre.records.db import Records
from tre.records.tables import ApplicationRow, DatasetVersionRow, ExtractRow, PersonRow, ProjectRow
from tre.settings import Settings, load

YEAR = timedelta(days=365)
QUESTION: Mapping[str, str | list[str]] = {
    "project": "meadow",
    "title": "Does age change which treatment helps?",
    "lay_summary": "Older people were rarely asked which treatment suits them. We compare four of them by age.",
    "purpose": "To compare the four treatments of ACTG 175 by age at the start.",
    "terms": ["DUO:0000037", "DUO:0000034"],
    "use": "not_for_profit",
    "lead": "bob",
    "members": ["bob", "alice"],
    "datasets": ["actg175"],
    "outputs": "Two tables of counts and one figure.",
}
"""What waits for the committee."""
DATASET = "actg175"
Say = Callable[[str], None]

app = App(name="demo", help="A whole TRE with people, projects and data to try.")


class Player(NamedTuple):
    """Somebody of the demo and what they are there for."""

    name: str
    full_name: str
    roles: tuple[Role, ...]
    part: str
    lacks: str = ""
    """A course of their roles that this person has yet to pass."""


class Play(NamedTuple):
    """A project of the demo."""

    name: str
    title: str
    purpose: str
    members: tuple[str, ...]


CAST = (
    Player("alice", "Alice Amsel", (Role.ANALYST,), "opens a room in sunrise and asks for an export"),
    Player(
        "bob", "Bob Birke", (Role.ANALYST,), "has yet to pass a course: sees why harbour stays shut", "safe-researcher"
    ),
    Player("carol", "Carol Clematis", (Role.APPROVER,), "looks at what wants to leave, and votes"),
    Player("dave", "Dave Distel", (Role.APPROVER,), "is the second pair of eyes"),
    Player("erin", "Erin Erle", (Role.COMMITTEE, Role.CHAIR), "chairs the data access committee and decides"),
    Player("frank", "Frank Farn", (Role.COMMITTEE,), "sits on the committee and votes"),
    Player("grace", "Grace Ginster", (Role.ADMIN,), "provisions; reads no data and approves nothing"),
    Player("heidi", "Heidi Hasel", (Role.ADMIN,), "is the second admin: roles and rules need two"),
    Player("judith", "Judith Johannis", (Role.AUDITOR,), "reads the log, and nothing else"),
)
PLAYS = (
    Play("sunrise", "Four treatments in ACTG 175", "Compare antiretroviral treatments by CD4 count", ("alice",)),
    Play("harbour", "Adherence over the years", "Describe who leaves a trial, and when", ("bob",)),
)


@app.default
def demo() -> None:
    """Make a whole TRE in an empty home and run it; Ctrl-C stops it, the same command goes on."""
    from tre.up import up

    settings = load()
    prepare(settings, say=_step)
    up(settings, ready=lambda: _welcome(settings))


@app.command
def code(name: str, /) -> None:
    """Print a demo person's code of this half minute, as their phone would show it."""
    settings = load()
    if name not in _passwords(settings):
        raise NotFound(f"nobody called {name[:40]!r} plays in this demo; there are {', '.join(p.name for p in CAST)}")
    records = db.opened(settings)
    with records.read() as session:
        shown = accounts.code_now(session, settings, name, datetime.now(UTC))
    show.one({"name": name, "code": shown}, sentence=shown)


@app.command(name="prepare")
def prepare_only() -> None:
    """Make what `tre demo` needs, and do not run it."""
    prepare(load(), say=_step)


def prepare(settings: Settings, *, say: Say) -> None:
    """Make engine, image, proxy, home, people, data and one approved project; skip what is there."""
    image.ensure(settings, say, load=engine.ensure_if_possible(settings, say))
    proxy.ensure(settings, say)
    schema.initialise(settings)
    _refuse_a_real_house(settings)
    seed(settings, say=say)


def seed(settings: Settings, *, say: Say) -> None:
    """Fill an initialised home with the demo's people, projects and trial; skip what is there."""
    records = db.opened(settings)
    try:
        now = datetime.now(UTC)
        for player in CAST:
            _enter(records, settings, player, now)
        for play in PLAYS:
            _open(records, play, now)
        _bring_data(records, settings, say, now)
        _approve_and_prepare(records, settings, say, now)
        _leave_a_question(records, now)
    finally:
        records.close()


def _refuse_a_real_house(settings: Settings) -> None:
    """Accounts whose passwords are printed have no place beside real people."""
    records = db.opened(settings)
    try:
        with records.read() as session:
            strangers = set(session.scalars(select(PersonRow.name))) - set(_passwords(settings))
    finally:
        records.close()
    if strangers:
        raise Refused(f"{settings.home} is the home of real people: name an empty one, `tre --home DIR demo`")


def _enter(records: Records, settings: Settings, player: Player, now: datetime) -> None:
    with records.read() as session:
        if session.get(PersonRow, player.name):
            return
    password = _new_password(settings, player.name)
    courses = tomllib.loads(book.TRAININGS.read_text("utf-8"))["courses"]
    with records.act("demo", "person.add", f"person/{player.name}") as session:
        accounts.add(
            session,
            player.name,
            full_name=player.full_name,
            email=f"{player.name}@hortus.example",
            roles=frozenset(player.roles),
            actor="demo",
            now=now,
            settings=settings,
            password=password,
        )
        for course in {course for role in player.roles for course in courses[role]} - {player.lacks}:
            training.record(session, player.name, course, now + YEAR, actor="demo", now=now)
        training.sign_agreement(session, player.name, actor=player.name, now=now)


def _open(records: Records, play: Play, now: datetime) -> None:
    with records.read() as session:
        if session.get(ProjectRow, play.name):
            return
    with records.act("grace", "project.create", f"project/{play.name}") as session:
        projects.create(
            session,
            play.name,
            title=play.title,
            purpose=play.purpose,
            approved_until=now + YEAR,
            retained_until=now + 2 * YEAR,
            actor="grace",
            now=now,
        )
        for member in play.members:
            projects.add_member(session, play.name, member, until=now + YEAR, actor="grace", now=now)


def _bring_data(records: Records, settings: Settings, say: Say, now: datetime) -> None:
    with records.read() as session:
        if session.scalars(select(DatasetVersionRow).where(DatasetVersionRow.dataset == DATASET)).first():
            return
    say("bring the trial in: ACTG 175, 2,139 people, with invented names and numbers to protect")
    source = actg175.write(settings.engine_home / "cache")
    with records.act("grace", "dataset.register", f"dataset/{DATASET}") as session:
        catalogue.register(
            session, DATASET, plan=source.plan.read_text("utf-8"), title="AIDS Clinical Trials Group Study 175",
            actor="grace", now=now,
        )  # fmt: skip
    ingest.ingest(records, settings, DATASET, source.tables, actor="grace", now=now, ticks=lambda _done: None)


def _approve_and_prepare(records: Records, settings: Settings, say: Say, now: datetime) -> None:
    with records.read() as session:
        if session.scalars(select(ExtractRow).where(ExtractRow.dataset == DATASET)).first():
            return
    say("let the committee decide, and prepare the project's pseudonymised copy")
    play = PLAYS[0]
    with records.act("alice", "committee.apply", f"project/{play.name}") as session:
        application = committee.apply(
            session, play.name, DATASET, version=1, applicant="alice", purpose=play.purpose, now=now
        )
    for person in ("erin", "frank"):
        with records.act(person, "committee.vote", f"application/{application}") as session:
            committee.vote(session, application, person, "approve", reason="as its purpose says", now=now)
    with records.act("erin", "committee.decide", f"application/{application}") as session:
        committee.decide(session, application, actor="erin", until=now + YEAR, now=now)
    prepared = extract.prepare(records, settings, DATASET, play.name, actor="grace", now=now)
    if not prepared.assessed:
        raise Refused("the demo's extract did not pass its checks; see `tre extract risk actg175 sunrise`")


def _leave_a_question(records: Records, now: datetime) -> None:
    """Let an application wait for the committee, so that there is something to decide."""
    with records.read() as session:
        if session.scalars(select(ApplicationRow).where(ApplicationRow.project == QUESTION["project"])).first():
            return
    with records.act("bob", "application.create", "project/meadow") as session:
        number = drafts.create(session, "bob", values={**QUESTION, "until": f"{now + YEAR / 2:%Y-%m-%d}"}, now=now)
        row = papers.get(session, number)
        for name in drafts.waiting(row):
            drafts.accept(session, number, name, seen=forms.agreed(papers.form_of(row)), now=now)
        drafts.submit(session, number, "bob", now=now)
        review.triage(session, number, "frank", panel=("erin", "frank"), now=now)


# --- what the demo knows and a real house does not: passwords ---------------------------------------------------------
def _passwords(settings: Settings) -> dict[str, str]:
    try:
        known: dict[str, str] = json.loads((settings.secrets / "demo-passwords.json").read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return known


def _new_password(settings: Settings, name: str) -> str:
    """Invent a password and keep it, readable by this home's owner alone, for the next start to print again."""
    known = _passwords(settings) | {name: secrets.token_urlsafe(9)}
    target = settings.secrets / "demo-passwords.json"
    fresh = target.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(known, file)
    fresh.replace(target)
    return known[name]


def _step(what: str) -> None:
    if not show.as_json.get():
        print(f"- {what}", flush=True)


def _welcome(settings: Settings) -> None:
    known = _passwords(settings)
    if show.as_json.get():
        print(json.dumps({"url": settings.hub_origin, "accounts": known}), flush=True)
        return
    print(f"\nHortus is open at {settings.hub_origin}\n")
    people = [
        {"name": p.name, "password": known.get(p.name, "-"), "role": ", ".join(p.roles), "part": p.part} for p in CAST
    ]
    show.rows(people, none="nobody")
    sudo = "sudo " if os.environ.get("SUDO_USER") else ""
    print(f"\nCode for the second factor:  {sudo}.venv/bin/tre demo code alice   (in another terminal)")
    print("Stop: Ctrl-C. The same command goes on where it stopped.\n", flush=True)
