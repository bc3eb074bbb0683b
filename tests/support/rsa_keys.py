"""RSA keys for tests from a stock that is made once for all test processes: making them was a tenth of the suite's work.

Keys of one process come in turn, so that a test that compares two has two. The engine asks `cryptography` for a key as ever; whether it
does, tests/engine/kms/test_crypto.py shows with `generate`, the function that was there before. Keys of other exponents or sizes are made.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

STOCK = {2048: 16, 3072: 8, 4096: 6}  # size in bits → how many
generate = rsa.generate_private_key
_turn = itertools.count(random.randrange(100))


def from_stock(public_exponent: int, key_size: int, backend: object = None) -> RSAPrivateKey:
    if public_exponent != 65537 or key_size not in STOCK:
        return generate(public_exponent, key_size)
    return _stock(key_size)[next(_turn) % STOCK[key_size]]


def install() -> None:
    rsa.generate_private_key = from_stock


def named(name: str) -> RSAPrivateKey:
    """A key of 2,048 bits that no other name has and that never comes in turn: for what is kept longer than a test, and compared."""
    with _locked() as folder:
        return _kept(folder / f"2048-of-{name}.der", 2048)


@cache
def _stock(size: int) -> list[RSAPrivateKey]:
    with _locked() as folder:
        return [_kept(folder / f"{size}-{number}.der", size) for number in range(STOCK[size])]


@contextmanager
def _locked() -> Iterator[Path]:
    folder = Path(tempfile.gettempdir()) / f"kmsconsole-rsa-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _kept(path: Path, size: int) -> RSAPrivateKey:
    if not path.exists():
        form = (serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        new = path.with_suffix(".new")
        new.write_bytes(generate(65537, size).private_bytes(*form))
        new.rename(path)
    found = serialization.load_der_private_key(path.read_bytes(), None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(found, RSAPrivateKey)
    return found
