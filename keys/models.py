"""What the key pages store: saved views, bulk jobs, connections to other endpoints, an account's rules and requests for deletion.

The inventory's models are apart, for few modules may import them; this module makes them known to Django.
"""

from __future__ import annotations

from django.db import models

from keys.evaluator import models as _access_models  # noqa: F401
from keys.inventory import models as _inventory_models  # noqa: F401
from keys.record import models as _record_models  # noqa: F401


class Lease(models.Model):
    """Work that one thread does at a time (keys.leases). `owner` is its holder's random token."""

    name = models.CharField(max_length=128, primary_key=True)
    owner = models.CharField(max_length=32)
    expires = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class SavedView(models.Model):
    """A list's filter, sort and columns under a name, for one principal (keys.viewer.owner)."""

    owner = models.CharField(max_length=80)
    manager = models.CharField(max_length=16)
    name = models.CharField(max_length=80)
    query = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "manager", "name"], name="saved_view")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class BulkJob(models.Model):
    """One action on many keys, done one call after another by its owner's permissions (keys.viewer.owner); it goes on where it was when it
    stopped."""

    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=32)
    owner = models.CharField(max_length=80)
    action = models.CharField(max_length=32)
    parameters = models.JSONField(default=dict)
    created = models.DateTimeField()
    finished = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.action} ({self.pk})"


class BulkItem(models.Model):
    """A key of a job: not done yet (empty), done, or refused with AWS's error."""

    job = models.ForeignKey(BulkJob, on_delete=models.CASCADE, related_name="items")
    key_id = models.CharField(max_length=64)
    outcome = models.CharField(max_length=8, blank=True)
    problem = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["job", "outcome"], name="bulk_item_outcome")]

    def __str__(self) -> str:
        return f"{self.key_id} {self.outcome}"


class Connection(models.Model):
    """Another KMS endpoint that an account's console speaks to. Its secret lies encrypted by KMS under a key of the account:
    whoever may not decrypt with that key cannot use the connection."""

    account_id = models.CharField(max_length=12)
    name = models.CharField(max_length=64)
    kind = models.CharField(max_length=8, help_text='"aws" or "url"')
    url = models.URLField(max_length=400, blank=True)
    region = models.CharField(max_length=32, blank=True, help_text="the Region it is used with; empty for the page's")
    method = models.CharField(
        max_length=8, help_text='"server", "profile", "keys" or "role": where the credentials come from'
    )
    profile = models.CharField(max_length=128, blank=True)
    role_arn = models.CharField(max_length=2048, blank=True)
    access_key_id = models.CharField(max_length=128, blank=True)
    sealed = models.BinaryField(default=bytes, help_text="what KMS Encrypt made of the secret (JSON)")
    sealed_in = models.CharField(max_length=32, blank=True, help_text="the Region of the key it is sealed under")
    sealing_key = models.CharField(max_length=200, blank=True)
    created = models.DateTimeField()
    unsupported_operations = models.JSONField(
        default=list, help_text="operations that the endpoint was found not to have"
    )
    facts = models.JSONField(default=dict, help_text="what the last test of the connection found")
    unsealed: dict[str, str] | None = (
        None  # the secret of one that is tested before the key is there to seal it: never stored
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "name"], name="connection_name")]
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class AccountRule(models.Model):
    """What an account has decided for its pages. Switching two-person deletion off needs two persons as well: the first's request is here."""

    account_id = models.CharField(max_length=12, unique=True)
    two_person_deletion = models.BooleanField(default=False)
    changed_by = models.CharField(max_length=2048, blank=True, help_text="ARN")
    changed = models.DateTimeField(null=True)
    off_asked_by = models.CharField(max_length=2048, blank=True, help_text="ARN of who wants it off")
    off_asked_user = models.CharField(max_length=64, blank=True, help_text="unique ID")
    off_asked = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.account_id


class DeletionRequest(models.Model):
    """A key's deletion, or that of its imported material, that waits for, or had, a second person's decision. Rows are never removed.

    A request without `asked_user` was made before users were told apart by their unique ID: nobody can approve it. One that is approved
    and not `completed` broke off before its call was answered.
    """

    WAITING, APPROVED, REJECTED, WITHDRAWN = "waiting", "approved", "rejected", "withdrawn"
    FAILED = "failed"  # approved, its call refused, and asked for again meanwhile

    account_id = models.CharField(max_length=12)
    endpoint = models.CharField(
        max_length=16, blank=True, help_text="scope of the endpoint; empty: the embedded engine"
    )
    endpoint_name = models.CharField(max_length=400, blank=True)
    region = models.CharField(max_length=32)
    key_id = models.CharField(max_length=64)
    label = models.CharField(max_length=256, help_text="the key's alias then, or its ID")
    operation = models.CharField(max_length=64, default="ScheduleKeyDeletion")
    parameters = models.JSONField(default=dict, help_text="what the call is sent with")
    reason = models.TextField(blank=True)
    state = models.CharField(max_length=16, default=WAITING)
    asked_by = models.CharField(max_length=2048, help_text="ARN")
    asked_user = models.CharField(max_length=64, help_text="unique ID of the user, also while acting as a role")
    asked = models.DateTimeField()
    decided_by = models.CharField(max_length=2048, blank=True, help_text="ARN")
    decided_user = models.CharField(max_length=64, blank=True, help_text="unique ID")
    decided = models.DateTimeField(null=True)
    completed = models.DateTimeField(null=True, help_text="when the approved call was answered")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account_id", "endpoint", "region", "key_id"],
                condition=models.Q(state="waiting"),
                name="one_waiting_deletion_a_key",
            )
        ]
        indexes = [models.Index(fields=["account_id", "region", "state"], name="deletion_requests")]

    def __str__(self) -> str:
        return f"{self.key_id}: {self.state}"
