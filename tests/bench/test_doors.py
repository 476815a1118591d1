"""How long a room start's decision takes with all of its facts from the database, and all open rooms at once."""

from statistics import median, quantiles
from time import perf_counter, process_time

import pytest

from policies.facts import Role
from tests.builders import HOST, a_dataset, a_person, a_project, an_approval
from tre.governance import access
from tre.records import audit
from tre.records.tables import ExtractRow

STARTS = 100
DATASETS = 5


@pytest.fixture
def database():
    return ""


@pytest.fixture
def house(records, settings, now):
    """Ann in sunrise with five extracts, among twenty other projects and people."""
    with records.act(HOST, "test.build", "home") as session:
        a_person(session, "ann", settings=settings, now=now)
        a_person(session, "bob", Role.APPROVER, settings=settings, now=now)
        a_project(session, "sunrise", ("ann",), now=now)
        for number in range(20):
            a_person(session, f"p{number}", settings=settings, now=now)
            a_project(session, f"other-{number}", (f"p{number}",), now=now)
        for number in range(DATASETS):
            name = f"data-{number}"
            a_dataset(session, name, now=now)
            an_approval(session, "sunrise", name, settings=settings, now=now)
            session.add(
                ExtractRow(
                    project="sunrise", dataset=name, version=1, number=1, manifest="{}", report="{}", assessed=True,
                    prepared_at=now,
                )
            )  # fmt: skip
        audit.append(session, "extract.prepare", actor=HOST, subject="extract/sunrise", at=now)
    return records


@pytest.mark.bench
def test_a_room_start_is_judged_with_facts_from_the_database(house, now, report):
    taken, busy = [], process_time()
    for _ in range(STARTS):
        begun = perf_counter()
        with house.read() as session:
            found = access.opening(session, "sunrise", "ann", now=now)
        taken.append(perf_counter() - begun)
    assert found.decision.allowed
    assert len(found.mounts) == DATASETS
    asked = f"{DATASETS + 1} decisions, facts gathered anew"
    report("room start, p50", median(taken) * 1e3, "ms", None, asked)
    report("room start, p95", quantiles(taken, n=20)[18] * 1e3, "ms", 20, asked)
    report("room start, processor", (process_time() - busy) / STARTS * 1e3, "ms", 20, "whatever else the machine does")
    report("decisions with their facts", STARTS * (DATASETS + 1) / sum(taken), "/s")
