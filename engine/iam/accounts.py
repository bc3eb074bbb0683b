"""Making accounts: an account, its first administrator, and policies for the roles people have in practice."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.hashers import make_password

from engine import clock
from engine.iam import credentials, starter_policies
from engine.iam.models import Account, Attachment, ManagedPolicy, ManagedPolicyVersion, User
from engine.store import transaction
from engine.store.transaction import changed, iam_entity

ADMINISTRATOR_ACCESS = "arn:aws:iam::aws:policy/AdministratorAccess"


@dataclass(frozen=True, slots=True)
class MadeAdministrator:
    user: User
    access_key_id: str
    secret_access_key: str


def create_account_with_administrator(
    account_id: str, user_name: str, *, password: str, access_key_id: str = "", secret_access_key: str = ""
) -> MadeAdministrator:
    """A new account whose administrator may do everything, with the policies of engine.iam.starter_policies ready to attach.

    An empty access key ID or secret is generated.
    """
    password_hash = make_password(password)
    with transaction.write():
        user = create_administrator(account_id, user_name, password_hash=password_hash)
        key, secret = credentials.create_access_key(user, access_key_id, secret_access_key)
    return MadeAdministrator(user, key.access_key_id, secret)


def create_administrator(account_id: str, user_name: str, *, password_hash: str, alias: str = "") -> User:
    """A new account's first user, with the account. Part of the caller's transaction."""
    now = clock.now(account_id)
    Account.objects.create(account_id=account_id, alias=alias, created=now)
    user = User.objects.create(
        account_id=account_id,
        name=user_name,
        unique_id=credentials.new_unique_id("AIDA"),
        created=now,
        password=password_hash,
        password_created=now,
    )
    Attachment.objects.create(user=user, policy_arn=ADMINISTRATOR_ACCESS, created=now)
    create_practice_policies(account_id)
    changed(iam_entity(account_id))
    return user


def first_account() -> str:
    """The account that the first start made, which a sign-in means that names none. Empty before the first start."""
    return Account.objects.order_by("created").values_list("account_id", flat=True).first() or ""


def named(account: str) -> Account | None:
    """An account by its ID or alias."""
    return Account.objects.filter(account_id=account).first() or Account.objects.filter(alias=account or None).first()


def of_arn(arn: str) -> str:
    """The account that an ARN names, if it is one of those here; else empty."""
    parts = arn.split(":", 5)
    named = parts[4] if len(parts) == 6 else ""
    return named if named.isdigit() and Account.objects.filter(account_id=named).exists() else ""


def create_practice_policies(account_id: str) -> list[str]:
    """Give an account the policies of engine.iam.starter_policies that it has not, and return their ARNs. One it has stays as it is."""
    now = clock.now(account_id)
    with transaction.write():
        there = set(ManagedPolicy.objects.filter(account_id=account_id).values_list("name", flat=True))
        missing = [policy for policy in starter_policies.POLICIES if policy.name not in there]
        rows = ManagedPolicy.objects.bulk_create(
            ManagedPolicy(
                account_id=account_id,
                path=starter_policies.PATH,
                name=policy.name,
                unique_id=credentials.new_unique_id("ANPA"),
                created=now,
                updated=now,
                description=policy.description,
            )
            for policy in missing
        )
        ManagedPolicyVersion.objects.bulk_create(
            ManagedPolicyVersion(policy=row, version_id="v1", document=policy.document, is_default=True, created=now)
            for row, policy in zip(rows, missing, strict=True)
        )
        changed(iam_entity(account_id))
    return [policy.arn(account_id) for policy in missing]
