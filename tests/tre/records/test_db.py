"""An act is whole or it is nothing, and it has its entry."""

import sqlite3
from contextlib import ExitStack, suppress

import orjson
import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from tre.errors import NotFound, Refused, Tampered, Unavailable, Unreadable
from tre.records import audit, db
from tre.records.db import Records, opened
from tre.records.tables import EntryRow, MeterRow


def entries(records):
    with records.read() as session:
        return [orjson.loads(body) for body in session.scalars(select(EntryRow.body).order_by(EntryRow.seq))]


def meters(records):
    with records.read() as session:
        return session.scalars(select(MeterRow)).all()


def meter(now, *, person="ann", count=1):
    return MeterRow(person=person, project="sunrise", hour=now, bytes=count)


@pytest.fixture
def metered(records, now):
    """Records that hold one row to change."""
    with records.act("ann", "meter.cut", "project/sunrise") as session:
        session.add(meter(now))
        audit.append(session, "meter.cut", actor="ann", subject="project/sunrise", at=now)
    return records


def test_an_act_leaves_its_change_and_its_entry(metered):
    assert [row.bytes for row in meters(metered)] == [1]
    assert [entry["act"] for entry in entries(metered)] == ["meter.cut"]


def test_a_refusal_is_recorded_with_its_rules(records):
    with pytest.raises(Refused), records.act("ann", "project.create", "project/sunrise"):
        raise Refused("no second factor", rules=["R03"])
    (entry,) = entries(records)
    assert (entry["act"], entry["actor"], entry["subject"]) == ("project.create.refused", "ann", "project/sunrise")
    assert entry["facts"] == {"rules": ["R03"], "why": "no second factor"}


def test_reaching_for_what_is_not_theirs_to_know_of_is_recorded(records):
    with pytest.raises(NotFound), records.act("eve", "export.link", "export/7"):
        raise NotFound("no request 7")
    (entry,) = entries(records)
    assert (entry["act"], entry["actor"], entry["subject"]) == ("export.link.refused", "eve", "export/7")


def test_a_refused_act_leaves_nothing_but_the_refusal(records, now):
    with pytest.raises(Refused), records.act("ann", "meter.cut", "project/sunrise") as session:  # noqa: PT012 -- an act
        session.add(meter(now))
        audit.append(session, "meter.cut", actor="ann", subject="project/sunrise")
        raise Refused("no")
    assert meters(records) == []
    assert [entry["act"] for entry in entries(records)] == ["meter.cut.refused"]


def test_an_act_that_breaks_leaves_nothing(records, now):
    with pytest.raises(ZeroDivisionError), records.act("ann", "x.y", "p/q") as session:  # noqa: PT012 -- an act
        session.add(meter(now))
        audit.append(session, "meter.cut", actor="ann", subject="project/sunrise")
        raise ZeroDivisionError
    assert meters(records) == []
    assert entries(records) == []


WAYS = {
    "a new row": lambda session, now: session.add(meter(now, person="bob")),
    "a changed row": lambda session, _: setattr(session.scalars(select(MeterRow)).one(), "bytes", 9),
    "a deleted row": lambda session, _: session.delete(session.scalars(select(MeterRow)).one()),
    "an insert": lambda session, now: session.execute(
        insert(MeterRow).values(person="bob", project="sunrise", hour=now, bytes=1)
    ),
    "a bulk insert": lambda session, now: session.execute(
        insert(MeterRow), [{"person": "bob", "project": "sunrise", "hour": now, "bytes": 1}]
    ),
    "an update": lambda session, _: session.execute(update(MeterRow).values(bytes=9)),
    "a delete": lambda session, _: session.execute(delete(MeterRow)),
    "an update past the session": lambda session, _: session.connection().execute(update(MeterRow).values(bytes=9)),
    "an update in words": lambda session, _: session.execute(text("update meter set bytes = 9")),
    "an update behind a comment": lambda session, _: session.execute(text("/* look */ update meter set bytes = 9")),
    "an update behind WITH": lambda session, _: session.execute(
        text("WITH x AS (SELECT 9) UPDATE meter SET bytes = 9")
    ),
    "an update to the driver": lambda session, _: session.connection().exec_driver_sql("UPDATE meter SET bytes = 9"),
}


@pytest.mark.parametrize("change", WAYS.values(), ids=WAYS)
def test_a_change_without_its_entry_cannot_be_committed(metered, now, change):
    with pytest.raises(AssertionError, match="without its audit entry"):  # noqa: SIM117 -- the act must end inside
        with metered.act("ann", "meter.cut", "project/sunrise") as session:
            change(session, now)
    assert [(row.person, row.bytes) for row in meters(metered)] == [("ann", 1)]


@pytest.mark.parametrize("change", WAYS.values(), ids=WAYS)
def test_a_read_changes_nothing(metered, now, change):
    with suppress(DBAPIError, Unavailable), metered.read() as session:
        change(session, now)
        session.commit()
    assert [(row.person, row.bytes) for row in meters(metered)] == [("ann", 1)]


def test_an_entry_taken_back_by_a_savepoint_records_nothing(metered):
    with pytest.raises(AssertionError, match="without its audit entry"):  # noqa: SIM117, PT012 -- the act must end inside
        with metered.act("ann", "meter.cut", "project/sunrise") as session:
            with suppress(ZeroDivisionError), session.begin_nested():
                audit.append(session, "meter.cut", actor="ann", subject="project/sunrise")
                raise ZeroDivisionError
            session.execute(update(MeterRow).values(bytes=9))
    assert [row.bytes for row in meters(metered)] == [1]
    assert len(entries(metered)) == 1


def test_an_act_that_only_looks_needs_no_entry(metered):
    with metered.act("ann", "meter.look", "project/sunrise") as session:
        assert session.scalars(select(MeterRow)).one().bytes == 1
    assert len(entries(metered)) == 1


def test_a_write_after_an_act_needs_an_entry_of_its_own(metered):
    """What one act recorded does not cover the next on the same connection."""
    with pytest.raises(AssertionError), metered.act("ann", "meter.cut", "project/sunrise") as session:
        session.execute(update(MeterRow).values(bytes=9))


def test_rows_stay_readable_after_the_read(metered):
    with metered.read() as session:
        row = session.scalars(select(MeterRow)).one()
    assert row.bytes == 1


def test_times_come_back_in_utc(metered, now):
    (row,) = meters(metered)
    assert row.hour == now
    assert row.hour.tzinfo is not None


def test_a_second_act_waits_and_then_says_so(metered, settings, monkeypatch):
    monkeypatch.setattr(db, "BUSY_SECONDS", 0.2)
    other = Records(settings.database_url)
    with metered.act("ann", "meter.look", "project/sunrise") as session:
        session.execute(select(MeterRow))
        with pytest.raises(Unavailable, match="nothing was changed"), other.act("bob", "meter.look", "project/sunrise"):
            pass
    other.close()


def test_more_readers_than_connections_are_told_so(metered, monkeypatch):
    monkeypatch.setattr(metered.engine.pool, "_timeout", 0.05)
    with ExitStack() as stack, pytest.raises(Unavailable, match="too busy"):  # noqa: PT012 -- some of them open
        for _ in range(40):
            stack.enter_context(metered.read())


def test_reading_goes_on_while_an_act_is_open(metered, now):
    with metered.act("ann", "meter.cut", "project/sunrise") as session:
        session.add(meter(now, person="bob"))
        audit.append(session, "meter.cut", actor="ann", subject="project/sunrise")
        assert len(meters(metered)) == 1
    assert len(meters(metered)) == 2


def test_the_log_without_its_head_takes_no_entry(metered):
    from tre.records import guards

    with metered.engine.connect() as connection:
        guards.take_down(connection)
        connection.exec_driver_sql("DELETE FROM audit_head")
        connection.commit()
    with pytest.raises(Tampered, match="no head"), metered.act("ann", "x.y", "z/z") as session:
        audit.append(session, "x.y", actor="ann", subject="z/z")


def test_records_that_were_never_made_are_named_with_the_remedy(settings):
    (settings.home / "records.sqlite").unlink()
    with pytest.raises(Unreadable, match="run `tre init`"):
        opened(settings)
    assert not (settings.home / "records.sqlite").exists()


def test_an_empty_database_is_named_with_the_remedy(settings):
    (settings.home / "records.sqlite").write_bytes(b"")
    with pytest.raises(Unreadable, match="run `tre init`"):
        opened(settings)


def test_records_of_another_version_are_not_opened(settings):
    with sqlite3.connect(settings.home / "records.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(Unreadable, match="revision 9999"):
        opened(settings)


def test_a_file_that_is_no_database_is_tampered(settings):
    (settings.home / "records.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(Tampered, match="damaged"):
        opened(settings)


def test_a_server_that_is_away_is_unavailable_in_one_line(tmp_path):
    away = Records(f"postgresql+psycopg://nobody@/none?host={tmp_path}")
    with pytest.raises(Unavailable) as error, away.read():
        pass
    assert "\n" not in str(error.value)
    away.close()
