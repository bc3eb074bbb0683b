"""The key hierarchy: root key → domain keys → key material and secrets. Pure functions; storing is
engine.vault.domain_keys's and, for the root key, engine.vault.root_files's.

Every wrap is AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D) under a key used for wrapping only. The additional data
names what is wrapped, so a wrapped blob opens only as what it was: another account, Region, key or kind refuses.

    wrapped = version (1 byte, 0x01) | nonce (12) | AES-256-GCM ciphertext and tag
    additional data = the UTF-8 strings of the binding, each preceded by its length in two bytes, big endian
"""

from __future__ import annotations

import os
import secrets
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = b"\x01"


class RootKeyError(Exception):
    """The root key is missing, damaged or another one; the message is one line for whoever starts the server."""


class UnwrapError(ValueError):
    """A wrapped blob is not what it is taken for, or was changed."""


class Root(Protocol):
    """What wraps domain keys."""

    @property
    def root_key_id(self) -> str: ...

    def wrap(self, binding: bytes, plaintext: bytes) -> bytes: ...

    def unwrap(self, binding: bytes, wrapped: bytes) -> bytes: ...


class RootKey:
    """An opened root key. Its ID is the start of a hash of the key, safe to store beside what it wraps."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._key = key
        self.root_key_id = sha256(b"kmsconsole root key id" + key).hexdigest()[:32]

    def wrap(self, binding: bytes, plaintext: bytes) -> bytes:
        return seal_under(self._cipher, binding, plaintext)

    def unwrap(self, binding: bytes, wrapped: bytes) -> bytes:
        return open_under(self._cipher, binding, wrapped)

    def wrap_key_of(self, other: RootKey) -> bytes:
        """Another root key under this one, for whoever holds this one in memory and can be given no passphrase or PIN."""
        return self.wrap(bind("root", self.root_key_id, other.root_key_id), other._key)

    def unwrap_key_of(self, root_key_id: str, wrapped: bytes) -> RootKey:
        """Raises UnwrapError."""
        found = RootKey(self.unwrap(bind("root", self.root_key_id, root_key_id), wrapped))
        if found.root_key_id != root_key_id:
            raise UnwrapError("not the root key that it is named as")
        return found


def new_domain_key(root: Root, account_id: str, region: str) -> bytes:
    """A fresh domain key of an account in a Region, wrapped by the root key."""
    return root.wrap(bind("domain", account_id, region, root.root_key_id), secrets.token_bytes(KEY_BYTES))


def unwrap_domain_key(root: Root, account_id: str, region: str, wrapped: bytes) -> bytes:
    """Raises UnwrapError."""
    return root.unwrap(bind("domain", account_id, region, root.root_key_id), wrapped)


def rewrap_domain_key(old: Root, new: Root, account_id: str, region: str, wrapped: bytes) -> bytes:
    """Root rotation: the same domain key under another root key."""
    plaintext = unwrap_domain_key(old, account_id, region, wrapped)
    return new.wrap(bind("domain", account_id, region, new.root_key_id), plaintext)


def wrap(
    domain_key: bytes, kind: str, account_id: str, region: str, key_id: str, item_id: str, plaintext: bytes
) -> bytes:
    """Wrap key material (kind "material") or a secret (kind "access-key", "session") under a domain key."""
    return seal_under(AESGCM(domain_key), bind(kind, account_id, region, key_id, item_id), plaintext)


def unwrap(
    domain_key: bytes, kind: str, account_id: str, region: str, key_id: str, item_id: str, wrapped: bytes
) -> bytes:
    """Raises UnwrapError for anything but what `wrap` made of the same kind, account, Region and IDs."""
    return open_under(AESGCM(domain_key), bind(kind, account_id, region, key_id, item_id), wrapped)


def bind(*parts: str) -> bytes:
    """The additional data of a wrap: what it is, whose, which."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(2, "big") + part for part in encoded)


def seal_under(cipher: AESGCM, binding: bytes, plaintext: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return _VERSION + nonce + cipher.encrypt(nonce, plaintext, binding)


def open_under(cipher: AESGCM, binding: bytes, wrapped: bytes) -> bytes:
    if wrapped[:1] != _VERSION or len(wrapped) < 1 + _NONCE_BYTES + 16:
        raise UnwrapError("not a wrapped key")
    try:
        return cipher.decrypt(wrapped[1 : 1 + _NONCE_BYTES], wrapped[1 + _NONCE_BYTES :], binding)
    except InvalidTag as reason:
        raise UnwrapError("the wrapped key does not open as what it is taken for") from reason
