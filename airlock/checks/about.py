"""What an author says a file is, and how its numbers can be made again: the output manifest.

    {"kind": "table", "context": "Table 2 of the paper", "controls": "groups below 10 left out",
     "made": {"dataset": "trial", "version": 1, "table": "trial", "cohort": "age >= 40 and arm = 'placebo'",
              "dimensions": ["arm", "sex"], "measures": {"n": "persons", "weight": "mean(weight)"},
              "suppress_below": 10, "round_to": 1}}

`dimensions` and the keys of `measures` are heads of the file's columns; a dimension is a column of the data under the
same name. It is a claim: the airlock makes the numbers again and compares.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from tre.errors import Unreadable

LONGEST = 4000
MOST = 60
LARGEST_MORE = 64 * 1024
"""Bytes of what the kind asks for besides, as JSON."""
DEEPEST_MORE = 8
_MEASURE = re.compile(r"\s*([a-z0-9_]+)\s*(?:\((.*)\))?\s*\Z", re.DOTALL)


class Sort(StrEnum):
    """What a file is said to be; each asks for its own checks."""

    TABLE = "table"
    FIGURE = "figure"
    REGRESSION = "regression"
    SURVIVAL = "survival"
    GENOMICS = "genomics"
    MODEL = "model"
    TEXT = "text"
    CODE = "code"


MEASURES = {
    "persons": "how many different persons",
    "sum": "sum of a column over persons",
    "mean": "mean of a column over persons",
    "sd": "standard deviation over persons",
    "median": "median over persons",
    "percentile": "a percentile: percentile(column, 0.25)",
    "min": "smallest value",
    "max": "largest value",
    "mode": "most frequent value",
    "proportion": "share of persons for whom a condition holds: proportion(died = 1)",
}


@dataclass(frozen=True)
class Measure:
    """One measured column: `head` in the file is `verb` of `what` (a column, or a condition) in the data."""

    head: str
    verb: str
    what: str = ""


@dataclass(frozen=True)
class Made:
    """The output manifest of one table: enough to make it again."""

    dataset: str
    version: int
    table: str
    cohort: str = ""
    """Who is counted, as a condition over columns (`tre.data.cohorts`); empty for everybody."""
    dimensions: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    suppress_below: int = 0
    """Cells of fewer persons are hidden in the file."""
    round_to: int = 1


@dataclass(frozen=True)
class About:
    """What is said of a file."""

    kind: Sort = Sort.TEXT
    said: bool = False
    """Whether anything was said at all: a table of which nothing is said is a warning."""
    context: str = ""
    controls: str = ""
    supports: str = ""
    """Name of the picture in this request whose numbers this file has."""
    asks: str = ""
    """Why a check that blocks should be excepted, for who may grant that."""
    made: Made | None = None
    more: Mapping[str, object] = field(default_factory=dict)
    """What the kind asks for besides: of a regression `{"outcome": .., "regressors": [..], "persons": ..}`, ..."""


def read(said: Mapping[str, object] | None) -> About:
    """Read what was sent about a file, or say in one line what is wrong with it."""
    if not said:
        return About()
    known = {"kind", "context", "controls", "supports", "asks", "made", "more"}
    if more := sorted(map(str, said.keys() - known)):
        raise Unreadable(f"about the file: no field {more[0][:40]!a}; there are {', '.join(sorted(known))}")
    kind = said.get("kind", "text")
    if kind not in tuple(Sort):
        raise Unreadable(f"about the file, kind: say one of {', '.join(Sort)}")
    rest = _more(said.get("more") or {})
    made = said.get("made")
    return About(
        kind=Sort(str(kind)), said=True, made=_made(made) if made else None, more=rest,
        **{name: _text(said.get(name, ""), name) for name in ("context", "controls", "supports", "asks")},
    )  # fmt: skip


def as_json(about: About) -> dict[str, object]:
    """Return what `read` takes."""
    if not about.said:
        return {}
    said = {key: value for key, value in asdict(about).items() if value and key not in {"said", "made"}}
    return said | ({"made": made_json(about.made)} if about.made else {})


def made_json(made: Made) -> dict[str, object]:
    """Return the output manifest as it is written."""
    measures = {m.head: m.verb + (f"({m.what})" if m.what else "") for m in made.measures}
    return {**asdict(made), "dimensions": list(made.dimensions), "measures": measures}


def load(text: str) -> About:
    """Read what `FileRow.about` holds."""
    return read(json.loads(text or "{}"))


def _more(given: object) -> Mapping[str, object]:
    """Return what stays what it is when it is written down and read again."""
    if not isinstance(given, Mapping):
        raise Unreadable("about the file, more: give fields by name")
    if _deeper(given, DEEPEST_MORE):
        raise Unreadable(f"about the file, more: at most {DEEPEST_MORE} lists or objects in each other")
    try:
        size = len(json.dumps(given, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError):  # NaN and infinity, halves of a sign, numbers of thousands of digits
        raise Unreadable("about the file, more: give texts, numbers, lists and fields by name") from None
    if size > LARGEST_MORE:
        raise Unreadable(f"about the file, more: {size} bytes; say it in at most {LARGEST_MORE}")
    return dict(given)


def _deeper(given: object, levels: int) -> bool:
    inner = given.values() if isinstance(given, Mapping) else given if isinstance(given, list | tuple) else ()
    return levels < 0 or any(_deeper(each, levels - 1) for each in inner)


def _made(said: object) -> Made:
    if not isinstance(said, Mapping):
        raise Unreadable("made: give dataset, version, table, cohort, dimensions and measures by name")
    known = set(Made.__dataclass_fields__)
    if more := sorted(map(str, said.keys() - known)):
        raise Unreadable(f"made: no field {more[0][:40]!a}; there are {', '.join(sorted(known))}")
    dimensions, measures = said.get("dimensions", ()), said.get("measures", {})
    if not isinstance(dimensions, list | tuple) or not isinstance(measures, Mapping):
        raise Unreadable("made: give dimensions as a list of heads, measures as head: measure")
    if len(dimensions) + len(measures) > MOST:
        raise Unreadable(f"made: {len(dimensions) + len(measures)} columns; describe at most {MOST}")
    return Made(
        dataset=_text(said.get("dataset", ""), "dataset", needed=True),
        table=_text(said.get("table", ""), "table", needed=True),
        cohort=_text(said.get("cohort", ""), "cohort"),
        version=_number(said, "version", needed=True),
        suppress_below=_number(said, "suppress_below"),
        round_to=_number(said, "round_to") or 1,
        dimensions=tuple(_text(head, "dimensions", needed=True) for head in dimensions),
        measures=tuple(_measure(_text(head, "measures", needed=True), what) for head, what in measures.items()),
    )


def _measure(head: str, said: object) -> Measure:
    found = _MEASURE.match(said) if isinstance(said, str) else None
    if found is None or found[1] not in MEASURES:
        raise Unreadable(f"measures: {head[:40]!a} is not one of {', '.join(MEASURES)}")
    if bool(found[2]) is (found[1] == "persons"):
        raise Unreadable(f"measures: write {MEASURES[found[1]]}")
    return Measure(head, found[1], (found[2] or "").strip())


def _number(said: Mapping[str, object], name: str, *, needed: bool = False) -> int:
    given = said.get(name, 0)
    if not isinstance(given, int) or isinstance(given, bool) or not int(needed) <= given < 1 << 31:
        raise Unreadable(f"made, {name}: give a whole number")
    return given


def _text(given: object, name: str, *, needed: bool = False) -> str:
    if not isinstance(given, str) or len(given) > LONGEST or "\0" in given:
        raise Unreadable(f"{name}: give a text of at most {LONGEST} characters")
    if any("\ud800" <= sign <= "\udfff" for sign in given):
        raise Unreadable(f"{name}: has signs that are no text: type it again")
    if needed and not given.strip():
        raise Unreadable(f"{name}: is missing")
    return given.strip()
