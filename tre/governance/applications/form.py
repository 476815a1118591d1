"""What an applicant says of their research, field by field: `FIELDS` is what pages, commands and documents read.

A form may be incomplete and wrong for as long as it is a draft: nothing that somebody typed is thrown away. `faults`
says everything that stands between it and the committee, one line each.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

from policies import duo
from tre.errors import Unreadable
from tre.settings import NAME

LONGEST = 200_000
"""Bytes of a form, whatever is in it."""
MOST = 100
"""Entries of a list."""


class FieldKind(StrEnum):
    """How a field is typed in and read."""

    LINE = "line"
    TEXT = "text"
    CHOICE = "choice"
    CHOICES = "choices"
    NAMES = "names"
    NAME = "name"
    LIST = "list"
    DATASETS = "datasets"
    DAY = "day"
    YES = "yes"


class Field(NamedTuple):
    """One question of the form."""

    name: str
    label: str
    help: str
    kind: FieldKind
    needed: bool = False
    longest: int = 200
    choices: tuple[tuple[str, str], ...] = ()
    """(value, what it says)."""
    part: str = ""
    """Under which heading it stands."""
    agreed: bool = True
    """The people named must accept again when it changes."""
    purpose: bool = False
    """A change of it is a change of purpose."""


TERMS = tuple(duo.TERMS.items())
USES = (("not_for_profit", "not for profit"), ("commercial", "commercial"))
SENSITIVE = tuple(duo.SENSITIVE.items())

_K = FieldKind
_PROJECT, _PURPOSE, _PEOPLE, _DATA, _RESULTS, _EVIDENCE = (
    "The project", "Purpose", "People", "Data", "Results", "Evidence and end",
)  # fmt: skip
FIELDS = (
    Field("project", "Short name", "1-30 characters: a-z, 0-9, single hyphens, a letter first", _K.LINE, True, 30,
          part=_PROJECT),
    Field("title", "Title", "as it may stand in the public register", _K.LINE, True, part=_PROJECT),
    Field("lay_summary", "Lay summary", "what it is about and who gains, for people outside the field; published",
          _K.TEXT, True, 4000, part=_PROJECT, agreed=False),
    Field("purpose", "Purpose", "what is asked of the data, and how it is answered", _K.TEXT, True, 2000,
          part=_PURPOSE, purpose=True),
    Field("terms", "Kinds of research", "investigation terms of the Data Use Ontology", _K.CHOICES, True,
          choices=TERMS, part=_PURPOSE, purpose=True),
    Field("diseases", "Diseases", "ids of MONDO or DOID, e.g. MONDO:0005105; each one that is studied", _K.LIST,
          part=_PURPOSE, purpose=True),
    Field("use", "For whose gain", "commercial is whatever serves a product or a company", _K.CHOICE, True,
          choices=USES, part=_PURPOSE, purpose=True),
    Field("sensitive", "What needs a closer look", "whatever applies; the committee reads it with care", _K.CHOICES,
          choices=SENSITIVE, part=_PURPOSE, purpose=True),
    Field("clinical_care", "Serves the care of single patients", "as well as research", _K.YES, part=_PURPOSE,
          purpose=True),
    Field("lead", "Lead", "who answers for the project; one of its members", _K.NAME, True, 30, part=_PEOPLE),
    Field("members", "Members", "accounts of everybody who works with the data; each must accept", _K.NAMES, True,
          part=_PEOPLE),
    Field("show_lead", "Name the lead in the public register", "otherwise the institution alone is shown", _K.YES,
          part=_PEOPLE),
    Field("countries", "Countries", "where people will work on it, codes of ISO 3166, e.g. DE",
          _K.LIST, part=_PEOPLE),
    Field("datasets", "Datasets", "NAME for the newest version, or NAME@VERSION", _K.DATASETS, True, part=_DATA),
    Field("outputs", "Outputs expected", "tables, figures, models that are to leave", _K.TEXT, True, 4000,
          part=_RESULTS, agreed=False),
    Field("ml_plan", "Plan for models", "if models are to leave: which, trained on what, and how they are checked",
          _K.TEXT, False, 4000, part=_RESULTS),
    Field("ethics", "Ethics vote", "its number and the ethics committee", _K.LINE, part=_EVIDENCE),
    Field("ethics_until", "Ethics vote counts until", "e.g. 2028-06-30", _K.DAY, False, 10, part=_EVIDENCE),
    Field("collaboration", "Collaboration", "who of the data's owners works with you, and where that is agreed",
          _K.TEXT, False, 2000, part=_EVIDENCE),
    Field("start", "Requested start", "if not at once: first day of work, e.g. 2027-01-01", _K.DAY, False, 10,
          part=_EVIDENCE),
    Field("until", "Requested end", "last day of work with the data, e.g. 2028-06-30", _K.DAY, True, 10,
          part=_EVIDENCE),
)  # fmt: skip
BY_NAME: Mapping[str, Field] = {one.name: one for one in FIELDS}
LISTS = frozenset({_K.CHOICES, _K.NAMES, _K.LIST, _K.DATASETS})

DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
DISEASE = re.compile(r"(MONDO|DOID):\d{1,10}")
COUNTRY = re.compile(r"[A-Z]{2}")
DISEASE_TERM = "DUO:0000040"


class Wanted(NamedTuple):
    """A dataset that is asked for; without a version the newest."""

    dataset: str
    version: int | None = None


@dataclass(frozen=True, kw_only=True)
class Form:
    """A form as somebody filled it in, right or wrong; one attribute a row of FIELDS."""

    project: str = ""
    title: str = ""
    lay_summary: str = ""
    purpose: str = ""
    terms: tuple[str, ...] = ()
    diseases: tuple[str, ...] = ()
    use: str = ""
    sensitive: tuple[str, ...] = ()
    clinical_care: bool = False
    lead: str = ""
    members: tuple[str, ...] = ()
    show_lead: bool = False
    countries: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    outputs: str = ""
    ml_plan: str = ""
    ethics: str = ""
    ethics_until: str = ""
    collaboration: str = ""
    start: str = ""
    until: str = ""

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """The datasets, apart from their versions; what is not readable asks for version 0."""
        return tuple(_wanted(one) for one in self.datasets)

    @property
    def commercial(self) -> bool:
        """Whether somebody earns by it; whoever does not say, does."""
        return self.use != "not_for_profit"

    @property
    def end(self) -> datetime | None:
        """The last moment of the requested last day."""
        return moment(self.until)

    @property
    def begin(self) -> datetime | None:
        """The first moment of the requested first day; None if it begins at once."""
        last = moment(self.start)
        return last and last.replace(hour=0, minute=0, second=0)

    @property
    def ethics_end(self) -> datetime | None:
        """The last moment of the day until which the ethics vote counts."""
        return moment(self.ethics_until)

    @property
    def named(self) -> tuple[str, ...]:
        """Everybody the form names, the lead first."""
        return tuple(dict.fromkeys(name for name in (self.lead, *self.members) if name))


class Fault(NamedTuple):
    """What stands between a form and the committee."""

    field: str
    message: str


class Change(NamedTuple):
    """What an amendment changes."""

    field: str
    before: str
    after: str
    purpose: bool = False
    """It changes what the data are used for."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What the house knows of what a form names."""

    people: frozenset[str] = frozenset()
    admins: frozenset[str] = frozenset()
    """People who read no data, so nobody names them."""
    datasets: Mapping[str, int] = field(default_factory=dict)
    """Name -> newest version; 0 if it has none."""
    withdrawn: frozenset[str] = frozenset()
    taken: bool = False
    """There is another project of that name."""
    latest: datetime
    """The last end that may be asked for."""
    disease: Callable[[str], bool] | None = None
    """Whether an ontology that the house has knows a disease; None if it has none."""


# --- reading ----------------------------------------------------------------------------------------------------------
def read(given: str | Mapping[str, object], *, onto: Form | None = None) -> Form:
    """Read a form from JSON or TOML, or from what a page sends; `onto` what it was, where something is not given."""
    values = parse(given) if isinstance(given, str) else given
    if unknown := sorted(set(values) - set(BY_NAME)):
        raise Unreadable(f"form: there is no field {str(unknown[0])[:40]!r}; fields: {', '.join(BY_NAME)}")
    form = replace(onto or Form(), **{name: _value(BY_NAME[name], value) for name, value in values.items()})  # type: ignore[arg-type]  # each kind gives what its attribute holds
    if len(canonical(form)) > LONGEST:
        raise Unreadable(f"form: longer than {LONGEST} bytes")
    return form


def canonical(form: Form) -> bytes:
    """JSON with sorted keys and no spaces: the bytes that are hashed and kept."""
    return json.dumps(asdict(form), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(form: Form) -> str:
    """SHA-256 (hex) of a form."""
    return sha256(canonical(form)).hexdigest()


def agreed(form: Form) -> str:
    """SHA-256 (hex) of what the people named accept; what else changes does not ask them again."""
    said = {name: value for name, value in asdict(form).items() if BY_NAME[name].agreed}
    said["datasets"] = [one.dataset for one in form.wanted]  # the newest version gets its number when it is submitted
    return sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def shown(form: Form, name: str) -> str:
    """Return a field's value as text, e.g. for a difference; lists stand comma by comma."""
    value = getattr(form, name)
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value) if isinstance(value, str) else ("yes" if value else "no")


def difference(old: Form, new: Form) -> tuple[Change, ...]:
    """Return what a form changes of another, in the order of the fields."""
    return tuple(
        Change(one.name, shown(old, one.name), shown(new, one.name), one.purpose)
        for one in FIELDS
        if getattr(old, one.name) != getattr(new, one.name)
    )


def moment(day: str) -> datetime | None:
    """Return the last moment of a day, or None if it is no date."""
    if not DAY.fullmatch(day):
        return None
    try:
        start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return start.replace(hour=23, minute=59, second=59)


def parse(text: str) -> Mapping[str, object]:
    """Return what JSON or TOML says, field by field."""
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST:
        raise Unreadable(f"form: longer than {LONGEST} bytes")
    try:
        values = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"form: neither JSON nor TOML: {' '.join(str(error).split())[:120]}") from None
    if not isinstance(values, dict):
        raise Unreadable("form: write one object with the fields")
    return values


def _value(asked: Field, value: object) -> str | tuple[str, ...] | bool:
    if asked.kind is FieldKind.YES:
        return value if isinstance(value, bool) else str(value).strip().lower() in {"yes", "true", "on", "1"}
    if asked.kind in LISTS:
        return _listed(asked, value)
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str | int | float) and not hasattr(value, "isoformat"):
        raise Unreadable(f"form: {asked.name}: write one text")
    said = _clean(asked, str(value)).strip()
    return said if asked.kind is FieldKind.TEXT else " ".join(said.split())


def _listed(asked: Field, value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, Sequence) or not all(isinstance(one, str) for one in value):
        raise Unreadable(f"form: {asked.name}: write a list of texts")
    said = [part for one in value for part in re.split(r"[\s,;]+", _clean(asked, str(one))) if part]
    if len(said) > MOST:
        raise Unreadable(f"form: {asked.name}: more than {MOST} entries")
    return tuple(dict.fromkeys(said))


def _clean(asked: Field, text: str) -> str:
    """Refuse what no page, table or log can show; keep line breaks."""
    flat = text.replace("\r\n", "\n").replace("\r", "\n")
    flat = "".join(" " if one.isspace() and one not in "\n\t" else one for one in flat)
    if not all(one.isprintable() or one in "\n\t" for one in flat):
        raise Unreadable(f"form: {asked.name}: holds characters that cannot be printed")
    return flat


def _wanted(said: str) -> Wanted:
    name, at, version = said.partition("@")
    if not at:
        return Wanted(name)
    return Wanted(name, int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0)  # noqa: PLR2004 -- no version is longer


# --- faults -----------------------------------------------------------------------------------------------------------
def faults(form: Form, now: datetime, known: Known) -> tuple[Fault, ...]:
    """Return everything that stands between a form and the committee, in the order of its fields."""
    found = [*_missing(form), *_words(form), *_people(form, known), *_purpose(form, known), *_data(form, known),
             *_ends(form, now, known), *_names(form, known)]  # fmt: skip
    order = [one.name for one in FIELDS]
    return tuple(sorted(dict.fromkeys(found), key=lambda fault: order.index(fault.field)))


def _missing(form: Form) -> Iterator[Fault]:
    for one in FIELDS:
        if one.needed and not getattr(form, one.name):
            yield Fault(one.name, f"{one.label}: is needed")


def _words(form: Form) -> Iterator[Fault]:
    for one in FIELDS:
        value = getattr(form, one.name)
        said = value if isinstance(value, tuple) else (value,) if isinstance(value, str) else ()
        if any(len(part) > one.longest for part in said):
            yield Fault(one.name, f"{one.label}: at most {one.longest} characters")
        known = {choice for choice, _ in one.choices}
        for part in said:
            if known and part and part not in known:
                yield Fault(one.name, f"{one.label}: there is no {part[:40]!r}; choose of {', '.join(sorted(known))}")


def _names(form: Form, known: Known) -> Iterator[Fault]:
    if form.project and not NAME.fullmatch(form.project):
        yield Fault("project", "Short name: 1-30 characters: a-z, 0-9, single hyphens, a letter first")
    elif known.taken:
        yield Fault("project", f"Short name: there is already a project {form.project}; choose another")
    for code in form.countries:
        if not COUNTRY.fullmatch(code):
            yield Fault("countries", f"Countries: {code[:10]!r} is not a code of ISO 3166, e.g. DE")


def _people(form: Form, known: Known) -> Iterator[Fault]:
    for where, names in (("lead", (form.lead,)), ("members", form.members)):
        for name in filter(None, names):
            if name not in known.people:
                yield Fault(where, f"{BY_NAME[where].label}: there is no person {name[:40]!r}, or they are suspended")
            elif name in known.admins:
                yield Fault(where, f"{BY_NAME[where].label}: {name} is an admin, and admins read no data")
    if form.lead and form.members and form.lead not in form.members:
        yield Fault("lead", f"Lead: {form.lead[:40]} is not one of the members")


def _purpose(form: Form, known: Known) -> Iterator[Fault]:
    for code in form.diseases:
        if not DISEASE.fullmatch(code):
            yield Fault("diseases", f"Diseases: {code[:40]!r} is not an id of MONDO or DOID, e.g. MONDO:0005105")
        elif known.disease and not known.disease(code):
            yield Fault("diseases", f"Diseases: no ontology of this house knows {code}")
    if DISEASE_TERM in form.terms and not form.diseases:
        yield Fault("diseases", "Diseases: research on a disease names it")


def _data(form: Form, known: Known) -> Iterator[Fault]:
    names = [one.dataset for one in form.wanted]
    for said, (name, version) in zip(form.datasets, form.wanted, strict=True):
        newest = known.datasets.get(name)
        if newest is None:
            yield Fault("datasets", f"Datasets: there is no dataset {name[:40]!r}")
        elif name in known.withdrawn:
            yield Fault("datasets", f"Datasets: {name} is withdrawn")
        elif newest == 0:
            yield Fault("datasets", f"Datasets: {name} has no data yet")
        elif version is not None and not 0 < version <= newest:
            yield Fault("datasets", f"Datasets: {said[:50]!r}: the newest version of {name} is {newest}")
        if names.count(name) > 1:
            yield Fault("datasets", f"Datasets: {name[:40]} is named twice; choose one version")


def _ends(form: Form, now: datetime, known: Known) -> Iterator[Fault]:
    for name in ("start", "until", "ethics_until"):
        said, end, label = getattr(form, name), moment(getattr(form, name)), BY_NAME[name].label
        if said and end is None:
            yield Fault(name, f"{label}: {said[:20]!r} is not a date; write it as 2028-06-30")
        elif end is not None and end <= now:
            yield Fault(name, f"{label}: {said} is past; name a later day")
    if form.end is not None and form.end > known.latest:
        yield Fault("until", f"{BY_NAME['until'].label}: at most {known.latest:%Y-%m-%d}, and then renewed")
    if form.begin is not None and form.end is not None and form.end < form.begin:
        yield Fault("until", f"{BY_NAME['until'].label}: {form.until} is before the start on {form.start}")
    if bool(form.ethics) != bool(form.ethics_until):
        which = "ethics_until" if form.ethics else "ethics"
        yield Fault(which, f"{BY_NAME[which].label}: an ethics vote is a number and a last day")


if {one.name for one in fields(Form)} != set(BY_NAME):  # pragma: no cover -- a slip of whoever edits the table
    raise AssertionError("FIELDS and Form differ")
