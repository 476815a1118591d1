"""The header of a variant file says who, where and how it was made; a new one is written that says only what is known.

Nothing is copied from the old one but words of closed lists: ids that the table or the plan knows, numbers, types.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tre.data.deid.variants.part import Variants
from tre.data.deid.variants.rules import NUMBERS, TYPES, Field, Rules
from tre.errors import Unreadable

LONGEST = 64 << 20
COLUMNS = b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
OTHER = "OTHER"
"""Stands for a filter of the source whose name is not known."""
KEPT = "Kept because the plan says so"
FILTERS = {
    OTHER: "Failed a filter of the source whose name is not among the known ones",
    "PASS": "All filters passed",
}
FILTER = "Failed the filter of this name"
ALLELE = "Allele of this kind"

_LINE = re.compile(r"##(\w+)=<(.*)>\s*")
_PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^,"]*)(?:,|$)')
_ALLELE = re.compile(r"[\w:*]+")
_WORD = re.compile(r"[A-Za-z_][0-9A-Za-z_.]*")
_LENGTH = re.compile(r"\d{1,10}", re.ASCII)
_NOT_A_NAME = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Line:
    """One `##KEY=<ID=...>` line."""

    key: str
    id: str
    said: Mapping[str, str]


@dataclass(frozen=True)
class Header:
    """What the header of a source says, as far as anyone here reads it."""

    fileformat: str
    lines: tuple[Line, ...]
    samples: tuple[str, ...]
    genotypes: bool
    """Whether there is a FORMAT column."""
    bytes: int
    others: int
    """Lines of no known kind."""
    indexes: Mapping[tuple[str, str], int] | None = field(default=None, repr=False)
    """(contig or string, id) -> its place in a BCF's dictionary; None where the lines contradict each other."""


@dataclass(frozen=True)
class Known:
    """What of a file may stay."""

    info: Mapping[str, Field]
    format: Mapping[str, Field]
    filters: frozenset[str]


def parse(raw: bytes) -> Header:
    """Read a header: `##` lines, then the line of columns."""
    *meta, columns = raw.rstrip(b"\0").rstrip(b"\r\n").split(b"\n")
    if not raw.startswith(b"##fileformat=VCF"):
        raise Unreadable("a VCF needs ##fileformat as its first line")
    lines = [one for one in map(_line, meta) if one is not None]
    names = _samples(columns)
    return Header(
        fileformat=meta[0][13:].strip().decode("ascii", "replace"),
        lines=tuple(lines),
        samples=names,
        genotypes=columns.rstrip(b"\r").count(b"\t") > COLUMNS.count(b"\t"),
        bytes=len(raw),
        others=len(meta) - 1 - len(lines),
        indexes=_indexes(lines),
    )


def _line(raw: bytes) -> Line | None:
    found = _LINE.fullmatch(raw.decode("utf-8", "surrogateescape"))
    if found is None or found[1] not in {"contig", "INFO", "FORMAT", "FILTER", "ALT"}:
        return None
    said = {key: value.strip('"') for key, value in _PAIR.findall(found[2])}
    return Line(found[1], said["ID"], said) if said.get("ID") else None


def _samples(columns: bytes) -> tuple[str, ...]:
    columns = columns.rstrip(b"\r")
    if columns != COLUMNS and not columns.startswith(COLUMNS + b"\tFORMAT"):
        raise Unreadable("a VCF needs a line #CHROM POS ID REF ALT QUAL FILTER INFO, separated by tabs")
    names = tuple(one.decode("utf-8", "surrogateescape") for one in columns.split(b"\t")[9:])
    if len(set(names)) != len(names):
        raise Unreadable("two samples have the same name")
    if any(not name.strip() or _NOT_A_NAME.search(name) for name in names):
        raise Unreadable("a sample has no name, or one with control characters")
    return names


def _indexes(lines: Iterable[Line]) -> Mapping[tuple[str, str], int] | None:
    """Give contigs and strings htslib's numbers: by IDX, or else in their order with PASS first."""
    found: dict[tuple[str, str], int] = {("string", "PASS"): 0}
    told = [line for line in lines if line.key != "ALT"]
    explicit = {("IDX" in line.said) for line in told}
    if len(explicit) > 1 and not all("IDX" in line.said or line.id == "PASS" for line in told):
        return None
    for line in told:
        kind = "contig" if line.key == "contig" else "string"
        if "IDX" in line.said:
            if not line.said["IDX"].isdecimal() or found.get((kind, line.id), int(line.said["IDX"])) != int(
                line.said["IDX"]
            ):
                return None
            found[kind, line.id] = int(line.said["IDX"])
        else:
            found.setdefault((kind, line.id), sum(one == kind for one, _ in found))
    return found if len({(kind, at) for (kind, _), at in found.items()}) == len(found) else None


def declared(header: Header) -> frozenset[str]:
    """Return the contigs that a header declares; old files declare none."""
    return frozenset(line.id for line in header.lines if line.key == "contig")


def with_contigs(header: Header, names: Iterable[str]) -> Header:
    """Declare the contigs that the records of an old file stand on."""
    return replace(header, lines=(*header.lines, *(Line("contig", name, {}) for name in names)))


def known(header: Header, rules: Rules, part: Variants) -> Known:
    """Return what of this file may stay: what it declares and the table or the plan knows, in a fitting type."""
    texts = frozenset(part.texts)
    names = (line.id for line in header.lines if line.key == "FILTER")
    return Known(
        info=dict(_fields(header, "INFO", rules.info, rules, texts)),
        format=dict(_fields(header, "FORMAT", rules.format, rules, texts)),
        filters=frozenset(name for name in names if name in texts or rules.is_a("filter", octets(name))),
    )


def _fields(
    header: Header, key: str, table: Mapping[str, Field], rules: Rules, texts: frozenset[str]
) -> Iterator[tuple[str, Field]]:
    for line in header.lines:
        if line.key == key:
            found = _field(line, table.get(line.id), rules, texts)
            if found is not None:
                yield line.id, found


def _field(line: Line, rule: Field | None, rules: Rules, texts: frozenset[str]) -> Field | None:
    kind, number = line.said.get("Type", ""), line.said.get("Number", "")
    if rule is None:
        fits = line.id in texts and _WORD.fullmatch(line.id) and kind in TYPES and NUMBERS.fullmatch(number)
        return Field(number, kind, KEPT, None) if fits else None
    if kind == rule.type:
        return rule
    if {kind, rule.type} == {"Integer", "Float"}:
        return replace(rule, type=kind, shape=rules.values[kind])
    return None


def rebuilt(
    header: Header,
    may: Known,
    rules: Rules,
    samples: Sequence[str],
    *,
    indexes: Mapping[tuple[str, str], int] | None = None,
) -> bytes:
    """Write the new header; `indexes` for a BCF whose records are copied as they are."""
    form = header.fileformat if header.fileformat in rules.fileformats else "VCFv4.2"
    lines = [f"##fileformat={form}", *_definitions(header, may, rules, indexes)]
    columns = COLUMNS.decode() + ("\tFORMAT" if header.genotypes else "")
    return "\n".join([*dict.fromkeys(lines), "\t".join([columns, *samples]), ""]).encode()


def _definitions(
    header: Header, may: Known, rules: Rules, indexes: Mapping[tuple[str, str], int] | None
) -> Iterator[str]:
    def place(kind: str, name: str) -> str:
        return "" if indexes is None else f",IDX={indexes[kind, name]}"

    yield f'##FILTER=<ID=PASS,Description="{FILTERS["PASS"]}"{place("string", "PASS")}>'
    if indexes is None:
        yield f'##FILTER=<ID={OTHER},Description="{FILTERS[OTHER]}">'
    for name in sorted(may.filters - FILTERS.keys()):
        yield f'##FILTER=<ID={name},Description="{FILTER}"{place("string", name)}>'
    for line in header.lines:
        if line.key == "contig" and rules.is_a("contig", octets(line.id)):
            yield f"##contig=<ID={line.id}{_contig(line.said, rules)}{place('contig', line.id)}>"
        elif line.key == "ALT" and _ALLELE.fullmatch(line.id) and rules.is_a("alt", octets(f"<{line.id}>")):
            yield f'##ALT=<ID={line.id},Description="{ALLELE}">'
    for key, fields in (("INFO", may.info), ("FORMAT", may.format)):
        for name, one in fields.items():
            said = f'ID={name},Number={one.number},Type={one.type},Description="{one.description}"'
            yield f"##{key}=<{said}{place('string', name)}>"


def _contig(said: Mapping[str, str], rules: Rules) -> str:
    length, assembly = said.get("length", ""), said.get("assembly", "")
    kept = f",length={length}" if _LENGTH.fullmatch(length) else ""
    return kept + (f",assembly={assembly}" if assembly in rules.assemblies else "")


def octets(text: str) -> bytes:
    """Return the very bytes of the source."""
    return text.encode("utf-8", "surrogateescape")
