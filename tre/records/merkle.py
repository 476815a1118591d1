"""The Merkle tree hash of RFC 6962, section 2.1, as a frontier that grows by one leaf at a time.

The frontier holds the roots of the perfect subtrees that cover the log, largest first: one for each 1 bit of the
size. A million leaves need at most twenty hashes of 32 bytes.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
Frontier = tuple[bytes, ...]


def leaf_hash(body: bytes) -> bytes:
    """Hash of one entry: SHA-256(0x00 || body)."""
    return sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of two subtrees: SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def grow(frontier: Frontier, size: int, leaf: bytes) -> Frontier:
    """Return the frontier of `size` + 1 leaves. Each trailing 1 bit of `size` is one merge."""
    grown = [*frontier, leaf]
    while size & 1:
        right = grown.pop()
        grown[-1] = node_hash(grown[-1], right)
        size >>= 1
    return tuple(grown)


def root(frontier: Sequence[bytes]) -> bytes:
    """Root of the tree whose right edge is `frontier`."""
    if not frontier:
        return EMPTY_ROOT
    top = frontier[-1]
    for left in reversed(frontier[:-1]):
        top = node_hash(left, top)
    return top


def root_of(bodies: Iterable[bytes]) -> bytes:
    """Root over entries, in order."""
    frontier: Frontier = ()
    for size, body in enumerate(bodies):
        frontier = grow(frontier, size, leaf_hash(body))
    return root(frontier)


def pack(frontier: Frontier) -> bytes:
    """Frontier as stored: 32-byte hashes end to end."""
    return b"".join(frontier)


def unpack(packed: bytes) -> Frontier:
    """Frontier from storage."""
    return tuple(packed[at : at + 32] for at in range(0, len(packed), 32))
