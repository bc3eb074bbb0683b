"""The credential report: one line for each user, its password and access keys, as IAM's CSV. Kept four hours, as in AWS.

Source: IAM User Guide, "Generate credential reports for your AWS account".
"""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any

from engine.context import CallContext
from engine.iam import entities, passwords, root_user
from engine.iam.models import ROOT_NAME, AccessKey, Account, User
from engine.trail import query
from engine.wire.errors import AWSError

Answer = dict[str, Any]

_VALID = timedelta(hours=4)
_KEYS = 2
_COLUMNS = (
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    *(
        f"access_key_{number}_{fact}"
        for number in range(1, _KEYS + 1)
        for fact in ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
    ),
    *(f"cert_{number}_{fact}" for number in (1, 2) for fact in ("active", "last_rotated")),
)


def generate(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """The report is made at once, so the state is COMPLETE from the first answer on."""
    entities.permit(context)
    account = Account.objects.get(account_id=context.account_id)
    if account.credential_report_at is None or account.credential_report_at + _VALID <= context.now:
        account.credential_report = _report(account)
        account.credential_report_at = context.now
        account.save(update_fields=["credential_report", "credential_report_at"])
    return {"State": "COMPLETE"}


def get(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    account = Account.objects.get(account_id=context.account_id)
    if account.credential_report_at is None:
        raise AWSError("ReportNotPresent", "")
    if account.credential_report_at + _VALID <= context.now:
        raise AWSError("ReportExpired", "")
    return {
        "Content": account.credential_report.encode(),
        "ReportFormat": "text/csv",
        "GeneratedTime": account.credential_report_at,
    }


def _report(account: Account) -> str:
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(_COLUMNS)
    nothing = ["false", "N/A", "N/A", "N/A", "N/A"]
    state = root_user.state(account.account_id)
    used = _time(state.last_sign_in) if state is not None and state.last_sign_in else "no_information"
    mfa_active = "true" if state is not None and state.has_second_factor else "false"
    unknown = ["not_supported", used, "not_supported", "not_supported", mfa_active]
    root = [ROOT_NAME, account.root_arn, _time(account.created), *unknown]
    lines.writerow([*root, *nothing * _KEYS, *["false", "N/A"] * 2])
    policy = account.password_policy or {}
    owned = ("access_keys", "mfa_devices", "signing_certificates")
    for user in User.objects.filter(account=account).order_by("name").prefetch_related(*owned):
        keys = sorted(user.access_keys.all(), key=lambda key: (key.created, key.access_key_id))
        facts = [fact for key in keys for fact in _key(account.account_id, key)] + nothing * (_KEYS - len(keys))
        mfa = "true" if user.mfa_devices.all() else "false"
        lines.writerow(
            [user.name, user.arn, _time(user.created), *_password(user, policy), mfa, *facts, *_certificates(user)]
        )
    return out.getvalue()


def _certificates(user: User) -> list[str]:
    held = sorted(user.signing_certificates.all(), key=lambda each: (each.created, each.credential_id))
    facts = [fact for each in held for fact in ("true" if each.status == "Active" else "false", _time(each.created))]
    return facts + ["false", "N/A"] * (_KEYS - len(held))


def _password(user: User, policy: dict[str, Any]) -> list[str]:
    if not user.password:
        return ["false", "N/A", "N/A", "N/A"]
    used = _time(user.password_last_used) if user.password_last_used else "no_information"
    changed, next_rotation = passwords.changed_at(user), passwords.expires_at(user, policy)
    return ["true", used, *(_time(each) if each is not None else "N/A" for each in (changed, next_rotation))]


def _key(account_id: str, key: AccessKey) -> list[str]:
    used = query.last_use_of_access_key(account_id, key.access_key_id)
    last = [_time(used.when), used.region, used.service] if used is not None else ["N/A"] * 3
    return ["true" if key.active else "false", _time(key.created), *last]


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S+00:00}"
