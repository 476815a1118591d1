"""The front door: files of every kind come in, each is looked at, and lies sealed in the silo under its dataset's plan.

All or nothing: the files of a version are sealed aside; the folder gets its name in the same act that records the
version. Whoever is killed on the way leaves no version, and the same command goes on where it was: a journal says
which files are done with.

A dataset with a linkage of the house leaves out what it cannot vouch for, file by file (`tre dataset quarantine`).
One whose own table lists its persons comes in as a whole or is refused with its first bad file.
"""

import base64
import csv
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tre import show
from tre.data import catalogue, crypt4gh, door, handles, index, journal, keeping, linkage, silo, sniff, walk
from tre.data.confined import SAID, Child
from tre.data.deid import plan as plans
from tre.data.deid.stored import Kind
from tre.data.entry import Held, entry
from tre.data.links import Links
from tre.data.manifest import File, Manifest
from tre.errors import Refused, TREError, Unavailable, Unreadable
from tre.records import audit
from tre.records.db import Records
from tre.records.tables import DatasetRow, DatasetVersionRow, LinkageRow
from tre.settings import Settings

FORMAT = "1"
"""Of the journal: another does not go on from here."""
JOURNAL = "journal"
BOOT = Path("/proc/sys/kernel/random/boot_id")
LINKAGE = frozenset({"system", "type", "value", "subject"})
TOLD = 20
"""Files whose reasons are told when nothing at all could be taken."""
SERVE = "tre.data.looks:serve"
Ticks = Callable[[int], None]


def no_ticks(done: int) -> None:
    """Report to nobody."""


def ingest(
    records: Records,
    settings: Settings,
    name: str,
    paths: Sequence[Path],
    *,
    actor: str,
    now: datetime,
    ticks: Ticks = no_ticks,
) -> int:
    """Bring files in as the next version of a dataset; return its number. `ticks` hears of bytes read."""
    with records.read() as session:
        registered = catalogue.in_use(session, name)
    plan = plans.parse(registered.plan)
    folder = silo.folder_of(settings, name)
    with keeping.alone(folder, f"dataset {name}"), ExitStack() as held:
        child = Child(SERVE, {"plan": registered.plan, "looks": LOOKS})
        held.callback(child.close)
        survey = _surveyed(paths, plan, child)
        links = _linked(records, settings, plan, survey, actor=actor, now=now)
        with records.read() as session:
            number = _next(session, name)
        order = _Order(settings, name, number, plan, registered, tuple(paths), survey, links)
        made = folder / f"{keeping.ASIDE}ingest"
        try:
            with keeping.disk(folder, goes_on=not order.strict):
                return _made(records, order, made, child, ticks, actor=actor, now=now)
        except TREError as error:
            if order.strict or not isinstance(error, Unavailable):
                shutil.rmtree(made, ignore_errors=True)
            raise


LOOKS: dict[str, tuple[str, str]] = {}
"""Kind -> section of the plan and module that looks, in place of those of `tre.data.looks`: for tests."""


@dataclass
class _Survey:
    """What was met on a first walk: how much there is, and what must be read before the rest."""

    files: int = 0
    bytes: int = 0
    tables: dict[str, str] = field(default_factory=dict)
    linkages: list[tuple[str, Path, str]] = field(default_factory=list)
    """Path as the walk gives it, where it lies, its SHA-256."""


@dataclass(frozen=True)
class _Order:
    """What is to be brought in, and under what."""

    settings: Settings
    dataset: str
    number: int
    plan: plans.Plan
    registered: DatasetRow
    paths: tuple[Path, ...]
    survey: _Survey
    links: Links | None

    @property
    def strict(self) -> bool:
        """A dataset with a table of its own comes in as a whole or not at all."""
        return not self.plan.linkage_name

    @property
    def mark(self) -> str:
        """Tell this order from one with another plan, linkage or other paths."""
        links = [self.links.name, self.links.number] if self.links else []
        where = [str(path.absolute()) for path in self.paths]
        return audit.digest([FORMAT, self.dataset, self.number, self.registered.plan_sha256, links, where])


def measured(paths: Sequence[Path]) -> int | None:
    """Return the bytes below the paths, for a bar of progress; nothing where one is not there."""
    try:
        return sum(found.seen.size for found in walk.walk(paths) if found.seen is not None)
    except Unreadable:
        return None


# --- before anything is taken ----------------------------------------------------------------------------------------
def _surveyed(paths: Sequence[Path], plan: plans.Plan, child: Child) -> _Survey:
    """Walk once: find the linkage, and for a dataset with a table of its own see that each table has its file."""
    survey = _Survey()
    strict = not plan.linkage_name
    if strict:
        _named(paths, plan)
    for path in paths:
        for found in walk.walk([path]):
            survey.files += 1
            survey.bytes += found.seen.size if found.seen else 0
            if strict:
                _claim(found, plan, survey)
            elif (digest := _linkage_of(found, child)) is not None:
                survey.linkages.append((found.path, path.absolute().parent / found.path, digest))
    for table in plan.tables if strict else ():
        if table.name not in survey.tables:
            raise Unreadable(f"no file for the table {table.name} of the plan: give {table.name}.csv or .parquet too")
    if len(survey.linkages) > 1:
        raise Unreadable(f"{len(survey.linkages)} linkages were found, and only one can hold: leave the others out")
    return survey


def _named(paths: Sequence[Path], plan: plans.Plan) -> None:
    """See that each file that was named is of a table of its own."""
    met: set[str] = set()
    for path in paths:
        name = handles.stem(path.name)
        if path.is_dir():
            continue
        if plan.table(name) is None:
            raise _no_table(path.name, plan)
        if name in met:
            raise Unreadable(f"{path.name}: a second file for the table {name}")
        met.add(name)


def _claim(found: walk.Found, plan: plans.Plan, survey: _Survey) -> None:
    name = handles.stem(found.name)
    if plan.table(name) is None:
        raise _no_table(found.name, plan)
    if name in survey.tables:
        raise Unreadable(f"{found.name}: a second file for the table {name}")
    survey.tables[name] = found.path


def _no_table(name: str, plan: plans.Plan) -> Unreadable:
    known = ", ".join(table.name for table in plan.tables)
    return Unreadable(f"{name}: the plan has no table {handles.stem(name)}; it has {known}")


def _linkage_of(found: walk.Found, child: Child) -> str | None:
    """Return the SHA-256 of a file that is a linkage, by its columns."""
    if found.seen is None or not found.seen.size:
        return None
    try:
        with found.opened() as handle:
            what = handles.sniffed(handle)
            if what.kind in index.TABLES and _columns(handle, what, found.seen.size, child) == LINKAGE:
                return handles.hashed(handle, found.seen.size)
    except Unreadable:
        return None
    return None


def _columns(handle: int, what: sniff.Sniffed, size: int, child: Child) -> frozenset[str]:
    """Return a table's columns; those of a Parquet are read in the confined process."""
    if what.kind is not Kind.PARQUET:
        head = handles.head_of(handle, gzipped=what.gzipped).removeprefix(b"\xef\xbb\xbf")
        line = head.partition(b"\n")[0].decode("utf-8", "replace").strip()
        return frozenset(next(csv.reader([line], delimiter=what.delimiter), []))
    columns: list[str] = []
    with closing(child.ask({"do": "columns"}, handle, size=size)) as frames:
        for kind, payload in frames:
            columns = json.loads(payload) if kind == SAID else columns
    return frozenset(map(str, columns))


def _linked(
    records: Records, settings: Settings, plan: plans.Plan, survey: _Survey, *, actor: str, now: datetime
) -> Links | None:
    """Open the linkage that holds; one that was found is loaded first, unless it is the one that holds."""
    name = plan.linkage_name
    if not name:
        return None
    for _, path, digest in survey.linkages:
        with records.read() as session:
            known = _loaded(session, name)
        if known != digest:
            linkage.load(records, settings, name, path, actor=actor, now=now)
    with records.read() as session:
        return linkage.newest(session, settings, name)


def _loaded(session: Session, name: str) -> str:
    """Return the SHA-256 of the file that the newest loading came from."""
    mine = select(LinkageRow).where(LinkageRow.name == name).order_by(LinkageRow.number.desc())
    row = session.scalars(mine).first()
    return str(json.loads(row.manifest).get("sha256", "")) if row else ""


def _next(session: Session, name: str) -> int:
    newest = select(func.max(DatasetVersionRow.number)).where(DatasetVersionRow.dataset == name)
    return (session.scalar(newest) or 0) + 1


# --- aside -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Keys:
    """The keys of a version, for use now and as the manifest keeps them."""

    key: bytes
    sealed: bytes
    private: bytes
    sealed_private: bytes


def _made(records: Records, order: _Order, made: Path, child: Child, ticks: Ticks, *, actor: str, now: datetime) -> int:
    """Take every file in, aside; then give the folder its name and write the version down."""
    with ExitStack() as held:
        keys, log, rebooted = _begun(order, made)
        held.callback(log.close)
        place = door.Door(
            dataset=order.dataset,
            number=order.number,
            plan=order.plan,
            key=keys.key,
            public=crypt4gh.public_of(keys.private),
            made=made,
            links=order.links,
            child=child,
            journal=log,
            ticks=ticks,
            rebooted=rebooted,
        )
        listing = index.Writer(made, order.dataset, order.number, keys.key)
        held.callback(listing.close)
        tables = _brought(order, place, listing)
        manifest = Manifest(
            files=tables,
            plan=order.registered.plan,
            plan_sha256=order.registered.plan_sha256,
            key=keys.sealed,
            private=keys.sealed_private,
            index=listing.finish(),
            counts=place.counted(),
            linkage=order.links.name if order.links else "",
            linkage_version=order.links.number if order.links else 0,
        )
        _clear(made, place)
    _record(records, order, manifest, made, place.persons.count, actor=actor, now=now)
    return order.number


def _begun(order: _Order, made: Path) -> tuple[_Keys, journal.Journal, bool]:
    """Go on from the journal that is there, if it is of this order; else begin anew."""
    path, settings = made / JOURNAL, order.settings
    boot = BOOT.read_text("ascii").strip() if BOOT.exists() else ""
    said = journal.read_head(path)
    if said is not None and said.get("of") == order.mark and not order.strict:
        sealed, sealed_private = (base64.b64decode(said[name]) for name in ("key", "private"))
        key = silo.open_key(settings, order.dataset, order.number, sealed)
        private = silo.open_private(settings, order.dataset, order.number, sealed_private)
        keys = _Keys(key, sealed, private, sealed_private)
        return keys, journal.Journal.go_on(path, key), said.get("boot") != boot
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(mode=0o700)
    key, sealed = silo.new_key(settings, order.dataset, order.number)
    private, sealed_private = silo.new_private(settings, order.dataset, order.number)
    head = {"of": order.mark, "boot": boot}
    head |= {"key": base64.b64encode(sealed).decode(), "private": base64.b64encode(sealed_private).decode()}
    return _Keys(key, sealed, private, sealed_private), journal.Journal.begin(path, head, key), False


def _brought(order: _Order, place: door.Door, listing: index.Writer) -> tuple[File, ...]:
    """Walk again and bring every file in; return the tables."""
    tables: list[File] = []
    why: list[str] = []
    taken = 0
    for found in _in_turn(order):
        row = place.bring(found)
        listing.add(row)
        if row.state is index.State.REFUSED:
            why += [f"{show.visible(row.path)}: {row.reason}"] if len(why) < TOLD else []
            continue
        taken += 1
        if row.is_table:
            source = f"{row.stored}.{row.kind}"
            tables.append(File(row.stored, source, row.kind, row.records, row.bytes, row.sha256, row.stored_bytes,
                               row.stored_sha256))  # fmt: skip
    if not taken:
        raise Refused(f"nothing could be taken of {listing.count} files", remedies=why)
    return tuple(tables)


def _in_turn(order: _Order) -> Iterator[walk.Found]:
    """Yield the files: all but the linkage, and the plan's own table of persons first."""
    linkages = {path for path, _, _ in order.survey.linkages}
    first = order.plan.linkage
    if first:
        yield from (found for found in walk.walk(order.paths) if handles.stem(found.name) == first)
    for found in walk.walk(order.paths):
        if found.path not in linkages and not (first and handles.stem(found.name) == first):
            yield found


def _clear(made: Path, place: door.Door) -> None:
    """Remove what is of no file of this version, and the journal; see the rest onto the disk."""
    for path in (made / "files").glob("*/*"):
        serial = int(path.parent.name) * 1000 + int(path.stem)
        if serial >= len(place.serials) or not place.serials[serial]:
            path.unlink()
    for path in made.glob("*.sealed"):
        if path.stem not in {*place.tables, index.NAME}:
            path.unlink()
    keeping.sync_all(made)


# --- keeping ---------------------------------------------------------------------------------------------------------
def _record(
    records: Records, order: _Order, manifest: Manifest, made: Path, persons: int, *, actor: str, now: datetime
) -> None:
    """Give the folder its name and write the version down, in one act."""
    name, number = order.dataset, order.number
    rows = sum(file.rows for file in manifest.files)
    with records.act(actor, "dataset.ingest", f"dataset/{name}") as session:
        registered = catalogue.in_use(session, name, for_update=True)
        said = json.dumps(_entry(order, manifest, registered.title, persons))
        session.add(
            DatasetVersionRow(
                dataset=name, number=number, manifest=manifest.to_json(), entry=said, persons=persons, rows=rows,
                ingested_at=now,
            )
        )  # fmt: skip
        audit.append(
            session,
            "dataset.ingest",
            actor=actor,
            subject=f"dataset/{name}",
            at=now,
            plan_sha256=manifest.plan_sha256,
            version=number,
            persons=persons,
            rows=rows,
            files={file.name: file.sha256 for file in manifest.files},
            kinds={kind: vars(count) for kind, count in manifest.counts.items()},
            index=manifest.index,
            linkage=manifest.linkage,
            linkage_version=manifest.linkage_version,
        )
        (made / JOURNAL).unlink(missing_ok=True)
        keeping.settle(made, silo.folder_of(order.settings, name) / str(number))


def _entry(order: _Order, manifest: Manifest, title: str, persons: int) -> dict[str, object]:
    """Return what the catalogue shows."""
    kinds = {
        kind: Held(count.files, count.records)
        for kind, count in manifest.counts.items()
        if kind not in index.TABLES and count.files
    }
    rows = {file.name: file.rows for file in manifest.files}
    return entry(order.plan, title=title, persons=persons, rows=rows, kinds=kinds)
