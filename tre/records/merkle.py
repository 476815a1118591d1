"""The Merkle tree hash of RFC 6962, section 2.1, as a frontier that grows by one leaf at a time.

The frontier holds the roots of the perfect subtrees that cover the log, largest first: one for each 1 bit of the
size. A million leaves need at most twenty hashes of 32 bytes. A proof of as few hashes shows that an entry is in a log,
or that one log is the beginning of another.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
Frontier = tuple[bytes, ...]
Proof = tuple[bytes, ...]


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


# --- proofs -----------------------------------------------------------------------------------------------------------
def inclusion(leaves: Sequence[bytes], index: int) -> Proof:
    """PATH(m, D[n]) of RFC 6962, section 2.1.1: the hashes that lead from one leaf to the root of `leaves`."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} in a tree of {len(leaves)}")
    if len(leaves) == 1:
        return ()
    split = _split(len(leaves))
    if index < split:
        return (*inclusion(leaves[:split], index), _top(leaves[split:]))
    return (*inclusion(leaves[split:], index - split), _top(leaves[:split]))


def inclusion_at_edge(before: Frontier, index: int, leaves: Sequence[bytes]) -> Proof:
    """`inclusion` of the leaf at `index` from the frontier of the leaves before it and the `leaves` from it on.

    What a long log needs: all that is left of a leaf is the frontier of as many leaves as stand before it.
    """
    roots = dict(zip(_starts(index), before, strict=True))

    def path(low: int, high: int) -> Proof:
        if high - low == 1:
            return ()
        middle = low + _split(high - low)
        if index < middle:
            return (*path(low, middle), _top(leaves[middle - index : high - index]))
        return (*path(middle, high), roots[low])

    return path(0, index + len(leaves))


def includes(proof: Proof, leaf: bytes, *, index: int, size: int, root: bytes) -> bool:
    """Whether `leaf` is at `index` of the tree of `size` leaves and `root` (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, top = index, size - 1, leaf
    for hash_ in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            top = node_hash(hash_, top)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            top = node_hash(top, hash_)
        node, last = node >> 1, last >> 1
    return last == 0 and top == root


def consistency(leaves: Sequence[bytes], old: int) -> Proof:
    """PROOF(m, D[n]) of RFC 6962, section 2.1.2: that the first `old` leaves are the beginning of `leaves`."""
    if not 0 < old <= len(leaves):
        raise IndexError(f"no log of {old} in a tree of {len(leaves)}")
    return _subproof(leaves, old, whole=True)


def consistency_from_edge(before: Frontier, old: int, leaves: Sequence[bytes]) -> Proof:
    """`consistency` of a log that was `old` long, from its frontier then and the `leaves` since."""
    roots = dict(zip(_starts(old), before, strict=True))

    def proof(low: int, high: int) -> Proof:
        if high == old:
            return (roots[low],)
        middle = low + _split(high - low)
        if old <= middle:
            return (*proof(low, middle), _top(leaves[middle - old : high - old]))
        return (*proof(middle, high), roots[low])

    size = old + len(leaves)
    if not 0 < old <= size:
        raise IndexError(f"no log of {old} in a tree of {size}")
    found = proof(0, size) if old < size else ()
    return found[1:] if not old & (old - 1) else found


def _starts(size: int) -> list[int]:
    """Where the perfect subtrees of a log begin, largest first."""
    bits = [1 << bit for bit in range(size.bit_length() - 1, -1, -1) if size >> bit & 1]
    return [sum(bits[:at]) for at in range(len(bits))]


def extends(proof: Proof, *, old: int, old_root: bytes, size: int, root: bytes) -> bool:
    """Whether the tree of `old` leaves is the beginning of the tree of `size` (RFC 9162, section 2.1.4.2)."""
    if not 0 < old <= size:
        return False
    if old == size:
        return not proof and old_root == root
    rest = iter(proof if old & (old - 1) else (old_root, *proof))
    node, last = old - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    was = now = next(rest, b"")
    for hash_ in rest:
        if last == 0:
            return False
        if node & 1 or node == last:
            was, now = node_hash(hash_, was), node_hash(hash_, now)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            now = node_hash(now, hash_)
        node, last = node >> 1, last >> 1
    return last == 0 and was == old_root and now == root


def _subproof(leaves: Sequence[bytes], old: int, *, whole: bool) -> Proof:
    if old == len(leaves):
        return () if whole else (_top(leaves),)
    split = _split(len(leaves))
    if old <= split:
        return (*_subproof(leaves[:split], old, whole=whole), _top(leaves[split:]))
    return (*_subproof(leaves[split:], old - split, whole=False), _top(leaves[:split]))


def _split(size: int) -> int:
    """Largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def _top(leaves: Sequence[bytes]) -> bytes:
    frontier: Frontier = ()
    for size, leaf in enumerate(leaves):
        frontier = grow(frontier, size, leaf)
    return root(frontier)
