"""A file under a data key: the envelope the lab writes and reads. Pure; the cryptography is AES-256-GCM from `cryptography`.

    KMSENVELOPE1\\n | header length (4 bytes, big endian) | header (JSON) | ciphertext | tag (16 bytes)

The header keeps the encrypted data key beside the ciphertext, and is authenticated with it. Nothing is released from `open_` before the
tag has been checked.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

MAGIC = b"KMSENVELOPE1\n"
_NONCE, _TAG, _LONGEST_HEADER = 12, 16, 65_536


class NotAnEnvelope(ValueError):
    """The file is none of ours, or was cut."""


class ContentChanged(ValueError):
    """The tag does not match: a bit differs, or it is another data key."""


@dataclass(frozen=True, slots=True)
class Header:
    """What stands in the clear before the ciphertext. `encrypted_key` is KMS's CiphertextBlob of the data key."""

    key_arn: str
    encrypted_key: bytes
    encryption_context: Mapping[str, str]
    nonce: bytes
    file_name: str

    def to_bytes(self) -> bytes:
        content = {
            "algorithm": "AES_256_GCM",
            "key": self.key_arn,
            "encryptedDataKey": base64.b64encode(self.encrypted_key).decode(),
            "encryptionContext": dict(self.encryption_context),
            "nonce": base64.b64encode(self.nonce).decode(),
            "fileName": self.file_name,
        }
        text = json.dumps(content, ensure_ascii=False).encode()
        return MAGIC + len(text).to_bytes(4, "big") + text


def new_header(key_arn: str, encrypted_key: bytes, context: Mapping[str, str], file_name: str) -> Header:
    return Header(key_arn, encrypted_key, context, os.urandom(_NONCE), file_name)


def seal(chunks: Iterable[bytes], data_key: bytes, header: Header) -> Iterator[bytes]:
    """The envelope, piece by piece as the pieces of the file come in. `data_key`: 32 bytes."""
    encryptor = Cipher(AES(data_key), GCM(header.nonce)).encryptor()
    start = header.to_bytes()
    encryptor.authenticate_additional_data(start)
    yield start
    for chunk in chunks:
        yield encryptor.update(chunk)
    yield encryptor.finalize() + encryptor.tag


def read_header(data: bytes) -> tuple[Header, int]:
    """(header, where the ciphertext begins) of the first 64 KiB or more of an envelope. Raises NotAnEnvelope."""
    start = len(MAGIC) + 4
    if not data.startswith(MAGIC) or len(data) < start:
        raise NotAnEnvelope
    size = int.from_bytes(data[len(MAGIC) : start], "big")
    if size > _LONGEST_HEADER or len(data) < start + size:
        raise NotAnEnvelope
    try:
        content = orjson.loads(data[start : start + size])  # half a character is none here, and no file is named by it
        header = Header(
            str(content["key"]),
            base64.b64decode(content["encryptedDataKey"], validate=True),
            {str(name): str(value) for name, value in content["encryptionContext"].items()},
            base64.b64decode(content["nonce"], validate=True),
            str(content["fileName"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as reason:
        raise NotAnEnvelope from reason
    if len(header.nonce) != _NONCE:
        raise NotAnEnvelope
    return header, start + size


def open_(chunks: list[bytes], data_key: bytes, header: Header, begin: int) -> list[bytes]:
    """The file's pieces, only if every bit is as it was sealed. Takes the envelope's pieces and empties the list as it goes.

    Raises NotAnEnvelope (cut short) or ContentChanged.
    """
    _drop_front(chunks, begin)
    tag = _take_back(chunks, _TAG)
    decryptor = Cipher(AES(data_key), GCM(header.nonce, tag)).decryptor()
    decryptor.authenticate_additional_data(header.to_bytes())
    opened = []
    chunks.reverse()
    while chunks:
        opened.append(decryptor.update(chunks.pop()))
    try:
        opened.append(decryptor.finalize())
    except InvalidTag as reason:
        raise ContentChanged from reason
    return opened


def _drop_front(chunks: list[bytes], count: int) -> None:
    while count and chunks:
        taken = min(count, len(chunks[0]))
        chunks[0] = chunks[0][taken:]
        count -= taken
        if not chunks[0]:
            chunks.pop(0)


def _take_back(chunks: list[bytes], count: int) -> bytes:
    taken = b""
    while chunks and len(taken) < count:
        last = chunks.pop()
        wanted = count - len(taken)
        taken = last[-wanted:] + taken
        if len(last) > wanted:
            chunks.append(last[:-wanted])
    if len(taken) < count:
        raise NotAnEnvelope
    return taken
