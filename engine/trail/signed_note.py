"""Signed notes: a short text and Ed25519 signatures under it, readable by people and by public tools.

The form is C2SP's (c2sp.org/signed-note): the text ends with a newline, an empty line follows, then lines `— <name> <base64>` where the
base64 is a key ID, the first four bytes of SHA-256(name, 0x0A, type, public key), and the signature. A cosignature of a witness
(c2sp.org/tlog-cosignature) has a type of its own and signs the time as well. Pure functions.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"  # signature types
_COSIGNATURE = b"\x04"
_ID_BYTES = 4
_KEY_BYTES = 32
_MOST_BYTES = 64 << 10  # of a note that comes from elsewhere


class NoteError(ValueError):
    """A note is no note, or does not carry the signature that is asked for."""


class UnknownKeyError(NoteError):
    """None of a note's signatures is by the key that is asked for."""


def sign(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """The note: `text`, which ends with a newline, and its signature by `key` under `name`."""
    signature = _key_id(name, _ED25519, key.public_key()) + key.sign(text.encode())
    return f"{text}\n{_line(name, signature)}"


def open_(note: str, name: str, key: Ed25519PublicKey) -> str:
    """The text of a note that `key` signed under `name`. Raises NoteError."""
    text, signatures = split(note)
    for signed in _by(signatures, name, _key_id(name, _ED25519, key)):
        _verify(key, signed, text.encode())
        return text
    raise UnknownKeyError("this installation's key did not sign it")


def split(note: str) -> tuple[str, list[str]]:
    """The text of a note, and its signature lines. Raises NoteError."""
    if len(note) > _MOST_BYTES:
        raise NoteError("it is too long")
    text, separator, signatures = note.replace("\r\n", "\n").rpartition("\n\n")
    if not separator:
        raise NoteError("it has no signature")
    lines = signatures.splitlines()
    if not lines or not all(line.startswith("— ") and line.count(" ") == 2 for line in lines):
        raise NoteError("its signature cannot be read")
    return text + "\n", lines


def encoded(value: bytes) -> str:
    """Hashes, signatures and keys as notes and proofs have them."""
    return base64.b64encode(value).decode()


def _line(name: str, signature: bytes) -> str:
    return f"— {name} {encoded(signature)}\n"


def _by(signatures: list[str], name: str, key_id: bytes) -> list[bytes]:
    """The signatures, without the key's ID, that say to be of this key."""
    found = []
    for line in signatures:
        if not line.startswith(f"— {name} "):
            continue
        try:
            signed = base64.b64decode(line.rpartition(" ")[2], validate=True)
        except binascii.Error as reason:
            raise NoteError("its signature cannot be read") from reason
        if signed[:_ID_BYTES] == key_id:
            found.append(signed[_ID_BYTES:])
    return found


def _verify(key: Ed25519PublicKey, signature: bytes, message: bytes) -> None:
    try:
        key.verify(signature, message)
    except InvalidSignature as reason:
        raise NoteError("its signature is not that of its text") from reason


def _key_id(name: str, type_: bytes, key: Ed25519PublicKey) -> bytes:
    return sha256(name.encode() + b"\n" + type_ + key.public_bytes_raw()).digest()[:_ID_BYTES]


# --- verifier keys, and cosignatures of witnesses


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name, as C2SP writes it in one line. `cosigns`: it is a witness's."""

    name: str
    key: Ed25519PublicKey
    cosigns: bool

    def __str__(self) -> str:
        return verifier_key(self.name, self.key, cosigns=self.cosigns)


def verifier_key(name: str, key: Ed25519PublicKey, *, cosigns: bool = False) -> str:
    type_ = _COSIGNATURE if cosigns else _ED25519
    return f"{name}+{_key_id(name, type_, key).hex()}+{encoded(type_ + key.public_bytes_raw())}"


def parse_verifier_key(text: str) -> VerifierKey:
    """Raises NoteError if it is none, or not an Ed25519 key's."""
    name, _, rest = text.strip().partition("+")
    key_id, _, material = rest.partition("+")
    try:
        raw = base64.b64decode(material, validate=True)
    except binascii.Error as reason:
        raise NoteError("it is not a verifier key") from reason
    type_ = raw[:1]
    if not name or type_ not in (_ED25519, _COSIGNATURE) or len(raw) != 1 + _KEY_BYTES:
        raise NoteError("it is not a verifier key of an Ed25519 key")
    key = Ed25519PublicKey.from_public_bytes(raw[1:])
    if key_id != _key_id(name, type_, key).hex():
        raise NoteError("its key ID is not that of its key")
    return VerifierKey(name, key, type_ == _COSIGNATURE)


def cosign(text: str, name: str, key: Ed25519PrivateKey, moment: datetime) -> str:
    """A witness's signature line for a checkpoint's text."""
    seconds = int(moment.timestamp())
    signature = key.sign(_cosigned(text, seconds))
    return _line(name, _key_id(name, _COSIGNATURE, key.public_key()) + seconds.to_bytes(8) + signature)


def cosigned_at(note: str, witness: VerifierKey) -> datetime | None:
    """When a witness cosigned a note; None if it did not. Raises NoteError if its signature is not genuine."""
    text, signatures = split(note)
    for signed in _by(signatures, witness.name, _key_id(witness.name, _COSIGNATURE, witness.key)):
        seconds = int.from_bytes(signed[:8])
        _verify(witness.key, signed[8:], _cosigned(text, seconds))
        return datetime.fromtimestamp(seconds, UTC)
    return None


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
