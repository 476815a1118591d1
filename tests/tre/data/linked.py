"""A dataset whose persons a linkage of the house knows: patients of the ward, and their images under other numbers."""

import csv

from tests.builders import HOST
from tests.tre.data import made
from tre.data import linkage

PLAN = """
linkage: {name: hospital}
about: {contact: dr-example}
tables:
  labs:
    subject: mrn
    columns:
      mrn: {action: pseudonym, of: subject, system: ehr, id: mrn, reason: the person}
      mother: {action: pseudonym, of: subject, system: ehr, id: mrn, reason: a family}
      visit: {action: pseudonym, of: encounter, system: ehr, reason: joins}
      day: {action: shift, reason: intervals}
      value: {action: keep, type: integer, reason: the measure}
  images:
    subject: patient
    columns:
      patient: {action: pseudonym, of: subject, system: pacs, id: patient, reason: the person}
      visit: {action: pseudonym, of: encounter, system: ehr, reason: joins}
      body: {action: keep, reason: the part}
quasi_identifiers: [images.body]
"""
COUNT = 30


def ids(count=COUNT):
    """Each person has a record number, and an image number that is the next one's record number."""
    for at in range(count):
        yield "ehr", "mrn", f"{500 + at}", f"p{at}"
        yield "pacs", "patient", f"{501 + at}", f"p{at}"


def a_file(folder, rows, name="linkage.csv", columns=("system", "type", "value", "subject")):
    path = folder / name
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def load(records, settings, now, folder, rows=None, name="hospital"):
    path = a_file(folder, ids() if rows is None else rows)
    return linkage.load(records, settings, name, path, actor=HOST, now=now)


def newest(records, settings, name="hospital"):
    with records.read() as session:
        return linkage.newest(session, settings, name)


def labs(count=COUNT, number=lambda at: str(500 + at)):
    for at in range(count):
        for visit in (1, 2):
            yield {
                "mrn": number(at),
                "mother": str(500 + at // 2),
                "visit": f"v{at}-{visit}",
                "day": f"2021-0{visit}-11",
                "value": str(at),
            }


def images(count=COUNT):
    for at in range(count):
        yield {"patient": str(501 + at), "visit": f"v{at}-1", "body": "chest"}


def bring_in(records, settings, now, folder, *, rows=None):
    paths = [
        made._csv(folder / "labs.csv", list(labs()) if rows is None else rows),
        made._csv(folder / "images.csv", list(images())),
    ]
    return made.bring_in(records, settings, now, paths, plan=PLAN)


def an_extract(records, settings, now, folder, project="sunrise", *, rows=None, linked=None):
    load(records, settings, now, folder, linked)
    bring_in(records, settings, now, folder, rows=rows)
    made.let_use(records, settings, now, project)
    return made.prepare(records, settings, now, project)
