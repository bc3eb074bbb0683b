"""The Merkle tree: the published vectors of RFC 6962, and every proof against a tree computed as the RFC's text defines it."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.trail import merkle

# The eight records and their roots that Certificate Transparency's implementations share as test vectors.
RECORDS = [bytes.fromhex(each) for each in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {  # (index, size): path
    (0, 8): ("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7", "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e", "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"),
    (5, 8): ("bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b", "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    (2, 3): ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",),
}  # fmt: skip
CONSISTENCY = {  # (old, new): proof
    (1, 1): (),
    (1, 8): ("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7", "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e", "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"),
    (6, 8): ("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a", "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    (2, 5): ("5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e", "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"),
}  # fmt: skip


def root_by_definition(records: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, word by word."""
    if not records:
        return sha256().digest()
    if len(records) == 1:
        return sha256(b"\x00" + records[0]).digest()
    half = 1
    while half * 2 < len(records):
        half *= 2
    return sha256(b"\x01" + root_by_definition(records[:half]) + root_by_definition(records[half:])).digest()


class Stored:
    """What a tree's file holds."""

    def __init__(self, records: list[bytes]) -> None:
        self.hashes: list[bytes] = []
        self.frontier = merkle.Frontier()
        for record in records:
            self.hashes += self.frontier.add(merkle.leaf_hash(record))

    def read(self, level: int, index: int) -> bytes:
        return self.hashes[merkle.position(level, index)]


def made(size: int) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(size)]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_the_published_vectors(size: int) -> None:
    tree = Stored(RECORDS[:size])
    assert tree.frontier.root().hex() == ROOTS[size]
    assert merkle.root(size, Stored(RECORDS).read).hex() == ROOTS[size]


def test_proofs_are_those_of_the_published_vectors() -> None:
    read = Stored(RECORDS).read
    for (index, size), path in INCLUSION.items():
        assert tuple(each.hex() for each in merkle.inclusion(index, size, read)) == path
    for (old, new), proof in CONSISTENCY.items():
        assert tuple(each.hex() for each in merkle.consistency(old, new, read)) == proof


@given(st.integers(1, 200), st.data())
def test_each_record_is_proved_and_no_other_is(size: int, data: st.DataObject) -> None:
    records = made(size)
    read, root = Stored(records).read, root_by_definition(records)
    index = data.draw(st.integers(0, size - 1))
    path, leaf = merkle.inclusion(index, size, read), merkle.leaf_hash(records[index])
    assert merkle.verify_inclusion(leaf, index, size, path, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index)) if size > 1 else size
    assert not merkle.verify_inclusion(leaf, other, size, path, root)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b"another"), index, size, path, root)
    assert not merkle.verify_inclusion(leaf, index, size, [*path, bytes(32)], root)
    assert not path or not merkle.verify_inclusion(leaf, index, size, path[:-1], root)


@given(st.integers(0, 200), st.integers(0, 200), st.data())
def test_a_tree_that_grew_is_proved_and_a_rewritten_one_is_not(one: int, two: int, data: st.DataObject) -> None:
    old, new = sorted((one, two))
    records = made(new)
    read, roots = Stored(records).read, [root_by_definition(records[:old]), root_by_definition(records)]
    proof = merkle.consistency(old, new, read)
    assert merkle.verify_consistency(old, roots[0], new, roots[1], proof)
    assert not merkle.verify_consistency(old, roots[0], new, roots[1], [*proof, bytes(32)])
    if old:
        place = data.draw(st.integers(0, old - 1))
        rewritten = Stored([*records[:place], b"rewritten", *records[place + 1 :]])
        assert not merkle.verify_consistency(
            old, roots[0], new, rewritten.frontier.root(), merkle.consistency(old, new, rewritten.read)
        )
        assert not merkle.verify_consistency(old, bytes(32), new, roots[1], proof)


@given(st.integers(0, 300))
def test_the_file_of_hashes_says_how_large_its_tree_is(size: int) -> None:
    tree = Stored(made(size))
    assert len(tree.hashes) == merkle.stored(size)
    assert merkle.size_of(merkle.stored(size)) == size
    assert merkle.frontier(size, tree.read).hashes == tree.frontier.hashes


def test_what_is_beyond_a_tree_has_no_proof() -> None:
    read = Stored(made(4)).read
    with pytest.raises(ValueError, match="is not in a tree of 4"):
        merkle.inclusion(4, 4, read)
    with pytest.raises(ValueError, match="does not begin"):
        merkle.consistency(5, 4, read)
    assert not merkle.verify_inclusion(merkle.leaf_hash(b""), 4, 4, [], bytes(32))
    assert not merkle.verify_consistency(5, bytes(32), 4, bytes(32), [])
