"""A small dataset that was walked through the real verbs: 60 persons, a table of persons and one of visits."""

import csv
import random
from datetime import date, timedelta

from tests.builders import HOST, a_person, a_project, an_approval
from tre.data import catalogue, extract, ingest
from tre.records.tables import ProjectRow

PLAN = """
missing: [""]
linkage: people
tables:
  people:
    subject: id
    columns:
      id: {action: pseudonym, of: subject, reason: the person}
      name: {action: drop, reason: direct}
      nhs: {action: drop, reason: direct}
      email: {action: drop, reason: direct}
      postcode: {action: drop, reason: direct}
      born: {action: year, reason: age}
      sex: {action: keep, reason: basic}
      note: {action: keep, reason: for leaks}
  visits:
    subject: id
    columns:
      id: {action: pseudonym, of: subject, reason: the person}
      day: {action: shift, reason: intervals}
      place: {action: generalise, prefix: 9, reason: for leaks}
      age: {action: bin, type: integer, width: 10, low: 20, high: 60, reason: banded}
      dose: {action: topcode, type: integer, max: 90, reason: high ones stand out}
quasi_identifiers: [people.sex]
sensitive: [visits.dose]
"""


def some_people(count=60, seed=1):
    chance = random.Random(seed)
    for at in range(count):
        yield {
            "id": str(40000 + 7 * at),
            "name": f"{chance.choice(['Mary', 'Ana', 'Omar'])} Quillfeather{chr(97 + at // 26)}{chr(97 + at % 26)}",
            "nhs": str(9990000000 + at * 7919),
            "email": f"someone{at}@mail.example",
            "postcode": f"QX{at} 4AB",
            "born": f"19{60 + at % 30}-03-{1 + at % 28:02d}",
            "sex": "mf"[at % 2],
            "note": "well",
        }


def some_visits(people):
    for at, person in enumerate(people):
        first = date(2020, 1, 1) + timedelta(days=at * 3)
        for nth in range(1 + at % 3):
            yield {
                "id": person["id"],
                "day": (first + timedelta(days=30 * nth)).isoformat(),
                "place": "ward",
                "age": str(18 + at),
                "dose": str(50 + at),
            }


def files(folder, people=None, visits=None):
    people = list(some_people()) if people is None else people
    visits = list(some_visits(people)) if visits is None else visits
    return [_csv(folder / "people.csv", people), _csv(folder / "visits.csv", visits)]


def register(records, now, *, plan=PLAN, name="trial"):
    with records.act(HOST, "dataset.register", f"dataset/{name}") as session:
        catalogue.register(session, name, plan=plan, title="", actor=HOST, now=now)


def bring_in(records, settings, now, paths, *, plan=PLAN, name="trial"):
    register(records, now, plan=plan, name=name)
    return ingest.ingest(records, settings, name, paths, actor=HOST, now=now)


def let_use(records, settings, now, project="sunrise", dataset="trial", *, smallest=None, **asks):
    """A project whose committee approved the newest version of the dataset."""
    with records.act(HOST, "test.build", "home") as session:
        if session.get(ProjectRow, project) is None:
            member = f"ann-{project}"
            a_person(session, member, settings=settings, now=now)
            a_project(session, project, (member,), now=now)
        if smallest is not None:
            session.get(ProjectRow, project).smallest_k = smallest
        an_approval(session, project, dataset, settings=settings, now=now, **asks)


def prepare(records, settings, now, project="sunrise", dataset="trial"):
    return extract.prepare(records, settings, dataset, project, actor=HOST, now=now)


def an_extract(records, settings, now, folder, project="sunrise", **changed):
    """From files to an extract, in one go."""
    bring_in(records, settings, now, files(folder, **changed))
    let_use(records, settings, now, project)
    return prepare(records, settings, now, project)


def _csv(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path
