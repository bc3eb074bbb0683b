"""What is kept of the embedded record for pages of the past: the calls that changed a key or a principal, in their order.

A projection of the record and no record of its own: it can be dropped at any time and is made anew (keys.record.history, which alone
imports this).
"""

from __future__ import annotations

from django.db import models


class HistoryEvent(models.Model):
    """A call that was carried out, once for each key that it names, or once for a principal (`entity` "iam")."""

    account_id = models.CharField(max_length=12)
    kind = models.CharField(max_length=3, help_text='"key" or "iam"')
    entity = models.CharField(max_length=200, help_text='ARN of the key, or "iam"')
    sequence = models.BigIntegerField(help_text="its place in the account's record")
    event_id = models.CharField(max_length=64)
    time = models.DateTimeField()
    record = models.TextField(help_text="what of its CloudTrail record tells of the change, as JSON")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "entity", "sequence"], name="history_event")]
        indexes = [
            models.Index(fields=["account_id", "kind", "sequence"], name="history_order"),
            models.Index(fields=["account_id", "kind", "time", "sequence"], name="history_time"),
            models.Index(fields=["account_id", "event_id"], name="history_event_id"),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.sequence} {self.entity}"


class HistoryState(models.Model):
    """How far an account's record was read, and the last change that was found, by which a record that was exchanged is noticed."""

    account_id = models.CharField(max_length=12, primary_key=True)
    through = models.BigIntegerField(default=0, help_text="sequence")
    last_sequence = models.BigIntegerField(default=0)
    last_event_id = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.account_id} {self.through}"
