"""Access keys, login profiles, password change, account aliases, the account's preference of session tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.context import CallContext
from engine.iam import console_sessions, credentials, entities, passwords, quotas
from engine.iam.entities import USER
from engine.iam.models import AccessKey, Account, User
from engine.trail import query
from engine.wire.errors import AWSError

Answer = dict[str, Any]
_TOKEN_VERSIONS = {"v1Token": 1, "v2Token": 2}


# What the root user does about itself; the rest of its credentials is the operator's (engine.iam.root_user).
_OF_ROOT = ("DeactivateMFADevice", "GetMFADevice", "GetUser", "ListAccessKeys", "ListMFADevices")


def named_user(context: CallContext, parameters: dict[str, Any]) -> User:
    """The user a request names, or without a name the caller's own."""
    if "UserName" not in parameters and context.principal.kind == "root" and context.operation in _OF_ROOT:
        entities.permit(context, context.principal.arn)
        return User.with_root.get(account_id=context.account_id, is_root=True)
    if "UserName" not in parameters:
        if context.principal.kind != "user":
            raise AWSError("ValidationError", "Must specify userName when calling with non-User credentials")
        parameters = {**parameters, "UserName": context.principal.name}
    user: User = entities.permitted(context, USER, parameters)
    return user


def create_access_key(context: CallContext, parameters: dict[str, Any]) -> Answer:
    user = named_user(context, parameters)
    quotas.hold("AccessKeysPerUser", user.access_keys.count() + 1)
    row, secret = credentials.create_access_key(user)
    entities.touched(context)
    return {"AccessKey": {**_entry(row), "SecretAccessKey": secret}}


def _entry(row: AccessKey) -> Answer:
    return {
        "UserName": row.user.name,
        "AccessKeyId": row.access_key_id,
        "Status": "Active" if row.active else "Inactive",
        "CreateDate": row.created,
    }


def _access_key(context: CallContext, user: User, access_key_id: str) -> AccessKey:
    row = user.access_keys.filter(access_key_id=access_key_id).first()
    if row is None:
        raise AWSError("NoSuchEntity", f"The Access Key with id {access_key_id} cannot be found.")
    return row


def list_access_keys(context: CallContext, parameters: dict[str, Any]) -> Answer:
    rows = named_user(context, parameters).access_keys.select_related("user").order_by("created", "access_key_id")
    return entities.page(parameters, [_entry(row) for row in rows], "AccessKeyMetadata")


def update_access_key(context: CallContext, parameters: dict[str, Any]) -> Answer:
    row = _access_key(context, named_user(context, parameters), parameters["AccessKeyId"])
    row.active = parameters["Status"] == "Active"
    row.save(update_fields=["active"])
    entities.touched(context)
    return {}


def delete_access_key(context: CallContext, parameters: dict[str, Any]) -> Answer:
    _access_key(context, named_user(context, parameters), parameters["AccessKeyId"]).delete()
    entities.touched(context)
    return {}


def get_access_key_last_used(context: CallContext, parameters: dict[str, Any]) -> Answer:
    access_key_id = parameters["AccessKeyId"]
    row = (
        AccessKey.objects.select_related("user")
        .filter(access_key_id=access_key_id, user__account_id=context.account_id)
        .first()
    )
    entities.permit(context, row.user.arn if row is not None else "*", row.user if row is not None else None)
    if row is None:
        raise AWSError(
            "AccessDenied",
            f"User: {context.principal.arn} is not authorized to perform iam:GetAccessKeyLastUsed "
            f"on resource: access key {access_key_id}",
        )
    used = query.last_use_of_access_key(context.account_id, access_key_id)
    last: Answer = {"ServiceName": "N/A", "Region": "N/A"}
    if used is not None:
        last = {"LastUsedDate": used.when, "ServiceName": used.service, "Region": used.region}
    return {"UserName": row.user.name, "AccessKeyLastUsed": last}


def create_login_profile(context: CallContext, parameters: dict[str, Any]) -> Answer:
    user, given = _without_profile(context, parameters), context.prepared
    reset_required = parameters.get("PasswordResetRequired", False)
    passwords.put(user, given, context.now, reset_required=reset_required)
    return {"LoginProfile": _profile(user)}


@contextmanager
def create_prepared(context: CallContext, parameters: dict[str, Any]) -> Iterator[None]:
    context.prepared = passwords.Given(parameters.get("Password", ""))
    _without_profile(context, parameters)
    context.prepared.hashed()
    yield


def _without_profile(context: CallContext, parameters: dict[str, Any]) -> User:
    """Whose profile is to be made, with the password that was given."""
    user = named_user(context, parameters)
    if user.password:
        raise AWSError("EntityAlreadyExists", f"Login Profile for user {user.name} already exists.")
    if "Password" not in parameters:
        raise AWSError("ValidationError", "Password is required.")
    passwords.check(context.account_id, context.prepared, user)
    return user


def _profile(user: User) -> Answer:
    return {
        "UserName": user.name,
        "CreateDate": user.password_created,
        "PasswordResetRequired": user.password_reset_required,
    }


def _with_profile(context: CallContext, parameters: dict[str, Any]) -> User:
    user = named_user(context, parameters)
    if not user.password:
        raise _no_profile(user)
    return user


def _no_profile(user: User) -> AWSError:
    return AWSError("NoSuchEntity", f"Login Profile for User {user.name} cannot be found.")


def get_login_profile(context: CallContext, parameters: dict[str, Any]) -> Answer:
    return {"LoginProfile": _profile(_with_profile(context, parameters))}


def update_login_profile(context: CallContext, parameters: dict[str, Any]) -> Answer:
    user = _with_profile(context, parameters)
    reset_required = parameters.get("PasswordResetRequired", user.password_reset_required)
    if (given := context.prepared) is not None:
        passwords.check(context.account_id, given, user)
        passwords.put(user, given, context.now, reset_required=reset_required)
        console_sessions.end_of_user(user, but=_own_session(context))
    else:
        user.password_reset_required = reset_required
        user.save(update_fields=["password_reset_required"])
    return {}


@contextmanager
def update_prepared(context: CallContext, parameters: dict[str, Any]) -> Iterator[None]:
    if "Password" in parameters:
        given = context.prepared = passwords.Given(parameters["Password"])
        passwords.check(context.account_id, given, _with_profile(context, parameters))
        given.hashed()
    yield


def delete_login_profile(context: CallContext, parameters: dict[str, Any]) -> Answer:
    user = _with_profile(context, parameters)
    user.password, user.password_reset_required = "", False
    user.password_created = user.password_changed = None
    user.former_passwords = []
    user.save()
    console_sessions.end_of_user(user)
    return {}


def _own_with_profile(context: CallContext) -> User:
    """The caller, who may change its password by its policies or by the account's password policy."""
    if context.principal.kind != "user":
        return _with_profile(context, {})
    user = entities.get(context, USER, context.principal.name)
    passwords.permit_own(context, user, lambda: entities.permit(context, user.arn, user))
    if not user.password:
        raise _no_profile(user)
    return user


def change_password(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """The caller's own password, with the old one."""
    user = _own_with_both(context)
    passwords.put(user, context.prepared[1], context.now)
    console_sessions.end_of_user(user, but=_own_session(context))
    return {}


@contextmanager
def change_prepared(context: CallContext, parameters: dict[str, Any]) -> Iterator[None]:
    context.prepared = passwords.Given(parameters["OldPassword"]), passwords.Given(parameters["NewPassword"])
    _own_with_both(context)
    context.prepared[1].hashed()
    yield


def _own_with_both(context: CallContext) -> User:
    """The caller, who gave the old password and one that may be the new one."""
    user, (old, new) = _own_with_profile(context), context.prepared
    if not old.is_of(user.password):
        raise AWSError("AccessDenied", "The old password was incorrect.")
    passwords.check(context.account_id, new, user)
    return user


def _own_session(context: CallContext) -> str:
    """The console session that the call is made from, which a new password leaves; empty for a program's call."""
    session = context.principal.session
    return session.console_session if session is not None else ""


def create_account_alias(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    alias = parameters["AccountAlias"]
    if Account.objects.filter(alias=alias).exclude(account_id=context.account_id).exists():
        raise AWSError("EntityAlreadyExists", f"The account alias {alias} already exists.")
    Account.objects.filter(account_id=context.account_id).update(alias=alias)
    return {}


def delete_account_alias(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    if not Account.objects.filter(account_id=context.account_id, alias=parameters["AccountAlias"]).update(alias=""):
        raise AWSError("NoSuchEntity", f"The account alias {parameters['AccountAlias']} cannot be found.")
    return {}


def list_account_aliases(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    alias = Account.objects.get(account_id=context.account_id).alias
    return {"AccountAliases": [alias] if alias else [], "IsTruncated": False}


def set_security_token_service_preferences(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """Which session tokens the global endpoint gives: GetAccountSummary tells. Those of either version are valid in every Region here."""
    entities.permit(context)
    version = _TOKEN_VERSIONS[parameters["GlobalEndpointTokenVersion"]]
    Account.objects.filter(account_id=context.account_id).update(global_endpoint_token_version=version)
    return {}
