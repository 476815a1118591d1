"""The tree is the tree of RFC 6962, so that anyone's verifier can check ours."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tre.records import merkle

# The inputs and roots that Certificate Transparency's implementations have published and tested with since 2013.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)

logs = st.lists(st.binary(max_size=8), max_size=70)


def naive(bodies):
    """MTH exactly as section 2.1 of the RFC writes it."""
    if not bodies:
        return sha256(b"").digest()
    if len(bodies) == 1:
        return sha256(b"\x00" + bodies[0]).digest()
    k = 1
    while k * 2 < len(bodies):
        k *= 2
    return sha256(b"\x01" + naive(bodies[:k]) + naive(bodies[k:])).digest()


@pytest.mark.parametrize(("size", "root"), tuple(enumerate(ROOTS)))
def test_the_root_is_the_published_one(size, root):
    assert merkle.root_of(LEAVES[:size]).hex() == root


@given(logs)
def test_the_root_is_what_the_rfc_says(bodies):
    assert merkle.root_of(bodies) == naive(bodies)


@given(logs)
def test_a_frontier_survives_storage(bodies):
    frontier = ()
    for size, body in enumerate(bodies):
        frontier = merkle.unpack(merkle.pack(merkle.grow(frontier, size, merkle.leaf_hash(body))))
    assert len(frontier) == len(bodies).bit_count()
    assert merkle.root(frontier) == naive(bodies)


# The paths of leaf 0 in trees of 1 and 8, of leaf 5 in 8, and of leaf 2 in 3, as published with the roots above.
PATHS = (
    (0, 1, ()),
    (
        0,
        8,
        (
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ),
    ),
    (
        5,
        8,
        (
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ),
    ),
    (2, 3, ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",)),
)


@pytest.mark.parametrize(("index", "size", "path"), PATHS)
def test_the_path_to_a_leaf_is_the_published_one(index, size, path):
    leaves = [merkle.leaf_hash(body) for body in LEAVES[:size]]
    assert tuple(step.hex() for step in merkle.inclusion(leaves, index)) == path


# Proofs that a log of 6 extends to 8, and of 2 to 5, as published with the roots above.
GROWTHS = (
    (1, 1, ()),
    (
        1,
        8,
        (
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ),
    ),
    (
        6,
        8,
        (
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ),
    ),
    (
        2,
        5,
        (
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ),
    ),
)


@pytest.mark.parametrize(("old", "size", "proof"), GROWTHS)
def test_the_proof_of_growth_is_the_published_one(old, size, proof):
    leaves = [merkle.leaf_hash(body) for body in LEAVES[:size]]
    assert tuple(step.hex() for step in merkle.consistency(leaves, old)) == proof


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=40), st.data())
def test_an_entry_is_proved_to_be_in_the_log_and_nowhere_else(bodies, data):
    leaves = [merkle.leaf_hash(body) for body in bodies]
    index = data.draw(st.integers(0, len(leaves) - 1))
    at = {"index": index, "size": len(leaves), "root": naive(bodies)}
    proof = merkle.inclusion(leaves, index)
    assert merkle.includes(proof, leaves[index], **at)
    assert not merkle.includes(proof, merkle.leaf_hash(b"another entry"), **at)
    assert not merkle.includes((*proof, leaves[0]), leaves[index], **at)
    assert not merkle.includes(proof, leaves[index], **{**at, "index": len(leaves)})
    if proof:
        assert not merkle.includes(proof[:-1], leaves[index], **at)


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=40), st.data())
def test_an_old_root_is_proved_to_be_the_beginning(bodies, data):
    leaves = [merkle.leaf_hash(body) for body in bodies]
    old = data.draw(st.integers(1, len(leaves)))
    proof = merkle.consistency(leaves, old)
    sizes = {"old": old, "size": len(leaves), "root": naive(bodies)}
    assert merkle.extends(proof, old_root=naive(bodies[:old]), **sizes)
    assert not merkle.extends(proof, old_root=naive([*bodies[: old - 1], b"another entry"]), **sizes)
    if proof:
        assert not merkle.extends(proof[:-1], old_root=naive(bodies[:old]), **sizes)


@given(st.lists(st.binary(max_size=4), min_size=2, max_size=40, unique=True), st.data())
def test_no_proof_shows_growth_of_a_log_that_lost_an_entry(bodies, data):
    lost = data.draw(st.integers(0, len(bodies) - 2))
    old = data.draw(st.integers(lost + 1, len(bodies) - 1))
    left = [merkle.leaf_hash(body) for at, body in enumerate(bodies) if at != lost]
    proof = merkle.consistency(left, old)
    assert not merkle.extends(
        proof,
        old=old,
        old_root=naive(bodies[:old]),
        size=len(left),
        root=merkle.root_of(b for b in bodies if b != bodies[lost]),
    )


def test_a_proof_about_what_is_not_there_is_refused():
    with pytest.raises(IndexError):
        merkle.inclusion([b""], 1)
    with pytest.raises(IndexError):
        merkle.consistency([b""], 2)


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=70), st.data())
def test_the_proof_at_the_edge_of_a_log_is_that_of_the_whole_log(bodies, data):
    leaves = [merkle.leaf_hash(body) for body in bodies]
    index = data.draw(st.integers(0, len(leaves) - 1))
    before = ()
    for size, leaf in enumerate(leaves[:index]):
        before = merkle.grow(before, size, leaf)
    assert merkle.inclusion_at_edge(before, index, leaves[index:]) == merkle.inclusion(leaves, index)
