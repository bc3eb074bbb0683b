"""The inventory: what lists show of keys, kept up to date from describe calls, so that a list of 100,000 keys is one query.
Beside it what it needs: counts, how far it follows, and who may see what.

It knows more than any one principal may read. Pages read it through keys.inventory.inventory, which leaves out what theirs may not; import-linter
lets no other module import this one.

`account_id` in these tables is the scope of a list: an account of the embedded engine, or "c<number>" for a connection.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone


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
    kind = models.CharField(max_length=16, blank=True, help_text="Symmetric, Asymmetric, HMAC or KEM")
    spec = models.CharField(max_length=32)
    usage = models.CharField(max_length=32)
    origin = models.CharField(max_length=32)
    # NULL where there is none: SQLite adds such a column without a copy of the table, which would lose its triggers.
    custom_key_store = models.CharField(max_length=64, null=True, help_text="the ID of the store it is in")  # noqa: DJ001
    manager = models.CharField(max_length=16)
    regionality = models.CharField(max_length=16)
    created = models.DateTimeField(null=True)
    deletion_date = models.DateTimeField(null=True)
    valid_to = models.DateTimeField(null=True, help_text="when imported material expires")
    rotation = models.CharField(max_length=32, blank=True, help_text='"365 days", "off", or empty where there is none')
    next_rotation = models.DateTimeField(null=True)
    last_used = models.DateTimeField(null=True)
    public = models.CharField(max_length=8, blank=True, help_text='whether anyone can use it: "yes", "no", or unknown')
    tags = models.JSONField(default=dict)
    # The beginning of what the list sorts by, so that an index can hold it; NULL where there is nothing, which sorts last.
    description_order = models.CharField(max_length=96, null=True)  # noqa: DJ001
    tags_order = models.CharField(max_length=96, null=True)  # noqa: DJ001
    search = models.TextField(help_text="lower-case text that the filter looks in (key_rows.searched)")
    described = models.IntegerField(null=True, help_text="length of the part of it that describing the key tells")
    named = models.IntegerField(null=True, help_text="length of that part and the aliases; behind are the tags")
    readable = models.BooleanField(default=True, help_text="whether the key could be described")
    # NULL where everything was read, as in rows that are older than these columns.
    unread = models.IntegerField(null=True, help_text="what the last reading was not told, as bits (reads.ACTIONS)")
    refusals = models.JSONField(null=True, help_text="action → the error that it was not told with")
    stale_at = models.DateTimeField(null=True, help_text="when time alone changes what is shown")
    change = models.BigIntegerField(default=0, help_text="the engine's last change that was known when this was read")
    round = models.PositiveIntegerField(default=0, help_text="the reading of the whole list that last saw this key")
    read_at = models.DateTimeField(null=True, help_text="when it was described")
    first_read = models.DateTimeField(null=True, help_text="when it was described for the first time")
    denied = 0  # what its reader is denied, as bits: no column (keys.inventory.visibility)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "region", "key_id"], name="inventory_identity")]
        indexes = [
            *(
                models.Index(fields=["account_id", "region", "manager", field, "key_id"], name=f"inventory_by_{field}")
                for field in ("state", "kind", "spec", "usage", "origin", "regionality", "rotation", "public")
            ),
            *(
                models.Index(fields=["account_id", "region", "manager", field, "key_id"], name=f"inventory_by_{field}")
                for field in ("created", "deletion_date", "next_rotation", "last_used", "valid_to")
            ),
            *(
                models.Index(
                    fields=["account_id", "region", "manager", f"{field}_order", "key_id"], name=f"inventory_by_{field}"
                )
                for field in ("description", "tags")
            ),
            models.Index(
                fields=["account_id", "region", "manager", "-has_alias", "alias", "key_id"], name="inventory_by_alias"
            ),
            models.Index(
                fields=["account_id", "region", "manager", "has_alias", "alias", "key_id"], name="inventory_by_alias_2"
            ),
            models.Index(fields=["account_id", "region", "manager", "key_id"], name="inventory_by_key_id"),
            models.Index(fields=["account_id", "region", "id"], name="inventory_by_row"),  # which are new
            models.Index(fields=["account_id", "region", "stale_at"], name="inventory_stale"),
            models.Index(fields=["account_id", "region", "custom_key_store", "key_id"], name="inventory_by_store"),
            # Everything that facets count and dates narrow by, so that counting 100,000 matches reads no row.
            models.Index(
                fields=[
                    *("account_id", "region", "manager", "state", "kind", "spec", "usage", "origin", "regionality"),
                    *("rotation", "public", "created", "last_used", "deletion_date", "valid_to", "next_rotation"),
                ],
                name="inventory_facets",
            ),
        ]

    def __str__(self) -> str:
        return self.key_id


class InventoryTag(models.Model):
    """A tag of a key, for filters and facets."""

    key = models.ForeignKey(InventoryKey, on_delete=models.CASCADE, related_name="tag_rows", db_index=False)
    name = models.CharField(max_length=128)
    value = models.CharField(max_length=256)

    class Meta:
        indexes = [
            models.Index(fields=["name", "value", "key"], name="inventory_tag"),
            models.Index(
                fields=["key", "name", "value"], name="inventory_tag_of"
            ),  # counts a list's tags without the rows
        ]

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


class InventoryCount(models.Model):
    """How many keys have one combination of facet values, or one tag, or lack the same (`facet`: key_rows.FACET_COMBINATION, TAG or UNREAD):
    kept with each row that is written, so that facets cost the same with a hundred keys and with a hundred thousand."""

    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=32)
    facet = models.CharField(max_length=32)
    value = models.CharField(max_length=420)
    number = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "region", "facet", "value"], name="inventory_count")
        ]

    def __str__(self) -> str:
        return f"{self.facet} {self.value}: {self.number}"


class ObservedChange(models.Model):
    """What a reading of another endpoint's key found to be another than the reading before did: it happened `after` and `before`."""

    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=32)
    key_id = models.CharField(max_length=64)
    after = models.DateTimeField(null=True, help_text="empty where it is not known")
    before = models.DateTimeField()
    facts = models.TextField(help_text="JSON: column → [text before, text after]")

    class Meta:
        indexes = [models.Index(fields=["account_id", "region", "key_id", "before"], name="observed_change_of_key")]

    def __str__(self) -> str:
        return f"{self.key_id}: {self.facts}"


class SyncState(models.Model):
    """How far the inventory is synchronised, for each scope and Region: the engine's last change row taken over, and the reading of the whole
    list, which goes on where it was when its reader died."""

    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=32)
    change = models.BigIntegerField(default=-1)
    use = models.BigIntegerField(default=0, help_text="the last event of the trail whose use of a key was taken over")
    synchronised = models.DateTimeField(null=True)
    started = models.DateTimeField(null=True, help_text="when the running reading began; empty when none runs")
    marker = models.TextField(blank=True, help_text="where the running reading goes on")
    round = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0, help_text="keys read by the running reading")
    seconds = models.FloatField(default=0, help_text="how long the last whole reading took")
    problem = models.TextField(blank=True, help_text="the error that stopped the last reading")
    problem_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "region"], name="inventory_sync_state")]

    def __str__(self) -> str:
        return f"{self.account_id}/{self.region}: {self.change}"


class StoredVisibility(models.Model):
    """What a principal may read of the keys of a scope, as of a change. Of most keys it is the same (`usual_mask`); the others are in
    `HiddenKey`. Decided anew, it is another row: a page that began with this one goes on with it. So is what the same principal may read
    when it calls another way, where that makes a difference (`premises`)."""

    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=32)
    viewer = models.CharField(max_length=64, help_text="hash of the principal's ARN and session policies")
    digest = models.CharField(max_length=64, help_text="hash of its policies: with another it is decided anew")
    change = models.BigIntegerField(default=-1)
    last_row = models.BigIntegerField(
        default=0, help_text="the inventory's row up to which it is decided; no other is shown"
    )
    usual_mask = models.PositiveIntegerField(
        default=0, help_text="what it may not read of a key that is in no exception, as bits"
    )
    denied_mask = models.PositiveIntegerField(default=0, help_text="what it may not read of some key, as bits")
    masks = models.JSONField(default=list, help_text="those of the exceptions")
    premises = models.JSONField(
        default=dict, help_text="how it called, as far as decisions depended on it (engine.premises)"
    )
    superseded = models.DateTimeField(
        null=True, help_text="when it was decided anew: pages that were being made still read this"
    )
    used = models.DateTimeField(default=timezone.now, help_text="when it was last looked at, to the day")

    class Meta:
        indexes = [models.Index(fields=["account_id", "region", "viewer"], name="stored_visibility_of")]

    def __str__(self) -> str:
        return f"{self.viewer} in {self.account_id}/{self.region}"


class HiddenKey(models.Model):
    """A key of which a principal may read something else than of most; `denied_mask` says what it may not, as bits.

    By the number of the inventory's row, which all of its indexes have: so no row is looked at to leave it out. No number is given twice,
    and one whose row is gone finds nothing; a migration that copies the table of rows, after which SQLite may give the highest anew, has to
    forget all of StoredVisibility.
    """

    visibility = models.ForeignKey(
        StoredVisibility, on_delete=models.CASCADE, related_name="hidden_keys", db_index=False
    )
    row = models.BigIntegerField()
    denied_mask = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["visibility", "denied_mask", "row"], name="hidden_key_of_mask"),
        ]

    def __str__(self) -> str:
        return str(self.row)
