"""What the search of a file could be made to pass over."""

import base64
import gzip
import zlib

import pytest
from sqlalchemy import select

from tests.builders import HOST
from tests.tre.data import made
from tre.data import evidence
from tre.data.deid import pseudonyms
from tre.records import audit
from tre.records.tables import ExtractRow

SOURCE = list(made.some_people())
A_TOKEN = b"group,abcdefghijklmnopqrstuvwx\n"


@pytest.fixture
def of(settings, records, now, tmp_path):
    """Gather the evidence of project sunrise anew."""
    made.an_extract(records, settings, now, tmp_path, people=SOURCE)

    def gathered():
        with records.read() as session:
            return evidence.of(session, settings, "sunrise")

    return gathered


DISGUISES = {
    "gzip in base64, after a word that could be base64": lambda p: A_TOKEN + base64.b64encode(gzip.compress(p)),
    "zlib in base64": lambda p: base64.b64encode(zlib.compress(p)),
    "zlib of a lower level": lambda p: zlib.compress(p, 3),
    "zlib in hexadecimal digits": lambda p: zlib.compress(p).hex().encode(),
}


@pytest.mark.parametrize("how", DISGUISES)
def test_a_pseudonym_that_is_packed(settings, of, how):
    name = pseudonyms.pseudonym(SOURCE[7]["id"], pseudonyms.keys_of(settings, "sunrise").pseudonym)
    assert "pseudonym" in {leak.kind for leak in of().leaks(DISGUISES[how](name.encode()))}


def test_an_extract_that_failed_does_not_switch_off_the_counting_of_persons(records, now, of):
    before = of().datasets
    with records.act(HOST, "test.build", "home") as session:
        row = session.scalars(select(ExtractRow)).one()
        kept = {c.name: getattr(row, c.name) for c in ExtractRow.__table__.columns if c.name != "id"}
        session.add(ExtractRow(**{**kept, "number": 2, "assessed": False}))
        audit.append(session, "test.build", actor=HOST, subject="home", at=now)
    assert of().datasets == before != ()
