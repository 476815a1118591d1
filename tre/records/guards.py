"""The database itself refuses to change or remove what the log holds.

Whoever owns the database can take these guards down; that is what the tree and its signed checkpoints are for.
"""

from sqlalchemy import Connection

LOG = ("audit_entry", "audit_checkpoint")
KEPT = "the audit log only grows"

_SQLITE = (
    *(
        f"CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{KEPT}'); END"
        for table in LOG
        for verb in ("update", "delete")
    ),
    # INSERT OR REPLACE removes a row without firing its delete trigger: what is inserted must be new, and next.
    "CREATE TRIGGER audit_entry_insert BEFORE INSERT ON audit_entry "
    "WHEN NEW.seq IS NOT (SELECT coalesce(max(seq) + 1, 0) FROM audit_entry) "
    f"BEGIN SELECT RAISE(ABORT, '{KEPT}'); END",
    "CREATE TRIGGER audit_checkpoint_insert BEFORE INSERT ON audit_checkpoint "
    "WHEN NEW.size <= (SELECT coalesce(max(size), 0) FROM audit_checkpoint) "
    f"BEGIN SELECT RAISE(ABORT, '{KEPT}'); END",
    "CREATE TRIGGER audit_head_insert BEFORE INSERT ON audit_head WHEN EXISTS (SELECT 1 FROM audit_head) "
    f"BEGIN SELECT RAISE(ABORT, '{KEPT}'); END",
    f"CREATE TRIGGER audit_head_delete BEFORE DELETE ON audit_head BEGIN SELECT RAISE(ABORT, '{KEPT}'); END",
    "CREATE TRIGGER audit_head_update BEFORE UPDATE ON audit_head WHEN NEW.size <= OLD.size "
    f"BEGIN SELECT RAISE(ABORT, '{KEPT}'); END",
)

_POSTGRES = (
    f"CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{KEPT}'; END $$",
    "CREATE FUNCTION audit_next() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "IF NEW.seq IS DISTINCT FROM (SELECT coalesce(max(seq) + 1, 0) FROM audit_entry) "
    f"THEN RAISE EXCEPTION '{KEPT}'; END IF; RETURN NEW; END $$",
    "CREATE FUNCTION audit_later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
    "IF NEW.size <= (SELECT coalesce(max(size), 0) FROM audit_checkpoint) "
    f"THEN RAISE EXCEPTION '{KEPT}'; END IF; RETURN NEW; END $$",
    *(
        f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()"
        for table in LOG
    ),
    "CREATE TRIGGER audit_entry_insert BEFORE INSERT ON audit_entry FOR EACH ROW EXECUTE FUNCTION audit_next()",
    "CREATE TRIGGER audit_checkpoint_insert BEFORE INSERT ON audit_checkpoint "
    "FOR EACH ROW EXECUTE FUNCTION audit_later()",
    "CREATE TRIGGER audit_head_kept BEFORE DELETE OR TRUNCATE ON audit_head "
    "FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()",
    "CREATE TRIGGER audit_head_update BEFORE UPDATE ON audit_head FOR EACH ROW "
    "WHEN (NEW.size <= OLD.size) EXECUTE FUNCTION audit_only_grows()",
)

# The role the house works under, where the database has an owner apart: it may add to the log, and no more.
_ROLE = (
    "DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'tre_app') "
    "THEN CREATE ROLE tre_app NOLOGIN; END IF; "
    "EXCEPTION WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN NULL; END $$",
    "DO $$ BEGIN IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'tre_app') THEN "
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO tre_app; "
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO tre_app; "
    f"REVOKE UPDATE, DELETE, TRUNCATE ON {', '.join(LOG)} FROM tre_app; "
    "REVOKE INSERT, DELETE, TRUNCATE ON audit_head FROM tre_app; "
    "END IF; END $$",
)


def put_up(connection: Connection) -> None:
    """Put the guards on a fresh schema."""
    for statement in _SQLITE if connection.dialect.name == "sqlite" else (*_POSTGRES, *_ROLE):
        connection.exec_driver_sql(statement)


def take_down(connection: Connection) -> None:
    """Remove the guards, before the tables themselves go."""
    if connection.dialect.name == "sqlite":
        for statement in _SQLITE:
            connection.exec_driver_sql(f"DROP TRIGGER {statement.split()[2]}")
        return
    for function in ("audit_only_grows", "audit_next", "audit_later"):
        connection.exec_driver_sql(f"DROP FUNCTION {function}() CASCADE")
