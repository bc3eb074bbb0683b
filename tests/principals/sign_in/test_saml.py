"""Signing in by SAML: who one becomes by a posted response, and which responses are not taken."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from engine.iam.models import MFADevice, RecoveryCode
from keys.models import DeletionRequest
from tests.conftest import TestAccount
from tests.engine.iam.test_saml import create, trusting
from tests.support import identity_providers as idp
from tests.support import totp
from tests.support.answers import text

ACS = "/principals/sign-in/saml/"
HERE = f"http://testserver{ACS}"
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
ROLES = "https://aws.amazon.com/SAML/Attributes/Role"


def post(response: str, browser: Client | None = None, at: str = ACS, **more: str) -> tuple[Client, Any]:
    """A browser that sends no token of our forms, as one that comes from the provider's site."""
    browser = browser or Client(enforce_csrf_checks=True)
    return browser, browser.post(at, {"SAMLResponse": response, **more})


def refusal(response: str, at: str = ACS) -> str:
    browser, answer = post(response, at=at)
    assert answer.status_code == 403
    assert "sessionid" not in browser.cookies, "whoever connects could fill the database with sessions"
    assert browser.get("/keys/").status_code == 302
    return text(answer)


def logins(account: TestAccount) -> list[dict[str, Any]]:
    named = [{"AttributeKey": "EventName", "AttributeValue": "ConsoleLogin"}]
    events = account.client("cloudtrail").lookup_events(LookupAttributes=named)["Events"]
    return [json.loads(each["CloudTrailEvent"]) for each in events]


def test_a_response_signs_in_once_as_the_role_it_names(account: TestAccount) -> None:
    provider, role = create(account), trusting(account, {"StringEquals": {"saml:aud": HERE}}, policy=ALL)
    response = idp.response(role, provider, recipient=HERE)
    browser, answer = post(response, RelayState="/keys/")
    assert answer["Location"] == "/keys/"
    session = f"arn:aws:sts::{account.account_id}:assumed-role/people/ann"
    assert session in text(browser.get("/settings/profile/"))
    assert "company: ann" in text(browser.get("/settings/profile/"))
    made = logins(account)[0]
    assert (made["userIdentity"]["arn"], made["additionalEventData"]["identityProvider"]) == (session, provider)
    assert "it was used before" in refusal(response)
    assert "it was used before" in logins(account)[0]["errorMessage"]


def test_an_encrypted_response_signs_in_at_its_providers_own_address(account: TestAccount, signed_in: Client) -> None:
    iam = account.client("iam")
    provider, role = create(account), trusting(account, policy=ALL)
    number = iam.get_saml_provider(SAMLProviderArn=provider)["SAMLProviderUUID"]
    own = f"{ACS}{number}/"
    roles = {ROLES: [f"{role},{provider}", f"{provider},arn:aws:iam::{account.account_id}:role/none"]}
    given: dict[str, Any] = {"recipient": f"http://testserver{own}", "attributes": roles, "encrypt": idp.encryption()}
    response = idp.response(role, provider, **given)
    assert "no private key" in refusal(response, own)
    iam.update_saml_provider(SAMLProviderArn=provider, AddPrivateKey=idp.private_key())
    assert given["recipient"] in text(signed_in.get(f"/principals/identity-providers/one/?arn={provider}"))
    assert "cannot be read, or gives no role" in refusal(response)
    assert "cannot be read, or gives no role" in refusal(response, f"{ACS}NONE/")
    browser, answer = post(response, at=own)
    assert f'action="{own}"' in answer.content.decode()
    assert post(response, browser, at=own, role=role)[1]["Location"] == "/"
    assert f"{account.account_id}:assumed-role/people/ann" in text(browser.get("/settings/profile/"))
    assert "it was used before" in text(post(response, at=own, role=role)[1])
    assert "signature invalid" in refusal(idp.response(role, provider, key="one", **given), own)
    elsewhere = idp.response(role, provider, recipient=HERE, encrypt=idp.encryption())
    assert "for another service" in refusal(elsewhere, own)


def test_of_several_roles_one_is_chosen(account: TestAccount) -> None:
    provider, role = create(account), trusting(account, policy=ALL)
    other = f"arn:aws:iam::{account.account_id}:role/none"
    response = idp.response(
        role, provider, recipient=HERE, attributes={ROLES: [f"{role},{provider}", f"{provider},{other}"]}
    )
    browser, answer = post(response)
    assert "Choose a role" in text(answer)
    assert "does not trust this sign-in" in text(post(response, role=other)[1])
    assert post(response, browser, role=role)[1]["Location"] == "/"
    assert browser.get("/keys/").status_code == 200


def test_who_is_called_as_a_user_is_gets_no_second_factor_of_the_users(account: TestAccount) -> None:
    totp.assign(account.client("iam"), "admin")
    provider, role = create(account), trusting(account, policy=ALL)
    name = {"https://aws.amazon.com/SAML/Attributes/RoleSessionName": ["admin"]}
    browser = post(idp.response(role, provider, recipient=HERE, attributes=name), Client())[0]
    for address in (
        "security-credentials/recovery-codes/",
        "security-credentials/passkey/",
        "security-credentials/device/",
    ):
        answer = browser.post(f"/principals/{address}", {"passkey": "{}", "name": "mine"})
        assert answer["Location"] == "/principals/security-credentials/", address
    assert not RecoveryCode.objects.filter(user__account_id=account.account_id).exists()
    assert MFADevice.objects.filter(account_id=account.account_id).count() == 1


@pytest.mark.parametrize("name_format", ["persistent", "transient"])
def test_one_person_in_two_roles_is_no_second_person(account: TestAccount, name_format: str) -> None:
    provider, key_id = create(account), account.create_key()
    browsers = []
    for number, name in enumerate(("people", "others")):
        role = trusting(account, policy=ALL, name=name)
        who = f"made-up-{number}" if name_format == "transient" else "ann@example.com"
        response = idp.response(
            role, provider, recipient=HERE, name=who, name_format=name_format, assertion=f"a{number}"
        )
        browsers.append(post(response, Client())[0])
    asking, approving = browsers
    asking.post("/keys/approvals/", {"do": "on"})
    asking.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    (waiting,) = asking.get("/keys/approvals/").context["waiting"]
    own = approving.post("/keys/approvals/", {"do": "approve", "request": waiting.pk}, follow=True)
    assert "someone else approves it" in text(own)
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled"
    DeletionRequest.objects.filter(pk=waiting.pk).update(asked_user="AROA" + "1" * 16)  # of an earlier version
    earlier = approving.post("/keys/approvals/", {"do": "approve", "request": waiting.pk}, follow=True)
    assert "cannot be told any more" in text(earlier)
    approving.post("/settings/profile/sessions/", {"everywhere": "1"})
    assert asking.get("/keys/").status_code == 302, "signed out everywhere"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "for another service"),
        ({"recipient": HERE, "sign": ""}, "signature invalid"),
        ({"recipient": HERE, "key": "one"}, "signature invalid"),
        ({"recipient": HERE, "audience": "https://other.example.com"}, "required audience"),
        ({"recipient": HERE, "issuer": "https://other.example.com"}, "Issuer not present"),
    ],
)
def test_a_response_that_is_not_for_this_console_is_not_taken(
    account: TestAccount, changes: dict[str, Any], words: str
) -> None:
    provider, role = create(account), trusting(account)
    assert words in refusal(idp.response(role, provider, **changes))
    assert words in logins(account)[0]["errorMessage"]


def test_who_tries_too_often_waits_and_leads_nobody_elsewhere(account: TestAccount) -> None:
    provider, role = create(account), trusting(account)
    forged = idp.response(role, provider, recipient=HERE, key="one")
    for _ in range(5):
        assert "signature invalid" in refusal(forged)
    assert "Too many attempts" in refusal(forged)
    assert len(logins(account)) == 5
    assert post(idp.response(role, provider, recipient=HERE))[1]["Location"] == "/", "many people have one address"
    _browser, answer = post(forged, RelayState="https://elsewhere.example.com/")
    assert answer.status_code == 403
    assert "elsewhere" not in text(answer)


def test_what_is_no_response_and_who_is_not_trusted_stays_outside(account: TestAccount) -> None:
    provider = create(account)
    role = trusting(account, {"StringEquals": {"saml:aud": "https://signin.aws.amazon.com/saml"}})
    assert "does not trust this sign-in" in refusal(idp.response(role, provider, recipient=HERE))
    elsewhere = "arn:aws:iam::999999999999:saml-provider/company"
    for wrong in ("", "%%%", "PGEvPg==", "x" * 100_001, idp.response(role, elsewhere, recipient=HERE)):
        assert "cannot be read, or gives no role" in refusal(wrong)
    assert Client().get(ACS).status_code == 405


def test_the_providers_page_names_the_address(account: TestAccount, signed_in: Client) -> None:
    page = text(signed_in.get(f"/principals/identity-providers/one/?arn={create(account)}"))
    assert HERE in page
