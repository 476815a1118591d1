"""Files are taken apart in a process that is thrown away: no secrets, little memory, little time, no more files.

`look` starts it and reads its answer; `python -m airlock.checks.confined` is the process. A check whose answer does
not come did not run.
"""

import codecs
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from airlock.checks import grid, kind, notebook, png, tables
from airlock.checks.file import File, Table
from airlock.checks.finding import Finding, Severity
from airlock.checks.kinds import KINDS
from airlock.checks.thresholds import Thresholds

SECONDS = 30
MEMORY = 1 << 30
_NOBODY = 65534

# check -> kinds it looks at, and the function
CHECKS: dict[str, tuple[frozenset[str], Callable[[File, Thresholds], Iterator[Finding]]]] = {
    "kind": (frozenset({"csv", "png", "md", "txt", "json", "ipynb", "raw", "unknown"}), kind.check),
    "plain_table": (frozenset({"csv", "json", "txt", "md", "ipynb"}), grid.plain),
    "formulas": (frozenset({"csv"}), grid.formulas),
    "picture": (frozenset({"png"}), png.check),
    "notebook": (frozenset({"ipynb"}), notebook.check),
}


@dataclass(frozen=True)
class Look:
    """What the process answered."""

    findings: tuple[Finding, ...]
    ran: frozenset[str]
    tables: tuple[Table, ...]
    """The tables of the file that are even and of a result's size; `plain_table` points at the others."""
    read: bool
    """The process came to its end: there are no other tables."""


def look(file: File, limits: Thresholds) -> Look:
    """Run the checks that need only the file, in a process of their own."""
    head = json.dumps({"name": file.name, "kind": file.kind, "limits": asdict(limits)})
    try:
        said = subprocess.run(
            [sys.executable, "-I", "-m", "airlock.checks.confined"],
            input=head.encode() + b"\n" + file.content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"LANG": "C.UTF-8"},
            cwd="/",
            timeout=SECONDS,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired as late:
        said = late.stdout or b""
    return _answer(said.decode("utf-8", "replace").splitlines(keepends=True))


def _answer(lines: list[str]) -> Look:
    findings, ran, held, read = list[Finding](), set[str](), list[Table](), False
    for line in lines:
        if not line.endswith("\n"):
            break
        said = json.loads(line)
        if "check" in said:
            ran.add(said["check"])
            findings += [Finding(f[0], Severity(f[1]), f[2], f[3]) for f in said["findings"]]
        else:
            read = True
            held += [Table(tuple(each["heads"]), tuple(tuple(row) for row in each["rows"])) for each in said["tables"]]
    return Look(tuple(findings), frozenset(ran), tuple(held), read)


def _main() -> None:
    head, content = sys.stdin.buffer.readline(), sys.stdin.buffer.read()
    codecs.lookup("utf-8-sig")  # a codec is a module, and no file can be opened from here on
    _confine()
    asked = json.loads(head)
    file = File(asked["name"], asked["kind"], content)
    limits = Thresholds(**asked["limits"])
    for name, (kinds, check) in CHECKS.items():
        if file.kind in kinds:
            found = [[f.check, f.severity, f.where, f.message] for f in check(file, limits)]
            _say({"check": name, "findings": found})
    held = tables.tables(file) if file.kind in KINDS else ()
    _say({"tables": [asdict(table) for table in held if _even(table, limits)]})


def _even(table: Table, limits: Thresholds) -> bool:
    """Return whether a table can be counted in."""
    return len(table.rows) <= limits.largest_rows and all(len(row) == len(table.heads) for row in table.rows)


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _confine() -> None:
    """Allow what a check needs: memory for one file, seconds of work, no new file, no new process; be nobody."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(limit, (value, value))


if __name__ == "__main__":
    _main()
