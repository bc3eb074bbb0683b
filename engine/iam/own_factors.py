"""The second factors that a person makes on the console's pages: passkeys and recovery codes, for which AWS has no API.

Who may is decided by the caller (`kmsconsole:RegisterPasskey`, `kmsconsole:CreateRecoveryCodes`), who records it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.iam import entities, mfa, passkeys, root_user
from engine.iam.entities import USER
from engine.iam.models import ROOT_NAME, User
from engine.wire.errors import AWSError


def _user(account_id: str, user_name: str) -> User:
    if user_name == ROOT_NAME and (root := root_user.of(account_id)) is not None:
        return root
    user: User = entities.named(account_id, USER, user_name)
    return user


def ask_to_register(account_id: str, user_name: str, site: passkeys.Site) -> tuple[dict[str, Any], passkeys.State]:
    return passkeys.ask_to_register(_user(account_id, user_name), site)


def register(
    account_id: str, user_name: str, site: passkeys.Site, state: passkeys.State, answer: Mapping[str, Any]
) -> str:
    """The new passkey's serial number. Raises AWSError."""
    try:
        return str(passkeys.register(_user(account_id, user_name), site, state, answer).serial_number)
    except passkeys.PasskeyRefused as reason:
        raise AWSError("InvalidAuthenticationCode", str(reason)) from reason


def new_recovery_codes(account_id: str, user_name: str) -> list[str]:
    """Raises AWSError for a user without a second factor: they stand in for one."""
    user = _user(account_id, user_name)
    if not user.mfa_devices.exists():
        raise AWSError("InvalidInput", "Recovery codes are for users who have an MFA device.")
    return mfa.new_recovery_codes(user)


def recovery_codes_left(account_id: str, user_name: str) -> int:
    return _user(account_id, user_name).recovery_codes.count()
