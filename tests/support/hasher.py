"""The server's password hash with as little work as scrypt takes: slow hashing protects people, not tests."""

from __future__ import annotations

from django.contrib.auth.hashers import ScryptPasswordHasher


class QuickScrypt(ScryptPasswordHasher):
    work_factor = 2
    parallelism = 1
