"""A trained model may remember whom it learned from: only plain weights leave, far fewer numbers than persons (ML1).

Read are the headers of safetensors alone: sizes and names of tensors. Formats that run code when they are opened are
refused by their kind. Support vectors, neighbours and trees with small leaves keep records: a tensor with a row for
each person is one of those.
"""

import json
import math
from collections.abc import Iterator, Mapping

from airlock.checks.case import Case
from airlock.checks.finding import Exhibit, Finding, Severity
from airlock.checks.rules import rule
from tre.data.measures import Why

HEADER = 1_000_000
TEXT = 4000
LIKE = 0.05
"""A tensor whose rows are as many as the persons, within this share, has a row for each."""


def check(case: Case) -> Iterator[Finding | Exhibit]:
    """Look at the sizes of a model's tensors beside the number of persons."""
    tensors = _header(case.file.content)
    if tensors is None:
        yield _says("is not readable as safetensors")
        return
    persons = case.evidence.everybody(case.about.more)
    if isinstance(persons, Why):
        yield _says(persons.says)
        return
    shapes = {name: _shape(said) for name, said in tensors.items() if name != "__metadata__"}
    size = sum(math.prod(shape) for shape in shapes.values())
    yield Exhibit("model", {"numbers": size, "persons": persons, "tensors": len(shapes)})
    if size > case.limits.largest_parameters_per_person * persons:
        yield _says(f"{size} numbers learned from {persons} persons: it may hold their records")
    rows = [name for name, shape in shapes.items() if any(abs(n - persons) <= LIKE * persons for n in shape)]
    if rows:
        yield _says(
            f"{len(rows)} tensors have a row for each person: support vectors, neighbours or embeddings of persons"
        )
    if len(json.dumps(tensors.get("__metadata__", {}))) > TEXT:
        yield _says("carries more text beside its tensors than a description needs")


def _header(content: bytes) -> Mapping[str, object] | None:
    """Return the header, if its tensors cover the file exactly: no byte is hidden between them or behind."""
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > min(HEADER, len(content) - 8):  # noqa: PLR2004 -- the length before the header
        return None
    try:
        said = json.loads(content[8 : 8 + size])
        spans = sorted(tuple(each["data_offsets"]) for name, each in said.items() if name != "__metadata__")
        shapes = [_shape(each) for name, each in said.items() if name != "__metadata__"]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    ends = [0, *(end for _, end in spans)]
    covered = (
        all(begin == end for (begin, _), end in zip(spans, ends, strict=False)) and ends[-1] == len(content) - 8 - size
    )
    return said if covered and all(n >= 0 for shape in shapes for n in shape) else None


def _shape(said: object) -> tuple[int, ...]:
    shape = said["shape"] if isinstance(said, dict) else None
    if not isinstance(shape, list) or not all(isinstance(n, int) for n in shape):
        raise ValueError("a tensor without a shape")
    return tuple(shape)


def _says(message: str) -> Finding:
    return Finding("learned", Severity.BLOCK, "file", message, rule="ML1", fix=rule("ML1").fix)
