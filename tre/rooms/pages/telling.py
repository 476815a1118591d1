"""A no is told in words: which rule, what it wants, what opens it, and who answers for it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from policies import book
from tre.errors import Refused, TREError, Unavailable
from tre.governance import rulebook
from tre.records.db import Records

# status -> what a person reads at the head of the page, and what they can do if nobody said so
FAULTS = {
    403: ("The rules say no", "Ask an admin of this house which facts are missing."),
    404: ("There is nothing here", "Check the address. What is not yours to know of looks the same as nothing."),
    409: ("Not possible from here", "Look at where it stands now; somebody may have been faster."),
    413: ("Too much at once", "Go back and send less text."),
    422: ("That cannot be read", "Go back, correct it and send it again."),
    500: ("Something broke here", "Nothing was changed. Tell an admin of this house when it happened."),
    503: ("Not available at the moment", "Nothing was changed. Try again in a minute."),
}


@dataclass(frozen=True, kw_only=True)
class Reason:
    """A rule that said no, what opens it, and who answers for it."""

    rule: str
    sentence: str
    remedy: str
    ask: str


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What went wrong; a page shows it above its form and keeps what was typed."""

    message: str
    reasons: tuple[Reason, ...] = ()
    remedies: tuple[str, ...] = ()
    status: int = 422

    @classmethod
    def of(cls, error: TREError) -> "Problem":
        """Take over what an error says, and say of each rule what it wants."""
        if not isinstance(error, Refused):
            return cls(message=str(error), status=error.status)
        reasons = reasons_of(error)
        return cls(message=str(error), reasons=reasons, remedies=() if reasons else error.remedies, status=error.status)


def in_words(records: Records, no: Refused) -> Refused:
    """Add to a no what its rules want, in the words of the rules in force; without records, it goes on without."""
    with suppress(Unavailable), records.read() as session:
        known = rulebook.in_force(session).book
        no.words = {rule: (known[rule].sentence, known[rule].owner) for rule in no.rules if rule in known}
    return no


def reasons_of(no: Refused) -> tuple[Reason, ...]:
    """Say in words what each rule wants, and whom to ask."""
    told = dict(zip(no.rules, no.remedies, strict=True)) if len(no.rules) == len(no.remedies) else {}
    return tuple(_reason(rule, told.get(rule, ""), no.words.get(rule)) for rule in no.rules)


def _reason(rule: str, remedy: str, words: tuple[str, str] | None) -> Reason:
    """Where nobody added the words of the rules in force, the package's do."""
    row = book.book().get(rule)
    sentence, owner = words or ((row.sentence, row.owner) if row else (rule, "an admin"))
    return Reason(rule=rule, sentence=sentence, remedy=remedy or (row.remedy if row else "Tell an admin."), ask=owner)


def day(moment: datetime | None) -> str:
    """Write a day as a person would."""
    return f"{moment:%-d %B %Y}" if moment else "no day"


def days(since: datetime | None, now: datetime) -> str:
    """Say how long it has been, in days."""
    gone = (now - since).days if since else 0
    return "today" if gone <= 0 else f"{gone} day{'' if gone == 1 else 's'}"


def left(until: datetime, now: datetime) -> str:
    """Say how long it is until then, in days; a day that has begun counts."""
    rest = -((now - until) // timedelta(days=1))
    return "over" if until <= now else f"{rest} day{'' if rest == 1 else 's'} left"


def sentence(words: str) -> str:
    """Begin with a capital letter, and end with a full stop."""
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith(('.', '?', '!')) else '.'}" if words else ""


WORDS: Mapping[str, object] = {"day": day, "days": days, "left": left, "sentence": sentence}
"""What templates may call."""
