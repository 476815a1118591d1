"""One file of a request as its page shows it: what is in it, what was found, what it rests on, who said what."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from airlock import staging
from airlock.checks import about, rules
from airlock.checks.about import About
from airlock.checks.finding import Severity
from airlock.pages import exhibits, previews
from airlock.pages.exhibits import Exhibits
from airlock.pages.previews import Pointed, Preview
from airlock.queries import Detail
from airlock.states import FileState, Verdict
from airlock.tables import ExceptionRow, FileRow, FindingRow, VoteRow
from tre.settings import Settings

SMALL = 1_000_000
"""Bytes of a file that is shown on the request's own page."""
_HEAVIEST = tuple(Severity)
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Found:
    """A finding as the page tells it."""

    number: int
    """As the marked cells refer to it."""
    row: FindingRow
    sentence: str
    """Of the rule; empty for a check of form."""
    source: str
    fix: str
    excepted: ExceptionRow | None

    @property
    def cells(self) -> tuple[tuple[int, int], ...]:
        """Row and column of the cells it means, as the preview counts: row 0 is the header, columns begin with 1."""
        return tuple((row + 1, column + 1) for _, row, column in json.loads(self.row.cells))


@dataclass(frozen=True)
class Part:
    """A file of the round on the table."""

    file: FileRow
    about: About
    made: str
    """The output manifest as JSON; empty where there is none."""
    found: tuple[Found, ...]
    shows: Exhibits
    view: Preview | None
    """None where the file is too large for this page."""
    votes: tuple[VoteRow, ...]
    differ: bool
    """Whether those who voted do not agree on it."""
    filled: Mapping[str, str]

    @property
    def open(self) -> bool:
        """Whether it is to be voted on."""
        return self.file.state == FileState.OPEN

    @property
    def mends(self) -> tuple[Found, ...]:
        """What its author has to change."""
        return tuple(each for each in self.found if each.row.severity == Severity.BLOCK and not each.excepted)


def of(settings: Settings, detail: Detail, filled: Mapping[str, str] = _NOTHING) -> tuple[Part, ...]:
    """Gather all that is to be shown of each file; `filled` is what was typed into a ballot that was refused."""
    return tuple(_part(settings, detail, file, filled) for file in detail.files)


def found_of(detail: Detail, position: int) -> tuple[Found, ...]:
    """Return the findings about one file of the round on the table, the heaviest first."""
    mine = [row for row in detail.findings if row.position == position]
    mine.sort(key=lambda row: _HEAVIEST.index(Severity(row.severity)))
    excepted = {each.check: each for each in detail.exceptions if each.position == position}
    return tuple(_found(number, row, excepted) for number, row in enumerate(mine, 1))


def pointed(found: Sequence[Found]) -> tuple[Pointed, ...]:
    """Return where these point, in their order."""
    return tuple(
        Pointed(each.row.where, tuple((one[0], one[1], one[2]) for one in json.loads(each.row.cells))) for each in found
    )


def content(settings: Settings, file: FileRow) -> bytes:
    """Return what would leave: the re-write once there is one, else what was asked for."""
    return staging.kept(settings, file.leaves_sha256 or file.sha256)


def preview(settings: Settings, file: FileRow, found: Sequence[Found], *, first: int = 0) -> Preview:
    """Show what would leave of a file."""
    return previews.of(
        file.kind, content(settings, file), wheres=pointed(found), first=first, intervals=exhibits.intervals(file)
    )


def _part(settings: Settings, detail: Detail, file: FileRow, filled: Mapping[str, str]) -> Part:
    found, said = found_of(detail, file.position), about.load(file.about)
    votes = tuple(vote for vote in detail.votes if (vote.round, vote.position) == (detail.request.round, file.position))
    latest = {vote.approver: Verdict(vote.verdict) for vote in votes}
    return Part(
        file=file,
        about=said,
        made=json.dumps(about.made_json(said.made), indent=2) if said.made else "",
        found=found,
        shows=exhibits.of(file),
        view=preview(settings, file, found) if file.size <= SMALL else None,
        votes=votes,
        differ=len(set(latest.values())) > 1,
        filled={name: filled.get(f"{name}-{file.position}", "") for name in ("verdict", "reason")},
    )


def _found(number: int, row: FindingRow, excepted: Mapping[str, ExceptionRow]) -> Found:
    known = rules.rules().get(row.rule)
    return Found(
        number=number,
        row=row,
        sentence=known.sentence if known else "",
        source=known.source if known else "",
        fix=row.fix or (known.fix if known else ""),
        excepted=excepted.get(row.check) if row.severity == Severity.BLOCK else None,
    )
