"""The pages of identity providers: list, create, settings of the sign-in, rules, keys, and who a token would become."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest
from django.test import Client

from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support import identity_providers as idp

BASE = "/principals/identity-providers/"
URL = idp.ISSUER


def arn_of(account: TestAccount) -> str:
    return f"arn:aws:iam::{account.account_id}:oidc-provider/{URL.removeprefix('https://')}"


def at(page: str, arn: str) -> str:
    return f"{BASE}one/{page}?arn={arn}"


def shown(answer: Any, status: int = 200) -> str:
    assert answer.status_code == status, answer
    return html.unescape(answer.content.decode())


@pytest.fixture
def provider(account: TestAccount) -> str:
    made = account.client("iam").create_open_id_connect_provider(Url=URL, ClientIDList=[idp.CLIENT])
    return str(made["OpenIDConnectProviderArn"])


SETTINGS = {"label": "Company", "client_id": "console", "secret": "s3cret-text", "scopes": "profile groups"}
RULES = "groups = key-* -> keys\nrealm_access.roles = admin -> nobody"


def trusted_role(account: TestAccount, provider: str) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{URL.removeprefix('https://')}:sub": "ann"}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    account.client("iam").create_role(RoleName="keys", AssumeRolePolicyDocument=document)


def test_providers_are_created_listed_and_deleted(signed_in: Client, account: TestAccount) -> None:
    assert "No identity providers yet." in shown(signed_in.get(BASE))
    form = {"url": URL, "clients": "a\nb", "thumbprints": ""}
    looked = shown(signed_in.post(f"{BASE}new/", {**form, "preview": "1"}))
    assert "create-open-id-connect-provider" in looked
    answer = signed_in.post(f"{BASE}new/", form)
    page = shown(signed_in.get(answer["Location"]))
    assert "a, b" in page
    assert arn_of(account) in page
    assert "already exists" in shown(signed_in.post(f"{BASE}new/", form), 422)
    answer = signed_in.post(f"{BASE}new/saml/", {"name": "company", "metadata": idp.metadata()})
    assert "EntityDescriptor" in shown(signed_in.get(answer["Location"]))
    listed = shown(signed_in.get(BASE))
    assert "OpenID Connect" in listed
    assert f"arn:aws:iam::{account.account_id}:saml-provider/company" in listed
    assert "delete-open-id-connect-provider" in shown(signed_in.get(at("delete/", arn_of(account))))
    signed_in.post(at("delete/", arn_of(account)))
    assert shown(signed_in.get(at("", arn_of(account))), 404)


def test_how_people_sign_in_is_set_changed_and_ended(signed_in: Client, account: TestAccount, provider: str) -> None:
    assert "Nobody signs in to this console by this provider." in shown(signed_in.get(at("", provider)))
    form = {**SETTINGS, "rules": RULES}
    assert "Line 1" in shown(signed_in.post(at("sign-in/", provider), {**form, "rules": "groups staff keys"}), 422)
    signed_in.post(at("sign-in/", provider), form)
    page = shown(signed_in.get(at("", provider)))
    for words in ("Company", "console", "openid profile groups", "key-*", "realm_access.roles", "sign-in/callback/"):
        assert words in page
    again = shown(signed_in.get(at("sign-in/", provider)))
    assert "groups = key-* -> keys" in again
    assert "s3cret-text" not in page + again
    assert "Sign in with Company" in shown(Client().get(f"/principals/sign-in/?account={account.account_id}"))
    signed_in.post(at("sign-in/", provider), {"remove": "1"})
    assert "Sign in with Company" not in shown(Client().get(f"/principals/sign-in/?account={account.account_id}"))
    named = [{"AttributeKey": "EventName", "AttributeValue": "ManageSignInProviders"}]
    events = account.client("cloudtrail").lookup_events(LookupAttributes=named)["Events"]
    assert len(events) == 2
    assert "s3cret-text" not in json.dumps([each["CloudTrailEvent"] for each in events])


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"sub": "ann", "groups": ["staff", "key-admins"]}, "assumed-role/keys/ann"),
        ({"sub": "bob", "groups": "key-admins"}, "whose trust policy refuses it"),
        ({"sub": "ann", "realm_access": {"roles": ["admin"]}}, "there is no such role"),
        ({"sub": "ann", "groups": ["guests"]}, "Nobody: no rule matches."),
        ({}, "Nobody: no rule matches."),
    ],
)
def test_who_claims_would_become(
    signed_in: Client, account: TestAccount, provider: str, claims: dict[str, Any], words: str
) -> None:
    trusted_role(account, provider)
    signed_in.post(at("sign-in/", provider), {**SETTINGS, "rules": RULES})
    page = shown(signed_in.post(at("preview/", provider), {"given": json.dumps(claims)}))
    assert words in page
    assert "Claims alone" in page


def test_who_a_token_would_become_and_whether_it_is_sound(
    signed_in: Client, account: TestAccount, provider: str
) -> None:
    trusted_role(account, provider)
    signed_in.post(at("sign-in/", provider), {**SETTINGS, "rules": RULES})
    given = {"document": json.dumps(idp.jwks())}
    assert "no JSON Web Key Set" in shown(signed_in.post(at("keys/", provider), {"document": "{}"}), 422)
    signed_in.post(at("keys/", provider), given)
    assert "one, two, three, four" in shown(signed_in.get(at("keys/", provider)))
    token = idp.token(sub="ann", groups=["key-admins"], aud="console")
    page = shown(signed_in.post(at("preview/", provider), {"given": token}))
    assert "The token itself is sound." in page
    assert f"arn:aws:sts::{account.account_id}:assumed-role/keys/ann" in page
    forged = idp.token(idp.rsa_key("forged"), sub="ann", groups=["key-admins"], aud="console")
    assert "would be refused: Invalid signature" in shown(signed_in.post(at("preview/", provider), {"given": forged}))
    for odd in ('{"sub": "\\ud800"}', "[" * 3000, '{"a": 1e999, "b": ' + "9" * 40 + "}"):
        assert shown(signed_in.post(at("preview/", provider), {"given": odd}), 422)
    assert "valid JWT" in shown(signed_in.post(at("preview/", provider), {"given": "no token"}), 422)


def test_a_provider_of_another_account_is_not_there(
    signed_in: Client, other_account: TestAccount, account: TestAccount
) -> None:
    made = other_account.client("iam").create_open_id_connect_provider(Url=URL)["OpenIDConnectProviderArn"]
    for page in ("", "sign-in/", "keys/", "preview/"):
        assert "Company" not in shown(signed_in.get(at(page, made)), 404)


def test_settings_are_shown_and_changed_only_as_policies_allow(account: TestAccount, provider: str) -> None:
    allow = {"Effect": "Allow", "Action": ["iam:*"], "Resource": "*"}
    account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    account.client("iam").create_login_profile(UserName="ann", Password="long enough")
    browser = sign_in_browser(TestUser(account, "ann", "", "", "", "long enough"))
    assert "kmsconsole:ListSignInProviders" in shown(browser.get(at("", provider)))
    assert shown(browser.get(at("sign-in/", provider)), 403)
