"""What a symmetric ciphertext of the embedded engine shows to whoever holds it, by its documented layout (docs/ciphertext.md). Pure.

Programs treat a blob as opaque, and nothing read here is authoritative: only KMS tells whether a blob is what it says it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

LONGEST = 6144  # bytes that Decrypt takes
# Part → its length in bytes, in order. The ciphertext proper follows, as long as the plaintext, then the tag.
_HEADER = (("version", 2), ("kind", 1), ("account", 6), ("key", 16), ("material", 32), ("nonce", 32))
_TAG = 16
OVERHEAD = sum(length for _name, length in _HEADER) + _TAG
MAGIC = b"\x01\x02"
_SINGLE_REGION, _MULTI_REGION = 0, 1
# Length of what RSA encrypts to → key spec: as long as the modulus.
RSA_LENGTHS = {256: "RSA_2048", 384: "RSA_3072", 512: "RSA_4096"}


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `start` up to, not including, `end`."""

    name: str
    start: int
    end: int

    @property
    def last(self) -> int:
        return self.end - 1


@dataclass(frozen=True, slots=True)
class Reading:
    """What stands in the clear. `plaintext_size` in bytes."""

    parts: tuple[Part, ...]
    multi_region: bool
    account_id: str
    key_id: str
    material_id: str
    plaintext_size: int

    def part_of(self, place: int) -> Part:
        return next(part for part in self.parts if part.start <= place < part.end)


def read(blob: bytes) -> Reading | None:
    """None for what is not laid out so: AWS's own ciphertexts, RSA's, or anything else."""
    if len(blob) < OVERHEAD or blob[:2] != MAGIC or blob[2] not in (_SINGLE_REGION, _MULTI_REGION):
        return None
    parts, start = [], 0
    for name, length in (*_HEADER, ("ciphertext", len(blob) - OVERHEAD), ("tag", _TAG)):
        if length:
            parts.append(Part(name, start, start + length))
        start += length
    at = {part.name: blob[part.start : part.end] for part in parts}
    key = UUID(bytes=at["key"])
    multi_region = blob[2] == _MULTI_REGION
    return Reading(
        parts=tuple(parts),
        multi_region=multi_region,
        account_id=f"{int.from_bytes(at['account'], 'big'):012d}",
        key_id=f"mrk-{key.hex}" if multi_region else str(key),
        material_id=at["material"].hex(),
        plaintext_size=len(blob) - OVERHEAD,
    )


def flip(blob: bytes, place: int, bit: int) -> bytes:
    """The blob with one bit the other way round; bit 0 is the least significant of its byte. Raises IndexError beyond the end."""
    changed = bytearray(blob)
    changed[place] ^= 1 << bit
    return bytes(changed)
