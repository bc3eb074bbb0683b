"""Rules of an account that look at its record, what they found, and what has to be told to whom."""

from __future__ import annotations

from django.db import models


class AlertRule(models.Model):
    """`kind` is a row of audit.alerts.kinds; `settings` what the form asked for it; `state` what it remembers between two looks.

    `cursor`: the sequence of the last event that it has looked at. The webhook's secret is sealed and never shown again.
    """

    account_id = models.CharField(max_length=12, db_index=True)
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=32)
    settings = models.JSONField(default=dict)
    enabled = models.BooleanField(default=True)
    emails = models.TextField(blank=True, help_text="addresses, one a line")
    webhook = models.URLField(max_length=400, blank=True)
    sealed_secret = models.BinaryField(default=b"")
    created = models.DateTimeField()
    created_by = models.CharField(max_length=2048)
    cursor = models.BigIntegerField(default=0)
    state = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "name"], name="alert_rule")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Alert(models.Model):
    """Something a rule found. `details` are the words' parameters; `event_id` and `key` are empty where there is none."""

    account_id = models.CharField(max_length=12)
    rule = models.ForeignKey(AlertRule, on_delete=models.CASCADE, related_name="alerts")
    time = models.DateTimeField(help_text="of the event, by the account's clock")
    region = models.CharField(max_length=32, blank=True)
    key = models.CharField(max_length=256, blank=True, help_text="key ARN")
    principal = models.CharField(max_length=2048, blank=True)
    event_id = models.CharField(max_length=64, blank=True)
    details = models.JSONField(default=dict)
    acknowledged = models.DateTimeField(null=True)
    acknowledged_by = models.CharField(max_length=2048, blank=True)

    class Meta:
        indexes = [models.Index(fields=["account_id", "-id"], name="alert_newest")]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.rule} {self.time}"


class Delivery(models.Model):
    """An alert that is to be told by e-mail (`target` is the addresses) or webhook (its URL). Done when `delivered`, given up when `ended`."""

    EMAIL, WEBHOOK = "email", "webhook"

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=8)
    target = models.TextField()
    attempts = models.PositiveSmallIntegerField(default=0)
    due = models.DateTimeField(db_index=True)
    delivered = models.DateTimeField(null=True)
    ended = models.BooleanField(default=False)
    problem = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.channel} {self.target}"
