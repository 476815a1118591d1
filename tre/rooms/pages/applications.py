"""An application is written, checked and sent by those whose it is; nothing that was typed is lost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from policies.facts import Role
from tre.errors import NotFound, TREError, Unreadable
from tre.governance.applications import active, drafts, duties, papers
from tre.governance.applications import form as forms
from tre.governance.applications.drafts import Incomplete, Meanwhile
from tre.governance.applications.form import FIELDS, LISTS, Change, Fault, FieldKind
from tre.governance.desk import application as desk
from tre.rooms.pages import diseases
from tre.rooms.pages.form import Field, Sent
from tre.rooms.pages.page import Page
from tre.rooms.pages.telling import Problem

LONGEST_LINE, LONGEST_TEXT, LONGEST_EDITION = 2_000, 30_000, 9
"""Characters that are kept of a draft, which may say too much; the form itself says what the committee takes."""
FORM = (
    *(
        Field(
            each.name,
            LONGEST_TEXT if each.kind is FieldKind.TEXT else LONGEST_LINE,
            lines=each.kind is FieldKind.TEXT or each.kind in LISTS,
            many=each.kind in LISTS,
        )
        for each in FIELDS
    ),
    Field("edition", LONGEST_EDITION),
    Field("do", 20),
)
WHERE = {"submit": "#standing", "check": "/edit?check=yes#faults", "disease": "/diseases"}
"""Button of the form -> where one goes once it is saved."""
SITTING = frozenset({Role.COMMITTEE, Role.CHAIR})
# investigation term of the Data Use Ontology -> what it means to whoever fills in the form
MEANS: Mapping[str, str] = {
    "DUO:0000031": "a method, a tool or a statistic is built or tested",
    "DUO:0000032": "how a population is made up, beside any disease",
    "DUO:0000033": "where people or their forebears come from",
    "DUO:0000034": "one age group is looked at, e.g. children",
    "DUO:0000035": "one gender is looked at",
    "DUO:0000036": "the data serve as controls for other data",
    "DUO:0000037": "health, medicine or biology, in general",
    "DUO:0000038": "genes and variants",
    "DUO:0000039": "a drug is looked for, developed or tested",
    "DUO:0000040": "named diseases; name them below",
    "DUO:0000042": "research that is not named any closer; few data allow that",
}
LABELS = {each.name: each.label for each in FIELDS}
WRITERS = frozenset({Role.ANALYST, Role.APPROVER, Role.COMMITTEE, Role.CHAIR})


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What stands in the form's fields, and what there is to say about it."""

    values: Mapping[str, Any]
    edition: int
    faults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    meanwhile: Meanwhile | None = None
    both: tuple[Change, ...] = ()


class Mine(Page):
    """All applications that a person has to do with; a new one begins here."""

    async def get(self) -> None:
        """Show the list."""
        person, now = self.person, self.now
        lines = await self.look(lambda session: desk.mine(session, person, now=now))
        await self.show("applications.html", lines=lines, writes=bool(self.roles & WRITERS))

    async def post(self) -> None:
        """Begin a draft."""
        self.form().sound()
        person, now = self.person, self.now
        number = await self.act(
            "application.create", "application/new", lambda session: drafts.create(session, person, now=now)
        )
        self.go(f"applications/{number}/edit")


class One(Page):
    """One application."""

    async def get(self, number: str) -> None:
        """Show where it stands; who is here to decide on it reads it at the committee's desk."""
        try:
            await self.page(int(number))
        except NotFound:
            if not self.roles & SITTING:
                raise
            self.go(f"committee/{number}")

    async def page(self, number: int, *, problem: Problem | None = None, filled: Sent | None = None) -> None:
        """Show it, with what went wrong if something did."""
        person, now = self.person, self.now
        seen = await self.look(lambda session: desk.seen(session, number, person, now=now))
        fields = [(each, forms.shown(seen.form, each.name)) for each in FIELDS]
        await self.show(
            "application.html", problem=problem, seen=seen, fields=fields, labels=LABELS, filled=filled or Sent()
        )


class Edit(Page):
    """The form of a draft."""

    async def get(self, number: str) -> None:
        """Show it as it was saved; with its faults, if they were asked for."""
        person, now = self.person, self.now
        seen = await self.look(lambda session: desk.seen(session, int(number), person, now=now))
        if "save" not in seen.may:
            self.go(f"applications/{number}")
            return
        faults = by_field(seen.faults) if self.asked("check") else {}
        typed = Typed(values=vars(seen.form), edition=seen.row.edition, faults=faults)
        await self.page(int(number), typed, checked=bool(self.asked("check")))

    async def post(self, number: str) -> None:
        """Save what was typed, right or wrong; then do what the button says."""
        sent = self.form(*FORM)
        typed = Typed(values=_typed(sent), edition=_edition(sent))
        try:
            await self.save(int(number), sent.sound())
            if sent["do"] == "submit":
                await self.submit(int(number))
        except Meanwhile as other:
            both = Typed(values=vars(other.mine), edition=other.edition, meanwhile=other, both=other.changes)
            await self.page(int(number), both, problem=Problem.of(other))
        except Incomplete as faults:
            saved = Typed(values=typed.values, edition=typed.edition + 1, faults=by_field(faults.faults))
            await self.page(int(number), saved, checked=True, problem=_incomplete(faults))
        except NotFound:
            raise
        except TREError as error:
            await self.page(int(number), typed, problem=Problem.of(error))
        else:
            self.go(f"applications/{number}{WHERE.get(sent['do'], '/edit?saved=yes')}")

    async def save(self, number: int, sent: Sent) -> None:
        """Keep the form as it was typed."""
        values = {name: value for name, value in sent.items() if name in forms.BY_NAME}
        person, now, edition = self.person, self.now, _edition(sent)
        await self.act(
            "application.save",
            f"application/{number}",
            lambda session: drafts.save(session, number, person, values, edition, now=now),
        )

    async def submit(self, number: int) -> None:
        """Hand it to the committee."""
        person, now = self.person, self.now
        await self.act(
            "committee.apply", f"application/{number}", lambda session: drafts.submit(session, number, person, now=now)
        )

    async def page(self, number: int, typed: Typed, *, checked: bool = False, problem: Problem | None = None) -> None:
        """Show the form with what stands in it."""
        person, now = self.person, self.now
        seen = await self.look(lambda session: desk.seen(session, number, person, now=now))
        choices = await self.look(desk.choices)
        names = await self.look(lambda session: diseases.names(session, typed.values.get("diseases", ())))
        await self.show(
            "application_edit.html", problem=problem, seen=seen, typed=typed, parts=_parts(), choices=choices,
            checked=checked, saved=bool(self.asked("saved")), names=names, labels=LABELS, means=MEANS,
        )  # fmt: skip


class Diseases(Page):
    """Looking for a disease by words, and putting it on the form."""

    async def get(self, number: str) -> None:
        """Show what the words find."""
        person, now, words = self.person, self.now, self.asked("q")
        seen = await self.look(lambda session: desk.seen(session, int(number), person, now=now))
        found = await self.look(lambda session: diseases.search(session, words)) if words.strip() else ()
        await self.show("diseases.html", seen=seen, words=words, found=found)

    async def post(self, number: str) -> None:
        """Put one on the form."""
        sent = self.form(Field("disease", 40), Field("edition", LONGEST_EDITION)).sound()
        person, now = self.person, self.now

        def add(session: Any) -> int:  # noqa: ANN401 -- a session
            held = desk.seen(session, int(number), person, now=now).form.diseases
            values = {"diseases": list(dict.fromkeys((*held, sent["disease"])))}
            return drafts.save(session, int(number), person, values, _edition(sent), now=now)

        await self.act("application.save", f"application/{number}", add)
        self.go(f"applications/{number}/edit#diseases")


class Act(One):
    """What is done with an application from its page, each by a button of its own."""

    async def get(self, number: str, verb: str) -> None:  # type: ignore[override]  # an act has no page of its own
        """Lead whoever came by the address to the application."""
        del verb
        self.go(f"applications/{number}")

    async def post(self, number: str, verb: str) -> None:
        """Do it, or say in the same place why not."""
        at, person, now = int(number), self.person, self.now
        act, fields, do = ACTS[verb]
        sent = self.form(*fields)
        try:
            sent.sound()
            child = await self.act(act, f"application/{at}", lambda session: do(session, at, person, sent, now))
        except NotFound:
            raise
        except TREError as error:
            await self.page(
                at, problem=_incomplete(error) if isinstance(error, Incomplete) else Problem.of(error), filled=sent
            )
        else:
            self.go(f"applications/{child}/edit" if isinstance(child, int) else f"applications/{at}")


def _evidence(session: Any, number: int, person: str, sent: Sent, now: Any) -> None:  # noqa: ANN401 -- session, moment
    desk.seen(session, number, person, now=now)
    condition = _number(sent["condition"], "condition")
    if condition not in {one.id for one in papers.conditions(session, number)}:
        raise NotFound("there is no such condition of this application")
    active.evidence(session, condition, person, sent["evidence"], now=now)


def _duty(session: Any, number: int, person: str, sent: Sent, now: Any) -> None:  # noqa: ANN401 -- session, moment
    theirs = {one.id for one in desk.seen(session, number, person, now=now).duties}
    duty = _number(sent["duty"], "duty")
    if duty not in theirs:
        raise NotFound("there is no such duty of this application")
    duties.show(session, duty, person, sent["evidence"], now=now)


# verb -> act in the log, fields of its form, what is done
ACTS: Mapping[str, tuple[str, tuple[Field, ...], Any]] = {
    "submit": ("committee.apply", (), lambda s, n, p, _, now: drafts.submit(s, n, p, now=now)),
    "withdraw": ("committee.withdraw", (), lambda s, n, p, _, now: drafts.withdraw(s, n, p, now=now)),
    "amend": ("application.amend", (), lambda s, n, p, _, now: drafts.amend(s, n, p, now=now)),
    "renew": ("application.renew", (), lambda s, n, p, _, now: drafts.renew(s, n, p, now=now)),
    "accept": (
        "application.accept",
        (Field("seen", 64),),
        lambda s, n, p, sent, now: drafts.accept(s, n, p, seen=sent["seen"], now=now),
    ),
    "evidence": ("committee.evidence", (Field("condition", 12), Field("evidence", 2_000, lines=True)), _evidence),
    "duty": ("duty.show", (Field("duty", 12), Field("evidence", 2_000, lines=True)), _duty),
}


def by_field(faults: tuple[Fault, ...]) -> dict[str, tuple[str, ...]]:
    """Return the faults by the field where they are."""
    found: dict[str, tuple[str, ...]] = {}
    for one in faults:
        found[one.field] = (*found.get(one.field, ()), one.message)
    return found


def _incomplete(faults: Incomplete) -> Problem:
    count = len(faults.faults)
    words = "one thing stands" if count == 1 else f"{count} things stand"
    return Problem(
        message=f"It is kept as a draft: {words} between it and the committee",
        remedies=tuple(one.message for one in faults.faults),
    )


def _typed(sent: Sent) -> dict[str, Any]:
    """Return what was typed as the form's fields hold it."""
    return {each.name: sent[each.name] == "yes" if each.kind is FieldKind.YES else sent[each.name] for each in FIELDS}


def _parts() -> dict[str, list[forms.Field]]:
    parts: dict[str, list[forms.Field]] = {}
    for each in FIELDS:
        parts.setdefault(each.part, []).append(each)
    return parts


def _edition(sent: Sent) -> int:
    return _number(sent["edition"], "edition")


def _number(said: str, what: str) -> int:
    if not said.isascii() or not said.isdigit() or len(said) > 12:  # noqa: PLR2004 -- no number here is longer
        raise Unreadable(f"{what}: send the number that the page gave")
    return int(said)


HANDLERS: list[tuple[str, Any]] = [
    (r"/applications", Mine),
    (r"/applications/([0-9]{1,9})", One),
    (r"/applications/([0-9]{1,9})/edit", Edit),
    (r"/applications/([0-9]{1,9})/diseases", Diseases),
    (rf"/applications/([0-9]{{1,9}})/({'|'.join(ACTS)})", Act),
]
