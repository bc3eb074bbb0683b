"""Shamir's secret sharing: a secret in n shares of which any k give it back, and fewer say nothing about it.

Each byte of the secret is the value at 0 of a polynomial of degree k - 1 over GF(256) whose other coefficients are random; share i holds
the values at i. The field is that of AES (x^8 + x^4 + x^3 + x + 1), as in SLIP-39 and HashiCorp Vault. Source: A. Shamir, "How to share a
secret", CACM 22 (1979). Packages were looked for: those that are kept well share other kinds of secrets (mnemonics of wallets), or advise
against their use for secrets, or give shares without a threshold, a set and a checksum.

A share as people get it, in base32 (RFC 4648) with dashes, upper or lower case:

    version (1 byte, 0x01) | set (4) | threshold (1) | index (1) | values (32) | first 4 bytes of SHA-256 of what comes before
"""

from __future__ import annotations

import base64
import binascii
import enum
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

SECRET_BYTES = 32
MOST_SHARES = 32
_VERSION = b"\x01"
_SET_BYTES = 4
_CHECK_BYTES = 4
_GROUP = 5  # characters between two dashes
_LONGEST = 400  # characters of what is taken for a share


class Wrong(enum.Enum):
    """What can be wrong with a share that was entered."""

    NO_SHARE = "it has other characters than letters, digits from 2 to 7 and dashes"
    NOT_WHOLE = "it is not whole"
    MISTYPED = "it has a typing error: its checksum does not fit"
    OTHER_SET = "it is of another set, made for another root key"
    UNKNOWN = "it is none of those that were handed out"
    REPEATED = "it was entered already"


class ShareError(ValueError):
    """`wrong` says why a share is refused; nothing of the share is in it."""

    def __init__(self, wrong: Wrong) -> None:
        super().__init__(wrong.value)
        self.wrong = wrong


@dataclass(frozen=True, slots=True, repr=False)
class Share:
    set_id: bytes
    threshold: int
    index: int
    values: bytes

    def text(self) -> str:
        content = self._content()
        letters = base64.b32encode(content + sha256(content).digest()[:_CHECK_BYTES]).decode().rstrip("=")
        return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))

    def digest(self) -> str:
        """Tells this share from others. Its values are 256 random bits: a hash of them says nothing about them."""
        return sha256(b"kmsconsole share" + self._content()).hexdigest()

    def _content(self) -> bytes:
        return _VERSION + self.set_id + bytes([self.threshold, self.index]) + self.values


def read(text: str) -> Share:
    """Raises ShareError."""
    letters = "".join(text.split()).replace("-", "").upper() if len(text) <= _LONGEST else ""
    if not re.fullmatch("[A-Z2-7]+", letters):
        raise ShareError(Wrong.NO_SHARE)
    try:
        raw = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except binascii.Error:
        raise ShareError(Wrong.NOT_WHOLE) from None
    content, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    head = len(_VERSION) + _SET_BYTES + 2
    if len(content) != head + SECRET_BYTES or content[:1] != _VERSION:
        raise ShareError(Wrong.NOT_WHOLE)
    if sha256(content).digest()[:_CHECK_BYTES] != check:
        raise ShareError(Wrong.MISTYPED)
    return Share(content[1 : 1 + _SET_BYTES], content[head - 2], content[head - 1], content[head:])


def split(secret: bytes, shares: int, threshold: int) -> list[Share]:
    """Raises ValueError for numbers that are none."""
    if not 2 <= threshold <= shares <= MOST_SHARES or len(secret) != SECRET_BYTES:
        raise ValueError(f"there must be 2 to {MOST_SHARES} shares, and 2 to all of them needed")
    set_id = secrets.token_bytes(_SET_BYTES)
    coefficients = [secret, *(secrets.token_bytes(len(secret)) for _ in range(threshold - 1))]
    return [Share(set_id, threshold, index, _values(coefficients, index)) for index in range(1, shares + 1)]


def combine(shares: Sequence[Share]) -> bytes:
    """The secret, if these are as many shares of one set as are needed: other values give another secret, and nobody sees that here."""
    return interpolate([(share.index, share.values) for share in shares], 0)


def _values(coefficients: Sequence[bytes], x: int) -> bytes:
    """The polynomials of all bytes at x, by Horner's rule; the lowest coefficient comes first."""
    values = bytes(len(coefficients[0]))
    for each in reversed(coefficients):
        values = bytes(multiply(value, x) ^ added for value, added in zip(values, each, strict=True))
    return values


def interpolate(points: Sequence[tuple[int, bytes]], x: int) -> bytes:
    """The value at x of the polynomial of lowest degree through the points, for each byte (Lagrange)."""
    if len({at for at, _ in points}) != len(points):
        raise ValueError("two points have one x")
    found = bytes(len(points[0][1]))
    for at, values in points:
        weight = 1
        for other, _ in points:
            if other != at:
                weight = multiply(weight, divide(x ^ other, at ^ other))
        found = bytes(have ^ multiply(value, weight) for have, value in zip(found, values, strict=True))
    return found


def multiply(a: int, b: int) -> int:
    """In GF(256). No table is looked up and no branch is taken by the values: what the processor's cache and time could tell of them."""
    product = 0
    for _ in range(8):
        product ^= -(b & 1) & a
        a = (a << 1) ^ (-(a >> 7) & 0x11B)
        b >>= 1
    return product


def divide(a: int, b: int) -> int:
    """Raises ZeroDivisionError."""
    if b == 0:
        raise ZeroDivisionError
    inverse = 1
    for _ in range(254):  # b^254 is 1/b, since b^255 is 1
        inverse = multiply(inverse, b)
    return multiply(a, inverse)
