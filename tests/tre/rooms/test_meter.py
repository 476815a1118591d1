from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.records.tables import MeterRow
from tre.rooms.gateway.books import Books, News
from tre.rooms.gateway.meter import SAVE_BYTES, Cut, Key, Limits, Meter, hour_of

KEY = Key("ann", "sunrise")
NOON = datetime(2026, 11, 2, 12, 5, tzinfo=UTC)


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now

    def on(self, **time):
        self.now += timedelta(**time)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def meter(clock):
    made = Meter(clock)
    made.know(KEY, Limits(1000, 2500), {})
    return made


def test_nothing_passes_before_anything_is_known(clock):
    with pytest.raises(Cut):
        Meter(clock).spend(KEY, 1)


def test_the_last_byte_passes_and_the_next_does_not(meter):
    meter.spend(KEY, 1000)
    with pytest.raises(Cut, match="until 13:00 UTC"):
        meter.spend(KEY, 1)
    assert meter.of(KEY).hour(NOON) == 1000


def test_a_spent_hour_stops_even_an_empty_answer(meter):
    meter.spend(KEY, 1000)
    with pytest.raises(Cut):
        meter.check(KEY)


def test_what_would_pass_the_limit_is_not_counted_and_not_sent(meter):
    with pytest.raises(Cut):
        meter.spend(KEY, 1001)
    assert meter.of(KEY).hour(NOON) == 0


def test_the_next_hour_begins_anew_and_the_day_goes_on(meter, clock):
    for _ in range(2):
        meter.spend(KEY, 1000)
        clock.on(hours=1)
    meter.spend(KEY, 500)
    with pytest.raises(Cut, match="midnight"):
        meter.spend(KEY, 1)
    clock.on(hours=12)
    meter.spend(KEY, 1000)


def test_one_cut_an_hour_is_recorded_however_often_it_is_met(meter, clock):
    meter.spend(KEY, 1000, label="iopub.stream")
    for _ in range(50):
        with pytest.raises(Cut):
            meter.spend(KEY, 5)
    ((key, why, spent),) = meter.take_cuts()
    assert key == KEY
    assert "1,000 bytes" in why
    assert spent["iopub.stream"] == 1000
    assert meter.take_cuts() == ()
    clock.on(hours=1)
    meter.spend(KEY, 1000)
    with pytest.raises(Cut):
        meter.spend(KEY, 1)
    assert len(meter.take_cuts()) == 1


def test_what_cannot_be_kept_for_a_minute_does_not_leave(meter, clock):
    meter.spend(KEY, 10)
    meter.failed(meter.take_unsaved(), ())
    clock.on(seconds=59)
    meter.spend(KEY, 10)
    clock.on(seconds=2)
    with pytest.raises(Cut, match="nothing can be counted"):
        meter.spend(KEY, 10)
    meter.saved()
    meter.spend(KEY, 10)
    assert meter.take_unsaved() == {(KEY, hour_of(NOON)): 30}


def test_a_new_limit_holds_at_once(meter):
    meter.spend(KEY, 900)
    meter.know(KEY, Limits(100, 2500), {})
    with pytest.raises(Cut):
        meter.check(KEY)


@given(st.lists(st.tuples(st.sampled_from(["spend", "save", "fail", "know"]), st.integers(0, 400)), max_size=40))
def test_whatever_happens_no_byte_above_the_limit_leaves(steps):
    clock, sent, stored = Clock(), 0, 0
    meter = Meter(clock)
    meter.know(KEY, Limits(1000, 1000), {})
    for verb, size in steps:
        if verb == "spend":
            try:
                meter.spend(KEY, size)
                sent += size
            except Cut:
                continue
        elif verb == "save":
            stored += sum(meter.take_unsaved().values())
            meter.saved()
        elif verb == "fail":
            meter.failed(meter.take_unsaved(), ())
        else:
            meter.know(KEY, Limits(1000, 1000), {hour_of(NOON): stored} if stored else {})
    assert sent <= 1000
    assert stored + sum(meter.take_unsaved().values()) == sent


# --- in the records -------------------------------------------------------------------------------------------------
def test_counts_add_up_in_the_records_over_restarts(records, settings):
    books = Books(records, settings)
    for size in (5, 7):
        books.keep(News(sizes={(KEY, hour_of(NOON)): size}))
    limits, hours = books.spent(KEY, now=NOON)
    assert hours == {hour_of(NOON): 12}
    assert limits == Limits(settings.meter_hour, settings.meter_day)


def test_yesterdays_bytes_are_yesterdays(records, settings):
    books = Books(records, settings)
    books.keep(News(sizes={(KEY, hour_of(NOON - timedelta(days=1))): 5}))
    assert books.spent(KEY, now=NOON)[1] == {}


def test_counts_cuts_and_refusals_are_in_the_log(records, settings):
    from sqlalchemy import select

    from tre.records.tables import EntryRow

    news = News(
        sizes={(KEY, hour_of(NOON)): 5}, cuts=((KEY, "spent", {"hour": 5}),), refusals={(KEY, "ann", "no files"): 3}
    )
    Books(records, settings).keep(news)
    with records.read() as session:
        entries = list(session.scalars(select(EntryRow).order_by(EntryRow.seq)))
        assert session.get(MeterRow, ("ann", "sunrise", hour_of(NOON))).bytes == 5
    assert [(entry.act, entry.actor, entry.subject) for entry in entries[-3:]] == [
        ("meter.count", "gateway", "meter"),
        ("meter.cut", "gateway", "room/sunrise/ann"),
        ("room.refuse", "ann", "room/sunrise/ann"),
    ]


def test_an_unknown_person_counts_as_suspended(records, settings):
    assert Books(records, settings).suspended("nobody")


def test_many_bytes_and_cuts_are_written_down_at_once_and_few_bytes_wait(clock):
    meter, key = Meter(clock), KEY
    meter.know(key, Limits(2 * SAVE_BYTES, 3 * SAVE_BYTES), {})
    meter.spend(key, SAVE_BYTES - 1)
    assert not meter.due()
    meter.spend(key, 1)
    assert meter.due()
    meter.take_unsaved()
    assert not meter.due()
    with pytest.raises(Cut):
        meter.spend(key, 2 * SAVE_BYTES)
    assert meter.due()
