"""A house whose committee has work: people, data with use limitations, and applications walked to a state by the verbs.

with a_hub(furnish) as hub:
    number = walk(hub, "in_review", project="sunrise")
"""

from datetime import UTC, datetime, timedelta

from policies.facts import Role
from tests.builders import HOST, a_committee, a_dataset, a_person
from tests.hub import Hub
from tre.governance.applications import active, drafts, papers, review
from tre.governance.applications import form as forms
from tre.governance.applications.review import Condition
from tre.records.tables import DatasetRow

PANEL = ("erin", "frank")
FORM = {
    "project": "sunrise",
    "title": "Does early treatment help?",
    "lay_summary": "People are treated early or late. We compare how they fare, so that others are treated well.",
    "purpose": "To compare treatments by the time until a relapse.",
    "terms": ["DUO:0000037"],
    "use": "not_for_profit",
    "lead": "ann",
    "members": ["ann", "ben"],
    "datasets": ["trial"],
    "outputs": "Tables of counts, and two figures.",
    "until": f"{datetime.now(UTC) + timedelta(days=300):%Y-%m-%d}",
}
USES = {
    "trial": '{"groups": [{"name": "", "codes": [["GRU", []]]}]}',
    "ancestry": '{"groups": [{"name": "", "codes": [["POA", []]]}]}',
    "registry": '{"groups": [{"name": "", "codes": [["HMB", []], ["RS", ["relapse"]], ["PUB", []]]}]}',
}


def furnish(hub: Hub) -> None:
    """ann and ben apply, cyd is a stranger to them, erin and frank sit on the committee, greta chairs it."""
    settings, now = hub.settings, datetime.now(UTC) - timedelta(minutes=5)
    with hub.records.act(HOST, "test.build", "home") as session:
        for name in ("ann", "ben", "cyd"):
            a_person(session, name, settings=settings, now=now)
        a_committee(session, settings=settings, now=now, names=PANEL)
        a_person(session, "greta", Role.CHAIR, settings=settings, now=now)
        a_person(session, "adam", Role.ADMIN, settings=settings, now=now)
        for name, use in USES.items():
            a_dataset(session, name, now=now)
            session.get(DatasetRow, name).data_use = use


def walk(hub: Hub, state: str, **given) -> int:
    """Make an application and walk it to a state; what is `given` is said differently on its form."""
    with hub.changed() as session:
        now = datetime.now(UTC)
        number = drafts.create(session, "ann", values={**FORM, **given}, now=now)
        if state == "draft":
            return number
        row = papers.get(session, number)
        for name in drafts.waiting(row):
            drafts.accept(session, number, name, seen=forms.agreed(papers.form_of(row)), now=now)
        if state == "accepted":
            return number
        drafts.submit(session, number, "ann", now=now)
        if state == "submitted":
            return number
        review.triage(session, number, "erin", panel=PANEL, now=now)
        for name in (*PANEL, "greta"):
            review.declare(session, number, name, now=now)
        if state == "in_review":
            return number
        for name in PANEL:
            review.vote(session, number, name, "approve", reason=f"{name} likes it", seen=row.form_sha256, now=now)
        if state == "voted":
            return number
        conditions = (Condition("An ethics vote of the clinic"),) if state == "approved_pending" else ()
        end = forms.moment(FORM["until"])
        active.decide(session, number, "greta", until=end, conditions=conditions, now=now)
        assert papers.get(session, number).state == state
        return number


def state_of(hub: Hub, number: int) -> str:
    with hub.records.read() as session:
        return papers.get(session, number).state
