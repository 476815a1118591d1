"""Files are taken apart in a process that is thrown away: no secrets, little memory, little time, no more files.

`look` starts it and reads its answer; `python -m airlock.checks.confined` is the process. A check whose answer does
not come did not run.
"""

import codecs
import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace

from airlock.checks import disarm, grid, inspect, kind, notebook, shut, tables
from airlock.checks.file import File, Table
from airlock.checks.finding import Finding, Severity
from airlock.checks.inspect import pictures
from airlock.checks.kinds import ALL
from airlock.checks.thresholds import Thresholds

LONGEST = 2 * disarm.LARGEST
"""Bytes of an answer: findings, tables, and the re-write."""
PATIENCE = 3 * shut.SECONDS
"""Seconds by the clock: the machine has others to serve."""

# check -> kinds it looks at, and the function
CHECKS: dict[str, tuple[frozenset[str], Callable[[File, Thresholds], Iterator[Finding]]]] = {
    "kind": (ALL, kind.check),
    "disguise": (ALL, inspect.check),
    "plain_table": (frozenset({"csv", "json", "txt", "md", "ipynb"}), grid.plain),
    "formulas": (frozenset({"csv"}), grid.formulas),
    "picture": (frozenset({"png", "jpeg"}), pictures.check),
    "notebook": (frozenset({"ipynb"}), notebook.check),
}
ANEW = frozenset({"plain_table", "formulas"})
"""Those that look at what would leave; the others look at what came."""
REWRITTEN = "rewrite"
"""The check that there is something that would leave."""


@dataclass(frozen=True)
class Look:
    """What the process answered."""

    findings: tuple[Finding, ...]
    ran: frozenset[str]
    tables: tuple[Table, ...]
    """The tables of what would leave that are even and of a result's size; `plain_table` points at the others."""
    read: bool
    """It could be written anew, and there are no other tables in it."""
    leaves: bytes | None = None
    """The file written anew: these bytes leave instead of it. None if it cannot be."""


def look(file: File, limits: Thresholds) -> Look:
    """Run the checks that need only the file, in a process of their own."""
    head = json.dumps({"name": file.name, "kind": file.kind, "limits": asdict(limits)})
    # A file in memory, of which the process has this one handle: how much it may write there is limited.
    with os.fdopen(os.memfd_create("look"), "r+b") as said:
        with contextlib.suppress(subprocess.TimeoutExpired):  # what it said until then counts
            subprocess.run(
                [sys.executable, "-I", "-m", "airlock.checks.confined"],
                input=head.encode() + b"\n" + file.content,
                stdout=said,
                stderr=subprocess.DEVNULL,
                env={"LANG": "C.UTF-8"},
                cwd="/",
                timeout=PATIENCE,
                check=False,
            )
        said.seek(0)
        return _answer(said.read(LONGEST))


def _answer(said: bytes) -> Look:
    look, at = Look((), frozenset(), (), read=False), 0
    while (end := said.find(b"\n", at)) >= 0:
        line, at = json.loads(said[at:end]), end + 1
        if "bytes" in line:
            leaves, at = said[at : at + line["bytes"]], at + line["bytes"]
            if hashlib.sha256(leaves).hexdigest() != line["sha256"]:
                break
            look = replace(look, leaves=leaves)
        elif "check" in line:
            found = tuple(_finding(line["check"], each) for each in line["findings"])
            look = replace(look, findings=look.findings + found, ran=look.ran | {line["check"]})
        else:
            held = (Table(tuple(one["heads"]), tuple(map(tuple, one["rows"]))) for one in line["tables"])
            look = replace(look, tables=tuple(held), read=True)
    return look


def _finding(check: str, said: dict[str, str]) -> Finding:
    return Finding(check, Severity(said["severity"]), said["where"], said["message"], said["rule"], said["fix"])


def _main() -> None:
    head, content = sys.stdin.buffer.readline(), sys.stdin.buffer.read()
    for codec in ("utf-8-sig", "cp437"):
        codecs.lookup(codec)  # a codec is a module, and no file can be opened from here on
    asked = json.loads(head)
    with contextlib.suppress(disarm.Cannot):
        disarm.of(asked["kind"])
    shut.confine(answer=LONGEST)
    _look(File(asked["name"], asked["kind"], content), Thresholds(**asked["limits"]))


def _look(file: File, limits: Thresholds) -> None:
    """Write the file anew; look at what it was, and for tables at what it is then. What raises did not run."""
    leaves, why = _rewrite(file, limits)
    _say_findings(REWRITTEN, why)
    new = replace(file, content=leaves) if leaves is not None else file
    for name, (kinds, check) in CHECKS.items():
        if file.kind in kinds:
            with contextlib.suppress(Exception):
                _say_findings(name, tuple(check(new if name in ANEW else file, limits)))
    if leaves is not None:
        held = tables.tables(new)
        _say({"tables": [asdict(table) for table in held if _even(table, limits)]})
        _say({"bytes": len(leaves), "sha256": hashlib.sha256(leaves).hexdigest()})
        sys.stdout.buffer.write(leaves)
        sys.stdout.buffer.flush()


def _rewrite(file: File, limits: Thresholds) -> tuple[bytes | None, tuple[Finding, ...]]:
    try:
        return disarm.rewrite(file, limits), ()
    except disarm.Cannot as no:
        return None, (Finding(REWRITTEN, Severity.BLOCK, no.where, f"cannot be written anew: {no}", fix=no.fix),)


def _say_findings(check: str, found: Iterable[Finding]) -> None:
    said = [
        {"severity": f.severity, "where": f.where, "message": f.message, "rule": f.rule, "fix": f.fix} for f in found
    ]
    _say({"check": check, "findings": said})


def _even(table: Table, limits: Thresholds) -> bool:
    """Return whether a table can be counted in."""
    return len(table.rows) <= limits.largest_rows and all(len(row) == len(table.heads) for row in table.rows)


def _say(value: object) -> None:
    sys.stdout.buffer.write(json.dumps(value).encode() + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main()
