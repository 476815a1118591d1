"""What tests begin with, made by the real verbs: inside `records.act(...)`, like everything that changes something.

with records.act("host/test", "test.build", "home") as session:
    a_person(session, "ann", settings=settings, now=now)
    a_dataset(session, "trial", now=now)
    a_project(session, "sunrise", ("ann",), now=now)
    an_approval(session, "sunrise", "trial", settings=settings, now=now)
"""

import contextlib
import threading
import tomllib
from datetime import timedelta
from importlib.resources import files

import pytest

from policies.facts import Role
from tre.errors import TREError
from tre.governance import accounts, committee, projects, training
from tre.records import audit
from tre.records.tables import DatasetRow, DatasetVersionRow, PersonRow

# For tables of rules that no database can change: one is enough.
rules_only = pytest.mark.parametrize("database", [""], ids=["sqlite"])
HOST = "host/test"
PASSWORD = "correct horse battery staple"
YEAR = timedelta(days=365)
COURSES = tomllib.loads(files("policies").joinpath("trainings.toml").read_text("utf-8"))["courses"]
# A hash of PASSWORD by the real parameters, made once: a hundred tests need not wait for a hundred hashes.
_made = {}


def a_person(session, name, *roles, settings, now, trained=True, signed=True, suspended=False):
    """A person (an analyst, unless told) who can sign in with PASSWORD; trained, and the agreement signed."""
    roles = roles or (Role.ANALYST,)
    enrolment = _added(session, name, roles, settings, now)
    if trained:
        for course in dict.fromkeys(course for role in roles for course in COURSES[role]):
            training.record(session, name, course, now + YEAR, actor=HOST, now=now)
    if signed:
        training.sign_agreement(session, name, actor=name, now=now)
    if suspended:
        accounts.suspend(session, name, why="a test", actor=HOST, now=now)
    return enrolment


def a_project(session, name, members=(), *, now, days=365):
    """A project, approved for `days`, with members until its end."""
    until = now + timedelta(days=days)
    row = projects.create(
        session,
        name,
        title=f"The project {name}",
        purpose="to compare treatments",
        approved_until=until,
        retained_until=until + YEAR,
        actor=HOST,
        now=now,
    )
    for member in members:
        projects.add_member(session, name, member, until=until, actor=HOST, now=now)
    return row


def a_dataset(session, name, *, now, version=1):
    """A dataset in the catalogue with one version, and no data behind it: for decisions about data, not for reading."""
    session.add(DatasetRow(name=name, title=f"The dataset {name}", plan="", plan_sha256="0" * 64, registered_at=now))
    session.flush()
    session.add(
        DatasetVersionRow(
            dataset=name, number=version, manifest='{"files": []}', persons=100, rows=100, ingested_at=now
        )
    )
    audit.append(session, "dataset.ingest", actor=HOST, subject=f"dataset/{name}", at=now, version=version)


def a_committee(session, *, settings, now, names=("erin", "frank")):
    """The people who sit on the committee; made once."""
    for name in names:
        if session.get(PersonRow, name) is None:
            a_person(session, name, Role.COMMITTEE, settings=settings, now=now)
    return names


def an_application(session, project, dataset, *, now, version=None, applicant=None):
    """An application for a dataset, by the first member of the project unless told; returns its number."""
    applicant = applicant or projects.members(session, project)[0].person
    return committee.apply(
        session, project, dataset, version=version, applicant=applicant, purpose="to compare treatments", now=now
    )


def an_approval(session, project, dataset, *, settings, now, version=None, until=None, applicant=None, **asks):
    """An application that two of the committee approved; returns its number."""
    number = an_application(session, project, dataset, now=now, version=version, applicant=applicant)
    names = a_committee(session, settings=settings, now=now)
    for name in names:
        committee.vote(session, number, name, "approve", reason="the purpose is good", now=now)
    until = until or projects.get(session, project).approved_until
    committee.decide(session, number, actor=names[0], until=until, now=now, **asks)
    return number


def _added(session, name, roles, settings, now):
    real, accounts._hashed = accounts._hashed, _hashed_once
    try:
        return accounts.add(
            session,
            name,
            full_name=f"{name.title()} Tester",
            email=f"{name}@hortus.example",
            roles=[Role(role) for role in roles],
            actor=HOST,
            now=now,
            settings=settings,
            password=PASSWORD,
        )
    finally:
        accounts._hashed = real


def _hashed_once(password):
    if password not in _made:
        _made[password] = accounts.HASHER.hash(password)
    return _made[password]


def at_once(count, act):
    """Run `act(number)` in so many threads that start together; return what each returned or was refused with."""
    start, outcomes = threading.Barrier(count), []

    def run(number):
        start.wait()
        try:
            outcomes.append(act(number))
        except TREError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == count, "a thread ended with an error that is not ours"
    return outcomes


def meet_inside(monkeypatch, module, name):
    """Let two threads meet inside a function, unless something makes one wait until the other is done."""
    real, both = getattr(module, name), threading.Barrier(2)

    def met(*args, **kwargs):
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(timeout=1)
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, met)
