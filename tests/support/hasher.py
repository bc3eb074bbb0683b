"""The server's password hash with as little work as scrypt takes: slow hashing protects people, not tests."""

from __future__ import annotations

from django.contrib.auth.hashers import ScryptPasswordHasher
from django.db import connection


class QuickScrypt(ScryptPasswordHasher):
    work_factor = 2
    parallelism = 1

    def encode(self, password: str, salt: str, *work: int | None) -> str:
        """Real hashing takes so long that it is done while nobody waits for the database: in no transaction."""
        assert not connection.in_atomic_block, "a password is hashed or compared in a transaction"
        return str(super().encode(password, salt, *work))
