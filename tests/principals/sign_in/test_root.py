"""The account's root user, for the day nobody else can sign in: switched on by the operator, with a second factor, seen in the record."""

from __future__ import annotations

import json
import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from audit.alerts import watch
from audit.alerts.models import Alert
from engine.iam import console_sessions
from engine.iam.models import Account, ConsoleSession
from tests.conftest import TestAccount
from tests.principals.sign_in.test_enrolment import ENROL, secret
from tests.support import totp
from tests.support.answers import text
from tests.support.second_factor import SECOND

ROOT = "/principals/sign-in/root/"
DENY = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}


def command(account: TestAccount, do: str) -> str:
    out = StringIO()
    call_command("root_user", do, account=account.account_id, stdout=out)
    return out.getvalue()


def switch_on(account: TestAccount) -> str:
    found = re.search(r"password +(\S+)", command(account, "on"))
    assert found is not None
    return found[1]


def enter(account: TestAccount, password: str) -> tuple[Client, Any]:
    browser = Client()
    return browser, browser.post(ROOT, {"account": account.account_id, "password": password})


def signed_in_as_root(account: TestAccount) -> tuple[Client, bytes, str]:
    """(browser, secret of the second factor, password)."""
    password = switch_on(account)
    browser, answer = enter(account, password)
    assert answer["Location"] == ENROL
    seed = secret(browser)
    assert "Not now" not in text(browser.get(ENROL))
    page = browser.post(ENROL, {"first": totp.code(seed, -1), "second": totp.code(seed)})
    assert "only time they can be seen" in text(page)
    return browser, seed, password


def events(account: TestAccount, name: str) -> list[dict[str, Any]]:
    named = [{"AttributeKey": "EventName", "AttributeValue": name}]
    found = account.client("cloudtrail").lookup_events(LookupAttributes=named)["Events"]
    return [json.loads(each["CloudTrailEvent"]) for each in found]


def test_it_is_off_until_the_operator_switches_it_on(account: TestAccount) -> None:
    page = f"/principals/sign-in/?account={account.account_id}"
    assert "root user" not in text(Client().get(page))
    assert "is off" in command(account, "show")
    assert enter(account, "guessed")[1].status_code == 422
    password = switch_on(account)
    assert "no second factor yet" in command(account, "show")
    assert "root user" in text(Client().get(page))
    assert "is not right" in text(enter(account, "guessed")[1])
    assert enter(account, password)[1]["Location"] == ENROL
    assert command(account, "off") == "The root user is off.\n"
    assert enter(account, password)[1].status_code == 422
    assert [
        each["eventName"] for each in (*events(account, "EnableRootUser"), *events(account, "DisableRootUser"))
    ] == [
        "EnableRootUser",
        "DisableRootUser",
    ]


def test_it_helps_where_every_user_is_locked_out(account: TestAccount) -> None:
    iam, key = account.client("iam"), account.create_key()
    iam.put_user_policy(UserName="admin", PolicyName="lost", PolicyDocument=json.dumps(DENY))
    browser, seed, password = signed_in_as_root(account)
    for page in ("/", f"/keys/{key}/", "/settings/profile/", "/principals/security-credentials/", "/audit/"):
        assert browser.get(page).status_code == 200, page
    assert browser.post("/principals/users/admin/policies/lost/delete/", {}).status_code == 302
    assert iam.list_user_policies(UserName="admin")["PolicyNames"] == []
    held = ConsoleSession.objects.get(user__account_id=account.account_id, user__is_root=True)
    since, made = console_sessions.user_since(held.session_id), Account.objects.get(pk=account.account_id).created
    assert since is not None
    assert since > made  # for approvals of two persons it is one from then on
    again, answer = enter(account, password)
    assert answer["Location"] == SECOND
    again.post(SECOND, {"code": totp.code(seed, 1)})
    assert again.get("/keys/").status_code == 200
    command(account, "off")
    assert again.get("/keys/").status_code == 302  # its sessions end


def test_it_is_marked_in_the_record_and_an_alert_tells_of_it(account: TestAccount) -> None:
    iam = account.client("iam")
    assert iam.get_account_summary()["SummaryMap"]["AccountMFAEnabled"] == 0
    browser, _seed, _password = signed_in_as_root(account)
    browser.get("/principals/users/")
    (login,) = events(account, "ConsoleLogin")
    identity = login["userIdentity"]
    assert (identity["type"], identity["arn"]) == ("Root", account.root_arn)
    assert identity["principalId"] == account.account_id
    assert login["additionalEventData"]["MFAUsed"] == "Yes"
    assert {each["userIdentity"]["type"] for each in events(account, "ListUsers")} == {"Root"}
    while watch.look():
        pass
    (alert,) = Alert.objects.filter(account_id=account.account_id)
    assert (alert.rule.kind, alert.principal) == ("root", account.root_arn)
    summary = iam.get_account_summary()["SummaryMap"]
    assert (summary["AccountMFAEnabled"], summary["AccountPasswordPresent"], summary["Users"]) == (1, 1, 1)
    assert [each["UserName"] for each in iam.list_users()["Users"]] == ["admin"]
    (device,) = iam.list_virtual_mfa_devices()["VirtualMFADevices"]
    assert device["SerialNumber"].endswith(":mfa/root-account-mfa-device")
    assert device["User"]["Arn"] == account.root_arn
    iam.generate_credential_report()
    root = iam.get_credential_report()["Content"].decode().splitlines()[1].split(",")
    assert (root[0], root[7]) == ("<root_account>", "true")


def test_a_wrong_account_is_said(account: TestAccount) -> None:
    from django.core.management.base import CommandError

    with pytest.raises(CommandError, match="no account 999999999999"):
        call_command("root_user", "on", account="999999999999")
