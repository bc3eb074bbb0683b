"""Accounts and their principals: users, groups, roles, policies, access keys. Names are unique without regard to case, as in IAM."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.functions import Lower


class Account(models.Model):
    account_id = models.CharField(max_length=12, primary_key=True)
    alias = models.CharField(max_length=63, blank=True)
    clock_offset = models.FloatField(default=0.0, help_text="seconds added to the real clock")
    created = models.DateTimeField()
    credential_report = models.TextField(blank=True, help_text="CSV, as GenerateCredentialReport last made it")
    credential_report_at = models.DateTimeField(null=True)
    password_policy = models.JSONField(
        null=True, help_text="members of UpdateAccountPasswordPolicy (engine.iam.passwords)"
    )
    requires_mfa = models.BooleanField(default=False, help_text="of everyone who signs in with a password")
    global_endpoint_token_version = models.PositiveSmallIntegerField(
        default=1, help_text="as SetSecurityTokenServicePreferences says: tokens are valid in every Region all the same"
    )

    def __str__(self) -> str:
        return self.account_id

    @property
    def root_arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:root"


class MemberAccount(models.Model):
    """An account that another one manages: a class's, made for a student (engine.iam.member_accounts). No row: an account by itself."""

    account = models.OneToOneField(Account, on_delete=models.CASCADE, primary_key=True, related_name="membership")
    managed_by = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="members")
    ends = models.DateTimeField(null=True, help_text="from then on its credentials are refused; by the machine's clock")
    key_quota = models.PositiveIntegerField(null=True, help_text="KMS keys that it may have")
    call_quota = models.FloatField(null=True, help_text="calls a second, of all services together")

    def __str__(self) -> str:
        return f"{self.account_id} of {self.managed_by_id}"


class TagsField(models.JSONField):
    """Tags by name, in the order in which they were given: a list of pairs, because PostgreSQL's JSON objects have no order."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> dict[str, str] | None:
        stored = super().from_db_value(value, expression, connection)
        return dict(stored) if stored is not None else None  # of a joined row that is not there

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        pairs = [[name, text] for name, text in value.items()] if isinstance(value, dict) else value
        return super().get_db_prep_value(pairs, connection, prepared)


class _Entity(models.Model):
    """What users, groups, roles and managed policies share."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    path = models.CharField(max_length=512, default="/")
    name = models.CharField(max_length=128)
    unique_id = models.CharField(max_length=32, unique=True)
    created = models.DateTimeField()
    tags = TagsField(default=dict)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class ManagedPolicy(_Entity):
    """A customer managed policy of an account. AWS managed policies are code (engine/iam/aws_managed.py), not rows."""

    description = models.CharField(max_length=1000, blank=True)
    updated = models.DateTimeField()
    next_version = models.PositiveIntegerField(default=2)

    class Meta:
        constraints = [models.UniqueConstraint("account", Lower("name"), name="policy_name")]

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:policy{self.path}{self.name}"


class ManagedPolicyVersion(models.Model):
    policy = models.ForeignKey(ManagedPolicy, on_delete=models.CASCADE, related_name="versions")
    version_id = models.CharField(max_length=8)
    document = models.TextField()
    is_default = models.BooleanField(default=False)
    created = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["policy", "version_id"], name="policy_version")]

    def __str__(self) -> str:
        return self.version_id


class Group(_Entity):
    class Meta:
        constraints = [models.UniqueConstraint("account", Lower("name"), name="group_name")]

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:group{self.path}{self.name}"


ROOT_NAME = "<root_account>"  # as the credential report has it; no user can be named so


class UserManager(models.Manager["User"]):
    """IAM's users: without the root user, which is none."""

    def get_queryset(self) -> models.QuerySet[User]:
        return super().get_queryset().filter(is_root=False)


class User(_Entity):
    """A user of an account; or (`is_root`) the account's root user, whose row is there while it may sign in (engine.iam.root_user)."""

    groups = models.ManyToManyField(Group, related_name="users")
    password = models.CharField(max_length=256, blank=True, help_text="Django password hash; empty = no login profile")
    password_created = models.DateTimeField(null=True)
    password_reset_required = models.BooleanField(default=False)
    password_last_used = models.DateTimeField(null=True)
    password_changed = models.DateTimeField(null=True)
    former_passwords = models.JSONField(default=list, help_text="hashes of those before, the last one first")
    permissions_boundary = models.CharField(max_length=2048, blank=True, help_text="policy ARN")
    is_root = models.BooleanField(default=False)

    objects = UserManager()
    with_root = models.Manager["User"]()

    class Meta:
        constraints = [models.UniqueConstraint("account", Lower("name"), name="user_name")]

    @property
    def arn(self) -> str:
        if self.is_root:
            return f"arn:aws:iam::{self.account_id}:root"
        return f"arn:aws:iam::{self.account_id}:user{self.path}{self.name}"


class ConsoleSession(models.Model):
    """A sign-in to the console's pages that has not ended (engine.iam.console_sessions)."""

    session_id = models.CharField(max_length=32, primary_key=True, help_text="named by its temporary credentials")
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="console_sessions")
    role = models.ForeignKey("Role", on_delete=models.CASCADE, null=True, help_text="of a sign-in without a user")
    subject = models.CharField(max_length=255, blank=True, help_text="who that is, as the identity provider says")
    begun = models.DateTimeField()
    seen = models.DateTimeField(help_text="last use, to a few minutes")
    expires = models.DateTimeField(db_index=True)
    mfa = models.BooleanField(default=False, help_text="a second factor was given")
    source_ip = models.CharField(max_length=64, blank=True)
    user_agent = models.CharField(max_length=512, blank=True)

    def __str__(self) -> str:
        return f"{self.user_id} {self.begun:%Y-%m-%d %H:%M}"


class Role(_Entity):
    description = models.CharField(max_length=1000, blank=True)
    trust_policy = models.TextField()
    trust_pins = models.JSONField(
        default=dict, help_text="unique IDs of the principals it names (engine.iam.principal_ids)"
    )
    max_session_duration = models.PositiveIntegerField(default=3600, help_text="seconds")
    permissions_boundary = models.CharField(max_length=2048, blank=True, help_text="policy ARN")

    class Meta:
        constraints = [models.UniqueConstraint("account", Lower("name"), name="role_name")]

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:role{self.path}{self.name}"

    def session_arn(self, name: str) -> str:
        """The ARN of its session of this name."""
        return f"arn:aws:sts::{self.account_id}:assumed-role/{self.name}/{name}"


class InstanceProfile(_Entity):
    """What hands a role to a virtual machine. At most one role."""

    role = models.ForeignKey(Role, on_delete=models.PROTECT, null=True, related_name="instance_profiles")

    class Meta:
        constraints = [models.UniqueConstraint("account", Lower("name"), name="instance_profile_name")]

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:instance-profile{self.path}{self.name}"


class OpenIDConnectProvider(models.Model):
    """An issuer of tokens that roles may trust. `url` is the issuer's without its scheme, as IAM shows it."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    url = models.CharField(max_length=255)
    client_ids = models.JSONField(default=list)
    thumbprints = models.JSONField(default=list)
    created = models.DateTimeField()
    tags = TagsField(default=dict)
    keys = models.TextField(blank=True, help_text="JWKS that was given; empty = fetched from the issuer")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "url"], name="oidc_provider_url")]

    def __str__(self) -> str:
        return self.url

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:oidc-provider/{self.url}"

    @property
    def issuer(self) -> str:
        return f"https://{self.url}"


class SAMLProvider(models.Model):
    """A SAML 2.0 identity provider, known by its metadata document."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    name = models.CharField(max_length=128)
    unique_id = models.CharField(max_length=64, unique=True)
    metadata = models.TextField()
    created = models.DateTimeField()
    valid_until = models.DateTimeField()
    tags = TagsField(default=dict)
    encryption_mode = models.CharField(max_length=8, default="Allowed", help_text="Allowed, or Required: of assertions")

    class Meta:
        constraints = [models.UniqueConstraint("account", Lower("name"), name="saml_provider_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:saml-provider/{self.name}"


class SAMLPrivateKey(models.Model):
    """Opens assertions that the provider encrypts."""

    provider = models.ForeignKey(SAMLProvider, on_delete=models.CASCADE, related_name="private_keys")
    key_id = models.CharField(max_length=64, unique=True)
    wrapped = models.BinaryField(help_text="PKCS #8, under the account's domain key")
    created = models.DateTimeField()

    def __str__(self) -> str:
        return self.key_id


class SignInProvider(models.Model):
    """How people sign in to the console by an OpenID Connect provider: the console is its client `client_id`."""

    provider = models.OneToOneField(OpenIDConnectProvider, on_delete=models.CASCADE, related_name="sign_in")
    label = models.CharField(max_length=64, help_text="on the sign-in page")
    client_id = models.CharField(max_length=255)
    wrapped_secret = models.BinaryField(
        default=b"", help_text="under the account's domain key; empty = a public client"
    )
    scopes = models.CharField(max_length=255, default="openid")

    def __str__(self) -> str:
        return self.label


class RoleMappingRule(models.Model):
    """Who has `claim` with a value like `pattern` becomes `role_name`; the first rule that matches counts."""

    sign_in = models.ForeignKey(SignInProvider, on_delete=models.CASCADE, related_name="rules")
    position = models.PositiveIntegerField()
    claim = models.CharField(max_length=128)
    pattern = models.CharField(max_length=256)
    role_name = models.CharField(max_length=64)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["sign_in", "position"], name="role_mapping_position")]

    def __str__(self) -> str:
        return f"{self.claim} = {self.pattern}"


class RoleDeletion(models.Model):
    """A task of DeleteServiceLinkedRole: the role was deleted at once."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    task_id = models.CharField(max_length=512, unique=True)

    def __str__(self) -> str:
        return self.task_id


class _Owned(models.Model):
    """Belongs to exactly one of a user, a group or a role."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True)
    group = models.ForeignKey(Group, on_delete=models.CASCADE, null=True)
    role = models.ForeignKey(Role, on_delete=models.CASCADE, null=True)

    class Meta:
        abstract = True


class InlinePolicy(_Owned):
    name = models.CharField(max_length=128)
    document = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="user_inline"),
            models.UniqueConstraint(fields=["group", "name"], name="group_inline"),
            models.UniqueConstraint(fields=["role", "name"], name="role_inline"),
        ]

    def __str__(self) -> str:
        return self.name


class Attachment(_Owned):
    """A managed policy (the account's or AWS's) attached to a user, group or role."""

    policy_arn = models.CharField(max_length=2048)
    created = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "policy_arn"], name="user_attachment"),
            models.UniqueConstraint(fields=["group", "policy_arn"], name="group_attachment"),
            models.UniqueConstraint(fields=["role", "policy_arn"], name="role_attachment"),
        ]

    def __str__(self) -> str:
        return self.policy_arn


class AccessKey(models.Model):
    access_key_id = models.CharField(max_length=128, primary_key=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="access_keys")
    wrapped_secret = models.BinaryField(help_text="under the account's domain key")
    active = models.BooleanField(default=True)
    created = models.DateTimeField()

    def __str__(self) -> str:
        return self.access_key_id


class SignInAttempt(models.Model):
    """A sign-in that failed or is being looked at, for slowing guesses; rows older than the window are swept by the next one."""

    who = models.CharField(max_length=255, db_index=True)
    when = models.DateTimeField()

    def __str__(self) -> str:
        return self.who


class MFADevice(models.Model):
    """A second factor: a virtual device (a secret that gives codes) or a passkey. Assigned to a user from its activation on.

    `drift` is how many steps of 30 seconds the device's clock is ahead; `last_step` the step of the newest code that was taken, which is
    never taken again. Of a passkey `credential_id`, `public_key` and `sign_count` are there instead.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    serial_number = models.CharField(max_length=256, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="mfa_devices")
    created = models.DateTimeField()
    enabled = models.DateTimeField(null=True)
    wrapped_seed = models.BinaryField(default=b"", help_text="under the account's domain key")
    drift = models.IntegerField(default=0)
    last_step = models.BigIntegerField(default=0)
    credential_id = models.CharField(max_length=1400, blank=True, db_index=True, help_text="of a passkey, base64url")
    public_key = models.BinaryField(default=b"", help_text="of a passkey: attested credential data")
    sign_count = models.BigIntegerField(default=0)
    tags = TagsField(default=dict)

    def __str__(self) -> str:
        return self.serial_number


class RecoveryCode(models.Model):
    """Signs in once in place of a second factor, and is gone then."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="recovery_codes")
    digest = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.user_id}"


class ServerCertificate(_Entity):
    """A certificate with its chain and its private key, for services that end TLS."""

    body = models.TextField()
    chain = models.TextField(blank=True)
    wrapped_private_key = models.BinaryField(help_text="under the account's domain key")
    expires = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint("account", Lower("name"), name="server_certificate_name")]

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{self.account_id}:server-certificate{self.path}{self.name}"


class _UserCredential(models.Model):
    """What signing certificates, SSH public keys and service-specific credentials share."""

    credential_id = models.CharField(max_length=128, primary_key=True)
    status = models.CharField(max_length=8, default="Active")
    created = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.credential_id


class SigningCertificate(_UserCredential):
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="signing_certificates")
    body = models.TextField()


class SSHPublicKey(_UserCredential):
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="ssh_public_keys")
    body = models.TextField(help_text="as it was uploaded")
    fingerprint = models.CharField(max_length=48, help_text="MD5 of the key, as AWS shows it")


class ServiceSpecificCredential(_UserCredential):
    """A user name and password (an alias and a secret for Amazon Bedrock) for one service. Of the secret only its hash is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="service_specific_credentials")
    service_name = models.CharField(max_length=128)
    service_user_name = models.CharField(max_length=200)
    secret_digest = models.CharField(max_length=64)
    expires = models.DateTimeField(null=True)


class AccessReport(models.Model):
    """A job of GenerateServiceLastAccessedDetails with what it found."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE)
    job_id = models.CharField(max_length=36, unique=True)
    arn = models.CharField(max_length=2048)
    granularity = models.CharField(max_length=16)
    created = models.DateTimeField(db_index=True)
    services = models.JSONField(help_text="engine.iam.access_reports")

    def __str__(self) -> str:
        return self.job_id
