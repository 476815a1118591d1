"""What leaves is written anew from what a file means; what it merely carries stays behind."""

import importlib
from collections.abc import Callable
from functools import cache

from airlock.checks.disarm.cannot import Cannot as Cannot
from airlock.checks.file import File
from airlock.checks.thresholds import Thresholds

LARGEST = 64 << 20
"""Bytes that a re-write has at most."""

# kind -> module and function that write it anew; a process loads the one that it needs.
REWRITES = {
    "csv": ("sheets", "rewrite"),
    "txt": ("prose", "rewrite"),
    "md": ("prose", "rewrite"),
    "json": ("objects", "rewrite"),
    "ipynb": ("notebooks", "rewrite"),
    "png": ("pictures", "png"),
    "jpeg": ("pictures", "jpeg"),
    "model": ("weights", "rewrite"),
}


@cache
def of(kind: str) -> Callable[[bytes, Thresholds], bytes]:
    """Return what writes a kind anew; the libraries it needs are loaded then."""
    if kind not in REWRITES:
        raise Cannot(f"is {kind}: there is no way to write it anew", "export the result in a kind that may leave")
    module, name = REWRITES[kind]
    found: Callable[[bytes, Thresholds], bytes] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return found


def rewrite(file: File, limits: Thresholds) -> bytes:
    """Return the bytes that would leave, or raise `Cannot` and say why there are none."""
    written = of(file.kind)(file.content, limits)
    if len(written) > LARGEST:
        raise Cannot(f"is larger than {LARGEST} bytes when it is written anew", "export less")
    return written
