"""A model that leaves is numbers under names, in a form that runs nothing when it is read (safetensors).

Layout: a length of 8 bytes, a JSON header of that length, and the numbers one after another, without gaps.
"""

import json
import struct

from airlock.checks.disarm import objects
from airlock.checks.disarm.cannot import Cannot
from airlock.checks.thresholds import Thresholds

_FIX = "save the weights with safetensors"
_WIDTHS = {
    "BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4, "U32": 4, "F32": 4, "F64": 8,
    "I64": 8, "U64": 8,
}  # fmt: skip
_HEADER = 8


def rewrite(content: bytes, limits: Thresholds) -> bytes:
    """Write names, shapes and numbers again; leave out remarks, gaps and what nobody refers to."""
    del limits
    said, body = header(content)
    kept, numbers, at = dict[str, object](), list[bytes](), 0
    for name in sorted(said, key=lambda each: said[each]["data_offsets"][0]):
        first, last = said[name]["data_offsets"]
        if first != at:
            raise Cannot("has numbers that no name refers to, or two names refer to", _FIX)
        kept[name] = {"dtype": said[name]["dtype"], "shape": said[name]["shape"], "data_offsets": [first, last]}
        numbers.append(body[first:last])
        at = last
    if at != len(body):
        raise Cannot("has bytes behind its last number", _FIX)
    head = json.dumps(kept, separators=(",", ":")).encode()
    head += b" " * (-len(head) % _HEADER)
    return struct.pack("<Q", len(head)) + head + b"".join(numbers)


def header(content: bytes) -> tuple[dict[str, dict[str, list[int]]], bytes]:
    """Return what a file of weights says of each tensor, and the numbers behind it."""
    length = int.from_bytes(content[:_HEADER], "little")
    if len(content) < _HEADER or length > len(content) - _HEADER:
        raise Cannot("is no file of weights that can be written anew", _FIX)
    try:
        said = objects.read(content[_HEADER : _HEADER + length].decode())
    except UnicodeDecodeError:
        raise Cannot("has a header that is no text", _FIX) from None
    if not isinstance(said, dict):
        raise Cannot("has a header that is no object", _FIX)
    tensors = {name: each for name, each in said.items() if name != "__metadata__"}
    if not all(_sound(each, len(content) - _HEADER - length) for each in tensors.values()):
        raise Cannot("has a tensor whose shape, type and place do not agree", _FIX)
    return tensors, content[_HEADER + length :]


def _sound(tensor: object, size: int) -> bool:
    if not isinstance(tensor, dict) or set(tensor) != {"dtype", "shape", "data_offsets"}:
        return False
    shape, places = tensor["shape"], tensor["data_offsets"]
    if not _wholes(shape) or not _wholes(places) or len(places) != 2 or tensor["dtype"] not in _WIDTHS:  # noqa: PLR2004
        return False
    cells = 1
    for side in shape:
        cells *= side
    return bool(places[0] <= places[1] <= size and places[1] - places[0] == cells * _WIDTHS[tensor["dtype"]])


def _wholes(value: object) -> bool:
    return isinstance(value, list) and all(type(each) is int and each >= 0 for each in value)
