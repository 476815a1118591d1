"""What the house remembers: people, projects, data, approvals, rooms, and the log of all that happened.

One class a table; no verbs here. Times are UTC with their zone; a time that has no zone is refused when it is bound.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# BIGINT everywhere but in SQLite, which counts up only an INTEGER.
BigId = BigInteger().with_variant(Integer, "sqlite")


class Moment(TypeDecorator[datetime]):
    """A UTC time that comes back with its zone from every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone; store UTC."""
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ANN401 -- as the parent
        """Give the zone back that SQLite forgets."""
        del dialect
        if value is None:
            return None
        stored: datetime = value
        return stored.replace(tzinfo=UTC) if stored.tzinfo is None else stored.astimezone(UTC)


class Blob(TypeDecorator[bytes]):
    """Bytes that come back as bytes, whatever somebody put into SQLite, where a column holds any type."""

    impl = LargeBinary
    cache_ok = True

    def process_result_value(self, value: Any | None, dialect: Dialect) -> bytes | None:  # noqa: ANN401 -- as the parent
        """Give bytes, so that what is no entry is found to be none."""
        del dialect
        return value if value is None or isinstance(value, bytes) else str(value).encode()


class Base(DeclarativeBase):
    """All tables of the house, with constraint names that migrations can name."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Moment, int: BigInteger().with_variant(Integer, "sqlite")}  # noqa: RUF012 -- SQLAlchemy's


# --- safe people ------------------------------------------------------------------------------------------------------
class PersonRow(Base):
    """One human being with one account."""

    __tablename__ = "person"

    name: Mapped[str] = mapped_column(String(30), primary_key=True)
    full_name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str] = mapped_column(String(254), default="")
    password: Mapped[str] = mapped_column(String(200))
    """argon2id encoded hash."""
    totp: Mapped[bytes] = mapped_column(LargeBinary)
    """TOTP secret, sealed by the root key (AES-256-GCM, bound to the name)."""
    totp_step: Mapped[int] = mapped_column(default=0)
    """Last 30 s step whose code was used, for sign-in or for a vote; a code works once."""
    failures: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    suspended: Mapped[bool] = mapped_column(default=False)
    enrolled_at: Mapped[datetime | None]
    """When this person chose a password and confirmed a second factor; none while their invitation is open."""
    signed_out_at: Mapped[datetime | None]
    """Sessions that began before are over: a password or a second factor was changed."""
    country: Mapped[str] = mapped_column(String(2), default="")
    """Where this person works, ISO 3166-1 alpha-2; empty if nobody vouched for it."""
    institution: Mapped[str] = mapped_column(String(200), default="")
    """Of which organisation, as a ROR id; empty if nobody vouched for it."""
    not_for_profit: Mapped[bool] = mapped_column(default=False)
    """That organisation works not for profit."""
    created_at: Mapped[datetime]


class IdentityRow(Base):
    """A name by which somebody outside knows a person. One human being has one account: nobody else can have it."""

    __tablename__ = "identity"

    issuer: Mapped[str] = mapped_column(String(200), primary_key=True)
    """URL of an OpenID provider; or `email`, `orcid`."""
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    """What the issuer calls them; an e-mail address in one spelling."""
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    added_at: Mapped[datetime]


class InvitationRow(Base):
    """A link by which a person chooses a password and a second factor, once."""

    __tablename__ = "invitation"

    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class RecoveryCodeRow(Base):
    """A code that stands in for the second factor once, kept as its argon2id hash."""

    __tablename__ = "recovery_code"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    code: Mapped[str] = mapped_column(String(200))
    used_at: Mapped[datetime | None]


class AddressRow(Base):
    """Wrong tries from one network address, so that one address cannot try many names."""

    __tablename__ = "address"

    address: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the address; with a letter before it, of a person and an address from which they came in before."""
    failures: Mapped[int] = mapped_column(default=0)
    locked_until: Mapped[datetime | None]
    at: Mapped[datetime]


class RoleRow(Base):
    """A role a person holds."""

    __tablename__ = "role"

    person: Mapped[str] = mapped_column(ForeignKey("person.name"), primary_key=True)
    role: Mapped[str] = mapped_column(String(20), primary_key=True)


class RoleChangeRow(Base):
    """A role that one admin proposed to grant or to take away; a second admin makes it so."""

    __tablename__ = "role_change"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    role: Mapped[str] = mapped_column(String(20))
    change: Mapped[str] = mapped_column(String(10))
    """grant or remove."""
    why: Mapped[str] = mapped_column(Text)
    proposed_by: Mapped[str] = mapped_column(String(60))
    proposed_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(20))
    """proposed, made, refused."""
    settled_by: Mapped[str | None] = mapped_column(String(60))
    settled_at: Mapped[datetime | None]


class TrainingRow(Base):
    """A course a person passed, and when that lapses. A renewal is a new row."""

    __tablename__ = "training"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    course: Mapped[str] = mapped_column(String(60))
    until: Mapped[datetime]
    source: Mapped[str] = mapped_column(String(200), default="")
    """Who taught or examined: the third party that vouches for it."""
    evidence: Mapped[str] = mapped_column(Text, default="")
    """Number of a certificate, or where it is kept."""
    recorded_at: Mapped[datetime]


class AgreementRow(Base):
    """A signature under the user agreement, by the SHA-256 of its text."""

    __tablename__ = "agreement"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    text_sha256: Mapped[str] = mapped_column(String(64))
    signed_at: Mapped[datetime]


class AgreementTextRow(Base):
    """A version of the user agreement; the newest that has begun is in force."""

    __tablename__ = "agreement_text"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    text: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(60))


class VisaRow(Base):
    """What a trusted issuer said of a person (GA4GH Passport v1.2), checked when it came."""

    __tablename__ = "visa"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Of the visa as it came: the same one counts once."""
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    issuer: Mapped[str] = mapped_column(String(200))
    subject: Mapped[str] = mapped_column(String(255))
    jti: Mapped[str] = mapped_column(String(200), default="")
    type: Mapped[str] = mapped_column(String(60))
    value: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    by: Mapped[str] = mapped_column(String(20), default="")
    asserted: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime]
    refused_at: Mapped[datetime | None]
    """An admin took it back."""


class IssuedVisaRow(Base):
    """A visa that this house issued for an approval."""

    __tablename__ = "issued_visa"

    jti: Mapped[str] = mapped_column(String(60), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    approval: Mapped[int] = mapped_column(ForeignKey("approval.id"), index=True)
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class NoticeRow(Base):
    """Something a person is told once: on their page, and by mail."""

    __tablename__ = "notice"
    __table_args__ = (UniqueConstraint("person", "key"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    key: Mapped[str] = mapped_column(String(200))
    """What it is about, so that nobody is told twice: `training/gdpr/2027-06-30/7`."""
    text: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(String(300), default="")
    at: Mapped[datetime]
    read_at: Mapped[datetime | None]


class MailRow(Base):
    """A mail that waits to be sent, or was."""

    __tablename__ = "mail"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    subject: Mapped[str] = mapped_column(String(200))
    body: Mapped[str] = mapped_column(Text)
    queued_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)
    retry_at: Mapped[datetime | None]


# --- safe projects ----------------------------------------------------------------------------------------------------
class ProjectRow(Base):
    """A piece of research with an end."""

    __tablename__ = "project"

    name: Mapped[str] = mapped_column(String(30), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))
    purpose: Mapped[str] = mapped_column(Text)
    uid: Mapped[int] = mapped_column(unique=True)
    """Numeric user of this project's rooms on the host; never used by another project."""
    suspended: Mapped[bool] = mapped_column(default=False)
    closed_at: Mapped[datetime | None]
    approved_until: Mapped[datetime]
    retained_until: Mapped[datetime]
    epoch: Mapped[int] = mapped_column(default=1)
    """Counts the project's keys: a new one gives every person a new pseudonym from the next extract on."""
    smallest_k: Mapped[int] = mapped_column(default=5)
    """Smallest group of equal quasi-identifiers that an extract may hold, by the committee."""
    meter_hour: Mapped[int | None]
    meter_day: Mapped[int | None]
    lead: Mapped[str | None] = mapped_column(String(30))
    """Name of the member who answers for the project; may ask for exports a little longer (R27)."""
    application: Mapped[int | None]
    """Number of the application in force: state, conditions and purpose are the project's. None: opened by an admin."""
    ml_plan: Mapped[bool] = mapped_column(default=False)
    """The committee agreed to a plan for models that leave (R35)."""
    export_quota: Mapped[int] = mapped_column(default=1_000_000_000)
    """Bytes that may leave it within 30 days (R24)."""
    disclosure_profile: Mapped[str | None] = mapped_column(String(40))
    """Profile of `policies/thresholds` that its exports keep; none: the house's. A dataset's is kept besides."""
    deleted_at: Mapped[datetime | None]
    """When its extracts, workspace and homes were deleted; `deletion` is the proof."""
    deletion: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]


class MemberRow(Base):
    """A membership. Rows are never deleted: who was a member stays known."""

    __tablename__ = "member"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("project.name"), index=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    since: Mapped[datetime]
    until: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class ApplicationRow(Base):
    """A project's application to the committee: a form, who decides on it, and where it stands."""

    __tablename__ = "application"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), default="new")
    """new, datasets (more data for a project that stands), amendment, renewal."""
    parent: Mapped[int | None]
    """Number of the application that this one changes or renews."""
    project: Mapped[str] = mapped_column(String(30), index=True)
    """Name of the project, which may not stand yet."""
    applicant: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    title: Mapped[str] = mapped_column(String(200), default="")
    purpose: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20))
    """A state of `tre.governance.applications.states`."""
    form: Mapped[str] = mapped_column(Text, default="{}")
    """JSON of the form as it stands."""
    edition: Mapped[int] = mapped_column(default=1)
    """Counts the savings of the form, so that of two who edit at once the second is told."""
    form_sha256: Mapped[str] = mapped_column(String(64), default="")
    """Of the form as it was submitted: what is voted on."""
    created_at: Mapped[datetime]
    submitted_at: Mapped[datetime | None]
    moved_at: Mapped[datetime | None]
    """When it came into its state: whose turn it is, and for how long."""
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(String(30))
    why: Mapped[str] = mapped_column(Text, default="")
    """Reason of the last step: why it was returned, decided, suspended or revoked."""
    approved_until: Mapped[datetime | None]
    ethics_until: Mapped[datetime | None]
    """Until when the ethics committee's vote counts that the application brought."""
    conditions: Mapped[str] = mapped_column(Text, default="")
    smallest_k: Mapped[int | None]
    """Smallest group in its extracts, where the committee asks for more than the project has."""
    asked: Mapped[str] = mapped_column(String(20), default="none")
    """What the committee asks of its risk beside k: a set of thresholds."""


class ApplicationDatasetRow(Base):
    """A dataset version that an application asks for, and what its use limitation says to the purpose."""

    __tablename__ = "application_dataset"

    application: Mapped[int] = mapped_column(ForeignKey("application.id"), primary_key=True)
    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"), primary_key=True)
    version: Mapped[int]
    found: Mapped[str] = mapped_column(Text, default="{}")
    """JSON of the match when it was submitted, for the record; it is made again at every door."""


class RulingRow(Base):
    """What the committee says where a use limitation needs a human to read it."""

    __tablename__ = "ruling"

    application: Mapped[int] = mapped_column(ForeignKey("application.id"), primary_key=True)
    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"), primary_key=True)
    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    """A code of the Data Use Ontology, or `purpose` where that is sensitive or not coded."""
    allows: Mapped[bool]
    reason: Mapped[str] = mapped_column(Text)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"))
    at: Mapped[datetime]


class PanelRow(Base):
    """Somebody named to decide on an application, and whether they have an interest in it."""

    __tablename__ = "panel"

    application: Mapped[int] = mapped_column(ForeignKey("application.id"), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), primary_key=True)
    named_at: Mapped[datetime]
    conflict: Mapped[str] = mapped_column(Text, default="")
    """What the interest is; empty if none was declared."""
    declared_at: Mapped[datetime | None]
    """When they said whether they have one; who did not say does not vote."""


class ConditionRow(Base):
    """What the committee asks for before a project begins, or by a day."""

    __tablename__ = "condition"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    application: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    text: Mapped[str] = mapped_column(Text)
    due: Mapped[datetime | None]
    """None: before the project begins."""
    evidence: Mapped[str] = mapped_column(Text, default="")
    evidence_by: Mapped[str | None] = mapped_column(String(30))
    evidence_at: Mapped[datetime | None]
    accepted_by: Mapped[str | None] = mapped_column(String(30))
    accepted_at: Mapped[datetime | None]


class ApprovalRow(Base):
    """A dataset version that a project may use for a time. Never deleted; it ends by its date or is revoked."""

    __tablename__ = "approval"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    application: Mapped[int] = mapped_column(ForeignKey("application.id"), index=True)
    project: Mapped[str] = mapped_column(ForeignKey("project.name"), index=True)
    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"), index=True)
    version: Mapped[int]
    since: Mapped[datetime]
    until: Mapped[datetime]
    groups: Mapped[str] = mapped_column(Text, default="[]")
    """JSON: names of the consent groups whose persons may be in the extract; empty: the dataset has no groups."""
    smallest_k: Mapped[int | None]
    asked: Mapped[str] = mapped_column(String(20), default="none")
    revoked_at: Mapped[datetime | None]
    revoked_why: Mapped[str] = mapped_column(Text, default="")


class DutyRow(Base):
    """What a project owes for data: to publish, to return, to collaborate, not to publish before a day."""

    __tablename__ = "duty"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    approval: Mapped[int] = mapped_column(ForeignKey("approval.id"), index=True)
    code: Mapped[str] = mapped_column(String(10))
    """PUB, RTN, COL or MOR."""
    text: Mapped[str] = mapped_column(Text)
    due: Mapped[datetime | None]
    evidence: Mapped[str] = mapped_column(Text, default="")
    done_at: Mapped[datetime | None]
    done_by: Mapped[str | None] = mapped_column(String(30))


class EmergencyRow(Base):
    """Break-glass: two people open a closed door for a few hours, everyone concerned is told, and it is reviewed."""

    __tablename__ = "emergency"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("project.name"), index=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    """Whose door it is."""
    reason: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[str] = mapped_column(String(30))
    asked_at: Mapped[datetime]
    hours: Mapped[int]
    seconded_by: Mapped[str | None] = mapped_column(String(30))
    since: Mapped[datetime | None]
    until: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    reviewed_by: Mapped[str | None] = mapped_column(String(30))
    reviewed_at: Mapped[datetime | None]
    review: Mapped[str] = mapped_column(Text, default="")


class RulebookRow(Base):
    """The rules of the house as two admins adopted them; the newest adopted is in force."""

    __tablename__ = "rulebook"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    files: Mapped[str] = mapped_column(Text)
    """JSON: file name -> text."""
    sha256: Mapped[str] = mapped_column(String(64))
    why: Mapped[str] = mapped_column(Text)
    proposed_by: Mapped[str] = mapped_column(String(60))
    proposed_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(20))
    """proposed, adopted, refused."""
    settled_by: Mapped[str | None] = mapped_column(String(60))
    settled_at: Mapped[datetime | None]


class ApplicationVoteRow(Base):
    """A committee member's vote on an application."""

    __tablename__ = "application_vote"

    application: Mapped[int] = mapped_column(ForeignKey("application.id"), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), primary_key=True)
    vote: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(Text)
    form_sha256: Mapped[str] = mapped_column(String(64), default="")
    """Of the form that was voted on; a vote on another form does not count."""
    at: Mapped[datetime]


# --- safe data --------------------------------------------------------------------------------------------------------
class DatasetRow(Base):
    """A dataset under a name; its data are its versions."""

    __tablename__ = "dataset"

    name: Mapped[str] = mapped_column(String(30), primary_key=True)
    title: Mapped[str] = mapped_column(String(200), default="")
    plan: Mapped[str] = mapped_column(Text)
    """The de-identification plan, YAML as registered."""
    plan_sha256: Mapped[str] = mapped_column(String(64))
    withdrawn: Mapped[bool] = mapped_column(default=False)
    data_use: Mapped[str] = mapped_column(Text, default="{}")
    """JSON of `policies.duo.DataUse`: consent groups with their codes, embargo, networks, what goes with it."""
    disclosure_profile: Mapped[str | None] = mapped_column(String(40))
    """Profile of `policies/thresholds` that every export from it keeps, besides the project's; none: no other."""
    registered_at: Mapped[datetime]


class DatasetVersionRow(Base):
    """What one ingest brought; immutable."""

    __tablename__ = "dataset_version"

    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    manifest: Mapped[str] = mapped_column(Text)
    """JSON: the files with name, rows, bytes, SHA-256 in clear and in the silo; the wrapped data key."""
    entry: Mapped[str] = mapped_column(Text, default="{}")
    """JSON: what the catalogue shows of this version; nothing that names a person, counts rounded."""
    persons: Mapped[int]
    rows: Mapped[int]
    ingested_at: Mapped[datetime]


class LinkageRow(Base):
    """One loading of a linkage: whose each id of each source system is; immutable, the newest holds."""

    __tablename__ = "linkage"

    name: Mapped[str] = mapped_column(String(30), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    manifest: Mapped[str] = mapped_column(Text)
    """JSON: SHA-256 in clear and in the silo, ids by source system and type; the wrapped data key."""
    ids: Mapped[int]
    subjects: Mapped[int]
    merged: Mapped[int]
    """Subjects that turned out to be another."""
    loaded_at: Mapped[datetime]


class WithdrawalRow(Base):
    """A person who wants to be in no further extract. Never removed."""

    __tablename__ = "withdrawal"
    __table_args__ = (UniqueConstraint("linkage", "mark", "dataset"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    linkage: Mapped[str] = mapped_column(String(60))
    """Name of the linkage, or `dataset/<name>` where the dataset's own table lists the persons."""
    mark: Mapped[str] = mapped_column(String(64))
    """Keyed hash of the subject, hex: nobody can be read from it."""
    dataset: Mapped[str] = mapped_column(String(30), default="")
    """Only from this dataset; empty: from all."""
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


class ClearedRow(Base):
    """A person looked at an image that was held, and answers for what may leave of it."""

    __tablename__ = "cleared"

    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Of the file as it came."""
    regions: Mapped[str] = mapped_column(Text, default="[]")
    """JSON: rectangles [x, y, width, height] to be blacked out; none if nothing is burned in."""
    reason: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(String(60))
    at: Mapped[datetime]


class VocabularyRow(Base):
    """One loading of an OMOP vocabulary; the newest holds."""

    __tablename__ = "vocabulary"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    manifest: Mapped[str] = mapped_column(Text)
    """JSON: edition, files with rows and SHA-256."""
    concepts: Mapped[int]
    loaded_at: Mapped[datetime]


class OntologyRow(Base):
    """One loading of an ontology of diseases; the newest of its name holds, before any the subset that is shipped."""

    __tablename__ = "ontology"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    """mondo or doid."""
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version: Mapped[str] = mapped_column(String(100))
    manifest: Mapped[str] = mapped_column(Text)
    """JSON: the file with its SHA-256."""
    terms: Mapped[int]
    loaded_at: Mapped[datetime]


class ExtractRow(Base):
    """A project's pseudonymised copy of a dataset version."""

    __tablename__ = "extract"
    __table_args__ = (UniqueConstraint("project", "dataset", "number"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("project.name"), index=True)
    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"))
    version: Mapped[int]
    """Version of the dataset."""
    number: Mapped[int]
    """Counts this project's extracts of this dataset; the newest that passed is mounted."""
    manifest: Mapped[str] = mapped_column(Text)
    """JSON: files with rows, SHA-256; person column; plan hash."""
    report: Mapped[str] = mapped_column(Text)
    """JSON: risk (k, uniques, classes) and leak search."""
    assessed: Mapped[bool]
    """Both checks ran and passed the committee's thresholds."""
    groups: Mapped[str] = mapped_column(Text, default="[]")
    """JSON: names of the consent groups whose persons are in it; empty: the dataset had none."""
    prepared_at: Mapped[datetime]


class RecontactRow(Base):
    """A wish to find the person behind a pseudonym, for the clinical contact alone."""

    __tablename__ = "recontact"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("project.name"), index=True)
    dataset: Mapped[str] = mapped_column(ForeignKey("dataset.name"))
    pseudonym: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(Text)
    requester: Mapped[str] = mapped_column(ForeignKey("person.name"))
    contact: Mapped[str] = mapped_column(String(60))
    """Who is told: the dataset's clinical contact."""
    state: Mapped[str] = mapped_column(String(20))
    asked_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]


class RecontactVoteRow(Base):
    """An approver's vote on a re-contact."""

    __tablename__ = "recontact_vote"

    recontact: Mapped[int] = mapped_column(ForeignKey("recontact.id"), primary_key=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), primary_key=True)
    vote: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


# --- safe settings ----------------------------------------------------------------------------------------------------
class RoomRow(Base):
    """A room that is, or was, open."""

    __tablename__ = "room"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    project: Mapped[str] = mapped_column(ForeignKey("project.name"), index=True)
    person: Mapped[str] = mapped_column(ForeignKey("person.name"), index=True)
    mounts: Mapped[str] = mapped_column(Text)
    """JSON list of {dataset, version, number}."""
    network: Mapped[str] = mapped_column(String(60), default="")
    """Zone of the network from which it was opened."""
    until: Mapped[datetime | None]
    """First known end of a fact that the room stands on; it is not open at or after it, whoever watches."""
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_because: Mapped[str] = mapped_column(Text, default="")


class MeterRow(Base):
    """Bytes that one person's browser got from one project in one hour."""

    __tablename__ = "meter"

    person: Mapped[str] = mapped_column(String(30), primary_key=True)
    project: Mapped[str] = mapped_column(String(30), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    """Start of the hour, UTC."""
    bytes: Mapped[int] = mapped_column(default=0)


# --- proof ------------------------------------------------------------------------------------------------------------
class EntryRow(Base):
    """One thing that happened, or was refused. Never changed, never removed: triggers see to it."""

    __tablename__ = "audit_entry"

    seq: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    """Position in the log, from 0."""
    body: Mapped[bytes] = mapped_column(Blob)
    """Canonical JSON; the leaf of the Merkle tree is SHA-256(0x00 || body)."""
    act: Mapped[str] = mapped_column(String(60), index=True)
    actor: Mapped[str] = mapped_column(String(60), index=True)
    subject: Mapped[str] = mapped_column(String(200), index=True)
    at: Mapped[datetime]


class HeadRow(Base):
    """The right edge of the Merkle tree: one row, locked by whoever appends."""

    __tablename__ = "audit_head"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int]
    frontier: Mapped[bytes] = mapped_column(Blob)
    """32-byte hashes of the perfect subtrees, largest first."""
    last: Mapped[bytes] = mapped_column(Blob)
    """Leaf hash of the newest entry; the next entry names it."""


class CheckpointRow(Base):
    """A signed statement of the log's size and root."""

    __tablename__ = "audit_checkpoint"

    size: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)
    """C2SP tlog-checkpoint as a signed note."""
    frontier: Mapped[bytes] = mapped_column(Blob)
    """The right edge of the tree at this size. Its root is the signed one: the next checkpoint grows from it."""
    at: Mapped[datetime]


class WitnessRow(Base):
    """Somebody on another machine who co-signs checkpoints, and refuses one that does not go on from the last."""

    __tablename__ = "audit_witness"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    key: Mapped[str] = mapped_column(Text)
    """Its public key, as `name+hash+base64`."""
    url: Mapped[str] = mapped_column(Text)
    """Where it is asked (C2SP tlog-witness); empty for one that is asked by files."""
    since: Mapped[datetime]
    trouble: Mapped[str] = mapped_column(Text, server_default="")
    """Why it did not co-sign when it was asked last."""
