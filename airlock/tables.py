"""What the airlock remembers: requests with their rounds and files, findings, votes, comments, releases and links.

A round is one submission. Its files, findings and votes belong to it and are never changed; a new submission is a
new round, and votes of an earlier one count no more.
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


class RoundRow(Base):
    """One submission: its reason and the manifest that is voted on."""

    __tablename__ = "export_round"

    request: Mapped[int] = mapped_column(ForeignKey("export_request.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    why: Mapped[str] = mapped_column(Text)
    manifest: Mapped[str] = mapped_column(Text)
    """Canonical JSON; its hash is taken over exactly this text."""
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


class VoteRow(Base):
    """What an approver said about one manifest."""

    __tablename__ = "vote"
    __table_args__ = (
        UniqueConstraint("request", "round", "approver"),
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
    """A request whose files left, and the signed certificate of it."""

    __tablename__ = "release"

    request: Mapped[int] = mapped_column(ForeignKey("export_request.id"), primary_key=True)
    round: Mapped[int]
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    """The signed JSON that goes with the files, exactly as it goes."""
    released_at: Mapped[datetime]


class LinkRow(Base):
    """A way to collect a release once; who holds the token and is the requester may use it."""

    __tablename__ = "link"

    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    request: Mapped[int] = mapped_column(ForeignKey("export_request.id"), index=True)
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
