"""A re-contact that was walked through the real verbs, and a clinical contact who has the key."""

import base64

import duckdb

from policies.facts import Role
from tests.builders import HOST, a_person
from tests.tre.data import linked
from tre.data import crypt4gh, recontact
from tre.records.tables import PersonRow

APPROVERS = ("carol", "dave")


def public_key(private):
    body = base64.b64encode(crypt4gh.public_of(private)).decode()
    return f"{recontact.HEAD}\n{body}\n{recontact.TAIL}\n"


def a_contact(records, settings, now, dataset="trial"):
    """Register a contact; return their private key."""
    private = crypt4gh.new_private()
    with records.act(HOST, "recontact.contact", f"dataset/{dataset}") as session:
        recontact.set_contact(session, settings, dataset, public_key(private), actor=HOST, now=now)
    return private


def approvers(records, settings, now, names=APPROVERS):
    with records.act(HOST, "test.build", "home") as session:
        for name in names:
            if session.get(PersonRow, name) is None:
                a_person(session, name, Role.APPROVER, settings=settings, now=now)


def a_world(records, settings, now, folder):
    """An extract, a contact, approvers; return the contact's private key."""
    linked.an_extract(records, settings, now, folder)
    approvers(records, settings, now)
    return a_contact(records, settings, now)


def pseudonyms(settings, number=1, project="sunrise", table="labs", column="mrn"):
    path = settings.extract(project, "trial", number) / f"{table}.parquet"
    return [who for (who,) in duckdb.sql(f"SELECT DISTINCT {column} FROM read_parquet('{path}') ORDER BY 1").fetchall()]


def ask(records, settings, now, pseudonym, project="sunrise", dataset="trial", requester="ann-sunrise"):
    with records.act(requester, "recontact.request", f"project/{project}") as session:
        return recontact.request(
            session, settings, project, dataset, pseudonym, requester=requester, reason="a finding", now=now
        )


def vote(records, now, number, person, verdict="approve"):
    with records.act(person, "recontact.vote", f"recontact/{number}") as session:
        return recontact.vote(session, number, person, verdict, reason="it helps them", now=now)


def an_approved(records, settings, now, pseudonym):
    number = ask(records, settings, now, pseudonym)
    for name in APPROVERS:
        vote(records, now, number, name)
    return number


def opened(settings, number, private):
    with recontact.answer_path(settings, number).open("rb") as file:
        return crypt4gh.Reader(file, private, what="answer").read()
