"""Whether anything in an audit log was changed or removed, found out on any machine, without the house.

Needs `tre.records.merkle`, `tre.records.note` and `cryptography`; no database, no settings, no key of ours:

    python -m tre.records.verify FOLDER --key FILE [--checkpoint FILE] [--witness FILE]

Three things hold an entry in its place: it says its number, the next entry names its hash, and each checkpoint signs
the root of all before it.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from tre.records import merkle, note

ENTRIES = "entries.jsonl"
CHECKPOINTS = "checkpoints.jsonl"
KEY = "log.pub"
UNTRUSTED = "the key is the folder's own: compare it with the one you were given, or pass that with --key"


class Fault(NamedTuple):
    """One thing that is not as it was."""

    entry: int | None
    """Number of the first entry that it may concern."""
    what: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What verification found."""

    size: int
    root: str
    checkpoints: int
    """Checkpoints whose signature and root are right."""
    signed: int
    """Entries that the longest of them covers."""
    key: str
    witnessed: Mapping[str, int] = field(default_factory=dict)
    """Witness that was asked about -> entries that the longest good checkpoint covers which it co-signed."""
    faults: tuple[Fault, ...]
    """First bad entry first; empty if nothing was changed or removed."""


class NotALog(ValueError):
    """The folder does not hold an exported log; says what is missing."""


def folder(
    path: Path, *, key: str = "", kept: Mapping[str, str] | None = None, witnesses: Sequence[note.Verifier] = ()
) -> Report:
    """Verify an exported log, with a key, checkpoints and keys of witnesses that came by another way."""
    found = _text(path / KEY)
    notes = {f"checkpoint {said['size']}": str(said["note"]) for said in _lines(path / CHECKPOINTS)}
    report = log(_bodies(path / ENTRIES), {**notes, **(kept or {})}, note.verifier(key or found), witnesses=witnesses)
    unsigned = Fault(None, f"{_span(report.signed, report.size)} under no good checkpoint")
    return joined(report, [unsigned] if report.signed < report.size else [])


def log(
    bodies: Iterable[bytes],
    notes: Mapping[str, str],
    key: note.Verifier,
    *,
    head: tuple[int, bytes] | None = None,
    witnesses: Sequence[note.Verifier] = (),
) -> Report:
    """Verify entries in order against each other, and against signed checkpoints by name.

    `head` is the log's size and its newest entry's leaf hash, where they are known from elsewhere. Each of `witnesses`
    must have co-signed one of the checkpoints.
    """
    signed, faults = _signed(notes, key)
    walk = _Walk(wanted={checkpoint.size for checkpoint in signed.values()})
    for body in bodies:
        walk.step(body)
    if head:
        walk.arrive(*head)
    good, bad = _compared(signed, walk)
    witnessed, unseen = _witnessed(witnesses, [(signed[name].size, notes[name]) for name in good])
    report = Report(
        size=walk.size,
        root=merkle.root(walk.frontier).hex(),
        checkpoints=len(good),
        signed=max((signed[name].size for name in good), default=0),
        key=str(key),
        witnessed=witnessed,
        faults=(),
    )
    missing = sorted(walk.said_signed - {stated_size(text) for text in notes.values()})
    gone = [Fault(None, f"checkpoint {size} was removed: entry {size - 1} says it was signed") for size in missing]
    return joined(report, [*faults, *walk.faults, *bad, *gone, *unseen])


@dataclass
class _Walk:
    """Goes along the log once; remembers the root wherever a checkpoint wants it."""

    wanted: set[int]
    size: int = 0
    last: bytes = b""
    frontier: merkle.Frontier = ()
    roots: dict[int, bytes] = field(default_factory=dict)
    said_signed: set[int] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)

    def step(self, body: bytes) -> None:
        self._read(body)
        self.last = merkle.leaf_hash(body)
        self.frontier = merkle.grow(self.frontier, self.size, self.last)
        self.size += 1
        if self.size in self.wanted:
            self.roots[self.size] = merkle.root(self.frontier)

    def blame(self, entry: int, what: str) -> None:
        """Keep the first fault of the chain: those after it follow from it."""
        if not self.faults:
            self.faults.append(Fault(entry, what))

    def arrive(self, size: int, last: bytes) -> None:
        """Compare the end with what the log's head says it is."""
        if size != self.size:
            self.blame(min(size, self.size), f"the log's head is that of {size} entries, and there are {self.size}")
        elif last != self.last:
            self.blame(max(size - 1, 0), f"entry {size - 1} was changed: the log's head names another")

    def _read(self, body: bytes) -> None:
        at = self.size
        try:
            said = json.loads(body)
            seq, prev, act = said["seq"], said["prev"], said["act"]
        except (ValueError, KeyError, TypeError):
            self.blame(at, f"entry {at} was changed: it is not an entry")
            return
        if act == "audit.checkpoint":
            self.said_signed.add(at + 1)
        if seq != at:
            later = isinstance(seq, int) and seq > at
            self.blame(at, f"entry {at} is {'missing' if later else 'out of place'}: entry {seq} is there")
        elif prev != self.last.hex():
            self.blame(max(at - 1, 0), f"entry {at - 1} was changed: entry {at} names another before it")


def _signed(notes: Mapping[str, str], key: note.Verifier) -> tuple[dict[str, note.Checkpoint], list[Fault]]:
    signed, faults = {}, []
    for name, text in notes.items():
        try:
            signed[name] = note.checkpoint(text, key)
        except note.BadNote as error:
            faults.append(Fault(None, f"{name}: {error}"))
    return signed, faults


def stated_size(text: str) -> int:
    """Read what a note says its size is, whoever signed it; -1 if nothing."""
    size = note.number((*text.splitlines(), "", "")[1])
    return -1 if size is None else size


def _compared(signed: Mapping[str, note.Checkpoint], walk: _Walk) -> tuple[list[str], list[Fault]]:
    """Names of the checkpoints whose root is the log's, and the first that is not."""
    good: list[str] = []
    sound = 0
    named = walk.faults[0].entry if walk.faults else None
    for name, checkpoint in sorted(signed.items(), key=lambda item: item[1].size):
        size = checkpoint.size
        if size > walk.size:
            return good, [Fault(walk.size, f"{_span(walk.size, size)} missing: {name} signs them")]
        if size and walk.roots[size] != checkpoint.root:
            # Where the chain names the very entry, the checkpoint only says the same of more of them.
            known = named is not None and sound <= named < size
            what = f"{_span(sound, size)} not all what they were when {name} was signed"
            return good, [Fault(named if known else sound, what)]
        good.append(name)
        sound = size
    return good, []


def _witnessed(
    witnesses: Sequence[note.Verifier], good: Sequence[tuple[int, str]]
) -> tuple[dict[str, int], list[Fault]]:
    """Find how far each witness vouches for the log; one that never did, or whose signature is broken, is a fault."""
    found, faults = {}, []
    for witness in witnesses:
        found[witness.name] = 0
        for size, text in good:  # shortest first
            try:
                note.cosigned(text, witness)
                found[witness.name] = size
            except note.NotSigned:
                continue
            except note.BadNote as error:
                faults.append(Fault(None, f"checkpoint {size}: {error}"))
        if not found[witness.name]:
            faults.append(Fault(None, f"no good checkpoint is co-signed by {witness.name}"))
    return found, faults


def _span(start: int, end: int) -> str:
    return f"entry {start} is" if end - start == 1 else f"entries {start} to {end - 1} are"


def joined(report: Report, faults: Sequence[Fault]) -> Report:
    """Add faults to a report, first bad entry first."""
    together = sorted((*report.faults, *faults), key=lambda fault: (fault.entry is None, fault.entry))
    return replace(report, faults=tuple(together))


# --- the folder -------------------------------------------------------------------------------------------------------
def _bodies(path: Path) -> Iterator[bytes]:
    """Read the entries: each line is, byte for byte, the body of one."""
    try:
        with path.open("rb") as file:
            for line in file:
                yield line.removesuffix(b"\n")
    except OSError as error:
        raise NotALog(f"{path}: {error.strerror}") from None


def _lines(path: Path) -> Iterator[dict[str, object]]:
    for number, line in enumerate(_text(path).splitlines(), start=1):
        try:
            said = json.loads(line)
            yield {"size": said["size"], "note": said["note"]}
        except (ValueError, KeyError, TypeError):
            raise NotALog(f"{path}, line {number}: not a checkpoint") from None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        raise NotALog(f"{path}: {getattr(error, 'strerror', 'not UTF-8')}") from None


# --- on its own -------------------------------------------------------------------------------------------------------
def main(words: Sequence[str] | None = None) -> int:
    """Verify a folder from the command line of a machine that has no house; 6 is the exit code of a changed log."""
    parser = argparse.ArgumentParser(prog="python -m tre.records.verify", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--key", type=Path, help="file with the log's public key, as you were given it")
    parser.add_argument("--checkpoint", type=Path, help="file with a checkpoint that you kept")
    parser.add_argument("--witness", type=Path, help="file with a witness's public key: it must have co-signed the log")
    given = parser.parse_args(words)
    try:
        kept = {f"the kept {given.checkpoint.name}": _text(given.checkpoint)} if given.checkpoint else {}
        by = [note.verifier(_text(given.witness), kind=note.COSIGNER)] if given.witness else []
        report = folder(given.folder, key=_text(given.key) if given.key else "", kept=kept, witnesses=by)
    except (NotALog, note.BadNote) as error:
        print(f"unreadable: {error}", file=sys.stderr)
        return 5
    for line in told(report, trusted=given.key is not None):
        print(line)
    return 6 if report.faults else 0


def told(report: Report, *, trusted: bool) -> Iterator[str]:
    """Say what was found, a line each."""
    for fault in report.faults:
        yield f"TAMPERED: {fault.what}"
    yield f"{report.size} entries, root {report.root}"
    yield f"{report.checkpoints} good checkpoints, the longest over {report.signed} entries; key {report.key}"
    for name, size in report.witnessed.items():
        yield f"{name} co-signed it up to {size} entries"
    if not trusted:
        yield UNTRUSTED
    if not report.faults:
        yield "nothing was changed or removed"


if __name__ == "__main__":
    sys.exit(main())
