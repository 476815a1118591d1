"""The images of one extract: each is read, judged, cleaned and written again, one at a time."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import count as numbers
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from tre.data.deid.dicom import blackout, charset, encode, gate, images, look, profile
from tre.data.deid.dicom.clean import clean
from tre.data.deid.dicom.images import Row, Rows
from tre.data.deid.dicom.look import PATIENT_ID
from tre.data.deid.dicom.parse import Dataset, Image, read, value_of
from tre.data.deid.dicom.part import Dicom, Region
from tre.data.deid.dicom.work import OTHER_IDS, Rules, identifiers
from tre.data.deid.pseudonyms import Domain, Person
from tre.data.deid.stored import Stored, Summary, nobody
from tre.data.deid.who import LEFT_OUT, Absent, Who
from tre.errors import Unreadable

FOLDER = "dicom"
OTHER = 0x00101000
"""OtherPatientIDs, as they were said before they became a sequence."""
TWICE = "the same image twice"
BROKEN = "cannot be read as DICOM any more"


class Held(Exception):
    """Why an image stays out of the extract."""


class _Making(NamedTuple):
    part: Dicom
    who: Who
    rules: Rules
    folder: Path
    cleared: Mapping[str, tuple[Region, ...]]
    done: Summary


def make(
    files: Iterable[Stored],
    folder: Path,
    *,
    part: Dicom,
    who: Who,
    tell: Callable[[int], None] = nobody,
    cleared: Mapping[str, tuple[Region, ...]] | None = None,
) -> Summary:
    """Write every image that may leave; `cleared` is SHA-256 of a file -> regions that a person said to black out."""
    done = Summary(rules={"PS3.15 E.1-1": profile.EDITION, "dicom": profile.digest()})
    making = _Making(part, who, Rules(part, who.naming), folder, cleared or {}, done)
    rows = Rows()
    for stored, at in zip(files, numbers(1), strict=False):
        try:
            rows.add(_one(making, stored))
        except Held as reason:
            done.held[str(reason)] += 1
        except Unreadable:
            done.held[BROKEN] += 1
        tell(at)
    done.counts = Counter({str(verb): count for verb, count in done.counts.items()})
    if done.records:
        _table(making, rows)
    return done


def _one(making: _Making, stored: Stored) -> Row:
    with stored.open() as file:
        image = read(file)
        look.refuse(image)
        person = _person(making, image)
        verdict = gate.verdict(image, making.part, making.cleared.get(stored.sha256))
        if verdict.held:
            raise Held(verdict.held)
        if verdict.regions:
            image = _blackened(image, verdict.regions)
        kept = clean(image, person, making.rules, making.done.counts, looked_at=verdict.looked_at)
        path = _path(making, image, person)
        size = _write(making.folder / path, image, kept)
    _note(making.done, image, person, path)
    return images.row(image, kept, person=person.pseudonym, path=path, blacked_out=bool(verdict.regions), size=size)


def _person(making: _Making, image: Image) -> Person:
    """Return whose the image is; every id in it that the linkage knows must name the same one."""
    ids = look.patients(image)
    if len(ids) != 1:
        raise Held(look.SEVERAL if ids else look.NOBODY)
    person = making.who.person(making.part.system, making.part.patient, ids[0])
    if isinstance(person, Absent):
        raise Held(str(person))
    for other in _others(image):
        known = making.who.person(making.part.system, making.part.patient, other)
        if isinstance(known, Person) and known.subject != person.subject:
            raise Held(look.SEVERAL)
        if known in LEFT_OUT:
            raise Held(str(known))
    return person


def _others(image: Image) -> list[str]:
    found = [image.get(OTHER)]
    for one in image.elements:
        if one.tag == OTHER_IDS and isinstance(one.value, list):
            found += [value_of(item, PATIENT_ID) for item in one.value]
    encodings = charset.of(image)
    said = [part.strip() for value in found for part in charset.decoded(value, encodings).split("\\")]
    return [part for part in said if part]


def _blackened(image: Image, regions: tuple[Region, ...]) -> Image:
    black = blackout.black(image, regions)
    if black is None:
        raise Held(blackout.CANNOT)
    return black


def _path(making: _Making, image: Image, person: Person) -> str:
    naming = making.who.naming
    study = naming.code(Domain.STUDY, image.text(look.STUDY), system="uid")
    series = naming.code(Domain.RECORD, image.text(look.SERIES), system="series")
    sop = naming.code(Domain.FILE, image.text(look.SOP), system="sop")
    return f"{FOLDER}/{person.pseudonym}/{study}/{series}/{sop}.dcm"


def _write(path: Path, image: Image, kept: Dataset) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("xb") as out:
            encode.write(out, kept, image.syntax, image.form, image.file)
            return out.tell()
    except FileExistsError:
        raise Held(TWICE) from None
    except Unreadable:
        path.unlink()
        raise


def _note(done: Summary, image: Image, person: Person, path: str) -> None:
    done.files.append(path)
    done.persons.add(person.pseudonym)
    done.records += 1
    done.identifiers.update((person.pseudonym, value) for value in identifiers(image))


def _table(making: _Making, rows: Rows) -> None:
    path = f"{FOLDER}/images.parquet"
    pq.write_table(rows.table(), making.folder / path, compression="zstd")
    making.done.files.append(path)
    making.done.tables[f"{FOLDER}/images"] = "person"
