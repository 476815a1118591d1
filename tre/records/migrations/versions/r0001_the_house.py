"""The house as it was first built."""
# ruff: noqa: PLR0915 -- written by Alembic from the tables, and read by a person

import sqlalchemy as sa
from alembic import op

from tre.records import guards, tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_checkpoint",
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("frontier", tables.Blob(), nullable=False),
        sa.Column("at", tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_audit_checkpoint")),
    )
    op.create_table(
        "audit_entry",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("body", tables.Blob(), nullable=False),
        sa.Column("act", sa.String(length=60), nullable=False),
        sa.Column("actor", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("at", tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_entry")),
    )
    with op.batch_alter_table("audit_entry", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_entry_act"), ["act"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_entry_actor"), ["actor"], unique=False)
        batch_op.create_index(batch_op.f("ix_audit_entry_subject"), ["subject"], unique=False)

    op.create_table(
        "audit_head",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("frontier", tables.Blob(), nullable=False),
        sa.Column("last", tables.Blob(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_head_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "dataset",
        sa.Column("name", sa.String(length=30), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("plan_sha256", sa.String(length=64), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("registered_at", tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_dataset")),
    )
    op.create_table(
        "meter",
        sa.Column("person", sa.String(length=30), nullable=False),
        sa.Column("project", sa.String(length=30), nullable=False),
        sa.Column("hour", tables.Moment(timezone=True), nullable=False),
        sa.Column("bytes", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("person", "project", "hour", name=op.f("pk_meter")),
    )
    op.create_table(
        "person",
        sa.Column("name", sa.String(length=30), nullable=False),
        sa.Column("full_name", sa.String(length=200), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("password", sa.String(length=200), nullable=False),
        sa.Column("totp", sa.LargeBinary(), nullable=False),
        sa.Column("totp_step", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("failures", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("locked_until", tables.Moment(timezone=True), nullable=True),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        sa.Column("created_at", tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_person")),
    )
    op.create_table(
        "project",
        sa.Column("name", sa.String(length=30), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("uid", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        sa.Column("closed_at", tables.Moment(timezone=True), nullable=True),
        sa.Column("approved_until", tables.Moment(timezone=True), nullable=False),
        sa.Column("retained_until", tables.Moment(timezone=True), nullable=False),
        sa.Column("smallest_k", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("meter_hour", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("meter_day", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("created_at", tables.Moment(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_project")),
        sa.UniqueConstraint("uid", name=op.f("uq_project_uid")),
    )
    op.create_table(
        "agreement",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("person", sa.String(length=30), nullable=False),
        sa.Column("text_sha256", sa.String(length=64), nullable=False),
        sa.Column("signed_at", tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.name"], name=op.f("fk_agreement_person_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agreement")),
    )
    with op.batch_alter_table("agreement", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_agreement_person"), ["person"], unique=False)

    op.create_table(
        "application",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("project", sa.String(length=30), nullable=False),
        sa.Column("dataset", sa.String(length=30), nullable=False),
        sa.Column("version", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("applicant", sa.String(length=30), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("submitted_at", tables.Moment(timezone=True), nullable=False),
        sa.Column("decided_at", tables.Moment(timezone=True), nullable=True),
        sa.Column("approved_until", tables.Moment(timezone=True), nullable=True),
        sa.Column("conditions", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["applicant"], ["person.name"], name=op.f("fk_application_applicant_person")),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.name"], name=op.f("fk_application_dataset_dataset")),
        sa.ForeignKeyConstraint(["project"], ["project.name"], name=op.f("fk_application_project_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_application")),
    )
    with op.batch_alter_table("application", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_application_project"), ["project"], unique=False)

    op.create_table(
        "dataset_version",
        sa.Column("dataset", sa.String(length=30), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("persons", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rows", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ingested_at", tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.name"], name=op.f("fk_dataset_version_dataset_dataset")),
        sa.PrimaryKeyConstraint("dataset", "number", name=op.f("pk_dataset_version")),
    )
    op.create_table(
        "export_request",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("project", sa.String(length=30), nullable=False),
        sa.Column("requester", sa.String(length=30), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("round", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", tables.Moment(timezone=True), nullable=False),
        sa.Column("moved_at", tables.Moment(timezone=True), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.Column("retry_at", tables.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["project"], ["project.name"], name=op.f("fk_export_request_project_project")),
        sa.ForeignKeyConstraint(["requester"], ["person.name"], name=op.f("fk_export_request_requester_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_request")),
    )
    with op.batch_alter_table("export_request", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_export_request_project"), ["project"], unique=False)
        batch_op.create_index(batch_op.f("ix_export_request_requester"), ["requester"], unique=False)
        batch_op.create_index(batch_op.f("ix_export_request_state"), ["state"], unique=False)

    op.create_table(
        "extract",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("project", sa.String(length=30), nullable=False),
        sa.Column("dataset", sa.String(length=30), nullable=False),
        sa.Column("version", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("assessed", sa.Boolean(), nullable=False),
        sa.Column("prepared_at", tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.name"], name=op.f("fk_extract_dataset_dataset")),
        sa.ForeignKeyConstraint(["project"], ["project.name"], name=op.f("fk_extract_project_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_extract")),
        sa.UniqueConstraint("project", "dataset", "number", name=op.f("uq_extract_project")),
    )
    with op.batch_alter_table("extract", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_extract_project"), ["project"], unique=False)

    op.create_table(
        "member",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("project", sa.String(length=30), nullable=False),
        sa.Column("person", sa.String(length=30), nullable=False),
        sa.Column("since", tables.Moment(timezone=True), nullable=False),
        sa.Column("until", tables.Moment(timezone=True), nullable=False),
        sa.Column("removed_at", tables.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person"], ["person.name"], name=op.f("fk_member_person_person")),
        sa.ForeignKeyConstraint(["project"], ["project.name"], name=op.f("fk_member_project_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member")),
    )
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_member_person"), ["person"], unique=False)
        batch_op.create_index(batch_op.f("ix_member_project"), ["project"], unique=False)

    op.create_table(
        "role",
        sa.Column("person", sa.String(length=30), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.name"], name=op.f("fk_role_person_person")),
        sa.PrimaryKeyConstraint("person", "role", name=op.f("pk_role")),
    )
    op.create_table(
        "room",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("project", sa.String(length=30), nullable=False),
        sa.Column("person", sa.String(length=30), nullable=False),
        sa.Column("mounts", sa.Text(), nullable=False),
        sa.Column("opened_at", tables.Moment(timezone=True), nullable=False),
        sa.Column("closed_at", tables.Moment(timezone=True), nullable=True),
        sa.Column("closed_because", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.name"], name=op.f("fk_room_person_person")),
        sa.ForeignKeyConstraint(["project"], ["project.name"], name=op.f("fk_room_project_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_room")),
    )
    with op.batch_alter_table("room", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_room_person"), ["person"], unique=False)
        batch_op.create_index(batch_op.f("ix_room_project"), ["project"], unique=False)

    op.create_table(
        "training",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("person", sa.String(length=30), nullable=False),
        sa.Column("course", sa.String(length=60), nullable=False),
        sa.Column("until", tables.Moment(timezone=True), nullable=False),
        sa.Column("recorded_at", tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.name"], name=op.f("fk_training_person_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training")),
    )
    with op.batch_alter_table("training", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_training_person"), ["person"], unique=False)

    op.create_table(
        "web_session",
        sa.Column("id_sha256", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=30), nullable=False),
        sa.Column("hub_token", sa.Text(), nullable=False),
        sa.Column("created_at", tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.name"], name=op.f("fk_web_session_person_person")),
        sa.PrimaryKeyConstraint("id_sha256", name=op.f("pk_web_session")),
    )
    with op.batch_alter_table("web_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_web_session_person"), ["person"], unique=False)

    op.create_table(
        "application_vote",
        sa.Column("application", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("person", sa.String(length=30), nullable=False),
        sa.Column("vote", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["application"], ["application.id"], name=op.f("fk_application_vote_application_application")
        ),
        sa.ForeignKeyConstraint(["person"], ["person.name"], name=op.f("fk_application_vote_person_person")),
        sa.PrimaryKeyConstraint("application", "person", name=op.f("pk_application_vote")),
    )
    op.create_table(
        "comment",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("round", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("person", sa.String(length=30), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.name"], name=op.f("fk_comment_person_person")),
        sa.ForeignKeyConstraint(["request"], ["export_request.id"], name=op.f("fk_comment_request_export_request")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comment")),
    )
    with op.batch_alter_table("comment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_comment_request"), ["request"], unique=False)

    op.create_table(
        "export_round",
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("submitted_at", tables.Moment(timezone=True), nullable=False),
        sa.Column("checked_at", tables.Moment(timezone=True), nullable=True),
        sa.Column("checks", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request"], ["export_request.id"], name=op.f("fk_export_round_request_export_request")
        ),
        sa.PrimaryKeyConstraint("request", "number", name=op.f("pk_export_round")),
    )
    op.create_table(
        "link",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("made_at", tables.Moment(timezone=True), nullable=False),
        sa.Column("expires_at", tables.Moment(timezone=True), nullable=False),
        sa.Column("used_at", tables.Moment(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["request"], ["export_request.id"], name=op.f("fk_link_request_export_request")),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_link")),
    )
    with op.batch_alter_table("link", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_link_request"), ["request"], unique=False)

    op.create_table(
        "release",
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("round", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("released_at", tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["request"], ["export_request.id"], name=op.f("fk_release_request_export_request")),
        sa.PrimaryKeyConstraint("request", name=op.f("pk_release")),
    )
    op.create_table(
        "export_file",
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("round", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column(
            "position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.ForeignKeyConstraint(
            ["request", "round"],
            ["export_round.request", "export_round.number"],
            name=op.f("fk_export_file_request_export_round"),
        ),
        sa.PrimaryKeyConstraint("request", "round", "position", name=op.f("pk_export_file")),
        sa.UniqueConstraint("request", "round", "name", name=op.f("uq_export_file_request")),
    )
    op.create_table(
        "finding",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("round", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("check_name", sa.String(length=40), nullable=False),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request", "round"],
            ["export_round.request", "export_round.number"],
            name=op.f("fk_finding_request_export_round"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
    )
    with op.batch_alter_table("finding", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_finding_request"), ["request"], unique=False)

    op.create_table(
        "vote",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("round", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("approver", sa.String(length=30), nullable=False),
        sa.Column("verdict", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", tables.Moment(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["approver"], ["person.name"], name=op.f("fk_vote_approver_person")),
        sa.ForeignKeyConstraint(
            ["request", "round"],
            ["export_round.request", "export_round.number"],
            name=op.f("fk_vote_request_export_round"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vote")),
        sa.UniqueConstraint("request", "round", "approver", name=op.f("uq_vote_request")),
    )

    head = sa.table("audit_head", *(sa.column(name) for name in ("id", "size", "frontier", "last")))
    op.bulk_insert(head, [{"id": 1, "size": 0, "frontier": b"", "last": b""}])
    guards.put_up(op.get_bind())


def downgrade() -> None:
    guards.take_down(op.get_bind())
    op.drop_table("vote")
    with op.batch_alter_table("finding", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_finding_request"))

    op.drop_table("finding")
    op.drop_table("export_file")
    op.drop_table("release")
    with op.batch_alter_table("link", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_link_request"))

    op.drop_table("link")
    op.drop_table("export_round")
    with op.batch_alter_table("comment", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_comment_request"))

    op.drop_table("comment")
    op.drop_table("application_vote")
    with op.batch_alter_table("web_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_web_session_person"))

    op.drop_table("web_session")
    with op.batch_alter_table("training", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_training_person"))

    op.drop_table("training")
    with op.batch_alter_table("room", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_room_project"))
        batch_op.drop_index(batch_op.f("ix_room_person"))

    op.drop_table("room")
    op.drop_table("role")
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_member_project"))
        batch_op.drop_index(batch_op.f("ix_member_person"))

    op.drop_table("member")
    with op.batch_alter_table("extract", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_extract_project"))

    op.drop_table("extract")
    with op.batch_alter_table("export_request", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_export_request_state"))
        batch_op.drop_index(batch_op.f("ix_export_request_requester"))
        batch_op.drop_index(batch_op.f("ix_export_request_project"))

    op.drop_table("export_request")
    op.drop_table("dataset_version")
    with op.batch_alter_table("application", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_application_project"))

    op.drop_table("application")
    with op.batch_alter_table("agreement", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_agreement_person"))

    op.drop_table("agreement")
    op.drop_table("project")
    op.drop_table("person")
    op.drop_table("meter")
    op.drop_table("dataset")
    op.drop_table("audit_head")
    with op.batch_alter_table("audit_entry", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_audit_entry_subject"))
        batch_op.drop_index(batch_op.f("ix_audit_entry_actor"))
        batch_op.drop_index(batch_op.f("ix_audit_entry_act"))

    op.drop_table("audit_entry")
    op.drop_table("audit_checkpoint")
