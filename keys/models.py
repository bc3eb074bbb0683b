"""The inventory: what lists show of keys, kept up to date from describe calls, so that a list of 100,000 keys is one query."""

from __future__ import annotations

from django.db import models


class InventoryKey(models.Model):
    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=32)
    key_id = models.CharField(max_length=64)
    arn = models.CharField(max_length=200)
    alias = models.CharField(max_length=256, blank=True, help_text="the first, without its prefix")
    aliases = models.JSONField(default=list)
    has_alias = models.BooleanField(default=False)
    description = models.TextField(blank=True)
    state = models.CharField(max_length=32)
    spec = models.CharField(max_length=32)
    usage = models.CharField(max_length=32)
    origin = models.CharField(max_length=32)
    manager = models.CharField(max_length=16)
    regionality = models.CharField(max_length=16)
    created = models.DateTimeField(null=True)
    deletion_date = models.DateTimeField(null=True)
    rotation = models.CharField(max_length=32, blank=True)
    next_rotation = models.DateTimeField(null=True)
    tags = models.JSONField(default=dict)
    search = models.TextField(help_text="lower-case text that the filter looks in")
    readable = models.BooleanField(default=True, help_text="whether the key could be described")
    stale_at = models.DateTimeField(null=True, help_text="when time alone changes what is shown")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "region", "key_id"], name="inventory_identity")]
        indexes = [
            models.Index(fields=["account_id", "region", "manager", field], name=f"inventory_{field}")
            for field in ("alias", "key_id", "state", "spec", "usage", "origin", "created")
        ]

    def __str__(self) -> str:
        return self.key_id


class InventoryMark(models.Model):
    """How far the inventory follows, for each account and Region: the engine's last change row taken over, or when another
    endpoint's list was last read."""

    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=32)
    change = models.BigIntegerField(default=-1)
    synchronised = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "region"], name="inventory_mark")]

    def __str__(self) -> str:
        return f"{self.account_id}/{self.region}: {self.change}"


class KeyAccess(models.Model):
    """What decides about a key beside IAM, as the API told it: so that "which keys can this principal use" reads 10,000 keys at once.
    Like the inventory a shortcut and no way round a policy: see keys/access/allkeys.py."""

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
