"""Who may write to the database still cannot unsay what happened."""

import pytest
from sqlalchemy.exc import DBAPIError

from tre.records import audit, checkpoint


@pytest.fixture
def log(records, settings, now):
    """Three entries, and a checkpoint."""
    for number in range(3):
        with records.act("ann", "export.vote", "export/1") as session:
            audit.append(session, "export.vote", actor="ann", subject="export/1", at=now, number=number)
    with records.act("sentinel", "audit.checkpoint", "audit/log") as session:
        checkpoint.sign(session, settings, now)
    return records


def attempt(records, statement, *, role=""):
    with records.engine.connect() as connection:
        if role:
            connection.exec_driver_sql(f"SET ROLE {role}")
        connection.exec_driver_sql(statement)
        connection.commit()


def state(records):
    with records.engine.connect() as connection:
        return [
            connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1").all()
            for table in ("audit_entry", "audit_checkpoint", "audit_head")
        ]


MOMENT = "'2026-11-02 09:00:00.000000'"
ANYWHERE = {
    "edit an entry": "UPDATE audit_entry SET actor = 'eve' WHERE seq = 1",
    "edit every entry": "UPDATE audit_entry SET body = body",
    "renumber": "UPDATE audit_entry SET seq = 99 WHERE seq = 3",
    "delete an entry": "DELETE FROM audit_entry WHERE seq = 3",
    "delete all entries": "DELETE FROM audit_entry",
    "leave a gap": f"INSERT INTO audit_entry VALUES (9, '', 'a', 'b', 'c', {MOMENT})",
    "put one before": f"INSERT INTO audit_entry VALUES (-1, '', 'a', 'b', 'c', {MOMENT})",
    "put one in its place": f"INSERT INTO audit_entry VALUES (1, '', 'a', 'b', 'c', {MOMENT})",
    "upsert": f"INSERT INTO audit_entry VALUES (1, '', 'a', 'b', 'c', {MOMENT}) "
    "ON CONFLICT (seq) DO UPDATE SET actor = 'eve'",
    "edit a checkpoint": "UPDATE audit_checkpoint SET note = ''",
    "delete a checkpoint": "DELETE FROM audit_checkpoint",
    "an older checkpoint": f"INSERT INTO audit_checkpoint VALUES (2, '', '', {MOMENT})",
    "wind the head back": "UPDATE audit_head SET size = 2",
    "another head of the same size": "UPDATE audit_head SET frontier = ''",
    "delete the head": "DELETE FROM audit_head",
    "a second head": "INSERT INTO audit_head VALUES (2, 0, '', '')",
}
SQLITE = {
    "replace an entry": f"INSERT OR REPLACE INTO audit_entry VALUES (1, '', 'a', 'eve', 'c', {MOMENT})",
    "replace by update": "UPDATE OR REPLACE audit_entry SET seq = 1 WHERE seq = 3",
    "replace a checkpoint": f"REPLACE INTO audit_checkpoint VALUES (4, '', '', {MOMENT})",
    "replace the head": "REPLACE INTO audit_head VALUES (1, 0, '', '')",
}
POSTGRES = {
    "truncate the entries": "TRUNCATE audit_entry",
    "truncate the checkpoints": "TRUNCATE audit_checkpoint CASCADE",
    "truncate the head": "TRUNCATE audit_head",
}


@pytest.mark.parametrize("statement", ANYWHERE.values(), ids=ANYWHERE)
def test_the_log_only_grows(log, statement):
    before = state(log)
    with pytest.raises(DBAPIError):
        attempt(log, statement)
    assert state(log) == before


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("statement", SQLITE.values(), ids=SQLITE)
def test_sqlites_replace_does_not_get_around_it(log, statement):
    before = state(log)
    with pytest.raises(DBAPIError, match="only grows"):
        attempt(log, statement)
    assert state(log) == before


@pytest.mark.postgres
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
@pytest.mark.parametrize("statement", POSTGRES.values(), ids=POSTGRES)
def test_postgresqls_truncate_does_not_get_around_it(log, statement):
    before = state(log)
    with pytest.raises(DBAPIError, match="only grows"):
        attempt(log, statement)
    assert state(log) == before


TO_THE_OWNER = {
    "take the guard down": "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
    "drop the guard": "DROP TRIGGER audit_entry_kept ON audit_entry",
    "replace the guard": "CREATE OR REPLACE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RETURN NEW; END $$",
    "drop the log": "DROP TABLE audit_entry",
    "silence triggers": "SET session_replication_role = replica",
    "give itself more": "GRANT UPDATE ON audit_entry TO tre_app",
    "another version": "UPDATE alembic_version SET version_num = '0'",
}


TO_THE_HOUSE = {**ANYWHERE, **POSTGRES, **TO_THE_OWNER}


@pytest.mark.postgres
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
@pytest.mark.parametrize("statement", TO_THE_HOUSE.values(), ids=TO_THE_HOUSE)
def test_the_role_of_the_house_has_no_right_to_it(log, statement):
    before = state(log)
    if statement.startswith("GRANT"):  # PostgreSQL says yes with a warning, and gives nothing
        attempt(log, statement, role="tre_app")
        statement = ANYWHERE["edit an entry"]
    with pytest.raises(DBAPIError):
        attempt(log, statement, role="tre_app")
    assert state(log) == before


@pytest.mark.postgres
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_the_role_of_the_house_is_enough_to_work(log, settings, now):
    """An act, a refusal and a checkpoint, with no more rights than `tre_app` has."""
    from sqlalchemy import event

    event.listen(log.engine, "connect", lambda connection, _: become(connection))
    log.engine.dispose()
    with log.act("ann", "export.vote", "export/1") as session:
        audit.append(session, "export.vote", actor="ann", subject="export/1", at=now)
    with log.act("sentinel", "audit.checkpoint", "audit/log") as session:
        assert checkpoint.sign(session, settings, now)


def become(connection):
    connection.execute("SET SESSION ROLE tre_app")
    connection.commit()
