"""The admin's page: people, roles, training, projects, rules and agreements; no data, no votes, no rooms' insides."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ClassVar

from sqlalchemy.orm import Session

from policies.facts import Role
from tre.errors import TREError, Unreadable
from tre.governance import nudge, roles
from tre.governance.desk import acts, admin
from tre.rooms import house
from tre.rooms.pages.doing import CODE, WHY, Doing
from tre.rooms.pages.form import Field, Sent
from tre.rooms.pages.page import Page
from tre.rooms.pages.project import last_moment
from tre.rooms.pages.telling import Problem

LONGEST_TEXT = 200_000
About = tuple[str, Callable[[Session], object]]
"""What an act is about, and what is to be done in one transaction."""
PERSON = Field("person", 40)
NUMBER = r"([0-9]{1,9})"


class Admin(Page):
    """The house, as an admin runs it."""

    async def get(self) -> None:
        """Show it to an admin; to others the rules say no."""
        await self.told()

    async def told(self, problem: Problem | None = None, typed: Sent | None = None, **said: object) -> None:
        """Show it, with what went wrong, what was typed, and what is shown once."""
        person, now = self.person, self.now

        def asked(session: Session) -> admin.Office:
            acts.as_admin(session, person, now=now)
            return admin.office(session, now=now)

        office = await self.act("admin.view", "house", asked)  # who is refused is written down
        given = {"office": office, "typed": typed or {}, "grantable": tuple(Role), **said}
        await self.show("admin.html", problem=problem, **given)


class Act(Admin, Doing):
    """Something that an admin does."""

    part: ClassVar[str] = ""
    """Part of the page that the act is of: where to look at the result."""
    shown_once: ClassVar[bool] = False
    """What the act returns is shown once, and kept nowhere."""

    async def get(self, *words: str) -> None:
        """Show nothing here: looking changes nothing."""
        del words
        self.go("admin")

    async def post(self, *words: str) -> None:
        """Do it, or say in place why not."""
        sent = self.form(*self.fields)
        try:
            subject, do = self.doing(sent.sound(), self.person, self.now, *words)
            made = await self.done(subject, sent, do)
            if self.verb == "person.suspend":
                nudge.sentinel(house.settings())
        except TREError as error:
            await self.told(Problem.of(error), sent, part=self.part)
            return
        if self.shown_once:
            await self.told(made=made, part=self.part)
        else:
            self.go(f"admin#{self.part}")

    def doing(self, sent: Sent, actor: str, now: datetime, *words: str) -> tuple[str, Callable[[Session], object]]:
        """Return what it is about, and what is to be done."""
        raise NotImplementedError


class Invite(Act):
    """Make an account, propose its roles, and show the link by which its person comes in."""

    fields = (CODE, PERSON, Field("full_name", 200), Field("email", 254), Field("role", 20, many=True))
    verb, part, shown_once = "person.add", "people", True

    def doing(self, sent: Sent, actor: str, now: datetime, *words: str) -> tuple[str, Callable[[Session], object]]:
        """Make it."""
        del words
        wanted = frozenset(map(_role, sent["role"]))
        do = partial(
            acts.invite_person,
            person=sent["person"],
            full_name=sent["full_name"],
            email=sent["email"],
            wanted=wanted,
            actor=actor,
            now=now,
            settings=house.settings(),
        )
        return f"person/{sent['person']}", do


class InviteAgain(Act):
    """Show a new link; the form is shared with two other acts, which ask for a reason."""

    fields = (CODE, PERSON, WHY)
    verb, part, shown_once = "person.invite", "people", True

    def doing(self, sent: Sent, actor: str, now: datetime, *words: str) -> tuple[str, Callable[[Session], object]]:
        """Make it."""
        del words
        settings = house.settings()
        do = partial(acts.invite_again, person=sent["person"], actor=actor, now=now, settings=settings)
        return f"person/{sent['person']}", do


class SuspendPerson(Act):
    """Keep somebody out."""

    fields = (CODE, PERSON, WHY)
    verb, part = "person.suspend", "people"

    def doing(self, sent: Sent, actor: str, now: datetime, *words: str) -> tuple[str, Callable[[Session], object]]:
        """Keep them out from now on."""
        del words
        do = partial(acts.suspend_person, person=sent["person"], why=sent["why"], actor=actor, now=now)
        return f"person/{sent['person']}", do


class ResumePerson(Act):
    """Let somebody in again."""

    fields = (CODE, PERSON, WHY)
    verb, part = "person.resume", "people"

    def doing(self, sent: Sent, actor: str, now: datetime, *words: str) -> tuple[str, Callable[[Session], object]]:
        """Let them in."""
        del words
        return f"person/{sent['person']}", partial(acts.resume_person, person=sent["person"], actor=actor, now=now)


class ProposeRole(Act):
    """Propose that somebody gets or loses a role."""

    fields = (CODE, PERSON, Field("role", 20), Field("change", 10), WHY)
    verb, part = "role.propose", "roles"

    def doing(self, sent: Sent, actor: str, now: datetime, *words: str) -> tuple[str, Callable[[Session], object]]:
        """Propose it."""
        del words
        do = partial(
            acts.propose_role,
            person=sent["person"],
            role=_role(sent["role"]),
            change=sent["change"],
            why=sent["why"],
            actor=actor,
            now=now,
        )
        return f"person/{sent['person']}", do


class SettleRole(Act):
    """Make a proposed change of roles so, or refuse it."""

    fields = (CODE, Field("say", 60))
    verb, part = "role.settle", "roles"

    def doing(self, sent: Sent, actor: str, now: datetime, *words: str) -> tuple[str, Callable[[Session], object]]:
        """Settle what was seen: the words of the form name the change, down to who and what."""
        number = int(words[0])

        def settled(session: Session) -> object:
            row = roles.get(session, number)
            agree = sent["say"] == roles.confirms(row, True)
            if not agree and sent["say"] != roles.confirms(row, False):
                raise Unreadable("say whether you agree to this change or refuse it")
            return acts.settle_role(session, number, agree=agree, actor=actor, now=now)

        return f"role-change/{number}", settled


class SettleRules(Act):
    """Adopt the rules that another admin proposed, or refuse them."""

    fields = (CODE, Field("say", 100))
    verb, part = "rules.settle", "rules"

    def doing(self, sent: Sent, actor: str, now: datetime, *words: str) -> About:
        """Settle exactly the texts that were seen: the words of the form name their SHA-256."""
        verb, _, seen = sent["say"].removeprefix("rules ").partition(" ")
        if verb not in {"adopt", "refuse"}:
            raise Unreadable("say whether you adopt these rules or refuse them")
        do = partial(acts.settle_rules, number=int(words[0]), seen=seen, agree=verb == "adopt", actor=actor, now=now)
        return f"rules/{words[0]}", do


class Training(Act):
    """Note a course that somebody passed."""

    fields = (CODE, PERSON, Field("course", 60), Field("until", 10), Field("evidence", 500))
    verb, part = "training.record", "training"

    def doing(self, sent: Sent, actor: str, now: datetime, *words: str) -> tuple[str, Callable[[Session], object]]:
        """Note it."""
        del words
        do = partial(
            acts.record_training,
            person=sent["person"],
            course=sent["course"],
            until=last_moment(sent["until"]),
            evidence=sent["evidence"],
            actor=actor,
            now=now,
        )
        return f"person/{sent['person']}", do


class OpenProject(Act):
    """Open a project."""

    fields = (CODE, Field("project", 40), Field("title", 200), Field("purpose", 2000), Field("until", 10))
    verb, part = "project.create", "projects"
    kept = timedelta(days=365)

    def doing(self, sent: Sent, actor: str, now: datetime, *words: str) -> tuple[str, Callable[[Session], object]]:
        """Open it until a day; its data are kept a year longer."""
        del words
        until = last_moment(sent["until"])
        do = partial(
            acts.open_project,
            project=sent["project"],
            title=sent["title"],
            purpose=sent["purpose"],
            approved_until=until,
            retained_until=until + self.kept,
            actor=actor,
            now=now,
        )
        return f"project/{sent['project']}", do


class Agreement(Act):
    """Make a text the user agreement from a day on."""

    fields = (CODE, Field("since", 10), Field("text", LONGEST_TEXT, lines=True))
    verb, part = "agreement.publish", "agreements"

    def doing(self, sent: Sent, actor: str, now: datetime, *words: str) -> tuple[str, Callable[[Session], object]]:
        """Publish it; everybody must sign anew from that day on."""
        del words
        do = partial(
            acts.publish_agreement, text=sent["text"], since=_first_moment(sent["since"]), actor=actor, now=now
        )
        return "agreement", do


def _role(word: str) -> Role:
    try:
        return Role(word)
    except ValueError:
        raise Unreadable("role: choose one of " + ", ".join(Role)) from None


def _first_moment(day: str) -> datetime:
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Unreadable("since: write the day as 2027-06-30") from None


HANDLERS: list[tuple[str, Any]] = [
    (r"/admin", Admin),
    (r"/admin/invite", Invite),
    (r"/admin/invite-again", InviteAgain),
    (r"/admin/suspend", SuspendPerson),
    (r"/admin/resume", ResumePerson),
    (r"/admin/roles", ProposeRole),
    (rf"/admin/roles/{NUMBER}", SettleRole),
    (rf"/admin/rules/{NUMBER}", SettleRules),
    (r"/admin/training", Training),
    (r"/admin/projects", OpenProject),
    (r"/admin/agreements", Agreement),
]
