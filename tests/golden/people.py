"""Sixty invented people and one stranger: names that are no words, ids of four systems, and what happened to them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

SEED = 20261123
BORN = ((1930, 8, 0), (1948, 7, 7), (1960, 6, 6), (1975, 7, 6), (1988, 7, 6))
"""Year of birth, how many women, how many men: groups large enough for the smallest that a project allows."""
COUNT = sum(women + men for _, women, men in BORN)

OLD = 1930
"""Who was born then is 93 on every day of the story: the last of their stays is the first of January."""
TWINS = (8, 9)
LEAP = 22
"""Born on 29 February."""
PARTIAL = 23
MERGED, CHAINED = 10, 24
"""One old record; two old records, one merged into the other."""
SAME_STRING = 11
"""Their MRN is the accession number of LENDER, and the PACS id of TWINS[0]."""
LENDER = 12
WITHDRAWN = 25
DEAD = (26, 30)

_FIRST = "Ostr Quill Brack Thorn Zephyr Wexl Krondh Valdm Ysold Pemberl Drax Hollin Fennim Grunw Jaspen"
_LAST = "aberry,edoux,ingsworthy,ovitzka,umbarro,ezhnikova,allanto,oskeggi"
_GIVEN = "Alzb Bertr Corisz Demetr Eudox Ferdin Gwendol Hyacin Ildik Jocast Kazim Leocad"
_STREETS = "oldsbury Lane,wickham Row,ertonford Hill,oldsbury Hill,wickham Lane,ertonford Row"
_WOMEN = "etanne,inkasha,ylivette,osmunda,araxie"
_MEN = "olfus,andrik,imirus,ostavik,erjan"


@dataclass(frozen=True)
class Happening:
    """One stay in the hospital, and what was measured, found and given there."""

    start: date
    end: date
    values: tuple[float, ...]
    """No value stands twice in the whole hospital: it finds its row again in any copy."""
    condition: str
    drug: str
    procedure: str


@dataclass(frozen=True)
class Somebody:
    """One person, and what each system calls them."""

    number: int
    subject: str
    family: str
    given: str
    sex: str
    born: date
    mrn: str
    nhs: str
    fhir: str
    pacs: str
    sample: str
    phone: str
    email: str
    street: str
    zip: str
    state: str
    race: str
    died: date | None
    stay: Happening
    old: tuple["Old", ...] = ()

    @property
    def age(self) -> int:
        """In the year of the hospital's story."""
        return self.stay.start.year - self.born.year - ((self.stay.start.month, self.stay.start.day) < self._birthday)

    @property
    def _birthday(self) -> tuple[int, int]:
        return self.born.month, self.born.day

    @property
    def dicom_name(self) -> str:
        """As a scanner writes it."""
        return f"{self.family}^{self.given}"


@dataclass(frozen=True)
class Old:
    """A record of the same person under other ids, merged since."""

    subject: str
    into: str
    mrn: str
    fhir: str
    pacs: str
    sample: str


@dataclass
class _Draw:
    """What is drawn once and never again."""

    random: Random = field(default_factory=lambda: Random(SEED))
    used: set[str] = field(default_factory=set)
    values: int = 0

    def digits(self, size: int) -> str:
        while True:
            text = str(self.random.randrange(10 ** (size - 1), 10**size))
            if text not in self.used:
                self.used.add(text)
                return text

    def name(self, first: str, last: str) -> str:
        while True:
            text = self.random.choice(first.split()) + self.random.choice(last.split(","))
            if text not in self.used:
                self.used.add(text)
                return text

    def lab(self) -> float:
        self.values += 1
        return round(3.0 + self.values * 0.0137, 4)


def everybody() -> tuple[Somebody, ...]:
    """Return the sixty, always the same."""
    draw = _Draw()
    people = [_somebody(number, year, sex, draw) for number, (year, sex) in enumerate(_births())]
    return tuple(_with_traps(people, draw))


def stranger() -> Somebody:
    """Return one whom no linkage knows."""
    draw = _Draw(Random(SEED + 1), set(), 10_000)
    known = {name for one in everybody() for name in (one.family, one.given, one.mrn, one.nhs, one.pacs)}
    draw.used |= known
    return _somebody(COUNT, 1948, "F", draw)


def _births() -> Iterator[tuple[int, str]]:
    for year, women, men in BORN:
        yield from ((year, "F") for _ in range(women))
        yield from ((year, "M") for _ in range(men))


def _somebody(number: int, year: int, sex: str, draw: _Draw) -> Somebody:
    family = draw.name(_FIRST, _LAST)
    given = draw.name(_GIVEN, _WOMEN if sex == "F" else _MEN)
    born = date(year, 1, 1) + timedelta(days=draw.random.randrange(31, 330))
    start = date(2024, 1, 15) + timedelta(days=draw.random.randrange(300))
    end = start + timedelta(days=draw.random.randrange(1, 20))
    return Somebody(
        number=number,
        subject=f"S{number + 1:04}",
        family=family,
        given=given,
        sex=sex,
        born=born,
        mrn="7" + draw.digits(7),
        nhs=_nhs(draw),
        fhir=f"pt-{draw.digits(9)}",
        pacs="P" + draw.digits(8),
        sample=f"GX{draw.digits(7)}",
        phone=f"+44 7700 {draw.digits(6)}",
        email=f"{given}.{family}@post.example".lower(),
        street=f"{draw.random.randrange(1, 99)} {draw.name(_FIRST, _STREETS)}",
        zip=("021" if year in {1948, 1975} else "100") + draw.digits(2),
        state="MA" if year in {1948, 1975} else "NY",
        race=draw.random.choice(("2106-3", "2054-5", "2028-9")),
        died=end + timedelta(days=40) if number in DEAD else None,
        stay=_happening(start, end, number, draw),
    )


def _happening(start: date, end: date, number: int, draw: _Draw) -> Happening:
    return Happening(
        start=start,
        end=end,
        values=tuple(draw.lab() for _ in range(4)),
        condition=("44054006", "38341003", "195967001", "233604007")[number % 4],
        drug=("860975", "314076", "197361")[number % 3],
        procedure=("71388002", "80146002", "430193006")[number % 3],
    )


def _nhs(draw: _Draw) -> str:
    """Return ten digits with the check digit of an NHS number."""
    while True:
        nine = "9" + draw.digits(8)
        check = 11 - sum(int(digit) * weight for digit, weight in zip(nine, range(10, 1, -1), strict=True)) % 11
        if check != 10:
            return nine + str(check % 11)


def _with_traps(people: list[Somebody], draw: _Draw) -> Iterator[Somebody]:
    changed = {number: vars(one) | {} for number, one in enumerate(people)}
    first, second = (changed[number] for number in TWINS)
    second |= {name: first[name] for name in ("family", "born", "street", "zip", "state", "race")}
    changed[LEAP]["born"] = date(1960, 2, 29)
    changed[LEAP]["stay"] = _at(people[LEAP].stay, date(2024, 2, 29), date(2024, 3, 3))
    for number, one in changed.items():
        if one["born"].year == OLD:
            one["stay"] = _at(people[number].stay, date(2023, 12, 28), date(2024, 1, 1))
    changed[TWINS[0]]["pacs"] = changed[SAME_STRING]["mrn"]
    changed[MERGED]["old"] = (_old(people[MERGED], "S0911", people[MERGED].subject, draw),)
    changed[CHAINED]["old"] = (
        _old(people[CHAINED], "S0925", people[CHAINED].subject, draw),
        _old(people[CHAINED], "S0825", "S0925", draw),
    )
    for one in changed.values():
        yield Somebody(**one)


def _at(stay: Happening, start: date, end: date) -> Happening:
    return Happening(start, end, stay.values, stay.condition, stay.drug, stay.procedure)


def _old(one: Somebody, subject: str, into: str, draw: _Draw) -> Old:
    del one
    return Old(
        subject,
        into,
        "7" + draw.digits(7),
        f"pt-{draw.digits(9)}",
        "P" + draw.digits(8),
        f"GX{draw.digits(7)}",
    )
