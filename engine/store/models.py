"""What caches and the trail need from the control-plane database."""

from __future__ import annotations

from django.db import models


class Change(models.Model):
    """One row per entity a committed transaction changed; `id` is the generation that caches compare.

    `entity` is "key:<account>:<region>:<key id>", "aliases:<account>:<region>" or "iam:<account>".
    """

    id = models.BigAutoField(primary_key=True)
    entity = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"{self.pk} {self.entity}"


class TrailMark(models.Model):
    """The journal sequence number of the last audit record whose change was committed (one row, id 1).

    A record of a change beyond it belongs to a transaction that never committed: recovery marks it rolled back.
    `checkpoint` is what the journal must reach at least, a signed note (engine.trail.checkpoints), and `reached` its number.
    """

    sequence = models.BigIntegerField(default=0)
    reached = models.BigIntegerField(default=0)
    checkpoint = models.TextField(default="")

    def __str__(self) -> str:
        return str(self.sequence)
