"""Resources come as one, as a Bundle, or one a line, packed or not; bombs, double keys and torn lines are found."""

import gc
import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, BinaryIO

import orjson

from tre.data.deid.fhir.part import Fhir
from tre.data.deid.fhir.references import Bundle, Known, Target, known
from tre.errors import Unreadable

LARGEST = 256 << 20
"""Bytes of one document: a Bundle is read whole."""
LONGEST = 64 << 20
"""Bytes of one line after the first."""
LARGE = 1 << 20
SWOLLEN = 200
"""A packed file may unpack to this many times its size; JSON packs to a tenth or a thirtieth."""
HARMLESS = 64 << 20
DEEPEST = 4
"""Bundles within Bundles."""

Resource = dict[str, Any]  # JSON: whoever looks into it asks first what it is


class Broken(Exception):
    """What stands here is no JSON object that can be read; the reason, without any of it."""


@dataclass(slots=True)
class Item:
    """One resource where it stood, or why there is none."""

    place: str
    resource: Resource
    bundle: Bundle | None = None
    fault: str = ""
    id: str = ""


def items(file: BinaryIO, part: Fhir) -> Iterator[Item]:
    """Yield each resource of a file."""
    lines = _lines(file)
    first = next(lines, b"")
    if not first:
        raise Unreadable("FHIR: the file is empty")
    try:
        document = parse(first)
    except Broken as fault:
        if not _looks_like_a_line(first):
            yield from _whole(first, lines, part)
            return
        yield Item("line 1", {}, fault=str(fault))
    else:
        yield from _found(document, "line 1", part)
    for number, line in enumerate(lines, 2):
        if line.isspace():
            continue
        try:
            document = parse(line)
        except Broken as fault:
            yield Item(f"line {number}", {}, fault=str(fault))
            continue
        if document.get("resourceType") == "Bundle":
            yield from _found(document, f"line {number}", part)
        else:
            yield Item(f"line {number}", document, id=_id(document))


def _looks_like_a_line(line: bytes) -> bool:
    bare = line.strip()
    return bare.startswith(b"{") and bare.endswith(b"}") and b'"resourceType"' in bare


def _whole(first: bytes, lines: Iterator[bytes], part: Fhir) -> Iterator[Item]:
    """Read one document over many lines."""
    parts, size = [first], len(first)
    for line in lines:
        parts.append(line)
        size += len(line)
        if size > LARGEST:
            raise Unreadable(
                f"FHIR: a document of more than {LARGEST >> 20} MB; export it as bulk data, one resource a line"
            )
    try:
        document = parse(b"".join(parts))
    except Broken as fault:
        raise Unreadable(f"FHIR: {fault}") from None
    yield from _found(document, "document", part)


def parse(raw: bytes) -> Resource:
    """Read one JSON object in which each key stands once."""
    raw = raw.strip()
    if len(raw) < LARGE:
        return _parse(raw)
    collecting = gc.isenabled()
    gc.disable()  # millions of parts, none of them garbage
    try:
        return _parse(raw)
    finally:
        if collecting:
            gc.enable()


def _parse(raw: bytes) -> Resource:
    try:
        found = orjson.loads(raw)
        written = orjson.dumps(found)  # which goes less deep than reading does
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        raise Broken("not JSON in UTF-8, or nested too deeply") from None
    if not isinstance(found, dict):
        raise Broken("JSON, but no object")
    if not _canonical(raw, written):
        _keys_stand_once(raw)
    return found


def _canonical(raw: bytes, written: bytes) -> bool:
    """Say whether this is as it would be written again, blanks aside: then no key was lost."""
    return raw == written or raw.replace(b'": ', b'":').replace(b", ", b",") == written.replace(b'": ', b'":').replace(
        b", ", b","
    )


def _keys_stand_once(raw: bytes) -> None:
    try:
        json.loads(raw, object_pairs_hook=_once, parse_int=_nothing, parse_float=_nothing, parse_constant=_nothing)
    except (ValueError, RecursionError):
        raise Broken("not JSON, or nested too deeply") from None


def _once(pairs: list[tuple[str, object]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise Broken("a key stands twice in one object")


def _nothing(_: str) -> None:
    return None


def _found(document: Resource, place: str, part: Fhir, depth: int = 1) -> Iterator[Item]:
    """Yield the resource, or those of a Bundle."""
    if document.get("resourceType") != "Bundle":
        yield Item(place, document, id=_id(document))
        return
    if depth > DEEPEST:
        yield Item(place, {}, fault="Bundles within Bundles within Bundles")
        return
    entries = document.get("entry", [])
    if not isinstance(entries, list):
        yield Item(place, {}, fault="a Bundle whose entries are no list")
        return
    held = [(f"{place}, entry {at}", entry) for at, entry in enumerate(entries, 1) if isinstance(entry, dict)]
    bundle, ids = _gathered([entry for _, entry in held], part)
    for (where, entry), id_ in zip(held, ids, strict=True):
        resource = entry.get("resource")
        if not isinstance(resource, dict):
            continue
        if resource.get("resourceType") == "Bundle":
            yield from _found(resource, where, part, depth + 1)
        else:
            yield Item(where, resource, bundle, id=id_)


def _gathered(entries: list[Resource], part: Fhir) -> tuple[Bundle, list[str]]:
    """Learn which address stands for which resource."""
    bundle, ids = Bundle(), []
    for entry in entries:
        resource, url = entry.get("resource"), entry.get("fullUrl")
        if not isinstance(resource, dict):
            ids.append("")
            continue
        kind, id_ = resource.get("resourceType"), _id(resource)
        if not id_ and kind == "Patient":
            id_ = _made_up(resource)
            bundle.patients[id_] = identifiers(resource, part)
        elif not id_ and isinstance(url, str):
            id_ = url
        ids.append(id_)
        if isinstance(url, str) and isinstance(kind, str) and id_:
            bundle.stands(url, Target(kind, id_))
        if kind == "Encounter" and id_:
            bundle.encounters[id_] = resource.get("subject") or resource.get("patient")
    return bundle, ids


def _made_up(resource: Resource) -> str:
    """Name a Patient that has no id by its content."""
    return "\0" + sha256(orjson.dumps(resource, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _id(resource: Resource) -> str:
    found = resource.get("id")
    return found if isinstance(found, str) else ""


def identifiers(patient: Resource, part: Fhir) -> tuple[Known, ...]:
    """Return a Patient's identifiers of the systems that the plan names."""
    said = patient.get("identifier")
    pairs = (
        (known(one.get("system"), one.get("value"), part) for one in said if isinstance(one, dict))
        if isinstance(said, list)
        else ()
    )
    return tuple(one for one in pairs if one is not None)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines, unpacked; the first may be a whole document."""
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    source = gzip.GzipFile(fileobj=file) if packed else file
    limit, total = LARGEST, 0
    try:
        while line := source.readline(limit + 1):
            if len(line) > limit:
                raise Unreadable(
                    f"FHIR: more than {limit >> 20} MB in one line; export it as bulk data, one resource a line"
                )
            total += len(line)
            if packed and total > HARMLESS and total > SWOLLEN * file.tell():
                raise Unreadable(f"FHIR: unpacks to more than {SWOLLEN} times its size")
            yield line if limit == LONGEST else line.removeprefix(b"\xef\xbb\xbf")
            limit = LONGEST
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise Unreadable("FHIR: packed with gzip, but torn or damaged") from None
