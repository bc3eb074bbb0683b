"""Wrapped domain keys: the middle of the key hierarchy (see docs/ciphertext.md)."""

from __future__ import annotations

from django.db import models


class DomainKey(models.Model):
    """Wraps every key material (and access-key secret) of one account in one Region; itself wrapped by the root key."""

    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=32)
    wrapped = models.BinaryField()
    root_key_id = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "region"], name="domain_key")]

    def __str__(self) -> str:
        return f"{self.account_id}/{self.region}"
