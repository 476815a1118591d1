"""Lines leave in the order of their names, whatever order they came in, in constant memory.

Lines are gathered and sorted; when there are too many they go into a run on disk, and in the end the runs are merged.
Only what may be in the extract is ever written.
"""

import heapq
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

MOST = 64 << 20
"""Bytes gathered before a run is written."""
TOGETHER = 64
"""Runs merged at a time."""


class Runs:
    """The lines of one type of resource: name, rank, JSON."""

    def __init__(self, folder: Path, name: str) -> None:
        """Write runs into a folder; none is there yet."""
        self._folder, self._name = folder, name
        self._lines: list[bytes] = []
        self._runs: list[Path] = []
        self._written = 0
        self.bytes = 0

    def add(self, line: bytes) -> None:
        """Take a line; it ends with a line feed."""
        self._lines.append(line)
        self.bytes += len(line)

    def spill(self) -> None:
        """Write what was gathered."""
        if self._lines:
            self._lines.sort()
            self._run(iter(self._lines))
            self._lines, self.bytes = [], 0
        if len(self._runs) >= TOGETHER:
            old, self._runs = self._runs, []
            with ExitStack() as stack:
                self._run(heapq.merge(*(stack.enter_context(run.open("rb")) for run in old)))
            for run in old:
                run.unlink()

    def sorted(self) -> Iterator[bytes]:
        """Yield all lines in order."""
        self._lines.sort()
        with ExitStack() as stack:
            yield from heapq.merge(*(stack.enter_context(run.open("rb")) for run in self._runs), self._lines)

    def _run(self, lines: Iterator[bytes]) -> None:
        path = self._folder / f"{self._name}-{self._written}"
        self._written += 1
        with path.open("xb") as file:
            file.writelines(lines)
        self._runs.append(path)


def newest(lines: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Of the lines with one name yield the last, which has the highest rank: name, JSON."""
    held: tuple[bytes, bytes] | None = None
    for line in lines:
        name, _rank, json = line.split(b"\t", 2)
        if held is not None and held[0] != name:
            yield held
        held = name, json
    if held is not None:
        yield held
