"""The database itself refuses to change or remove what the log holds.

Whoever owns the database can take these guards down; that is what the tree and its signed checkpoints are for.
"""

from sqlalchemy import Connection

# One statement a paragraph. On SQLite, INSERT OR REPLACE removes a row without firing its delete trigger: so what is
# inserted must be new, and next.
SQLITE = """
CREATE TRIGGER audit_entry_insert BEFORE INSERT ON audit_entry
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq) + 1, 0) FROM audit_entry)
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END

CREATE TRIGGER audit_entry_update BEFORE UPDATE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END

CREATE TRIGGER audit_entry_delete BEFORE DELETE ON audit_entry
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END

CREATE TRIGGER audit_checkpoint_insert BEFORE INSERT ON audit_checkpoint
WHEN NEW.size <= (SELECT coalesce(max(size), 0) FROM audit_checkpoint)
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END

CREATE TRIGGER audit_checkpoint_update BEFORE UPDATE ON audit_checkpoint
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END

CREATE TRIGGER audit_checkpoint_delete BEFORE DELETE ON audit_checkpoint
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END

CREATE TRIGGER audit_head_insert BEFORE INSERT ON audit_head WHEN EXISTS (SELECT 1 FROM audit_head)
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END

CREATE TRIGGER audit_head_update BEFORE UPDATE ON audit_head WHEN NEW.size <= OLD.size
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END

CREATE TRIGGER audit_head_delete BEFORE DELETE ON audit_head
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END
"""

# The role tre_app is the one to work under where the database has an owner apart: it adds to the log, and no more.
POSTGRES = """
CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the audit log only grows'; END $$

CREATE FUNCTION audit_entry_next() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF NEW.seq IS DISTINCT FROM (SELECT coalesce(max(seq) + 1, 0) FROM audit_entry)
THEN RAISE EXCEPTION 'the audit log only grows'; END IF; RETURN NEW; END $$

CREATE FUNCTION audit_checkpoint_next() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF NEW.size <= (SELECT coalesce(max(size), 0) FROM audit_checkpoint)
THEN RAISE EXCEPTION 'the audit log only grows'; END IF; RETURN NEW; END $$

CREATE TRIGGER audit_entry_insert BEFORE INSERT ON audit_entry
FOR EACH ROW EXECUTE FUNCTION audit_entry_next()

CREATE TRIGGER audit_entry_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entry
FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()

CREATE TRIGGER audit_checkpoint_insert BEFORE INSERT ON audit_checkpoint
FOR EACH ROW EXECUTE FUNCTION audit_checkpoint_next()

CREATE TRIGGER audit_checkpoint_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoint
FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()

CREATE TRIGGER audit_head_kept BEFORE DELETE OR TRUNCATE ON audit_head
FOR EACH STATEMENT EXECUTE FUNCTION audit_only_grows()

CREATE TRIGGER audit_head_update BEFORE UPDATE ON audit_head
FOR EACH ROW WHEN (NEW.size <= OLD.size) EXECUTE FUNCTION audit_only_grows()

DO $$ BEGIN
IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'tre_app') THEN CREATE ROLE tre_app NOLOGIN; END IF;
EXCEPTION WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN NULL; END $$

DO $$ BEGIN
IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'tre_app') THEN
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO tre_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO tre_app;
REVOKE UPDATE, DELETE, TRUNCATE ON audit_entry, audit_checkpoint FROM tre_app;
REVOKE INSERT, DELETE, TRUNCATE ON audit_head FROM tre_app;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON alembic_version FROM tre_app;
END IF; END $$
"""

FUNCTIONS = ("audit_only_grows", "audit_entry_next", "audit_checkpoint_next")


def put_up(connection: Connection) -> None:
    """Put the guards on a fresh schema."""
    for statement in _statements(SQLITE if connection.dialect.name == "sqlite" else POSTGRES):
        connection.exec_driver_sql(statement)


def take_down(connection: Connection) -> None:
    """Remove the guards, before the tables themselves go."""
    if connection.dialect.name == "sqlite":
        for statement in _statements(SQLITE):
            connection.exec_driver_sql(f"DROP TRIGGER {statement.split()[2]}")
        return
    for function in FUNCTIONS:
        connection.exec_driver_sql(f"DROP FUNCTION {function}() CASCADE")


def _statements(script: str) -> tuple[str, ...]:
    return tuple(script.strip().split("\n\n"))
