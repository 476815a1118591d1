"""What the airlock remembers: requests with their rounds and files, findings, votes, releases, incidents and imports.

A round is one submission. Its files, findings and votes belong to it and are never changed; a new submission is a
new round, and votes of an earlier one count no more. What left is written down as what it tells about whom, too:
later requests are compared with it.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, ForeignKeyConstraint, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tre.records.tables import Base, BigId


class RequestRow(Base):
    """A wish to take files out of a project."""

    __tablename__ = "export_request"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("project.name"), index=True)
    requester: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    state: Mapped[str] = mapped_column(String(20), index=True)
    """A value of `airlock.states.State`."""
    round: Mapped[int]
    """Number of the newest round, from 1."""
    created_at: Mapped[datetime]
    moved_at: Mapped[datetime]
    """When it came into this state."""
    trouble: Mapped[str] = mapped_column(Text, default="")
    """Why the airlock cannot go on by itself, in a line; empty if it can."""
    retry_at: Mapped[datetime | None]
    """When the airlock tries again what it could not do; none if it need not wait."""
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
    """When it ends by itself unless somebody moves it; none of one that is over."""


class RoundRow(Base):
    """One submission: its reason and the manifest that is voted on."""

    __tablename__ = "export_round"

    request: Mapped[int] = mapped_column(ForeignKey("export_request.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    why: Mapped[str] = mapped_column(Text)
    manifest: Mapped[str] = mapped_column(Text)
    """Canonical JSON; its hash is taken over exactly this text."""
    """Until it is checked it names the files as submitted; then also what would leave instead of each."""
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    submitted_at: Mapped[datetime]
    checked_at: Mapped[datetime | None]
    checks: Mapped[str] = mapped_column(Text, default="")
    """JSON: the checks that ran with their versions, and the thresholds they used."""


class FileRow(Base):
    """A file of a round; its bytes lie in the store under their hash."""

    __tablename__ = "export_file"
    __table_args__ = (
        ForeignKeyConstraint(["request", "round"], ["export_round.request", "export_round.number"]),
        UniqueConstraint("request", "round", "name"),
    )

    request: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    round: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(String(255))
    """Path below the outbox."""
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]
    kind: Mapped[str] = mapped_column(String(20))
    about: Mapped[str] = mapped_column(Text, server_default="{}")
    """JSON of `airlock.checks.about.About`: what the author says the file is, and how to make it again."""
    state: Mapped[str] = mapped_column(String(20), server_default="open")
    """A value of `airlock.states.FileState`."""
    leaves_sha256: Mapped[str] = mapped_column(String(64), server_default="")
    """Of the canonical re-write, which lies in the store too: what is looked at and leaves. Empty until checked."""
    leaves_size: Mapped[int] = mapped_column(server_default="0")
    evidence: Mapped[str] = mapped_column(Text, server_default="{}")
    """JSON for the pages: recomputed values beside the claimed ones, intervals of hidden cells, what overlaps."""


class FindingRow(Base):
    """What a check says about a file of a round."""

    __tablename__ = "finding"
    __table_args__ = (ForeignKeyConstraint(["request", "round"], ["export_round.request", "export_round.number"]),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    request: Mapped[int] = mapped_column(index=True)
    round: Mapped[int]
    position: Mapped[int]
    """Position of the file in its round."""
    check: Mapped[str] = mapped_column("check_name", String(40))
    severity: Mapped[str] = mapped_column(String(10))
    where: Mapped[str] = mapped_column("place", Text)
    message: Mapped[str] = mapped_column(Text)
    rule: Mapped[str] = mapped_column(String(20), server_default="")
    """Id of the rule in `policies/disclosure.toml`; empty for a check of form."""
    fix: Mapped[str] = mapped_column(Text, server_default="")
    """What the author does about it."""
    cells: Mapped[str] = mapped_column(Text, server_default="[]")
    """JSON: [[table, row, column], ...] of the cells it means, each from 0; row -1 is the header."""


class ExceptionRow(Base):
    """Somebody, by name and with a reason, lets a file go on although a check blocked it or did not run."""

    __tablename__ = "export_exception"
    __table_args__ = (
        UniqueConstraint("request", "round", "position", "check_name"),
        ForeignKeyConstraint(["request", "round"], ["export_round.request", "export_round.number"]),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    request: Mapped[int] = mapped_column(index=True)
    round: Mapped[int]
    position: Mapped[int]
    check: Mapped[str] = mapped_column("check_name", String(40))
    person: Mapped[str] = mapped_column(ForeignKey("person.name"))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


class VoteRow(Base):
    """What an approver said about one file of one manifest. A vote says it about every file that is open, at once."""

    __tablename__ = "vote"
    __table_args__ = (
        UniqueConstraint("request", "round", "approver", "position", "turn"),
        ForeignKeyConstraint(["request", "round"], ["export_round.request", "export_round.number"]),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    request: Mapped[int]
    round: Mapped[int]
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    approver: Mapped[str] = mapped_column(ForeignKey("person.name"))
    verdict: Mapped[str] = mapped_column(String(10))
    """A value of `airlock.states.Verdict`."""
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    position: Mapped[int] = mapped_column(server_default="0")
    """Of the file it is about."""
    turn: Mapped[int] = mapped_column(server_default="1")
    """1: the blind vote; 2: said again, or by a third, after the first two differed. The latest of a voter counts."""
    opened_at: Mapped[datetime | None]
    """When the voter first looked at this round; for the statistics of how long looking takes."""
    whole: Mapped[str] = mapped_column(Text, server_default="")
    """What the voter said in the same act about all the files together."""


class CommentRow(Base):
    """Something said about a request."""

    __tablename__ = "comment"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    request: Mapped[int] = mapped_column(ForeignKey("export_request.id"), index=True)
    round: Mapped[int]
    person: Mapped[str] = mapped_column(ForeignKey("person.name"))
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


class ReleaseRow(Base):
    """Files of one round that left, with the signed certificate; a request may leave in parts, a round at a time."""

    __tablename__ = "release"

    request: Mapped[int] = mapped_column(ForeignKey("export_request.id"), primary_key=True)
    round: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    """The signed JSON that goes with the files, exactly as it goes."""
    released_at: Mapped[datetime]
    record: Mapped[str] = mapped_column(Text, server_default="{}")
    """JSON: the disclosure record that goes with it (SATRE 3.3.09)."""
    recalled_at: Mapped[datetime | None]
    """Since when nobody may collect it any more."""


class ToldRow(Base):
    """A table that left, as what it tells about whom: later tables are compared with it."""

    __tablename__ = "export_told"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    request: Mapped[int] = mapped_column(ForeignKey("export_request.id"), index=True)
    round: Mapped[int]
    position: Mapped[int]
    project: Mapped[str] = mapped_column(ForeignKey("project.name"), index=True)
    dataset: Mapped[str] = mapped_column(String(100), index=True)
    version: Mapped[int]
    manifest: Mapped[str] = mapped_column(Text)
    """JSON of the output manifest (`airlock.checks.about.Made`); `{}` for a table that came without one."""
    cells: Mapped[str] = mapped_column(Text)
    """JSON: {"heads": [...], "rows": [[...], ...]} exactly as released."""
    cohort: Mapped[bytes] = mapped_column(LargeBinary)
    """Who was counted, as `tre.data` wrote it down, sealed; empty where it could not be said."""
    released_at: Mapped[datetime]


class OpenedRow(Base):
    """When an approver first looked at a round."""

    __tablename__ = "export_opened"
    __table_args__ = (ForeignKeyConstraint(["request", "round"], ["export_round.request", "export_round.number"]),)

    request: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    round: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), primary_key=True)
    at: Mapped[datetime]


class IncidentRow(Base):
    """Something left that should not have: opened by a recall, closed by who looked into it."""

    __tablename__ = "incident"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    request: Mapped[int] = mapped_column(ForeignKey("export_request.id"), index=True)
    round: Mapped[int]
    opened_by: Mapped[str] = mapped_column(ForeignKey("person.name"))
    reason: Mapped[str] = mapped_column(Text)
    collected: Mapped[bool]
    """Whether somebody had collected it by then."""
    opened_at: Mapped[datetime]
    closed_by: Mapped[str | None] = mapped_column(ForeignKey("person.name"))
    outcome: Mapped[str] = mapped_column(Text, server_default="")
    closed_at: Mapped[datetime | None]


class ImportRow(Base):
    """A wish to bring files into a project: code or reference data, read-only in its rooms once one person agreed."""

    __tablename__ = "import_request"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("project.name"), index=True)
    requester: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    state: Mapped[str] = mapped_column(String(20), index=True)
    """A value of `airlock.states.ImportState`."""
    why: Mapped[str] = mapped_column(Text)
    manifest: Mapped[str] = mapped_column(Text)
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    findings: Mapped[str] = mapped_column(Text, server_default="[]")
    """JSON: what the inspection said about each file."""
    checked_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(ForeignKey("person.name"))
    decided_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(Text, server_default="")
    trouble: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[datetime]
    moved_at: Mapped[datetime]
    arrived_at: Mapped[datetime | None]
    """Since when it lies in the project's rooms."""


class LinkRow(Base):
    """A way to collect a release once; who holds the token and is the requester may use it."""

    __tablename__ = "link"

    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    request: Mapped[int] = mapped_column(ForeignKey("export_request.id"), index=True)
    round: Mapped[int] = mapped_column(server_default="1")
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class WebSessionRow(Base):
    """A person's session with the airlock's pages."""

    __tablename__ = "web_session"

    id_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    hub_token: Mapped[str] = mapped_column(Text)
    """Hub token of this session, with which every decision asks the Hub again."""
    created_at: Mapped[datetime]
