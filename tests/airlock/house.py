"""A project with data, people around it, and export requests in every state: made by the real verbs."""

import json
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import delete
from sqlalchemy.orm import Session

from airlock import release, requests, worker
from airlock.states import State, Verdict
from airlock.tables import RequestRow
from policies.facts import Role
from tests.builders import HOST, a_dataset, a_person, a_project, an_approval
from tre.data import evidence, identifiers
from tre.data.deid import pseudonyms
from tre.governance import projects
from tre.records import audit
from tre.records.db import Records
from tre.records.tables import ExtractRow, MailRow
from tre.settings import Settings

SAFE = b"sex,n\n0,30\n1,30\n"
IDENTIFIER = "QX4417029"


class House:
    """One TRE to try the airlock in."""

    def __init__(self, records: Records, settings: Settings, now) -> None:
        self.records, self.settings, self.now = records, settings, now
        with self.act("test.build") as session:
            for name in ("ann", "ben"):
                a_person(session, name, settings=settings, now=now)
            for name in ("bob", "carol", "dave", "olive"):
                a_person(session, name, Role.APPROVER, settings=settings, now=now)
            a_person(session, "adam", Role.ADMIN, settings=settings, now=now)
            a_person(session, "zoe", settings=settings, now=now)
            a_dataset(session, "trial", now=now)
            a_project(session, "sunrise", ("ann", "ben", "olive"), now=now)
            projects.remove_member(session, "sunrise", "olive", actor=HOST, now=now)
            a_project(session, "sunset", ("zoe",), now=now)
            an_approval(session, "sunrise", "trial", settings=settings, now=now)
            session.execute(delete(MailRow))  # of how the house was built, not of exports
            self.pseudonyms = an_extract(session, settings, now)
        self.outbox = settings.outbox("sunrise", "ann")
        self.outbox.mkdir(parents=True)

    def act(self, act: str, actor: str = HOST, subject: str = "home"):
        return self.records.act(actor, act, subject)

    def put(self, name: str, content: bytes = SAFE):
        place = self.outbox / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return place

    def submit(self, files=None, person="ann", project="sunrise", about=None) -> int:
        files = {"table.csv": SAFE} if files is None else files
        for name, content in files.items():
            self.put(name, content)
        return self.ask(*files, person=person, project=project, about=about)

    def ask(self, *names: str, person="ann", project="sunrise", about=None) -> int:
        with self.act("export.submit", person, f"project/{project}") as session:
            return requests.submit(
                session, self.settings, project=project, person=person, paths=names, why="for the paper", now=self.now,
                about=about,
            ).id  # fmt: skip

    def resubmit(self, request: int, files, person="ann") -> None:
        for name, content in files.items():
            self.put(name, content)
        with self.act("export.submit", person, f"export/{request}") as session:
            requests.resubmit(
                session, self.settings, request=request, person=person, paths=list(files), why="again", now=self.now
            )

    def check(self, request: int) -> None:
        worker.check(self.records, self.settings, request, now=self.now)

    def in_review(self, files=None) -> int:
        request = self.submit(files)
        self.check(request)
        assert self.state(request) is State.IN_REVIEW, self.findings(request)
        return request

    def vote(self, request, person, verdict=Verdict.APPROVE, *, seen=None, second_factor=True, files=None) -> None:
        """Say the same of every open file, or of each (by its position) what `files` has."""
        seen = self.manifest(request) if seen is None else seen
        why = f"{person} says so"
        with self.act("export.vote", person, f"export/{request}") as session:
            said = requests.same(session, request=request, verdict=verdict, reason=why)
            said = said if files is None else {at: (each, why) for at, each in files.items()}
            requests.vote(
                session, request=request, person=person, verdicts=said, reason=why, seen=seen,
                second_factor=second_factor, now=self.now,
            )  # fmt: skip

    def approved(self, files=None) -> int:
        request = self.in_review(files)
        self.vote(request, "bob")
        self.vote(request, "carol")
        return request

    def released(self, files=None) -> int:
        request = self.approved(files)
        self.release(request)
        return request

    def release(self, request: int) -> None:
        with self.act("export.release", "worker", f"export/{request}") as session:
            release.release(session, self.settings, request=request, now=self.now)

    def link(self, request: int, person="ann") -> str:
        with self.act("export.link", person, f"export/{request}") as session:
            return release.link(session, self.settings, request=request, person=person, now=self.now)

    def collect(self, token: str, person="ann"):
        with self.act("export.collect", person, "export") as session:
            return release.collect(session, self.settings, token=token, person=person, now=self.now)

    def later(self, **by) -> None:
        self.now += timedelta(**by)

    # --- looking ---------------------------------------------------------------------------------------------------
    def row(self, request: int) -> RequestRow:
        with self.records.read() as session:
            return session.get_one(RequestRow, request)

    def state(self, request: int) -> State:
        return State(self.row(request).state)

    def files(self, request: int) -> dict[str, str]:
        """The state of each file of the newest round."""
        from airlock import asks

        with self.records.read() as session:
            row = session.get_one(RequestRow, request)
            return {file.name: file.state for file in asks.files_of(session, request, row.round)}

    def manifest(self, request: int) -> str:
        with self.records.read() as session:
            return requests.manifest(session, session.get_one(RequestRow, request))[1]

    def findings(self, request: int):
        from airlock import asks

        with self.records.read() as session:
            rows = asks.findings_of(session, session.get_one(RequestRow, request))
            return [(row.check, row.severity, row.where, row.message) for row in rows]

    def acts(self) -> list[str]:
        from sqlalchemy import select

        from tre.records.tables import EntryRow

        with self.records.read() as session:
            return list(session.scalars(select(EntryRow.act).order_by(EntryRow.seq)))

    def stored(self, content: bytes):
        from hashlib import sha256

        name = sha256(content).hexdigest()
        return self.settings.released / "cas" / name[:2] / name


def an_extract(session: Session, settings: Settings, now) -> list[str]:
    """60 people with two visits each, and one more in arm `rare` with twenty visits: a count of rows there is 20."""
    key = pseudonyms.keys_of(settings, "sunrise").pseudonym
    named = [str(name) for name in pseudonyms.pseudonyms([f"P{n}" for n in range(61)], key)]
    visits = [(n, n % 2, "ab"[n // 30], 20 + n, visit) for n in range(60) for visit in (1, 2)]
    visits += [(60, 1, "rare", 80, visit) for visit in range(1, 21)]
    table = pa.table(
        {
            "person": [named[n] for n, *_ in visits],
            "sex": [sex for _, sex, *_ in visits],
            "arm": [arm for _, _, arm, *_ in visits],
            "age": [age for _, _, _, age, _ in visits],
            "visit": [visit for *_, visit in visits],
        }
    )
    folder = settings.extract("sunrise", "trial", 1)
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "visits.parquet")
    row = ExtractRow(
        project="sunrise", dataset="trial", version=1, number=1, manifest=json.dumps({"person": {"visits": "person"}}),
        report="{}", assessed=True, prepared_at=now,
    )  # fmt: skip
    session.add(row)
    identifiers.write(evidence.index_of(settings, row), [IDENTIFIER], key)
    audit.append(session, "extract.prepare", actor=HOST, subject="extract/sunrise/trial/1", at=now)
    return named
