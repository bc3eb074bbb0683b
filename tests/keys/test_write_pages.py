"""Every page that changes something at AWS shows the call it would make, before it makes it.

That no such page is missing in the tables here, tests/kmsconsole/test_every_page.py sees, which looks at all pages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from keys.lifecycle.views.actions import ACTIONS
from keys.models import DeletionRequest
from tests.conftest import TestAccount, new_account, sign_in_browser
from tests.support import identity_providers, samples
from tests.support.samples import POLICY, TRUST, Samples

# Pages whose POST makes no call that a program would make, by the name of their pattern.
NO_CALL = {
    "sign-in": "a console sign-in has no API",
    "sign-in-rule": "a console sign-in has no API",
    "sign-in-saml": "a console sign-in has no API",
    "sign-in-root": "a console sign-in has no API",
    "sign-in-second-factor": "a console sign-in has no API",
    "sign-in-new-password": "a console sign-in has no API",
    "sign-in-enrolment": "a console sign-in has no API",
    "passkey-new": "passkeys are the console's own: IAM has no operation that registers one",
    "recovery-codes": "recovery codes are the console's own",
    "use-session": "takes up another sign-in of the browser",
    "identity-provider-sign-in": "sign-in to the console is the console's own",
    "identity-provider-keys": "keys that are given are the console's own",
    "identity-provider-preview": "says who a token would become, and changes nothing",
    "sign-out": "ends the browser session",
    "back-to-user": "takes up the browser session's own credentials again",
    "styleguide": "samples of components, sent nowhere",
    "theme": "a cookie",
    "language": "a cookie",
    "region": "the browser session",
    "policy-check": "says what is wrong with a text",
    "keys-views": "a saved view is the console's own",
    "play-recipe": "forgets what the browser session kept",
    "audit-searches": "a saved search is the console's own",
    "audit-verify": "walks the record, and changes nothing",
    "compliance-run": "results of checks are the console's own",
    "compliance-exception-new": "an exception from a check is the console's own",
    "compliance-exception-end": "an exception from a check is the console's own",
    "audit-compare": "compares a checkpoint; a witness's signature in it is the console's own to keep",
    "audit-removal": "a decision on the operator's request is the console's own",
    "endpoint-new": "a connection is the console's own",
    "endpoint": "tests a connection of the console's own",
    "endpoint-delete": "a connection is the console's own",
    "endpoint-switch": "the browser session",
    "own-sessions": "console sessions have no API",
    "user-sessions": "console sessions have no API",
    "endpoint-refresh": "reads an endpoint's list again",
    "audit-alerts": "alerts are the console's own",
    "audit-alert-new": "a rule is the console's own",
    "audit-alert-rule": "a rule is the console's own",
    "audit-alert-delete": "a rule is the console's own",
    "drill-end": "ends what AWS has no call for",
    "lesson": "an answer to a question is the record's own",
    "class-bring": "a class is the console's own",
    "class-join": "an account is the console's own to make",
    "class-accounts-new": "accounts are the console's own to make",
    "class-accounts-add": "accounts are the console's own to make",
    "class-accounts-close": "accounts are the console's own to end",
    "class-manage": "a class is the console's own",
    "class-link-revoke": "a link is the console's own",
    "class-student": "accounts are the console's own",
    "class-cards": "hands back as a file what the page holds",
    "class-hand-out": "hands back as a file what the page holds",
}
# Pages that change something which AWS has no call for at all; each says so in the place of the call.
NO_SUCH_CALL = {"clock": "/settings/clock/?by=1&unit=hours", "drills": "/drills/"}
# Forms that lead to a page which shows the call, or are a step on the way to one, or beside the form that shows it.
LEADS_ON = {
    "keys-bulk",
    "wizard-step",
    "lab-envelope",
    "lab-direct",
    "lab-ciphertext",
    "lab-services",
    "key-import-parameters",
    "play",
    "key-approvals",
}


PROXY = {
    "name": "outside",
    "connectivity": "PUBLIC_ENDPOINT",
    "endpoint": "https://xks.example.com",
    "path": "/kms/xks/v1",
    "access_key_id": "ABCDEFGHIJKLMNOPQRST",
    "secret": "a secret of forty three letters or more".replace(" ", "+") + "AAAA",
}


def asked(made: Samples) -> dict[str, list[tuple[str, dict[str, Any] | None, str]]]:
    """Name of the pattern → (address, what is posted or None, operations shown)."""
    key, name, arn = f"/keys/{made.symmetric}", made.name, made.policy_arn
    user, group, role = (f"/principals/{kind}/{name}" for kind in ("users", "groups", "roles"))
    one = f"/principals/policies/one/%s/?arn={arn}"
    providers = "/principals/identity-providers/"
    fields = {
        "rotation-on": {"period": "100"},
        "describe": {"description": "new"},
        "alias-add": {"alias": "other"},
        "alias-delete": {"alias": name},
        "tag-add": {"key": "a", "value": "b"},
        "tag-delete": {"key": "team"},
        "grant-revoke": {"grant": made.grant},
        "grant-retire": {"grant": made.grant},
        "delete-material": {"confirmed": "on"},
        "replicate": {"region": "eu-central-1"},
        "primary": {"region": "eu-west-1"},
    }
    actions = []
    for slug, action in ACTIONS.items():
        which = made.primary if slug in ("replicate", "primary") else made.symmetric
        posted = {"preview": "1", **fields[slug]} if slug in fields else None
        actions.append((f"/keys/{which}/do/{slug}/", posted, action.operation))
    preview = {"preview": "1"}
    return {
        "key-action": actions,
        "key-delete": [(f"{key}/delete/", None, "ScheduleKeyDeletion")],
        "key-grant": [
            (f"{key}/do/grant-add/", preview | {"grantee": "arn:aws:iam::111122223333:root", "operations": "Encrypt"},
             "CreateGrant"),
        ],
        "key-import": [
            (f"/keys/{made.external}/import/", preview | {"train": "1"}, "ImportKeyMaterial"),
            (f"/keys/{made.external}/import/", None, "GetParametersForImport"),
        ],
        "key-policy-edit": [(f"{key}/policy/edit/", preview | {"policy": POLICY}, "PutKeyPolicy")],
        "key-policy-change": [
            (f"{key}/policy/change/", preview | {"add": "accounts", "who": "111122223333"}, "PutKeyPolicy"),
            (f"{key}/policy/change/?deletion=no", None, "PutKeyPolicy"),
        ],
        "keys-bulk": [
            ("/keys/bulk/", {"action": "disable", "key": made.symmetric}, "DisableKey"),
            ("/keys/bulk/", preview | {"action": "tag", "key": made.symmetric, "confirmed": "1", "tag_key": "a"},
             "TagResource"),
            ("/keys/bulk/", preview | {"action": "delete", "key": made.symmetric, "confirmed": "1", "days": "7"},
             "ScheduleKeyDeletion"),
        ],
        "play": [
            ("/play/encrypt/", {"run": "1", "KeyId": made.symmetric, "Plaintext": "x", "Plaintext_as": "text"}, "Encrypt"),
        ],
        "store-new": [
            ("/stores/xks/new/", preview | PROXY, "CreateCustomKeyStore"),
        ],
        "store-connect": [(f"{samples.STORE}/connect/", None, "ConnectCustomKeyStore")],
        "store-disconnect": [(f"{samples.STORE}/disconnect/", None, "DisconnectCustomKeyStore")],
        "store-delete": [(f"{samples.STORE}/delete/", None, "DeleteCustomKeyStore")],
        "switch-role": [("/principals/switch-role/", preview | {"role": name}, "AssumeRole")],
        "user-new": [("/principals/users/new/", preview | {"name": "eve", "groups": name}, "CreateUser, AddUserToGroup")],
        "user-delete": [
            (f"{user}/delete/", None, "DeleteAccessKey, RemoveUserFromGroup, DeleteUserPolicy, DetachUserPolicy, DeleteUser"),
        ],
        "user-password": [(f"{user}/password/", None, "CreateLoginProfile")],
        "user-mfa-remove": [
            (f"{user}/mfa/remove/", preview | {"serial_number": "arn:aws:iam::111122223333:mfa/phone"},
             "DeactivateMFADevice, DeleteVirtualMFADevice"),
        ],
        "mfa-device-new": [
            ("/principals/security-credentials/device/", None, "CreateVirtualMFADevice"),
            ("/principals/security-credentials/device/", {"serial_number": "arn:aws:iam::111122223333:mfa/phone"},
             "EnableMFADevice"),
        ],
        "password-policy": [
            ("/principals/password-policy/", preview | {"minimum": "12"}, "UpdateAccountPasswordPolicy"),
        ],
        "user-groups": [
            (f"{user}/groups/", preview | {"add": "other"}, "AddUserToGroup"),
            (f"{user}/groups/?remove={name}", None, "RemoveUserFromGroup"),
        ],
        "profile": [("/settings/profile/", None, "ChangePassword")],
        "access-key-new": [(f"{user}/access-keys/new/", None, "CreateAccessKey")],
        "access-key": [
            (f"{user}/access-keys/{made.access_key}/?do=deactivate", None, "UpdateAccessKey"),
            (f"{user}/access-keys/{made.access_key}/?do=activate", None, "UpdateAccessKey"),
            (f"{user}/access-keys/{made.access_key}/?do=delete", None, "DeleteAccessKey"),
        ],
        "group-new": [("/principals/groups/new/", preview | {"name": "team"}, "CreateGroup")],
        "group-delete": [(f"{group}/delete/", None, "RemoveUserFromGroup, DeleteGroup")],
        "group-users": [
            (f"{group}/users/", preview | {"add": "admin"}, "AddUserToGroup"),
            (f"{group}/users/?remove={name}", None, "RemoveUserFromGroup"),
        ],
        "class-new": [
            ("/classes/new/", preview | {"name": "spring", "students": "ann\nben", "access_keys": "on"},
             "CreateGroup, AttachGroupPolicy, CreateUser, AddUserToGroup, CreateLoginProfile, CreateAccessKey"),
        ],
        "class-students": [
            (f"/classes/{name}/students/", preview | {"students": f"{name}-student\nann"},
             "AttachGroupPolicy, CreateLoginProfile, CreateUser, AddUserToGroup"),
        ],
        "class-password": [(f"/classes/{name}/students/{name}-student/password/", None, "CreateLoginProfile")],
        "class-remove": [
            (f"/classes/{name}/students/{name}-student/remove/", None, "RemoveUserFromGroup, DeleteUser"),
        ],
        "class-close": [(f"/classes/{name}/close/", preview, "RemoveUserFromGroup, DeleteUser, DeleteGroup")],
        "role-new": [
            ("/principals/roles/new/", preview | {"name": "ops", "trusted": "this", "document": TRUST, "policies": arn},
             "CreateRole, AttachRolePolicy"),
        ],
        "role-trust": [(f"{role}/trust/", None, "UpdateAssumeRolePolicy")],
        "role-settings": [(f"{role}/settings/", preview | {"max_session": "90"}, "UpdateRole")],
        "role-delete": [(f"{role}/delete/", None, "DeleteRole")],
        "policy-new": [
            ("/principals/policies/new/", preview | {"name": "lister", "document": POLICY}, "CreatePolicy"),
        ],
        "policy-version": [
            (one % "version" + "&default=v1", None, "SetDefaultPolicyVersion"),
            (one % "version" + "&delete=v1", None, "DeletePolicyVersion"),
        ],
        "policy-edit": [(one % "edit", preview | {"document": POLICY}, "CreatePolicyVersion")],
        "identity-provider-new": [(f"{providers}new/", preview | {"url": "https://x.example.com"}, "CreateOpenIDConnectProvider")],
        "saml-provider-new": [
            (f"{providers}new/saml/", preview | {"name": "x", "metadata": identity_providers.metadata()}, "CreateSAMLProvider")
        ],
        "identity-provider-edit": [
            (f"{providers}one/edit/?arn={made.provider_arn}", preview | {"clients": "other"}, "AddClientIDToOpenIDConnectProvider, RemoveClientIDFromOpenIDConnectProvider")
        ],
        "identity-provider-private-key": [
            (f"{providers}one/private-key/?arn={made.saml_arn}&key=ABC", None, "UpdateSAMLProvider")
        ],
        "identity-provider-delete": [
            (f"{providers}one/delete/?arn={made.provider_arn}", None, "DeleteOpenIDConnectProvider")
        ],
        "policy-delete": [(one % "delete", None, "DetachUserPolicy, DeletePolicyVersion, DeletePolicy")],
        "attached": [
            (f"{group}/attached/", preview | {"attach": arn}, "AttachGroupPolicy"),
            (f"{user}/attached/?detach={arn}", None, "DetachUserPolicy"),
        ],
        "last-accessed": [(f"{role}/last-accessed/", None, "GenerateServiceLastAccessedDetails")],
        "boundary": [
            (f"{role}/boundary/", preview | {"arn": arn}, "PutRolePermissionsBoundary"),
            (f"{user}/boundary/", None, "DeleteUserPermissionsBoundary"),
        ],
        "entity-tags": [
            (f"{role}/tags/", preview | {"key": "a", "value": "b"}, "TagRole"),
            (f"{user}/tags/?remove=team", None, "UntagUser"),
        ],
        "inline-policy-new": [
            (f"{role}/policies/new/", preview | {"name": "lister", "document": POLICY}, "PutRolePolicy"),
        ],
        "inline-policy": [(f"{user}/policies/{name}/", preview | {"document": POLICY}, "PutUserPolicy")],
        "inline-policy-delete": [(f"{user}/policies/{name}/delete/", None, "DeleteUserPolicy")],
    }  # fmt: skip


# Write pages whose call is held by a test of their own: below, and in test_stores.py, test_wizard.py, test_envelope.py, test_ciphertext.py; a service's calls are shown once they
# were made, since only it can make them (test_services.py).
ELSEWHERE = {
    "store-edit",
    "lab-direct",
    "key-approvals",
    "wizard-step",
    "lab-envelope",
    "lab-ciphertext",
    "lab-services",
    "key-import-parameters",
}


@dataclass(frozen=True)
class World:
    """An account with one object of each kind."""

    account: TestAccount
    browser: Client
    made: Samples


@pytest.fixture(scope="module")
def world(prepared: object) -> World:
    account = new_account()
    made, browser = samples.make(account.client), sign_in_browser(account.administrator)
    return World(account, browser, made)


def shown(answer: Any) -> list[str]:
    """The operations whose calls a page shows."""
    return re.findall(r'Show the call <span class="muted mono">([^<]+)</span>', answer.content.decode())


def test_every_write_page_shows_its_call(world: World) -> None:
    wrong = []
    for name, requests in asked(world.made).items():
        for address, posted, operation in requests:
            answer = world.browser.get(address) if posted is None else world.browser.post(address, posted)
            if operation not in shown(answer) or answer.status_code not in (200, 422):
                wrong.append((name, address, answer.status_code, shown(answer)))
    assert not wrong
    # What was only looked at has not been done.
    assert samples_left(world.account, world.made)


def samples_left(account: TestAccount, made: Samples) -> bool:
    iam, kms = account.client("iam"), account.client("kms")
    key = kms.describe_key(KeyId=made.symmetric)["KeyMetadata"]
    users = [each["UserName"] for each in iam.list_users()["Users"]]
    (access_key,) = iam.list_access_keys(UserName=made.name)["AccessKeyMetadata"]
    attached = iam.list_attached_user_policies(UserName=made.name)["AttachedPolicies"]
    return key["KeyState"] == "Enabled" and "eve" not in users and access_key["Status"] == "Active" and bool(attached)


def test_a_page_that_aws_has_no_call_for_says_so(world: World) -> None:
    for address in NO_SUCH_CALL.values():
        answer = world.browser.get(address)
        assert len(shown(answer)) == 1
        assert "There is none: AWS has no call" in answer.content.decode()


def test_a_deletion_to_approve_shows_its_call_and_does_not_make_it(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post(f"/keys/{key_id}/delete/", {"days": "9", "confirmed": "on", "reason": ""})
    waiting = DeletionRequest.objects.get(key_id=key_id)
    answer = signed_in.post("/keys/approvals/", {"do": "approve", "request": str(waiting.pk), "preview": "1"})
    assert shown(answer) == ["CreatePolicy", "ScheduleKeyDeletion"]  # the page offers a policy too
    assert "--pending-window-in-days 9" in answer.content.decode()
    waiting.refresh_from_db()
    assert waiting.state == DeletionRequest.WAITING


def test_a_shown_password_is_a_variable(signed_in: Client) -> None:
    answer = signed_in.post(
        "/principals/users/new/", {"name": "eve", "password": "typed in full", "preview": "1"}
    ).content.decode()
    assert "typed in full" not in answer
    assert "--password &quot;$PASSWORD&quot;" in answer
    assert "--data-urlencode &quot;Password=$PASSWORD&quot;" in answer


def test_what_is_shown_can_be_done_from_there(world: World) -> None:
    made, signed_in, account = world.made, world.browser, world.account
    address = f"/principals/users/{made.name}/attached/?detach={made.policy_arn}"
    page = signed_in.get(address).content.decode()
    assert f'<input type="hidden" name="detach" value="{made.policy_arn}">' in page
    signed_in.post(address, {"detach": made.policy_arn})
    assert account.client("iam").list_attached_user_policies(UserName=made.name)["AttachedPolicies"] == []
