"""What decides about keys, kept for everyone: read through keys.evaluator.key_policy_cache alone, which shows each principal what it may read."""

from __future__ import annotations

from django.db import models


class CachedKeyPolicy(models.Model):
    """What decides about a key beside IAM, as the API told it: so that "which keys can this principal use" reads 10,000 keys at once.
    Like the inventory a shortcut and no way round a policy: see keys/evaluator/key_policy_cache.py."""

    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=32)
    key_id = models.CharField(max_length=64)
    policy = models.TextField()
    grants = models.JSONField(default=list, help_text="as ListGrants answers")
    grants_known = models.BooleanField(default=True)
    change = models.BigIntegerField(default=0, help_text="the engine's last change row when it was read")
    read = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "region", "key_id"], name="key_access_identity")]

    def __str__(self) -> str:
        return self.key_id
