"""Which events of a block of 65,536 sequence numbers: a set of bits (an int), and how the search index keeps one. Pure."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import compress

BLOCK = 1 << 16
ALL = (1 << BLOCK) - 1
_BYTES = BLOCK // 8
_FEW = 128  # events that are kept as numbers of two bytes each; more are kept as compressed bits
_SPARSE = 4_096  # events; so many are sooner listed by a byte for each place
_FLAGS = bytes.maketrans(b"01", b"\0\1")
_BITS = [[bit for bit in range(8) if byte >> bit & 1] for byte in range(256)]
_ENTRY = 6  # bytes of an identifier: four of its hash, two of its place


def of_places(found: Sequence[int]) -> int:
    text = bytearray(_BYTES)
    for place in found:
        text[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(text, "little")


def newest_first(bits: int) -> Iterator[int]:
    """The places of the bits that are set, highest first."""
    text = bits.to_bytes(_BYTES, "little")
    for number in compress(range(_BYTES - 1, -1, -1), reversed(text)):
        for bit in reversed(_BITS[text[number]]):
            yield (number << 3) + bit


def oldest_first(bits: int) -> Iterator[int]:
    text = bits.to_bytes(_BYTES, "little")
    for number in compress(range(_BYTES), text):
        for bit in _BITS[text[number]]:
            yield (number << 3) + bit


def listed(bits: int) -> list[int]:
    """The places of the bits that are set, lowest first, all at once."""
    if bits.bit_count() < _SPARSE:
        return list(oldest_first(bits))
    flags = f"{bits:b}"[::-1].encode().translate(_FLAGS)
    return list(compress(range(len(flags)), flags))


def below(place: int) -> int:
    """All places under this one."""
    return (1 << place) - 1


def packed(bits: int) -> tuple[int, bytes]:
    """(how many, as bytes)."""
    events = bits.bit_count()
    if events <= _FEW:
        return events, array("H", oldest_first(bits)).tobytes()
    return events, zlib.compress(bits.to_bytes(_BYTES, "little"), 1)


def unpacked(events: int, text: bytes) -> int:
    if events <= _FEW:
        return of_places(array("H", text))
    return int.from_bytes(zlib.decompress(text), "little")


def extended(events: int, text: bytes, new: Sequence[int]) -> tuple[int, bytes]:
    """What was packed with further places, each higher than all before."""
    if events + len(new) <= _FEW:
        return events + len(new), text + array("H", new).tobytes()
    return packed(unpacked(events, text) | of_places(new))


def hashed(identifier: str) -> tuple[str, bytes]:
    """(bucket, hash) under which the place of an identifier is kept."""
    digest = blake2b(identifier.lower().encode(errors="replace"), digest_size=5).digest()
    return digest[:1].hex(), digest[1:]


def of_identifier(text: bytes, entry: bytes) -> int:
    """The places at which a bucket has a hash."""
    found, at = [], text.find(entry)
    while at >= 0:
        if at % _ENTRY == 0:
            found.append(int.from_bytes(text[at + 4 : at + 6], "little"))
        at = text.find(entry, at + 1)
    return of_places(found)
