"""The Merkle tree of RFC 6962 (section 2.1) and RFC 9162: hashes, roots, proofs and how they are verified. Pure functions.

A tree is given by what reads one stored hash: `read(level, index)` is the hash over the records index·2^level up to (index+1)·2^level,
of complete subtrees only. Everything else is computed of O(log n) of those. Where a stored hash lies in a file that only grows is
`position`: a hash follows as soon as both hashes below it are there (the order of Go's sumdb).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()

Read = Callable[[int, int], bytes]


def leaf_hash(record: bytes) -> bytes:
    return sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that only grows: its size and its complete subtrees from the left, the largest first. Enough for its root."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        self.size, self.hashes = size, list(hashes)

    def add(self, leaf: bytes) -> list[bytes]:
        """Append a leaf hash. What is to be stored for it, in order: the leaf, then each hash that it completes."""
        stored, found, left = [leaf], leaf, self.size
        while left & 1:
            found = sha256(b"\x01" + self.hashes.pop() + found).digest()
            stored.append(found)
            left >>= 1
        self.hashes.append(found)
        self.size += 1
        return stored

    def root(self) -> bytes:
        return _joined(self.hashes)


def _joined(subtrees: Sequence[bytes]) -> bytes:
    """The root over complete subtrees, from the left."""
    if not subtrees:
        return EMPTY_ROOT
    found = subtrees[-1]
    for each in reversed(subtrees[:-1]):
        found = node_hash(each, found)
    return found


# --- where hashes are stored


def position(level: int, index: int) -> int:
    """How many hashes are stored before this one."""
    for _ in range(level):
        index = 2 * index + 1  # the last leaf below
    before = 0
    while index:
        before += index
        index >>= 1
    return before + level


def stored(size: int) -> int:
    """How many hashes are stored for a tree of this size."""
    return 2 * size - size.bit_count()


def size_of(hashes: int) -> int:
    """The largest size of which no more than `hashes` are stored."""
    size = hashes // 2
    while stored(size + 1) <= hashes:
        size += 1
    return size


def frontier(size: int, read: Read) -> Frontier:
    return Frontier(size, _subtrees(0, size, read))


def root(size: int, read: Read) -> bytes:
    return _joined(_subtrees(0, size, read))


def _subtrees(start: int, end: int, read: Read) -> list[bytes]:
    """The complete subtrees of the records `start` to `end`, from the left. `start` is a multiple of the largest's size."""
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append(read(level, start >> level))
        start += 1 << level
    return found


# --- proofs (RFC 6962, 2.1.1 and 2.1.2)


def inclusion(index: int, size: int, read: Read) -> list[bytes]:
    """The audit path of record `index`, counted from 0, in a tree of this size. Raises ValueError if it is not in it."""
    if not 0 <= index < size:
        raise ValueError(f"record {index} is not in a tree of {size}")
    return _path(index, 0, size, read)


def _path(index: int, start: int, end: int, read: Read) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + _half(end - start)
    if index < middle:
        return [*_path(index, start, middle, read), _joined(_subtrees(middle, end, read))]
    return [*_path(index, middle, end, read), _joined(_subtrees(start, middle, read))]


def consistency(old: int, new: int, read: Read) -> list[bytes]:
    """The proof that a tree of size `new` begins with the one of size `old`. Raises ValueError unless 0 <= old <= new."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} does not begin with one of {old}")
    if old in (0, new):
        return []
    return _subproof(old, 0, new, read, whole=True)


def _subproof(old: int, start: int, end: int, read: Read, *, whole: bool) -> list[bytes]:
    if old == end:
        return [] if whole else [_joined(_subtrees(start, end, read))]
    middle = start + _half(end - start)
    if old <= middle:
        right = _joined(_subtrees(middle, end, read))
        return [*_subproof(old, start, middle, read, whole=whole), right]
    left = _joined(_subtrees(start, middle, read))
    return [*_subproof(old, middle, end, read, whole=False), left]


def _half(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


# --- verifying (RFC 9162, 2.1.3.2 and 2.1.4.2)


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected: bytes) -> bool:
    """Whether `leaf` is the record `index` of the tree of this size with the root `expected`."""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf
    for each in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(each, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, each)
        place, last = place >> 1, last >> 1
    return last == 0 and found == expected


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree of size `new` begins with the tree of size `old`."""
    if not 0 <= old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = path[0]
    for each in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node_hash(each, first), node_hash(each, second)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, each)
        place, last = place >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root
