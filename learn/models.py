"""What the integrated services hold for a person: one resource of a service, under one key. The data key lies here encrypted only."""

from __future__ import annotations

from django.db import models


class ProtectedResource(models.Model):
    """`owner` is the principal (keys.viewer.owner) for whom the service made the resource; `sealed` is what KMS gave the service to keep."""

    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=32)
    owner = models.CharField(max_length=80)
    service = models.CharField(max_length=32)
    resource_id = models.CharField(max_length=64)
    key_arn = models.CharField(max_length=200)
    sealed = models.BinaryField()
    grant_id = models.CharField(max_length=64, blank=True)
    since = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "region", "owner", "service"], name="labs_one_a_service")
        ]

    def __str__(self) -> str:
        return f"{self.service} {self.resource_id}"
