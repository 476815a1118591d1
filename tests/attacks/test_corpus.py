"""Everything in the corpus goes the whole way through the airlock: what must stay is stopped, what may leave is not."""

import json
from importlib.resources import files

import pytest

from tests.attacks import corpus, pipeline


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Name -> the checks that block it."""
    with pipeline.a_trial(tmp_path_factory.mktemp("corpus")) as (house, made):
        return pipeline.verdicts(house, made)


@pytest.mark.parametrize("name", corpus.DISGUISES)
def test_what_must_not_leave_is_stopped(verdicts, name):
    assert verdicts[name], f"{name}: nothing stopped it"


@pytest.mark.parametrize("name", corpus.HONEST)
def test_what_may_leave_is_not_stopped(verdicts, name):
    assert verdicts[name] == []


def test_the_documents_say_what_we_see_and_what_we_do_not(verdicts):
    """The table in the airlock's README is drawn from this file; `make bench` writes it, and what others see."""
    told = json.loads((files("airlock") / "detection.json").read_text("utf-8"))
    ours = {name: bool(blocks) for name, blocks in verdicts.items()}
    written = {name: row["hortus"] for sort in ("honest", "disguises", "limits") for name, row in told[sort].items()}
    assert written == ours
    assert {name for name in corpus.LIMITS if ours[name]} == set()
