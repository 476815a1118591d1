"""Asks as Hypothesis makes them: near the good situation, so that a yes and a single reason are not rare."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from policies.facts import MOMENTS, NEVER, Ask, Dataset, Export, Person, Project, Role

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
LATER = NOW + timedelta(days=200)
MICRO = timedelta(microseconds=1)

moments = st.sampled_from(
    (LATER,) * 6 + (NOW, NOW + MICRO, NOW - MICRO, NEVER, NEVER + MICRO, datetime.max.replace(tzinfo=UTC))
)
names = st.sampled_from(("ann", "bob", "cat"))
hashes = st.sampled_from(("m1", "m1", "m1", "m2", ""))
people = st.frozensets(names, max_size=3)
courses = st.dictionaries(st.sampled_from(("gdpr", "safe-researcher", "output-checker", "other")), moments, max_size=4)
all_courses = st.fixed_dictionaries(dict.fromkeys(("gdpr", "safe-researcher", "output-checker"), moments))
roles = st.sampled_from(("analyst", "approver", "admin")).map(lambda role: frozenset({Role(role)}))
rarely = st.sampled_from((False, False, False, False, False, True))
mostly = rarely.map(lambda yes: not yes)
kinds = st.frozensets(st.sampled_from(("csv", "png", "md", "csv", "png", "raw", "unknown")), max_size=2)

persons = st.builds(
    Person,
    name=names,
    roles=roles | st.frozensets(st.sampled_from(Role), max_size=3),
    suspended=rarely,
    second_factor=mostly,
    trainings=all_courses | courses,
    agreement=st.sampled_from(("a1", "a1", "a1", "a0", "")),
)
projects = st.builds(
    Project,
    name=st.just("sunrise"),
    suspended=rarely,
    closed=rarely,
    approved_until=moments,
    retained_until=moments,
    member_until=moments,
    was_member=st.booleans(),
)
datasets = st.builds(
    Dataset,
    name=st.just("trial"),
    version=st.sampled_from((1, 1, 1, 2, 0)),
    approved_version=st.sampled_from((1, 1, 1, 2, 0)),
    approved_until=moments,
    revoked=rarely,
    withdrawn=rarely,
    assessed=mostly,
)
exports = st.builds(
    Export,
    request=st.just("12"),
    requester=names,
    manifest=hashes,
    seen_manifest=hashes,
    kinds=kinds,
    row_level=rarely,
    blocked=rarely,
    approvals=people,
    voted=people,
)
THINGS = {"project": projects, "dataset": datasets, "export": exports}


@st.composite
def asks(draw: st.DrawFn) -> Ask:
    """A fitting ask of any moment."""
    verb = draw(st.sampled_from(tuple(MOMENTS)))
    brought = {name: draw(THINGS[name]) for name in sorted(MOMENTS[verb])}
    agreement = draw(st.sampled_from(("a1", "a1", "a1", "")))
    return Ask(verb=verb, now=NOW, person=draw(persons), agreement=agreement, **brought)
