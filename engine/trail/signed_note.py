"""Signed notes: a short text and an Ed25519 signature under it, readable by people and by public tools.

The form is C2SP's (c2sp.org/signed-note): the text ends with a newline, an empty line follows, then `— <name> <base64>` where the
base64 is the first four bytes of SHA-256(name, 0x0A, 0x01, public key) and the signature of the text. Pure functions.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"  # the signature type of the key hash
_HASH_BYTES = 4


class NoteError(ValueError):
    """A note is no note, or does not carry the signature that is asked for."""


def sign(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """The note: `text`, which ends with a newline, and its signature by `key` under `name`."""
    signature = _key_hash(name, key.public_key()) + key.sign(text.encode())
    return f"{text}\n— {name} {base64.b64encode(signature).decode()}\n"


def open_(note: str, name: str, key: Ed25519PublicKey) -> str:
    """The text of a note that `key` signed under `name`. Raises NoteError."""
    text, separator, signatures = note.rpartition("\n\n")
    if not separator:
        raise NoteError("it has no signature")
    text += "\n"
    for line in signatures.splitlines():
        if not line.startswith(f"— {name} "):
            continue
        try:
            signed = base64.b64decode(line.rpartition(" ")[2], validate=True)
        except binascii.Error as reason:
            raise NoteError("its signature cannot be read") from reason
        if signed[:_HASH_BYTES] != _key_hash(name, key):
            continue
        try:
            key.verify(signed[_HASH_BYTES:], text.encode())
        except InvalidSignature as reason:
            raise NoteError("its signature is not that of its text") from reason
        return text
    raise NoteError("this installation's key did not sign it")


def _key_hash(name: str, key: Ed25519PublicKey) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + key.public_bytes_raw()).digest()[:_HASH_BYTES]
