"""An entry says what happened, after what, and in one form only."""

import json
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from tre.errors import Refused
from tre.records import audit, merkle
from tre.records.tables import EntryRow, HeadRow

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def bodies(records):
    with records.read() as session:
        return session.scalars(select(EntryRow.body).order_by(EntryRow.seq)).all()


def test_an_entry_says_who_did_what_to_what_and_when(records, now):
    with records.act("ann", "export.vote", "export/12") as session:
        audit.append(session, "export.vote", actor="ann", subject="export/12", at=now, vote="approve", files=[1, 2])
    (body,) = bodies(records)
    assert orjson.loads(body) == {
        "seq": 0,
        "prev": "",
        "at": "2026-11-02T09:00:00.000000Z",
        "act": "export.vote",
        "actor": "ann",
        "subject": "export/12",
        "facts": {"vote": "approve", "files": [1, 2]},
    }


def test_entries_are_numbered_and_name_the_one_before(records, happen):
    happen(5)
    found = bodies(records)
    assert [orjson.loads(body)["seq"] for body in found] == [0, 1, 2, 3, 4]
    for before, body in pairwise(found):
        assert orjson.loads(body)["prev"] == merkle.leaf_hash(before).hex()


def test_the_head_is_the_tree_over_all_entries(records, happen):
    happen(11)
    with records.read() as session:
        head = session.scalars(select(HeadRow)).one()
    assert head.size == 11
    assert merkle.root(merkle.unpack(head.frontier)) == merkle.root_of(bodies(records))


def test_several_entries_of_one_act_stand_together(records, now):
    with records.act("ann", "committee.decide", "project/sunrise") as session:
        places = [audit.append(session, "committee.decide", actor="ann", subject=f"x/{n}", at=now) for n in range(3)]
    assert places == [0, 1, 2]


def test_a_long_subject_is_whole_in_the_entry(records):
    subject = "extract/" + "x" * 300
    with records.act("ann", "x.y", subject) as session:
        audit.append(session, "x.y", actor="ann", subject=subject)
    assert orjson.loads(bodies(records)[0])["subject"] == subject


def test_a_refusal_with_strange_letters_is_recorded(records):
    with pytest.raises(Refused), records.act("ann", "x.y", "p/é\u2028"):
        raise Refused("no\nway \N{EM DASH} ü")
    assert b"\n" not in bodies(records)[0]


@given(values)
def test_the_canonical_form_reads_back_and_has_no_line_end(value):
    form = audit.canonical(value)
    assert json.loads(form) == value
    assert b"\n" not in form


@given(st.dictionaries(st.text(max_size=5), st.integers(), min_size=2, max_size=5))
def test_the_canonical_form_does_not_hang_on_the_order_of_keys(value):
    assert audit.canonical(dict(reversed(value.items()))) == audit.canonical(value)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_not_recorded(number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        audit.canonical(number)


def test_a_digest_is_the_sha256_of_the_canonical_form():
    assert audit.digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_a_moment_is_written_in_utc_whatever_its_zone():
    berlin = datetime(2026, 11, 2, 10, tzinfo=timezone(timedelta(hours=1)))
    assert audit.stamp(berlin) == audit.stamp(datetime(2026, 11, 2, 9, tzinfo=UTC)) == "2026-11-02T09:00:00.000000Z"
