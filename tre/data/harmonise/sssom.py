"""A mapping says which OMOP concept a code of a source stands for; it is data, in the SSSOM format (TSV).

    #curie_map:
    #  LAB: https://ehr.example/lab/              prefix -> code system (Coding.system) and a slash
    #  OMOP: https://athena.ohdsi.org/search-terms/terms/
    subject_id  predicate_id     object_id     mapping_justification         object_category
    LAB:NA      skos:exactMatch  OMOP:3019550  semapv:ManualMappingCuration  Measurement

`object_category` is the concept's domain. A code with characters that a CURIE cannot have is percent-encoded. A code
system that is none of the known ones (`systems.tsv`) has as its codes exactly those that a mapping lists.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from urllib.parse import unquote

import yaml

from tre.errors import Unreadable

SUFFIX = ".sssom.tsv"
NEEDS = ("subject_id", "predicate_id", "object_id", "mapping_justification", "object_category")
MAY = frozenset({
    "subject_label", "object_label", "mapping_provider", "mapping_source", "author_id", "confidence", "comment",
    "mapping_date", "object_source", "object_source_version", "subject_source", "subject_source_version", "license",
    "see_also", "reviewer_id", "mapping_tool", "mapping_tool_version", "predicate_modifier",
})  # fmt: skip
PREDICATES = frozenset(f"skos:{word}Match" for word in ("exact", "close", "broad", "narrow"))
EXACT = "skos:exactMatch"
LARGEST = 50_000_000
LARGEST_CONCEPT = 2**31 - 1


@dataclass(frozen=True)
class Match:
    """One code of a source and its concept."""

    system: str
    code: str
    concept: int
    domain: str
    exact: bool


def shipped() -> tuple[tuple[str, str], ...]:
    """Return name and text of each mapping that comes with the package."""
    found = (one for one in files("tre.data.harmonise").joinpath("mappings").iterdir() if one.name.endswith(SUFFIX))
    return tuple((one.name, one.read_text("utf-8")) for one in sorted(found, key=lambda one: one.name))


def read(text: str, where: str) -> Iterator[Match]:
    """Read a mapping strictly; a fault is told with its line."""
    lines = text.splitlines()
    head = [line[1:] for line in lines if line.startswith("#")]
    systems = _systems(_metadata("\n".join(head), where), where)
    body = [(at, line) for at, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not body:
        raise Unreadable(f"{where}: no line with the names of the columns")
    columns = _columns(body[0][1], f"{where}, line {body[0][0]}")
    for at, line in body[1:]:
        yield _mapping(line, columns, systems, f"{where}, line {at}")


def _metadata(text: str, where: str) -> Mapping[str, object]:
    try:
        said = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        raise Unreadable(f"{where}: the lines with # are no YAML") from None
    if not isinstance(said, dict):
        raise Unreadable(f"{where}: needs lines with # that say curie_map, license and mapping_set_id")
    for key in ("curie_map", "license", "mapping_set_id"):
        if key not in said:
            raise Unreadable(f"{where}: {key} is missing in the lines with #")
    return said


def _systems(said: Mapping[str, object], where: str) -> dict[str, str]:
    """Return the code system of each prefix."""
    prefixes = said["curie_map"]
    if not isinstance(prefixes, dict) or "OMOP" not in prefixes:
        raise Unreadable(f"{where}: curie_map needs `prefix: URL` lines, one of them for OMOP")
    return {str(prefix): str(url).rstrip("/#|") for prefix, url in prefixes.items()}


def _columns(line: str, where: str) -> tuple[str, ...]:
    columns = tuple(line.split("\t"))
    for name in NEEDS:
        if columns.count(name) != 1:
            raise Unreadable(f"{where}: needs the column {name}, once")
    for name in columns:
        if name not in MAY and name not in NEEDS:
            raise Unreadable(f"{where}: a column that is not understood; there may be {', '.join((*NEEDS, *MAY))}")
    return columns


def _mapping(line: str, columns: tuple[str, ...], systems: Mapping[str, str], where: str) -> Match:
    cells = line.split("\t")
    if len(cells) != len(columns):
        raise Unreadable(f"{where}: {len(cells)} cells for {len(columns)} columns")
    said = dict(zip(columns, cells, strict=True))
    prefix, _, code = said["subject_id"].partition(":")
    if prefix not in systems or not code or prefix == "OMOP":
        raise Unreadable(f"{where}: subject_id needs a prefix of curie_map and a code")
    if said["predicate_id"] not in PREDICATES or said.get("predicate_modifier"):
        raise Unreadable(f"{where}: predicate_id is one of {', '.join(sorted(PREDICATES))}")
    if not said["object_category"]:
        raise Unreadable(f"{where}: object_category, the concept's domain, is missing")
    concept = _concept(said["object_id"], where)
    return Match(systems[prefix], unquote(code), concept, said["object_category"], said["predicate_id"] == EXACT)


def _concept(said: str, where: str) -> int:
    prefix, _, number = said.partition(":")
    if prefix != "OMOP" or not (number.isascii() and number.isdigit()) or not 0 < int(number) <= LARGEST_CONCEPT:
        raise Unreadable(f"{where}: object_id needs OMOP: and the number of a concept")
    return int(number)
