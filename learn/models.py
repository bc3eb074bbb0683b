"""What lessons and classes keep: resources of the integrated services, and classes whose students have an account each."""

from __future__ import annotations

from django.db import models


class ProtectedResource(models.Model):
    """What an integrated service holds for a person: one resource, under one key. The data key lies here encrypted only. `owner` is the principal (keys.viewer.owner) for whom the service made the resource; `sealed` is what KMS gave the service to keep."""

    account_id = models.CharField(max_length=12)
    region = models.CharField(max_length=32)
    owner = models.CharField(max_length=80)
    service = models.CharField(max_length=32)
    resource_id = models.CharField(max_length=64)
    key_arn = models.CharField(max_length=200)
    sealed = models.BinaryField()
    grant_id = models.CharField(max_length=64, blank=True)
    since = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "region", "owner", "service"], name="labs_one_a_service")
        ]

    def __str__(self) -> str:
        return f"{self.service} {self.resource_id}"


class AccountClass(models.Model):
    """A class whose students have an account each. `account_id` is the account whose teachers keep it."""

    account_id = models.CharField(max_length=12)
    slug = models.SlugField(max_length=40)
    name = models.CharField(max_length=128)
    created = models.DateTimeField()
    ends = models.DateTimeField(null=True, help_text="when its accounts end, by the machine's clock")
    closed = models.DateTimeField(null=True)
    key_quota = models.PositiveIntegerField(null=True)
    call_quota = models.FloatField(null=True)
    message = models.CharField(max_length=500, blank=True, help_text="shown on every page of its students")
    lesson = models.CharField(max_length=64, blank=True, help_text="where everybody is to be")
    step = models.PositiveIntegerField(default=0, help_text="number of the lesson's step, 0: none")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account_id", "slug"], name="labs_class_slug")]

    def __str__(self) -> str:
        return self.name


class ClassAccount(models.Model):
    """An account of a class: a student's, or one that all share (for calls across accounts). A reset puts another `account_id` here."""

    of_class = models.ForeignKey(AccountClass, on_delete=models.CASCADE, related_name="accounts")
    account_id = models.CharField(max_length=12, unique=True)
    alias = models.CharField(max_length=63)
    name = models.CharField(max_length=128, help_text="as the roster has it")
    email = models.CharField(max_length=254, blank=True)
    user_name = models.CharField(max_length=64)
    shared = models.BooleanField(default=False)
    since = models.DateTimeField(help_text="when its present account was made")
    ended = models.DateTimeField(null=True, help_text="taken out of the class")
    kept = models.JSONField(default=dict, help_text="lesson → steps done before a reset")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["of_class", "user_name"], name="labs_class_user")]

    def __str__(self) -> str:
        return f"{self.user_name} {self.account_id}"


class JoinLink(models.Model):
    """A link by which students make their accounts themselves. The code in it is made of `nonce` and the console's secret."""

    of_class = models.ForeignKey(AccountClass, on_delete=models.CASCADE, related_name="links")
    nonce = models.CharField(max_length=32, unique=True)
    created = models.DateTimeField()
    expires = models.DateTimeField()
    places = models.PositiveIntegerField()
    used = models.PositiveIntegerField(default=0)
    revoked = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.used} of {self.places} until {self.expires:%H:%M}"
