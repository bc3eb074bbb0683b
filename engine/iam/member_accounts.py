"""Accounts that another account manages: those of a class, one for each student. The managing account's teachers make, limit, look into,
replace and end them, by actions of the console's own (engine.console_actions); nobody else can tell that they are there.

As in AWS Organizations each has the role OrganizationAccountAccessRole, which trusts the managing account and may do everything. Its
first user is the student's, an administrator: inside the account a student may do everything, outside of it nothing.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.hashers import make_password

from engine import clock
from engine.iam import account_limits, accounts, clocks, console_sessions, credentials, entities, passwords
from engine.iam.account_limits import Limits
from engine.iam.entities import USER
from engine.iam.models import AccessKey, Account, Attachment, MemberAccount, Role, User
from engine.iam.principal import Principal
from engine.store import transaction
from engine.store.transaction import changed, iam_entity
from engine.trail import record, recorder
from engine.vault import domain_keys
from engine.wire.errors import AWSError

ACCESS_ROLE = "OrganizationAccountAccessRole"
_SESSION = timedelta(hours=1)
# What a session that only looks may do: the session policy of whoever opens a student's account.
READ_ONLY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "LookOnly",
                "Effect": "Allow",
                "Action": [
                    "kms:Describe*",
                    "kms:Get*",
                    "kms:List*",
                    "iam:Get*",
                    "iam:List*",
                    "iam:Simulate*",
                    "sts:GetCallerIdentity",
                    "cloudtrail:LookupEvents",
                    "kmsconsole:List*",
                    "kmsconsole:Read*",
                ],
                "Resource": "*",
            }
        ],
    }
)


@dataclass(frozen=True, slots=True)
class Member:
    """What was made of a member account just now. The secret can be had only here."""

    account_id: str
    user_name: str
    access_key_id: str
    secret_access_key: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A session in a member account."""

    arn: str
    role_name: str
    credentials: credentials.TemporaryCredentials


def hash_password(password: str) -> str:
    """Takes its time: before the transaction that `create` and `set_password` are part of."""
    return make_password(password)


def create(managed_by: str, user_name: str, *, password_hash: str, alias: str, limits: Limits) -> Member:
    """A new account of `managed_by` with a user of this name and an access key. Part of the caller's transaction.

    Raises AccessDeniedException where `managed_by` is itself managed by another account."""
    if is_member(managed_by):
        raise AWSError("AccessDeniedException", "An account that another account manages has no accounts of its own.")
    return _with_access_key(_create(managed_by, user_name, password_hash, alias, limits))


def _create(managed_by: str, user_name: str, password_hash: str, alias: str, limits: Limits) -> User:
    account_id = _new_account_id()
    user = accounts.create_administrator(account_id, user_name, password_hash=password_hash, alias=alias)
    MemberAccount.objects.create(
        account_id=account_id,
        managed_by_id=managed_by,
        ends=limits.ends,
        key_quota=limits.keys,
        call_quota=limits.calls,
    )
    _access_role(account_id, managed_by)
    changed(account_limits.entity(account_id))
    return user


def _with_access_key(user: User) -> Member:
    key, secret = credentials.create_access_key(user)
    return Member(user.account_id, user.name, key.access_key_id, secret)


def _access_role(account_id: str, managed_by: str) -> Role:
    """The role that teachers come by, made again where the student deleted it. Part of the caller's transaction."""
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{managed_by}:root"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
    )
    role = Role.objects.filter(account_id=account_id, name__iexact=ACCESS_ROLE).first()
    if role is None:
        now = clock.now(account_id)
        role = Role.objects.create(
            account_id=account_id,
            name=ACCESS_ROLE,
            unique_id=credentials.new_unique_id("AROA"),
            created=now,
            description="By which the account that manages this one reaches it.",
            trust_policy=trust,
        )
        Attachment.objects.create(role=role, policy_arn=accounts.ADMINISTRATOR_ACCESS, created=now)
        changed(iam_entity(account_id))
    return role


def _new_account_id() -> str:
    while True:
        found = f"{secrets.randbelow(9 * 10**11) + 10**11:012d}"
        if not Account.objects.filter(account_id=found).exists():
            return found


def alias_is_free(alias: str) -> bool:
    return not Account.objects.filter(alias=alias).exists()


def is_member(account_id: str) -> bool:
    """Whether another account manages this one."""
    return account_limits.of(account_id).managed_by != ""


def _members(managed_by: str, account_ids: list[str]) -> list[MemberAccount]:
    """The rows of these accounts, in this order. Raises AccessDeniedException for an account that is not one of `managed_by`'s."""
    rows = MemberAccount.objects.select_related("account").filter(managed_by_id=managed_by).in_bulk(account_ids)
    for account_id in account_ids:
        if account_id not in rows:
            raise AWSError("AccessDeniedException", f"Account {account_id} is not managed by account {managed_by}.")
    return [rows[account_id] for account_id in account_ids]


def _member(managed_by: str, account_id: str) -> MemberAccount:
    return _members(managed_by, [account_id])[0]


def limit(managed_by: str, account_ids: list[str], limits: Limits) -> None:
    """Set what limits these accounts. Part of the caller's transaction."""
    _update(managed_by, account_ids, ends=limits.ends, key_quota=limits.keys, call_quota=limits.calls)


def end(managed_by: str, account_ids: list[str]) -> None:
    """From now on no credentials of these accounts are taken. What they hold stays as it is. Part of the caller's transaction."""
    _update(managed_by, account_ids, ends=clock.real_now())


def _update(managed_by: str, account_ids: list[str], **values: Any) -> None:
    _members(managed_by, account_ids)
    MemberAccount.objects.filter(account_id__in=account_ids).update(**values)
    changed(*(account_limits.entity(account_id) for account_id in account_ids))


def set_password(managed_by: str, account_id: str, user_name: str, password_hash: str) -> None:
    """A new password for the account's first user, whose sessions end. Part of the caller's transaction."""
    _member(managed_by, account_id)
    user = _first_user(account_id, user_name)
    passwords.put_hash(user, password_hash, clock.now(account_id), reset_required=user.password_reset_required)
    console_sessions.end_of_user(user)
    changed(iam_entity(account_id))


def new_access_key(managed_by: str, account_id: str, user_name: str) -> Member:
    """Another access key of the account's first user; the older ones are gone. Part of the caller's transaction."""
    _member(managed_by, account_id)
    user = _first_user(account_id, user_name)
    AccessKey.objects.filter(user=user).delete()
    made = _with_access_key(user)
    changed(iam_entity(account_id))
    return made


def _first_user(account_id: str, user_name: str) -> User:
    """Raises NoSuchEntity where the student has deleted or renamed it."""
    user: User = entities.named(account_id, USER, user_name)
    return user


def replace(managed_by: str, account_id: str, user_name: str, *, password_hash: str) -> Member:
    """A fresh account in the place of one: without its keys, policies and record. The old one has ended, and gives up its alias.

    The user's password and access keys go over, so that the same sign-in and the same CLI profile lead to the new account, and the
    teacher learns none of them. A user who lacks either gets another key, and the password of `password_hash`. Part of the caller's transaction.
    """
    row = _member(managed_by, account_id)
    limits = Limits(row.ends, row.key_quota, row.call_quota)
    alias = row.account.alias
    Account.objects.filter(pk=account_id).update(alias="")
    user = User.objects.filter(account_id=account_id, name__iexact=user_name).first()
    whole = user is not None and user.password != "" and user.access_keys.filter(active=True).exists()
    hashed = user.password if user is not None and whole else password_hash
    made = _create(managed_by, user_name, hashed, alias, limits)
    moved = _move_access_keys(user, made) if user is not None and whole else ""
    if user is not None:
        User.objects.filter(pk=user.pk).update(password="")
        console_sessions.end_of_user(user)
    end(managed_by, [account_id])
    changed(iam_entity(account_id))
    if moved:
        return Member(made.account_id, made.name, moved, "")
    return _with_access_key(made)


def _move_access_keys(old: User, new: User) -> str:
    """The ID of one of them. A secret is sealed for its user, so it is opened and sealed again."""
    moved = ""
    for row in AccessKey.objects.filter(user=old, active=True):
        name, place = row.access_key_id, (credentials.GLOBAL, row.access_key_id)
        secret = domain_keys.open_("access-key", old.account_id, *place, old.unique_id, bytes(row.wrapped_secret))
        row.wrapped_secret = domain_keys.seal("access-key", new.account_id, *place, new.unique_id, secret)
        row.user = new
        row.save()
        moved = name
    return moved


def open_session(managed_by: str, account_id: str, session_name: str, *, console_session: str) -> Opened:
    """A session in a member account that may look and change nothing; it ends with the console session it is made for.

    Part of the caller's transaction."""
    _member(managed_by, account_id)
    role = _access_role(account_id, managed_by)
    made = credentials.create_session(
        role, _SESSION, name=session_name, policies=[READ_ONLY], console_session=console_session
    )
    return Opened(role.session_arn(session_name), role.name, made)


def move_clocks(managed_by: str, account_ids: list[str], seconds: float) -> int:
    """Bring the clocks of these accounts to `seconds` ahead of the machine's; how many were moved. A clock that is farther stays: none
    goes back. Part of the caller's transaction."""
    moved = 0
    for row in _members(managed_by, account_ids):
        begin = row.account.clock_offset
        if seconds > begin:
            clocks.move(row.account_id, begin, seconds)
            moved += 1
    return moved


def clock_offsets(account_ids: list[str]) -> dict[str, float]:
    return dict(Account.objects.filter(account_id__in=account_ids).values_list("account_id", "clock_offset"))


def tell(
    account_ids: list[str], name: str, principal: Principal | None, parameters: dict[str, Any], *, source_ip: str
) -> None:
    """Record in member accounts' own trails what the managing account has done with them, so that the students see it too."""
    recorder.record(
        [
            record.service_event(
                record.ServiceEvent(
                    account_id=account_id,
                    region="us-east-1",
                    source="kmsconsole",
                    name=name,
                    now=clock.now(account_id),
                    principal=principal,
                    parameters=parameters,
                    source_ip=source_ip,
                    event_type="AwsConsoleAction",
                )
            )
            for account_id in account_ids
        ]
    )


def by_link(
    managed_by: str, what: Callable[[], Member], parameters: dict[str, Any], *, source_ip: str, user_agent: str
) -> Member:
    """An account that somebody makes who has a join link and is nobody yet: `what` in one transaction with its record, in the managing
    account. The link is what a teacher allowed; the caller looks at it in `what`, which may raise to have nothing done."""
    with transaction.write():
        made = what()
        event = record.service_event(
            record.ServiceEvent(
                account_id=managed_by,
                region="us-east-1",
                source="kmsconsole",
                name="JoinClass",
                now=clock.now(managed_by),
                parameters={**parameters, "accountId": made.account_id},
                source_ip=source_ip,
                user_agent=user_agent,
                event_type="AwsConsoleAction",
            )
        )
        recorder.record_change([event])
    return made
