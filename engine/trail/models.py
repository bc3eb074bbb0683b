"""The trail in the control-plane database, for PostgreSQL: every node reads and writes the same one. On SQLite its tables stay empty,
since there the journal is a file (engine.trail.journal). The key that signs checkpoints and the checkpoints of the log are here for both.
"""

from __future__ import annotations

from django.db import models


class Head(models.Model):
    """The end of an account's chain. Who appends holds this row's lock until the records are committed: one order per account."""

    account = models.CharField(max_length=12, primary_key=True)
    sequence = models.BigIntegerField()
    digest = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.account} {self.sequence}"


class Event(models.Model):
    """One record: its place in its account's chain, its JSON as it was hashed, and what events are looked up by."""

    pk = models.CompositePrimaryKey("account", "sequence")
    account = models.CharField(max_length=12)
    sequence = models.BigIntegerField()
    digest = models.BinaryField()
    record = models.TextField()
    event_id = models.TextField()
    time = models.BigIntegerField()
    region = models.TextField()
    source = models.TextField()
    name = models.TextField()
    error = models.TextField()
    user = models.TextField()
    access_key = models.TextField()
    role = models.TextField()
    read_only = models.SmallIntegerField()

    class Meta:
        indexes = [
            models.Index("account", "name", "sequence", name="trail_event_name"),
            models.Index("account", "user", "sequence", name="trail_event_user"),
            models.Index("account", "sequence", name="trail_event_error", condition=~models.Q(error="")),
            models.Index("account", "access_key", "sequence", name="trail_event_access_key"),
            models.Index("account", "role", "sequence", name="trail_event_role", condition=~models.Q(role="")),
            models.Index("event_id", name="trail_event_id"),
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.sequence}"


class Resource(models.Model):
    """A key that a record names. `used` is 1 for a successful cryptographic operation (GetKeyLastUsage)."""

    pk = models.CompositePrimaryKey("account", "arn", "sequence")
    account = models.CharField(max_length=12)
    arn = models.TextField()
    sequence = models.BigIntegerField()
    used = models.SmallIntegerField()

    class Meta:
        indexes = [models.Index("account", "arn", "sequence", name="trail_resource_used", condition=models.Q(used=1))]

    def __str__(self) -> str:
        return f"{self.arn} {self.sequence}"


class SigningKey(models.Model):
    """The Ed25519 key that signs this installation's checkpoints (one row): the public key in hexadecimal, the private one sealed."""

    public_key = models.CharField(max_length=64)
    sealed = models.BinaryField()
    created = models.DateTimeField()

    def __str__(self) -> str:
        return self.public_key


class LogCheckpoint(models.Model):
    """A signed checkpoint of the log (engine.trail.log), as it was given out. Rows are added and never changed.

    `account` is empty where one log holds all accounts; `generation` counts how often the log began anew after a recorded loss.
    """

    account = models.CharField(max_length=12, blank=True)
    generation = models.IntegerField(default=1)
    size = models.BigIntegerField()
    origin = models.TextField()
    root = models.BinaryField()
    note = models.TextField()
    time = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint("account", "generation", "size", name="trail_log_checkpoint_once")]
        indexes = [models.Index("account", "time", name="trail_log_checkpoint_time")]

    def __str__(self) -> str:
        return f"{self.origin} {self.size}"


class Cosignature(models.Model):
    """A witness's signature under a checkpoint: its line of the note."""

    checkpoint = models.ForeignKey(LogCheckpoint, models.CASCADE, related_name="cosignatures")
    witness = models.TextField()
    line = models.TextField()
    time = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint("checkpoint", "witness", name="trail_cosignature_once")]

    def __str__(self) -> str:
        return self.line


class Verification(models.Model):
    """One verification of the trail: how far it has come, and its verdict once it is finished.

    `first` is the record that it began to read at, `last` the one that it reads to. `verified` is the signed statement that the
    records up to a checkpoint were found whole, which the next one goes on from (engine.trail.verification).
    """

    account = models.CharField(max_length=12, blank=True)
    started = models.DateTimeField()
    updated = models.DateTimeField()
    finished = models.DateTimeField(null=True)
    first = models.BigIntegerField(default=1)
    last = models.BigIntegerField(default=0)
    read = models.BigIntegerField(default=0)
    verdict = models.JSONField(null=True)
    verified = models.TextField(default="")

    class Meta:
        indexes = [models.Index("account", "started", name="trail_verification_started")]

    def __str__(self) -> str:
        return f"{self.started:%Y-%m-%d %H:%M:%S}"
