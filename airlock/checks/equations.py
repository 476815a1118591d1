"""What follows from all numbers that are out, added and subtracted in any way: not of how few people one may learn.

Each number that is shown is a sum over people. People who are in the same sums are one atom; the numbers are the rows
of a matrix over the atoms. What can be learned is its row space: vectors there that rest on small atoms alone are
looked for, by taking from the row space what touches no large atom.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from airlock.checks.published import Published
from tre.data.differences import Apart

MOST_ROWS = 2500
MOST_ATOMS = 700
NEAR = 1e-7

Matrix = npt.NDArray[np.float64]


class Derived(NamedTuple):
    """Sets of few people that the new table gives away."""

    sets: int
    persons: int
    missing: bool
    """All of them lack a value of a dimension."""
    used: tuple[int, ...]
    """The tables whose numbers take part."""
    left_out: int
    """Tables that were too many to be added up."""


class _World(NamedTuple):
    rows: Matrix
    """Number x atom."""
    table: npt.NDArray[np.int64]
    """Of each number its table."""
    persons: npt.NDArray[np.int64]
    missing: npt.NDArray[np.bool_]


def derived(tables: Sequence[Published], apart: Apart, *, smallest: int) -> Derived:
    """Look for sets of fewer than `smallest` people that follow with the first table, and not without it."""
    useful = _useful(tables, apart)
    numbers = _chosen({nth: list(_numbers(tables[nth], apart, nth)) for nth in useful}, len(apart.persons))
    world = _world(numbers, apart)
    left_out = len(useful) - len(numbers)
    sets = [one for one in _small(world, smallest) if not _shown(world, one)] if world.rows.size else []
    before = _basis(world.rows[world.table != 0]) if sets else world.rows
    sets = [one for one in sets if not _within(before, one)]
    if not sets:
        return Derived(0, 0, missing=False, used=(), left_out=left_out)
    used = {int(nth) for one in sets for nth in _sources(world, one)}
    people = [int(world.persons[one > NEAR].sum()) for one in sets]
    lost = all(bool(world.missing[one > NEAR].all()) for one in sets)
    return Derived(len(sets), min(people), lost, tuple(sorted(used)), left_out)


def _useful(tables: Sequence[Published], apart: Apart) -> list[int]:
    """Return the tables whose numbers are exact and whose people are known: the new one, then those nearest to it."""
    known = (nth for nth, table in enumerate(tables) if apart.cohort[nth] >= 0 and "persons" in table.measures)
    new = apart.classes(0)
    return sorted(
        (nth for nth in known if not tables[nth].rounded),
        key=lambda nth: (nth > 0, apart.persons[apart.classes(nth) ^ new].sum()),
    )


Numbers = Mapping[int, Sequence[npt.NDArray[np.int64]]]
"""Table -> for each of its numbers the classes of people in it."""


def _chosen(numbers: Numbers, classes: int) -> Numbers:
    """Return as many tables as can be added up, in their order: each that keeps numbers and atoms within the limits.

    The atoms are counted by a sum of one random number for each number shown: two atoms have different sums.
    """
    random = np.random.default_rng(0)
    atom = np.zeros(classes, np.uint64)
    taken: dict[int, Sequence[npt.NDArray[np.int64]]] = {}
    room = MOST_ROWS
    for nth, held in numbers.items():
        if len(held) > room and taken:
            continue
        finer = atom.copy()
        for number, mark in zip(held, random.integers(1, 2**63, len(held), np.uint64), strict=True):
            finer[number] += mark
        if taken and len(np.unique(finer)) > MOST_ATOMS:
            continue
        atom, room, taken[nth] = finer, room - len(held), held
    return taken


def _world(numbers: Numbers, apart: Apart) -> _World:
    found = [(nth, classes) for nth, held in numbers.items() for classes in held]
    held = np.zeros((len(found), len(apart.persons)), bool)
    for at, (_, classes) in enumerate(found):
        held[at, classes] = True
    touched = np.flatnonzero(held.any(axis=0))
    missing = np.zeros(len(apart.persons), bool)
    for nth in numbers:
        missing |= ~apart.known(nth)
    packed = np.ascontiguousarray(np.packbits(held[:, touched], axis=0).T)
    if not packed.size:
        none = np.zeros(0, np.int64)
        return _World(np.zeros((0, 0)), none, none, none.astype(bool))
    _, first, atom = np.unique(packed.view(np.dtype((np.void, packed.shape[1]))).ravel(), return_index=True,
                               return_inverse=True)  # fmt: skip
    persons = np.bincount(atom, apart.persons[touched]).astype(np.int64)
    known = np.bincount(atom, apart.persons[touched] * ~missing[touched])
    return _World(held[:, touched[first]].astype(float), np.array([nth for nth, _ in found]), persons, known == 0)


def _numbers(table: Published, apart: Apart, nth: int) -> Iterator[npt.NDArray[np.int64]]:
    """Yield for each number that is shown the classes of people in it."""
    names = {name.lower(): name for name in apart.dimensions[nth]}
    by_shape: dict[tuple[str, ...], dict[frozenset[tuple[str, str]], npt.NDArray[np.int64]]] = {}
    for measure, key in table.shown:
        shape = tuple(sorted(name for name, _ in key))
        if measure != "persons" or not set(shape) <= set(names):
            continue
        if shape not in by_shape:
            by_shape[shape] = apart.members(nth, tuple(names[name] for name in shape))
        if key in by_shape[shape]:
            yield by_shape[shape][key]


def _basis(rows: Matrix) -> Matrix:
    """Return an orthonormal basis of the row space."""
    if not rows.size:
        return np.zeros((0, rows.shape[1]))
    _, sizes, basis = np.linalg.svd(rows, full_matrices=False)
    return basis[sizes > NEAR * max(1.0, float(sizes[0]))]


def _within(basis: Matrix, vector: Matrix) -> bool:
    return bool(np.abs(vector - basis.T @ (basis @ vector)).max() < NEAR * 10) if basis.size else False


def _small(world: _World, smallest: int) -> Iterator[Matrix]:
    """Yield sets of few people that lie in the row space: as reduced as they can be."""
    small = world.persons < smallest
    basis = _basis(world.rows)
    if not small.any() or not basis.size:
        return
    free = _null(basis[:, ~small].T)
    for row in _reduced((basis[:, small].T @ free).T):
        weights = row / np.abs(row).max()
        chosen = np.abs(weights) > NEAR
        if np.allclose(weights[chosen], weights[chosen][0], atol=1e-5):
            vector = np.zeros(len(world.persons))
            vector[np.flatnonzero(small)[chosen]] = 1.0
            if 1 <= world.persons[vector > 0].sum() < smallest:
                yield vector


def _null(matrix: Matrix) -> Matrix:
    """Return a basis of what the matrix makes zero, as columns."""
    if not matrix.shape[0]:
        return np.eye(matrix.shape[1])
    _, sizes, basis = np.linalg.svd(matrix, full_matrices=True)
    rank = int((sizes > NEAR).sum())
    return np.asarray(basis[rank:].T)


def _reduced(rows: Matrix) -> Matrix:
    """Return the reduced row echelon form without its empty rows."""
    rows, at = rows.copy(), 0
    for column in range(rows.shape[1] if rows.size else 0):
        if at == len(rows):
            break
        pivot = at + int(np.abs(rows[at:, column]).argmax())
        if abs(rows[pivot, column]) < NEAR:
            continue
        rows[[at, pivot]] = rows[[pivot, at]]
        rows[at] /= rows[at, column]
        others = np.arange(len(rows)) != at
        rows[others] -= np.outer(rows[others, column], rows[at])
        at += 1
    return rows[:at]


def _shown(world: _World, vector: Matrix) -> bool:
    """Return whether the set is a cell by itself: then it is a small count, and another check's."""
    return bool((world.rows == vector).all(axis=1).any())


def _sources(world: _World, vector: Matrix) -> npt.NDArray[np.int64]:
    """Return the tables out of whose numbers the set can be worked out."""
    weights = np.linalg.lstsq(world.rows.T, vector, rcond=None)[0]
    return np.unique(world.table[np.abs(weights) > 1e-6])  # noqa: PLR2004 -- more than nothing
