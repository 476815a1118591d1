"""The airlock's web application with people at their browsers: real records, real pages, a Hub of loopback HTTP."""

import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from starlette.testclient import TestClient

from airlock import asks, login, release, requests
from airlock.app import create_app
from airlock.login import PREFIX
from airlock.states import Verdict
from policies.facts import Role
from tests.airlock.hub import FakeHub
from tests.builders import HOST, a_person, a_project
from tre.governance import accounts
from tre.records.tables import EntryRow

RAN = ("kind", "plain_table", "formulas", "leaks", "small_counts", "row_level")
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c6360000000020001"
    "48afa4710000000049454e44ae426082"
)


@dataclass
class Clock:
    """The time the airlock sees."""

    now: datetime

    def __call__(self):
        return self.now

    def later(self, **by):
        self.now += timedelta(**by)


class Browser:
    """One person's browser: its cookie goes along, and its own pages are where its forms come from."""

    def __init__(self, airlock, name, cookie):
        self.airlock, self.name, self.cookie = airlock, name, cookie

    def get(self, path="", **headers):
        return self._send("GET", path, headers)

    def post(self, path, form=None, **headers):
        return self._send("POST", path, headers, data=form or {})

    def call(self, method, path, body=None, **headers):
        return self._send(method, f"api/v1/{path}", headers, json=body)

    def _send(self, method, path, headers, **sent):
        given = {"cookie": f"airlock={self.cookie}", "sec-fetch-site": "same-origin", "sec-fetch-mode": "navigate"}
        if method == "POST":
            given["origin"] = self.airlock.settings.airlock_origin
        given.update({name.replace("_", "-"): value for name, value in headers.items()})
        kept = {name: value for name, value in given.items() if value is not None}
        if "json" in sent and sent["json"] is None:
            del sent["json"]
        where = path if path.startswith("/") else PREFIX + path
        return self.airlock.client.request(method, where, headers=kept, **sent)


class Airlock:
    """The application, its people, and shortcuts that take the real steps."""

    def __init__(self, settings, hub, clock, client):
        self.settings, self.hub, self.clock, self.client = settings, hub, clock, client
        self.records = client.app.state.house.records

    def sign_in(self, name):
        token = self.hub.token(name)
        return Browser(self, name, login.open_session(self.records, self.settings, name, token, now=self.clock()))

    def nobody(self):
        return Browser(self, "", "not-a-session")

    def lay(self, project, person, **files):
        """Put files into a person's outbox; `table_csv=b'..'` is table.csv."""
        outbox = self.settings.outbox(project, person)
        outbox.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            outbox.joinpath(re.sub(r"_(\w+)$", r".\1", name)).write_bytes(content)

    def ask(self, person="ann", project="sunrise", about=None, **files):
        """A request with these files, waiting for its checks."""
        files = files or {"table_csv": b"arm,n\nA,30\nB,40\n"}
        self.lay(project, person, **files)
        names = [re.sub(r"_(\w+)$", r".\1", name) for name in files]
        with self.records.act(person, "export.submit", f"project/{project}") as session:
            row = requests.submit(
                session, self.settings, project=project, person=person, paths=names, why="a table for the paper",
                about=about, now=self.clock(),
            )  # fmt: skip
        return row.id

    def checked(self, request, findings=None, exhibits=None):
        """Its checks have run, found this, and show this beside it."""
        with self.records.act("worker", "export.check", f"export/{request}") as session:
            number = requests.locked(session, request).round
            files = asks.files_of(session, request, number)
            requests.record_checks(
                session, request=request, number=number, findings=findings or {},
                checks={"ran": list(RAN), "thresholds": {}}, now=self.clock(),
                exhibits=exhibits or {}, leaves={file.position: (file.sha256, file.size) for file in files},
            )  # fmt: skip
        return request

    def in_review(self, **files):
        return self.checked(self.ask(**files))

    def approved(self, **files):
        request = self.in_review(**files)
        for name in ("bob", "cleo"):
            with self.records.act(name, "export.vote", f"export/{request}") as session:
                seen = requests.manifest(session, requests.locked(session, request))[1]
                said = requests.same(session, request=request, verdict=Verdict.APPROVE, reason="safe")
                requests.vote(
                    session, request=request, person=name, verdicts=said, reason="safe", seen=seen,
                    second_factor=True, now=self.clock(),
                )  # fmt: skip
        return request

    def released(self, **files):
        request = self.approved(**files)
        with self.records.act("worker", "export.release", f"export/{request}") as session:
            release.release(session, self.settings, request=request, now=self.clock())
        return request

    def code(self, name):
        """The code that this person's phone shows; a new one each time."""
        self.clock.later(seconds=31)
        with self.records.read() as session:
            return accounts.code_now(session, self.settings, name, self.clock())

    def digest(self, request):
        with self.records.read() as session:
            return requests.manifest(session, requests.locked(session, request))[1]

    def acts(self):
        """What the log says, oldest first."""
        with self.records.read() as session:
            return list(session.scalars(select(EntryRow.act).order_by(EntryRow.seq)))

    def ballot(self, request, name, verdict="approve", **other):
        """What an approver types into the form."""
        form = {"verdict": verdict, "reason": "it is safe", "seen": self.digest(request), "code": self.code(name)}
        return {**form, **other}


@contextmanager
def an_airlock(settings, now):
    """Ann asks out of sunrise, where dan works too; bob and cleo decide; eve asks out of another project."""
    hub = FakeHub(settings.secret("airlock-hub"))
    settings = settings.model_copy(update={"port": hub.port - 2})
    clock = Clock(now)
    try:
        app = create_app(settings, clock=clock)
        with TestClient(app, base_url=settings.airlock_origin, follow_redirects=False) as client:
            found = Airlock(settings, hub, clock, client)
            _people(found, now)
            yield found
    finally:
        hub.close()


def _people(airlock, now):
    with airlock.records.act(HOST, "test.build", "home") as session:
        for name in ("ann", "dan", "eve"):
            a_person(session, name, settings=airlock.settings, now=now)
        for name in ("bob", "cleo", "finn"):
            a_person(session, name, Role.APPROVER, settings=airlock.settings, now=now)
        a_person(session, "gina", Role.COMMITTEE, settings=airlock.settings, now=now)
        a_person(session, "olga", Role.ADMIN, settings=airlock.settings, now=now)
        a_project(session, "sunrise", ("ann", "dan"), now=now)
        a_project(session, "dusk", ("eve",), now=now)
