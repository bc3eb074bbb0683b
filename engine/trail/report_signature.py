"""The signature of a report's files, by the key that signs checkpoints, under a name of its own so that neither is ever taken for the other.

What is signed is a short text: the name, lines about the report, and each file's SHA-256 as `sha256sum` writes it. It is given as a signed
note, and as text, signature and public key apart, which openssl verifies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine.trail import checkpoints, signed_note


@dataclass(frozen=True, slots=True)
class SignedReport:
    """`text` is what `signature` is of; `note` both in one, as C2SP's signed notes are; `public_key` as PEM."""

    text: str
    signature: bytes
    note: str
    public_key: bytes


def sign(lines: Sequence[str], digests: Mapping[str, str]) -> SignedReport:
    """`digests`: file name → SHA-256 in hex. Raises CheckpointError where the key does not open."""
    mine = checkpoints.signer()
    origin = mine.name("report")
    if any("\n" in each for each in (*lines, *digests)):
        raise ValueError("a line of a report's signature holds no line break")
    text = "\n".join([origin, *lines, *(f"{digest}  {name}" for name, digest in digests.items())]) + "\n"
    pem = mine.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return SignedReport(text, mine.key.sign(text.encode()), signed_note.sign(text, origin, mine.key), pem)
