"""A worker may be killed anywhere: a round is checked once, what leaves leaves once, and nothing is lost."""

import signal

import pytest
from sqlalchemy import func, select

from airlock import staging, worker
from airlock.states import State
from airlock.tables import ReleaseRow, ToldRow
from tests.airlock import killed
from tests.airlock.test_worker import mails
from tre.errors import Refused

LINES = b"sex,n\r\n0,30\r\n1,30\r\n"
"""What leaves instead of it is other bytes."""


def parts(home):
    return list((home.settings.released / "cas").glob("??/.*"))


def test_a_worker_killed_at_any_place_leaves_a_round_checked_once_and_released_once(home):
    request = home.submit({"table.csv": LINES})
    for place in killed.CHECKING:
        assert home.state(request) is State.CHECKING, place
        assert home.findings(request) == [], place
        assert mails(home) == [], place
        assert killed.dies(home.settings.home, place, home.now) == -signal.SIGKILL, place
    assert home.state(request) is State.IN_REVIEW
    assert home.acts().count("export.check") == 1
    home.vote(request, "bob")
    home.vote(request, "carol")
    for place in killed.RELEASING:
        assert home.state(request) is State.APPROVED, place
        assert killed.dies(home.settings.home, place, home.now) == -signal.SIGKILL, place
    assert home.state(request) is State.RELEASED
    assert worker.step(home.records, home.settings, now=home.now) == 0
    assert home.acts().count("export.release") == 1
    assert mails(home) == ["bob", "carol", "dave", "ann", "ann"]
    with home.records.read() as session:
        assert [session.scalar(select(func.count()).select_from(table)) for table in (ReleaseRow, ToldRow)] == [1, 1]
    home.collect(token := home.link(request))
    with pytest.raises(Refused):
        home.collect(token)
    assert parts(home)
    assert staging.swept(home.settings, older=3600) == 0
    assert staging.swept(home.settings, older=-1) >= 1
    assert not parts(home)
