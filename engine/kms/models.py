"""Stored facts of the key service. States are computed from these and the clock, never stored (see states.py)."""

from __future__ import annotations

from django.db import models

from engine.region_names import partition


class Key(models.Model):
    """A KMS key in one Region. A replica is a row of its own with the same key_id in another Region."""

    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=32)
    key_id = models.CharField(max_length=64)
    spec = models.CharField(max_length=32)
    usage = models.CharField(max_length=32)
    origin = models.CharField(max_length=32, default="AWS_KMS")
    manager = models.CharField(max_length=16, default="CUSTOMER")
    description = models.TextField(blank=True)
    policy = models.TextField()
    policy_pins = models.JSONField(
        default=dict, help_text="unique IDs of the principals it names (engine.iam.principal_ids)"
    )
    enabled = models.BooleanField(default=True)
    created = models.DateTimeField()
    tags = models.JSONField(default=dict)

    deletion_date = models.DateTimeField(null=True)
    pending_window_days = models.PositiveIntegerField(null=True)
    deletion_scheduled = models.DateTimeField(null=True)

    rotation_enabled = models.BooleanField(default=False)
    rotation_period_days = models.PositiveIntegerField(default=365)
    next_rotation = models.DateTimeField(null=True)
    on_demand_rotations = models.PositiveIntegerField(default=0)

    multi_region = models.BooleanField(default=False)
    primary_region = models.CharField(max_length=32, blank=True)
    creating_until = models.DateTimeField(null=True)
    updating_until = models.DateTimeField(null=True)

    custom_key_store_id = models.CharField(max_length=64, blank=True)
    cloudhsm_cluster_id = models.CharField(max_length=24, blank=True)
    xks_key_id = models.CharField(max_length=128, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "region", "key_id"], name="key_identity")]
        indexes = [
            models.Index(fields=["account_id", "key_id"], name="key_in_any_region"),
            models.Index(
                fields=["custom_key_store_id", "key_id"],
                condition=~models.Q(custom_key_store_id=""),
                name="key_in_store",
            ),
            # what time brings, for a forecast over an account's keys
            models.Index(
                fields=["account_id", "deletion_date"],
                condition=models.Q(deletion_date__isnull=False),
                name="key_deletion",
            ),
            models.Index(
                # with all that a count of them asks for (engine.kms.due_changes.ROTATING)
                fields=[
                    "account_id",
                    "next_rotation",
                    "rotation_enabled",
                    "enabled",
                    "pending_window_days",
                    "multi_region",
                    "primary_region",
                    "region",
                ],
                condition=models.Q(rotation_enabled=True),
                name="key_rotation",
            ),
            models.Index(
                fields=["account_id"],
                condition=models.Q(deletion_date__isnull=True, pending_window_days__isnull=False),
                name="key_waits_for_replicas",
            ),
        ]

    def __str__(self) -> str:
        return self.arn

    @property
    def arn(self) -> str:
        return f"arn:{partition(self.region)}:kms:{self.region}:{self.account_id}:key/{self.key_id}"


class CloudHsmCluster(models.Model):
    """A PKCS#11 token that key stores can be made of: the installation's, not an account's. Its user's PIN is not kept here."""

    cluster_id = models.CharField(max_length=24, unique=True)
    module = models.CharField(max_length=1024, help_text="path of the PKCS#11 module")
    token_label = models.CharField(max_length=32)
    trust_anchor = models.TextField(help_text="certificate, PEM")
    created = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["module", "token_label"], name="cluster_token")]

    def __str__(self) -> str:
        return self.cluster_id


class CustomKeyStore(models.Model):
    """A custom key store. How its connection stands is computed from this and the time (engine.kms.stores.snapshots)."""

    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=32)
    store_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=256)
    type = models.CharField(max_length=32)
    connection_state = models.CharField(max_length=16, default="DISCONNECTED")
    connection_error = models.CharField(max_length=64, blank=True)
    attempt = models.CharField(max_length=36, blank=True, help_text="which attempt to connect is under way")
    attempted = models.DateTimeField(null=True, help_text="when it began, on the machine's clock")
    created = models.DateTimeField()

    cloudhsm_cluster_id = models.CharField(max_length=24, blank=True)
    trust_anchor = models.TextField(blank=True)

    xks_connectivity = models.CharField(max_length=32, blank=True)
    xks_uri_endpoint = models.CharField(max_length=128, blank=True)
    xks_uri_path = models.CharField(max_length=128, blank=True)
    xks_vpc_service_name = models.CharField(max_length=64, blank=True)
    xks_vpc_service_owner = models.CharField(max_length=12, blank=True)
    xks_access_key_id = models.CharField(max_length=30, blank=True)

    secret = models.BinaryField(
        default=bytes, help_text="sealed: KeyStorePassword, or the secret key of the proxy's credential"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "region", "name"], name="custom_key_store_name")]

    def __str__(self) -> str:
        return self.store_id


class OrphanedMaterial(models.Model):
    """Key material in a key store's device whose key is gone: it is destroyed as soon as the store is connected."""

    store = models.ForeignKey(CustomKeyStore, on_delete=models.CASCADE, related_name="orphans")
    key_id = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return self.key_id


class DestroyedKey(models.Model):
    """That a key was here, so that its ciphertexts are told from what never was one."""

    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=32)
    key_id = models.CharField(max_length=64)
    destroyed = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "key_id", "region"], name="destroyed_key_identity")
        ]

    def __str__(self) -> str:
        return self.key_id


class Material(models.Model):
    """One key material of a key. `wrapped` is empty once the material is deleted or before an import is repeated."""

    key = models.ForeignKey(Key, on_delete=models.CASCADE, related_name="materials")
    material_id = models.CharField(max_length=64)
    number = models.PositiveIntegerField(help_text="order within the key, from 1")
    wrapped = models.BinaryField()
    public_key = models.BinaryField(default=bytes, help_text="SubjectPublicKeyInfo DER of asymmetric material")
    state = models.CharField(max_length=64, default="CURRENT")
    rotation_type = models.CharField(max_length=16, blank=True)
    rotation_date = models.DateTimeField(null=True)
    created = models.DateTimeField()
    description = models.CharField(max_length=256, blank=True)
    expiration_model = models.CharField(max_length=32, blank=True)
    valid_to = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "material_id"], name="material_identity")]
        indexes = [
            models.Index(fields=["valid_to"], condition=models.Q(valid_to__isnull=False), name="material_expiry")
        ]
        ordering = ["number"]

    def __str__(self) -> str:
        return self.material_id


class Alias(models.Model):
    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=32)
    name = models.CharField(max_length=256)
    target_key_id = models.CharField(max_length=64, blank=True)
    created = models.DateTimeField()
    updated = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "region", "name"], name="alias_name")]
        indexes = [models.Index(fields=["account_id", "region", "target_key_id"], name="alias_target")]

    def __str__(self) -> str:
        return self.name


class Grant(models.Model):
    key = models.ForeignKey(Key, on_delete=models.CASCADE, related_name="grants")
    grant_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=256, blank=True)
    grantee = models.CharField(max_length=256)
    grantee_pin = models.CharField(
        max_length=32, blank=True, help_text="unique ID of the grantee, if it is one of ours"
    )
    retiring = models.CharField(max_length=256, blank=True)
    retiring_pin = models.CharField(max_length=32, blank=True)
    grantee_is_service = models.BooleanField(default=False)
    retiring_is_service = models.BooleanField(default=False)
    operations = models.JSONField(default=list)
    constraints = models.JSONField(default=dict)
    issuing_account = models.CharField(max_length=256)
    created = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["retiring"], name="grant_retiring"),
            models.Index(fields=["retiring_pin"], name="grant_retiring_pin"),
            models.Index(fields=["grantee"], name="grant_grantee"),
            models.Index(fields=["grantee_pin"], name="grant_grantee_pin"),
        ]

    def __str__(self) -> str:
        return self.grant_id


class Drill(models.Model):
    """A fault that a teacher asked for in an account (engine.kms.drills): at most one at a time."""

    account_id = models.CharField(max_length=12, primary_key=True)
    kind = models.CharField(max_length=32)
    share = models.PositiveSmallIntegerField(help_text="of a hundred calls")
    ends = models.DateTimeField(help_text="on the machine's clock")
    begun_by = models.CharField(max_length=2048, help_text="ARN")

    def __str__(self) -> str:
        return f"{self.kind} in {self.account_id}"


class KeyPolicyVersion(models.Model):
    """Every key policy a key has had: who put it, when, and the text."""

    key = models.ForeignKey(Key, on_delete=models.CASCADE, related_name="policy_versions")
    number = models.PositiveIntegerField()
    document = models.TextField()
    principal_arn = models.CharField(max_length=2048)
    created = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "number"], name="key_policy_version")]
        ordering = ["number"]

    def __str__(self) -> str:
        return f"version {self.number}"
