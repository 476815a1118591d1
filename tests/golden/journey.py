"""The golden delivery goes the whole way by the commands an operator types: registered, ingested, asked for, prepared.

    with walked(home, folder) as house:
        house.extract("sunrise")          the folder that a room mounts
        house.tre("dataset", "quarantine", "golden")

The committee's part is done by the builders, for it needs second factors and a browser.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import tre.settings
from tests.builders import HOST, a_person, a_project, an_approval
from tests.golden.key import Key
from tests.golden.make import generate
from tests.golden.score import LINKAGE, Project
from tre.data.deid import pseudonyms
from tre.records.db import Records, opened
from tre.settings import Settings

NAME = "golden"
TITLE = "Sixty people in every kind of data"
PROJECTS = ("sunrise", "harbour")


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def whole(self) -> str:
        """Everything a person at the console saw."""
        return self.out + self.err


@dataclass(frozen=True)
class House:
    """A home with the golden dataset in it."""

    settings: Settings
    records: Records
    folder: Path
    key: Key

    @property
    def delivery(self) -> Path:
        """What the hospital delivered."""
        return self.folder / "delivery"

    def tre(self, *words: object, typed: str = "") -> Said:
        """Run a command as an operator does."""
        done = subprocess.run(
            [sys.executable, "-m", "tre", *map(str, words)],
            env={**os.environ, "TRE_HOME": str(self.settings.home)},
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )
        assert "Traceback" not in done.stderr, done.stderr[-3000:]
        return Said(done.returncode, done.stdout, done.stderr)

    def allow(self, project: str, dataset: str = NAME) -> None:
        """Let the committee approve a project's application for the newest version."""
        now = datetime.now(UTC)
        with self.records.act(HOST, "test.build", "home") as session:
            a_person(session, f"ann-{project}", settings=self.settings, now=now)
            a_project(session, project, (f"ann-{project}",), now=now)
            an_approval(session, project, dataset, settings=self.settings, now=now)

    def prepare(self, project: str, dataset: str = NAME) -> Path:
        """Prepare the next extract; return its folder."""
        said = self.tre("--json", "extract", "prepare", dataset, project)
        assert said.code == 0, said.whole
        return self.settings.extract(project, dataset, json.loads(said.out)["number"])

    def project(self, name: str) -> Project:
        """Return what a project calls everybody."""
        return Project(pseudonyms.Naming(pseudonyms.keys_of(self.settings, name)))

    @contextmanager
    def copied(self, to: Path) -> Iterator["House"]:
        """Give a copy of the home in which something may be changed."""
        shutil.copytree(self.settings.home, to / "home", symlinks=True)
        settings = tre.settings.load(to / "home")
        records = opened(settings)
        try:
            yield House(settings, records, self.folder, self.key)
        finally:
            records.close()

    @cached_property
    def extracts(self) -> dict[str, Path]:
        """Prepare the first extract of each project, once."""
        return {name: self.prepare(name) for name in PROJECTS}


@contextmanager
def walked(made_home: Path, folder: Path) -> Iterator[House]:
    """Go from an empty home to a dataset that two projects may use."""
    key = generate(folder / "golden")
    home = folder / "home"
    shutil.copytree(made_home, home, symlinks=True)
    settings = tre.settings.load(home)
    records = opened(settings)
    try:
        house = House(settings, records, folder / "golden", key)
        for words in (
            ("linkage", "load", LINKAGE, house.delivery / "linkage.csv"),
            ("dataset", "register", NAME, "--plan", house.folder / "plan.yaml", "--title", TITLE),
            ("dataset", "ingest", NAME, house.delivery),
        ):
            said = house.tre(*words)
            assert said.code == 0, said.whole
        for name in PROJECTS:
            house.allow(name)
        yield house
    finally:
        records.close()
