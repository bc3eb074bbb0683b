"""Results of the compliance checks by run, and exceptions from them. `scope` is that of the endpoint (keys.endpoints.backends), empty for
the embedded engine."""

from __future__ import annotations

from django.db import models


class ComplianceRun(models.Model):
    """One look at all checks of an account, Region and endpoint: when, by the time of the record, and as whom."""

    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=32)
    scope = models.CharField(max_length=16, blank=True)
    time = models.DateTimeField()
    made_by = models.CharField(max_length=2048, help_text="ARN")
    keys = models.PositiveIntegerField(help_text="customer managed keys that could be described")

    class Meta:
        indexes = [models.Index(fields=["account_id", "region", "scope", "time"], name="compliance_run")]

    def __str__(self) -> str:
        return f"{self.account_id}/{self.region} {self.time}"

    @property
    def as_of(self) -> str:
        """Its time as an address has it."""
        return self.time.isoformat()


class ComplianceResult(models.Model):
    """What a check found in a run. `findings` are the first of those that fail, as audit.compliance.results stores them."""

    run = models.ForeignKey(ComplianceRun, on_delete=models.CASCADE, related_name="results")
    check_id = models.CharField(max_length=80)
    title = models.TextField(help_text="of an own check, which may be gone from the file; else empty")
    severity = models.CharField(max_length=16)
    frameworks = models.JSONField(default=list)
    references = models.JSONField(default=list, help_text="as shown")
    status = models.CharField(max_length=16)
    examined = models.PositiveIntegerField()
    failing = models.PositiveIntegerField(help_text="those with an exception among them")
    excepted = models.PositiveIntegerField()
    unknown = models.JSONField(default=list, help_text="why something could not be told")
    findings = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "check_id"], name="compliance_result")]

    def __str__(self) -> str:
        return f"{self.check_id}: {self.status}"


class ComplianceException(models.Model):
    """A resource that may fail a check until a day, and why. Rows are never removed: one that is taken back is `ended`."""

    account_id = models.CharField(max_length=12)
    scope = models.CharField(max_length=16, blank=True)
    check_id = models.CharField(max_length=80)
    resource = models.CharField(max_length=2300)
    label = models.CharField(max_length=300)
    reason = models.TextField()
    owner = models.CharField(max_length=200)
    expires = models.DateTimeField()
    made = models.DateTimeField()
    made_by = models.CharField(max_length=2048, help_text="ARN")
    ended = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=2048, blank=True, help_text="ARN")

    class Meta:
        indexes = [models.Index(fields=["account_id", "scope", "check_id", "expires"], name="compliance_exception")]

    def __str__(self) -> str:
        return f"{self.check_id} {self.resource} until {self.expires}"
