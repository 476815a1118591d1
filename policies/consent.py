"""What one code says to a purpose: yes, no, or that a person must read it; and why, in a sentence.

What nobody wrote down is a question, what nobody showed is a no.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from policies.limitation import CODES, REGIONS, SHAPES, TABLE, Group, Use

TERMS: Mapping[str, str] = {term: row["name"] for term, row in TABLE["terms"].items()}
SENSITIVE: Mapping[str, str] = TABLE["sensitive"]
_SENSITIVE_TERMS = frozenset(term for term, row in TABLE["terms"].items() if row.get("sensitive"))
METHODS, POPULATION, ANCESTRY = "DUO:0000031", "DUO:0000032", "DUO:0000033"
BIOMEDICAL, GENETIC, DISEASE, ANYTHING = "DUO:0000037", "DUO:0000038", "DUO:0000040", "DUO:0000042"
ORIGINS = frozenset({POPULATION, ANCESTRY})
HEALTH = frozenset({BIOMEDICAL} | {term for term, row in TABLE["terms"].items() if row.get("parent") == BIOMEDICAL})


class Verdict(StrEnum):
    """What a use limitation says to a purpose."""

    PERMIT = "permit"
    MANUAL = "manual"
    DENY = "deny"


WEIGHT = {Verdict.PERMIT: 0, Verdict.MANUAL: 1, Verdict.DENY: 2}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Deny before manual before permit; of nothing, deny."""
    return max(verdicts, key=WEIGHT.__getitem__, default=Verdict.DENY)


class Ancestors(Protocol):
    """An ontology of diseases."""

    def ancestors(self, code: str) -> frozenset[str]:
        """Return every broader disease, all the way up, without the disease itself."""
        ...

    def label(self, code: str) -> str:
        """Return a disease's name; its id if nobody knows it."""
        ...

    def known(self, code: str) -> bool:
        """Whether the disease is in the ontology, and not obsolete."""
        ...


class NoOntology:
    """Knows no disease: only the very same id is the same disease."""

    def ancestors(self, code: str) -> frozenset[str]:
        """Nothing is known to be broader."""
        del code
        return frozenset()

    def label(self, code: str) -> str:
        """Return the id."""
        return code

    def known(self, code: str) -> bool:
        """Return that nobody knows it."""
        del code
        return False


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """What somebody wants to do with data."""

    text: str = ""
    """In their words; who says nothing gets nothing."""
    terms: frozenset[str] = frozenset()
    """Investigation terms of the ontology, by id (TERMS). None, and no disease: the purpose is not coded."""
    diseases: frozenset[str] = frozenset()
    """Ids of MONDO or DOID, each that is studied."""
    commercial: bool | None = None
    """Somebody earns by it; None: nobody said."""
    not_for_profit: bool | None = None
    """Everybody who works on it is of an organisation that works not for profit; None: nobody said."""
    clinical_care: bool = False
    """It serves the care of single patients too."""
    sensitive: frozenset[str] = frozenset()
    """Of SENSITIVE, whatever applies."""

    @property
    def coded(self) -> bool:
        """Whether a machine can judge it."""
        return bool(self.terms or self.diseases)

    @property
    def kinds(self) -> frozenset[str]:
        """The terms; who names a disease studies diseases."""
        return self.terms | ({DISEASE} if self.diseases else frozenset())


@dataclass(frozen=True, kw_only=True)
class Situation:
    """Under what circumstances; what is not known is left empty, and says no where it matters."""

    now: datetime
    project: str = ""
    people: frozenset[str] = frozenset()
    """Who will work with the data: one person at a door, all members for the committee."""
    countries: frozenset[str] = frozenset()
    """Where these work, ISO 3166-1 alpha-2; an empty one for whoever is nobody knows where."""
    compute_country: str = ""
    """Where the house stands."""
    institutions: frozenset[str] = frozenset()
    """Of which organisations these are, as ROR ids."""
    approved_since: datetime | None = None
    """Since when the project has the data; None: not yet."""
    ethics_until: datetime | None = None
    """Until when an ethics committee's vote counts; None: there is none."""
    collaboration: str = ""
    """Who of the data's owners works with them, and where that is agreed."""


Said = tuple[Verdict, str]


def of_purpose(purpose: Purpose) -> Iterator[Said]:
    """Yield what the purpose itself asks, before any code; nothing if it asks nothing."""
    if not purpose.text.strip():
        yield Verdict.DENY, "no purpose is given"
    elif not purpose.coded:
        yield Verdict.MANUAL, "the purpose is in words alone, without terms of the ontology: a person must read it"
    for term in sorted(purpose.terms - TERMS.keys()):
        yield Verdict.MANUAL, f"{term[:40]} is no investigation term of the Data Use Ontology: a person must read it"
    for term in sorted(purpose.terms & _SENSITIVE_TERMS):
        yield Verdict.MANUAL, f"the purpose looks at a group of people ({TERMS[term]}): a person must look at it"
    for what in sorted(purpose.sensitive):
        yield Verdict.MANUAL, f"the purpose is sensitive: {SENSITIVE.get(what, what[:40])}; a person must look at it"


@dataclass(frozen=True)
class Case:
    """What a check looks at."""

    use: Use
    group: Group
    purpose: Purpose
    situation: Situation
    diseases: Ancestors


def _permission(check: Callable[[Case], Said]) -> Callable[[Case], Said]:
    """Consent to research is no consent to care, unless it says so (CC)."""

    def judged(case: Case) -> Said:
        if case.purpose.clinical_care and not case.group.has("CC"):
            return Verdict.DENY, "people agreed to research, and the purpose serves the care of patients too"
        return check(case)

    return judged


def _any(case: Case) -> Said:
    del case
    return Verdict.PERMIT, "people agreed to any use"


def _research(case: Case) -> Said:
    del case
    return Verdict.PERMIT, "people agreed to research of any kind"


def _health(case: Case) -> Said:
    kinds = case.purpose.kinds
    if origins := kinds & ORIGINS:
        return Verdict.DENY, f"people agreed to health research, and the purpose is {_named(origins)}"
    if ANYTHING in kinds:
        return Verdict.DENY, "people agreed to health research, and the purpose is research of any kind"
    if kinds & (HEALTH | {METHODS}):
        return Verdict.PERMIT, "the purpose is health research or development of methods, and people agreed to that"
    return Verdict.MANUAL, "people agreed to health research, and the purpose does not say whether it is that"


def _disease(case: Case) -> Said:
    agreed, kinds = case.use.values, case.purpose.kinds
    if not agreed:
        return Verdict.DENY, "people agreed to research on certain diseases, and nobody wrote down on which"
    names = _diseases(case, agreed)
    if not case.purpose.coded:
        return Verdict.MANUAL, f"people agreed to research on {names}, and the purpose does not say what it studies"
    if other := kinds & (ORIGINS | {ANYTHING}):
        return Verdict.DENY, f"people agreed to research on {names}, and the purpose is {_named(other)}"
    if not case.purpose.diseases:
        if kinds == {METHODS}:
            return Verdict.PERMIT, f"people agreed to research on {names}, and did not rule out development of methods"
        return Verdict.DENY, f"people agreed to research on {names}, and the purpose names no disease"
    return _within(case)


def _within(case: Case) -> Said:
    """Every disease that is studied is one of those, or a kind of it."""
    agreed = frozenset(case.use.values)
    apart = [one for one in sorted(case.purpose.diseases) if not ({one} | case.diseases.ancestors(one)) & agreed]
    names = _diseases(case, case.use.values)
    if not apart:
        studied = _diseases(case, sorted(case.purpose.diseases))
        return Verdict.PERMIT, f"{studied}: people agreed to research on {names}"
    prefixes = {one.partition(":")[0] for one in agreed}
    clear = [one for one in apart if case.diseases.known(one) and {one.partition(":")[0]} == prefixes]
    if clear:
        return Verdict.DENY, f"people agreed to research on {names}, and {_diseases(case, clear)} is no kind of it"
    return Verdict.MANUAL, f"people agreed to research on {names}; no ontology here knows whether {_diseases(case, apart)} is a kind of it"  # fmt: skip  # noqa: E501


def _origins(case: Case) -> Said:
    kinds = case.purpose.kinds
    if not case.purpose.coded:
        return Verdict.MANUAL, "people agreed to research on origins alone, and the purpose does not say what it is"
    if kinds <= ORIGINS | {METHODS}:
        return Verdict.PERMIT, "the purpose is research on origins, or methods for it, and people agreed to that"
    return Verdict.DENY, f"people agreed to research on origins alone, and the purpose is {_named(kinds - ORIGINS)}"


def _topic(case: Case) -> Said:
    topic = f" ({', '.join(case.use.values)})" if case.use.values else ""
    return Verdict.MANUAL, f"only studies of a certain type{topic}: a person must read whether this is one"


def _no_methods(case: Case) -> Said:
    kinds = case.purpose.kinds
    if not case.purpose.coded:
        return Verdict.MANUAL, "no development of general methods, and the purpose does not say what it is"
    if not kinds & {METHODS, ANYTHING}:
        return Verdict.PERMIT, "the purpose develops no general methods"
    permission = case.group.permission
    if METHODS in kinds and permission and permission.code == "DS" and case.purpose.diseases:
        verdict, _ = _disease(Case(permission, case.group, case.purpose, case.situation, case.diseases))
        if verdict is Verdict.PERMIT:
            return Verdict.PERMIT, "the methods that are developed are for the disease that people agreed to"
    return Verdict.DENY, f"people ruled out general methods, and the purpose is {_named(kinds & {METHODS, ANYTHING})}"


def _genetic(case: Case) -> Said:
    if not case.purpose.coded:
        return Verdict.MANUAL, "genetic studies only, and the purpose does not say whether it is one"
    if GENETIC in case.purpose.kinds:
        return Verdict.PERMIT, "the purpose is a genetic study"
    return Verdict.DENY, "genetic studies only, and the purpose is none"


def _no_origins(case: Case) -> Said:
    kinds = case.purpose.kinds
    if not case.purpose.coded:
        return Verdict.MANUAL, "no research on origins or ancestry, and the purpose does not say whether it is that"
    if barred := kinds & (ORIGINS | {ANYTHING}):
        return Verdict.DENY, f"people ruled out research on origins or ancestry, and the purpose is {_named(barred)}"
    return Verdict.PERMIT, "the purpose is no research on origins or ancestry"


def _not_commercial(case: Case) -> Said:
    if case.purpose.commercial is None:
        return Verdict.MANUAL, "no commercial use, and nobody said whether this is one"
    if case.purpose.commercial:
        return Verdict.DENY, "no commercial use, and the purpose is commercial"
    return Verdict.PERMIT, "the purpose is not commercial"


def _not_for_profit(case: Case) -> Said:
    if case.purpose.not_for_profit is None:
        return Verdict.MANUAL, "not-for-profit organisations only, and nobody said whether these are"
    if not case.purpose.not_for_profit:
        return Verdict.DENY, "not-for-profit organisations only, and somebody is of one that is not known to be"
    return Verdict.PERMIT, "everybody is of a not-for-profit organisation"


def _neither(case: Case) -> Said:
    said = [_not_for_profit(case), _not_commercial(case)]
    heaviest = worst(verdict for verdict, _ in said)
    return heaviest, "; ".join(reason for verdict, reason in said if verdict is heaviest)


def _ethics(case: Case) -> Said:
    until, now = case.situation.ethics_until, case.situation.now
    if until is None:
        return Verdict.DENY, "approval of an ethics committee is needed, and none is shown"
    if now >= until:
        return Verdict.DENY, f"approval of an ethics committee is needed, and it ended on {until:%Y-%m-%d}"
    return Verdict.PERMIT, f"an ethics committee approved it until {until:%Y-%m-%d}"


def _places(case: Case) -> Said:
    if not case.use.values:
        return Verdict.MANUAL, "only in certain countries, and nobody wrote down in which"
    allowed = frozenset().union(*(REGIONS.get(one, {one}) for one in case.use.values))
    names = ", ".join(case.use.values)
    if not case.situation.countries or "" in case.situation.countries:
        return Verdict.DENY, f"only in {names}, and it is not known where everybody works"
    if out := sorted(case.situation.countries - allowed):
        return Verdict.DENY, f"only in {names}, and somebody works in {', '.join(out)}"
    if case.situation.compute_country not in allowed:
        where = case.situation.compute_country or "a country that is not set"
        return Verdict.DENY, f"only in {names}, and this house computes in {where}"
    return Verdict.PERMIT, f"everybody works in {names}, and so does this house"


def _time(case: Case) -> Said:
    if not case.use.values or not SHAPES["months"][0].fullmatch(case.use.values[0]):
        return Verdict.MANUAL, "for a certain time only, and nobody wrote down for how many months"
    months, since = int(case.use.values[0]), case.situation.approved_since
    if since is None:
        return Verdict.PERMIT, f"for {months} months from the approval"
    end = later(since, months)
    if case.situation.now >= end:
        return Verdict.DENY, f"for {months} months from the approval; they ended on {end:%Y-%m-%d}"
    return Verdict.PERMIT, f"for {months} months from the approval, until {end:%Y-%m-%d}"


def later(since: datetime, months: int) -> datetime:
    """Return the moment so many months later; the last day of a month that is too short."""
    whole = since.year * 12 + since.month - 1 + months
    year, month = divmod(whole, 12)
    if year > 9998:  # noqa: PLR2004 -- the calendar ends
        return datetime.max.replace(tzinfo=since.tzinfo)
    for last in (since.day, 30, 29, 28):
        try:
            return since.replace(year=year, month=month + 1, day=last)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def _listed(what: str, have: Callable[[Situation], frozenset[str]]) -> Callable[[Case], Said]:
    """Only those who are named: users, projects, institutions."""

    def judged(case: Case) -> Said:
        row = CODES[case.use.code]
        pattern = SHAPES[row.parameter][0]
        if not case.use.values:
            return Verdict.MANUAL, f"only certain {what}, and nobody wrote down which"
        found = have(case.situation)
        if found and "" not in found and found <= frozenset(case.use.values):
            return Verdict.PERMIT, f"only certain {what}, and this is one of them"
        if not all(pattern.fullmatch(value) for value in case.use.values):
            return Verdict.MANUAL, f"only certain {what}, named in words: a person must read them"
        return Verdict.DENY, f"only certain {what}, and not everybody here is one of them"

    return judged


def _collaboration(case: Case) -> Said:
    if case.situation.collaboration.strip():
        return Verdict.PERMIT, "a collaboration with those who collected the data is named"
    return Verdict.DENY, "collaboration with those who collected the data is needed, and none is named"


def _owed(case: Case) -> Said:
    row = CODES[case.use.code]
    return Verdict.PERMIT, f"{row.label}: owed for the data, and does not keep a room shut"


def _care(case: Case) -> Said:
    del case
    return Verdict.PERMIT, "people agreed to the care of patients too"


def unknown(case: Case) -> Said:
    """Ask a person about a code that the ontology does not have, or that is a heading."""
    return Verdict.MANUAL, f"{case.use.code[:40]} says nothing that a machine knows: a person must read it"


def _named(terms: Collection[str]) -> str:
    return " and ".join(TERMS.get(term, term) for term in sorted(terms))


def _diseases(case: Case, codes: Collection[str]) -> str:
    named = [(case.diseases.label(code), code) for code in codes]
    return " or ".join(code if label == code else f"{label} ({code})" for label, code in named)


CHECKS: Mapping[str, Callable[[Case], Said]] = {
    "NRES": _any,
    "GRU": _permission(_research),
    "HMB": _permission(_health),
    "DS": _permission(_disease),
    "POA": _permission(_origins),
    "RS": _topic,
    "NMDS": _no_methods,
    "GSO": _genetic,
    "NPUNCU": _neither,
    "NPU": _not_for_profit,
    "NCU": _not_commercial,
    "PUB": _owed,
    "COL": _collaboration,
    "IRB": _ethics,
    "GS": _places,
    "MOR": _owed,
    "TS": _time,
    "US": _listed("users", lambda situation: situation.people),
    "PS": _listed("projects", lambda situation: frozenset({situation.project})),
    "IS": _listed("institutions", lambda situation: situation.institutions),
    "RTN": _owed,
    "CC": _care,
    "NPOA": _no_origins,
}
