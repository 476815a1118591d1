"""What may happen to one column of a table, and what each action needs to be told.

    born:     {action: year, reason: ...}                      year | month | shift; partial: year | drop
    born:     {action: age, when: entered, reason: ...}        age on a day, in a year or on another column's day; `90+`
    visit:    {action: pseudonym, of: encounter, system: ehr, reason: ...}
    icd:      {action: generalise, hierarchy: icd10, level: chapter, reason: ...}
    zip:      {action: zip3, reason: ...}                      first three digits, `000` where few people live
    city:     {action: region, mapping: {...}, population: {...}, least: 20000, reason: ...}
    note:     {action: text, recogniser: known, reason: ...}   free text, without what is recognised
    job:      {action: suppress, least: 10, reason: ...}       values of fewer than 10 persons become NULL, or `other`

Any column may say what it holds (`is: postcode`, a word of `profiles/kinds.toml`); a profile then asks more of it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from tre.data.deid import hierarchy as hierarchies
from tre.data.deid import kinds, reading
from tre.data.deid.pseudonyms import Domain
from tre.errors import Unreadable

SUBJECT = "subject"
OLDEST = 90
"""Ages from here are one category (45 CFR 164.514(b)(2)(i)(C))."""
POPULATION = 20_000
"""Fewer people than these make a region too small (45 CFR 164.514(b)(2)(i)(B))."""


class Action(StrEnum):
    """What may happen to a column."""

    PSEUDONYM = "pseudonym"
    SHIFT = "shift"
    YEAR = "year"
    MONTH = "month"
    AGE = "age"
    GENERALISE = "generalise"
    ZIP3 = "zip3"
    REGION = "region"
    BIN = "bin"
    ROUND = "round"
    TOPCODE = "topcode"
    SUPPRESS = "suppress"
    TEXT = "text"
    KEEP = "keep"
    DROP = "drop"


class Type(StrEnum):
    """What the values of a column are."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    DATE = "date"
    DATETIME = "datetime"


class Partial(StrEnum):
    """What becomes of a date of which only the year or the month is known; unsaid, it does not come in."""

    YEAR = "year"
    DROP = "drop"


class Recogniser(StrEnum):
    """What finds identifiers in free text (see `tre.data.deid.text`)."""

    KNOWN = "known"


@dataclass(frozen=True)
class Takes:
    """What one action needs, what else it may have, and which types it works on (the first if none is said)."""

    needs: frozenset[str]
    may: frozenset[str]
    types: tuple[Type, ...]


def _takes(needs: str = "", may: str = "", types: tuple[Type, ...] = (Type.TEXT,)) -> Takes:
    return Takes(frozenset(needs.split()), frozenset(may.split()), types)


DATES = (Type.DATE, Type.DATETIME)
NUMBERS = (Type.NUMBER, Type.INTEGER)
TAKES: dict[Action, Takes] = {
    Action.PSEUDONYM: _takes("of", may="system id"),
    Action.SHIFT: _takes(may="partial", types=DATES),
    Action.YEAR: _takes(may="partial least", types=DATES),
    Action.MONTH: _takes(may="partial least", types=DATES),
    Action.AGE: _takes("when", may="at least partial", types=(*DATES, Type.INTEGER)),
    Action.GENERALISE: _takes(may="prefix mapping hierarchy level least"),
    Action.ZIP3: _takes(may="least"),
    Action.REGION: _takes("mapping population", may="least other"),
    Action.BIN: _takes("width", "low high least", NUMBERS),
    Action.ROUND: _takes("to", "least", NUMBERS),
    Action.TOPCODE: _takes(may="max min at least", types=NUMBERS),
    Action.SUPPRESS: _takes("least", "other", types=tuple(Type)),
    Action.TEXT: _takes("recogniser"),
    Action.KEEP: _takes(types=tuple(Type)),
    Action.DROP: _takes(may="identifier", types=tuple(Type)),
}
_NUMBERS = {"width": "width", "low": "low", "high": "high", "max": "high", "min": "low", "at": "at", "to": "width"}


@dataclass(frozen=True)
class Column:
    """One column and what is done to it."""

    name: str
    action: Action
    reason: str
    type: Type = Type.TEXT
    width: float = 0
    low: float | None = None
    high: float | None = None
    at: float | None = None
    """From here on all values are one category, `90+`."""
    prefix: int = 0
    mapping: tuple[tuple[str, str], ...] = ()
    """Value -> what becomes of it; also what a hierarchy of the plan says at the chosen level."""
    hierarchy: str = ""
    level: str = ""
    population: tuple[tuple[str, int], ...] = ()
    least: int = 0
    """Persons that must carry a value; of a region the people who live there."""
    other: str = ""
    """What stands for values that are too rare; empty: NULL."""
    when: str = ""
    """Age at which date: a column of the table, a day, or a year."""
    partial: Partial | None = None
    recogniser: Recogniser | None = None
    identifier: bool = False
    """Its values name a person: they are looked for in the extract and in what leaves."""
    of: str = ""
    """What a pseudonym names: the subject, or a word of `Domain`."""
    system: str = ""
    """Source system and type of the id, where the linkage of the house says whose it is."""
    id: str = ""
    holds: str = ""
    """What the plan says that its values are (`is`)."""

    @property
    def is_person(self) -> bool:
        """Whether its values are ids of persons."""
        return self.action is Action.PSEUDONYM and self.of == SUBJECT

    @property
    def is_code(self) -> bool:
        """Whether its values are ids of something else: an encounter, a specimen."""
        return self.action is Action.PSEUDONYM and self.of != SUBJECT

    @property
    def domain(self) -> Domain:
        """What its values name, if that is no person."""
        return Domain(self.of)


def read(name: str, said: object, table: str, levels: Mapping[str, hierarchies.Hierarchy]) -> Column:
    """Read one column strictly; `levels` are the hierarchies of the plan."""
    where = f"{table}, column {name}"
    options = reading.mapping(said, where)
    action = reading.one_of(Action, options.pop("action", None), f"{where}, action")
    reason = reading.string(options.pop("reason", ""), f"{where}, reason").strip()
    if not reason:
        raise Unreadable(f"{where}: the reason is missing; say why it is treated so")
    holds = kinds.word(options.pop("is", ""), f"{where}, is")
    takes = TAKES[action]
    kind = reading.one_of(Type, options.pop("type", str(takes.types[0])), f"{where}, type")
    if kind not in takes.types:
        raise Unreadable(f"{where}: {action} is for {' and '.join(takes.types)}, not for {kind}")
    reading.only(options, where, needs=takes.needs, may=takes.may)
    column = _with_options(Column(name, action, reason, kind, holds=holds), options, where)
    return _checked(_in_levels(column, levels, where), where)


def _with_options(column: Column, options: Mapping[str, object], where: str) -> Column:
    """Fill in what the action takes."""
    numbers = {
        field: reading.number(options[word], f"{where}, {word}") for word, field in _NUMBERS.items() if word in options
    }
    return replace(
        column,
        hierarchy=_word(options, "hierarchy", where),
        level=_word(options, "level", where),
        other=_word(options, "other", where),
        system=_word(options, "system", where),
        id=_word(options, "id", where),
        width=numbers.get("width", 0),
        low=numbers.get("low"),
        high=numbers.get("high"),
        at=numbers.get("at", OLDEST if column.action is Action.AGE else None),
        prefix=int(reading.number(options.get("prefix", 0), f"{where}, prefix")),
        mapping=tuple(_mapping_of(options.get("mapping", {}), f"{where}, mapping")),
        population=tuple(_people_of(options.get("population", {}), f"{where}, population")),
        least=_least(column.action, options, where),
        when=_when(options.get("when", ""), f"{where}, when"),
        partial=_maybe(Partial, options.get("partial"), f"{where}, partial"),
        recogniser=_maybe(Recogniser, options.get("recogniser"), f"{where}, recogniser"),
        identifier=_identifies(column.action, options, where),
        of=_of(options["of"], f"{where}, of") if "of" in options else "",
    )


def _word(options: Mapping[str, object], word: str, where: str) -> str:
    return reading.string(options.get(word, ""), f"{where}, {word}")


def _maybe(kind: type[reading.Word], said: object, where: str) -> reading.Word | None:
    return None if said is None else reading.one_of(kind, said, where)


def _mapping_of(said: object, where: str) -> Iterator[tuple[str, str]]:
    for value, becomes in reading.mapping(said, where).items():
        yield value, reading.string(becomes, f"{where}, {value}")


def _people_of(said: object, where: str) -> Iterator[tuple[str, int]]:
    for region, people in reading.mapping(said, where).items():
        yield region, int(reading.number(people, f"{where}, {region}"))


def _least(action: Action, options: Mapping[str, object], where: str) -> int:
    least = reading.number(options.get("least", POPULATION if action is Action.REGION else 0), f"{where}, least")
    if least != int(least) or ("least" in options and least < 2):  # noqa: PLR2004 -- one carries every value
        raise Unreadable(f"{where}, least: needs a whole number of 2 or more")
    return int(least)


def _when(said: object, where: str) -> str:
    """Return a column's name, a day YYYY-MM-DD or a year; YAML reads the last two as what they are."""
    if isinstance(said, date) or (isinstance(said, int) and not isinstance(said, bool)):
        return str(said)
    return reading.string(said, where)


def _identifies(action: Action, options: Mapping[str, object], where: str) -> bool:
    if action is Action.DROP:
        return reading.flag(options.get("identifier", True), f"{where}, identifier")
    return action is Action.PSEUDONYM


def _of(said: object, where: str) -> str:
    words = (SUBJECT, *Domain)
    if said not in words:
        raise Unreadable(f"{where}: only `subject` and {', '.join(words[1:])}")
    return str(said)


def _in_levels(column: Column, levels: Mapping[str, hierarchies.Hierarchy], where: str) -> Column:
    """Put what the hierarchy says at the chosen level where a mapping stands."""
    if bool(column.hierarchy) != bool(column.level):
        raise Unreadable(f"{where}: `hierarchy` and `level` go together")
    if not column.hierarchy:
        return column
    known = hierarchies.find(column.hierarchy, levels, f"{where}, hierarchy")
    if column.level not in known.levels:
        raise Unreadable(f"{where}, level: {known.name} has {', '.join(known.levels)}")
    return replace(column, mapping=known.at(column.level))


# --- options that make no sense together ------------------------------------------------------------------------------
def _checked(column: Column, where: str) -> Column:
    if check := CHECKS.get(column.action):
        check(column, where)
    if column.low is not None and column.high is not None and column.low >= column.high:
        raise Unreadable(f"{where}: the lower end is not below the upper end")
    kinds.check(column.holds, str(column.action), where)
    return column


def _check_generalise(column: Column, where: str) -> None:
    ways = (column.prefix >= 1, bool(column.mapping or column.hierarchy))
    if sum(ways) != 1 or (column.hierarchy and not column.level):
        raise Unreadable(f"{where}: generalise takes either `prefix` (1 or more) or `mapping` or `hierarchy`")
    if column.mapping and all(value == becomes for value, becomes in column.mapping):
        raise Unreadable(f"{where}, mapping: every value becomes itself; that is `keep`")


def _check_bins(column: Column, where: str) -> None:
    if column.width <= 0:
        raise Unreadable(f"{where}, width: needs a number above 0")
    if column.high is not None and (column.high - (column.low or 0)) % column.width:
        raise Unreadable(f"{where}: `high` is not a whole number of bins above {'`low`' if column.low else '0'}")


def _check_round(column: Column, where: str) -> None:
    if column.width <= 0:
        raise Unreadable(f"{where}, to: needs a number above 0")


def _check_topcode(column: Column, where: str) -> None:
    if column.high is None and column.at is None:
        raise Unreadable(f"{where}: max is missing (or `at`, which makes one category of all from there)")
    if column.at is not None and (column.high is not None or column.low is not None):
        raise Unreadable(f"{where}: `at` goes without `max` and `min`")


def _check_age(column: Column, where: str) -> None:
    if not 0 < (column.at or 0) <= OLDEST:
        raise Unreadable(f"{where}, at: needs 1 to {OLDEST}; the oldest stand out")
    if column.type is Type.INTEGER and not (column.when.isdecimal() and len(column.when) == len("2024")):
        raise Unreadable(f"{where}, when: a year of birth needs a year, such as 2024")


def _check_region(column: Column, where: str) -> None:
    people = dict(column.population)
    if missing := sorted({region for _, region in column.mapping} - set(people)):
        raise Unreadable(f"{where}, population: {missing[0]} is missing")
    if all(people[region] >= column.least for _, region in column.mapping) and all(a == b for a, b in column.mapping):
        raise Unreadable(f"{where}, mapping: every value becomes itself; that is `keep`")


CHECKS: dict[Action, Callable[[Column, str], None]] = {
    Action.GENERALISE: _check_generalise,
    Action.BIN: _check_bins,
    Action.ROUND: _check_round,
    Action.TOPCODE: _check_topcode,
    Action.AGE: _check_age,
    Action.REGION: _check_region,
}
