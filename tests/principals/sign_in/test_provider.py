"""Signing in by a real OpenID Connect provider: who one becomes, and which answers of a provider are not taken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from django.test import Client

from engine.iam import oidc_sign_in, provider_keys, sign_in_settings
from engine.iam.models import SignInProvider
from engine.iam.role_mapping import Rule
from engine.store import transaction
from principals.sign_in.views import provider as view
from tests.conftest import TestAccount
from tests.support import identity_providers
from tests.support.openid_provider import OpenIDProvider, needs_openid_provider, running

pytestmark = needs_openid_provider

BACK = "http://testserver/principals/sign-in/callback/"
ANN = {"groups": ["staff", "key-admins"], "email": "ann@example.com", "email_verified": True}
CLIENT = {"grant_types": ["authorization_code"], "redirect_uris": [BACK], "id_token_signed_response_alg": "RS256"}


@pytest.fixture(scope="module")
def idp() -> Iterator[OpenIDProvider]:
    clients = [
        {**CLIENT, "client_id": "console", "client_secret": "s3cret/+ x"},
        {**CLIENT, "client_id": "public", "token_endpoint_auth_method": "none"},
    ]
    with running(clients, {"ann": ANN, "bob": {"groups": ["guests"]}}) as found:
        yield found


@pytest.fixture
def offered(idp: OpenIDProvider, account: TestAccount, settings: Any) -> int:
    """The provider, with the account's rules: the number that the sign-in page has for it."""
    settings.PRIVATE_ENDPOINTS = True
    provider_keys._fetched.clear()
    iam = account.client("iam")
    arn = iam.create_open_id_connect_provider(Url=idp.issuer, ClientIDList=["console"], ThumbprintList=[idp.thumbprint])
    arn = arn["OpenIDConnectProviderArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": arn},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringLike": {f"{idp.issuer.removeprefix('https://')}:sub": ["ann", "carl"]}},
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.create_role(RoleName="keys", AssumeRolePolicyDocument=document, MaxSessionDuration=7200)
    iam.attach_role_policy(RoleName="keys", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    rules = [Rule("groups", "key-*", "keys"), Rule("groups", "guests", "keys")]
    with transaction.write():
        sign_in_settings.store(
            account.account_id,
            arn,
            label="Company",
            client_id="console",
            secret="s3cret/+ x",
            scopes="profile",
            rules=rules,
        )
    return int(SignInProvider.objects.get(provider__account_id=account.account_id).pk)


def begin(offered: int, browser: Client) -> str:
    answer = browser.get(f"/principals/sign-in/by/{offered}/?next=/keys/")
    assert answer.status_code == 302
    return str(answer["Location"])


def come_back(browser: Client, address: str) -> tuple[str, str]:
    """Where the console sends the browser, and what it says there."""
    answer: Any = browser.get(address.removeprefix("http://testserver"))
    assert answer.status_code == 302
    shown = browser.get(answer["Location"]).content.decode()
    return str(answer["Location"]), shown


def signed_in_by(offered: int, idp: OpenIDProvider, name: str = "ann") -> tuple[Client, str, str]:
    browser = Client()
    address = idp.sign_in(begin(offered, browser), name, BACK)
    return browser, *come_back(browser, address)


def logins(account: TestAccount) -> list[dict[str, Any]]:
    named = [{"AttributeKey": "EventName", "AttributeValue": "ConsoleLogin"}]
    events = account.client("cloudtrail").lookup_events(LookupAttributes=named)["Events"]
    return [json.loads(each["CloudTrailEvent"]) for each in events]


def test_the_sign_in_page_offers_what_is_set_up(offered: int, account: TestAccount) -> None:
    shown = Client().get(f"/principals/sign-in/?account={account.account_id}&next=/keys/").content.decode()
    assert f"/principals/sign-in/by/{offered}/?next=%2Fkeys%2F" in shown
    assert "Sign in with Company" in shown
    other = account.client("iam").create_open_id_connect_provider(Url="https://other.example.com")
    with transaction.write():
        given = {"label": "Partner", "client_id": "console", "secret": "", "scopes": "", "rules": []}
        sign_in_settings.store(account.account_id, other["OpenIDConnectProviderArn"], **given)
    shown = Client().get(f"/principals/sign-in/?account={account.account_id}").content.decode()
    assert ("Sign in with Company" in shown, "Sign in with Partner" in shown) == (True, True)
    assert "Sign in with" not in Client().get("/principals/sign-in/?account=999999999999").content.decode()


def test_what_the_browser_takes_along_is_new_each_time(offered: int, idp: OpenIDProvider) -> None:
    first, second = (parse_qs(urlsplit(begin(offered, Client())).query) for _ in range(2))
    assert first["code_challenge_method"] == ["S256"]
    assert first["scope"] == ["openid profile"]
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name]


def test_who_signs_in_is_the_role_of_the_first_rule_that_matches(
    offered: int, idp: OpenIDProvider, account: TestAccount
) -> None:
    browser, address, _ = signed_in_by(offered, idp)
    assert address == "/keys/"
    shown = browser.get("/settings/profile/").content.decode()
    assert f"arn:aws:sts::{account.account_id}:assumed-role/keys/ann@example.com" in shown
    assert "Company: ann@example.com" in shown
    made = logins(account)[0]
    assert made["responseElements"] == {"ConsoleLogin": "Success"}
    assert made["userIdentity"]["arn"].endswith("assumed-role/keys/ann@example.com")
    browser.post("/principals/sign-out/")
    assert browser.get("/keys/").status_code == 302
    assert "Sign in with Company" in browser.get("/principals/sign-in/").content.decode()  # the account is remembered


def test_a_session_ends_with_its_role(offered: int, idp: OpenIDProvider, account: TestAccount) -> None:
    browser, *_ = signed_in_by(offered, idp)
    iam = account.client("iam")
    iam.detach_role_policy(RoleName="keys", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    iam.delete_role(RoleName="keys")
    assert browser.get("/keys/").status_code == 302


@pytest.mark.parametrize(
    ("name", "words"), [("bob", "does not trust this sign-in"), ("dora", "No rule gives you a role here")]
)
def test_who_has_no_role_stays_outside(
    offered: int, idp: OpenIDProvider, account: TestAccount, name: str, words: str
) -> None:
    browser, address, shown = signed_in_by(offered, idp, name)
    assert address == "/principals/sign-in/"
    assert words in shown
    assert browser.get("/keys/").status_code == 302
    assert words in logins(account)[0]["errorMessage"]


def test_an_answer_is_taken_once_and_in_the_browser_that_asked(offered: int, idp: OpenIDProvider) -> None:
    browser = Client()
    address = idp.sign_in(begin(offered, browser), "ann", BACK)
    assert "was not begun in this browser" in Client().get(address).content.decode()
    assert come_back(browser, address)[0] == "/keys/"
    assert "was not begun in this browser" in come_back(browser, address)[1]
    again = Client()
    state = parse_qs(urlsplit(begin(offered, again)).query)["state"][0]
    code = parse_qs(urlsplit(address).query)["code"][0]
    assert "did not take the code" in come_back(again, f"{BACK}?state={state}&code={code}")[1]


def test_an_answer_that_comes_too_late_is_not_taken(
    offered: int, idp: OpenIDProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Client()
    address = idp.sign_in(begin(offered, browser), "ann", BACK)
    monkeypatch.setattr(view, "_SECONDS", -1)
    assert "took too long" in come_back(browser, address)[1]


def test_a_token_for_another_sign_in_is_not_taken(offered: int, idp: OpenIDProvider) -> None:
    browser = Client()
    address = idp.sign_in(begin(offered, browser), "ann", BACK)
    held = browser.session
    for kept in held[view._KEPT].values():
        kept["nonce"] = "another"
    held.save()
    assert "not for this sign-in (nonce)" in come_back(browser, address)[1]


def test_a_token_for_another_client_is_not_taken(
    offered: int, idp: OpenIDProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another client's genuine token, handed in."""
    _use_client(offered, "public", "")
    others: list[str] = []
    real = oidc_sign_in._token
    monkeypatch.setattr(oidc_sign_in, "_token", lambda *asked: others.append(real(*asked)) or others[0])
    assert signed_in_by(offered, idp)[1] == "/keys/"  # a public client has no secret
    _use_client(offered, "console", "s3cret/+ x")
    assert "Incorrect token audience" in signed_in_by(offered, idp)[2]


class Later(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime.now(tz) + timedelta(hours=2)


def test_an_expired_token_is_not_taken(offered: int, idp: OpenIDProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt.api_jwt, "datetime", Later)
    assert "must be before the expiration" in signed_in_by(offered, idp)[2]


def test_a_wrong_client_secret_is_the_providers_to_refuse(offered: int, idp: OpenIDProvider) -> None:
    _use_client(offered, "console", "wrong")
    assert "did not take the code" in signed_in_by(offered, idp)[2]


def test_a_token_by_an_unknown_key_is_not_taken(offered: int, idp: OpenIDProvider, account: TestAccount) -> None:
    identity_providers.give_keys(account.account_id, idp.issuer)
    assert "retrieve verification key" in signed_in_by(offered, idp)[2]


def test_a_provider_that_cannot_be_trusted_is_not_gone_to(
    offered: int, idp: OpenIDProvider, account: TestAccount
) -> None:
    arn = f"arn:aws:iam::{account.account_id}:oidc-provider/{idp.issuer.removeprefix('https://')}"
    account.client("iam").update_open_id_connect_provider_thumbprint(
        OpenIDConnectProviderArn=arn, ThumbprintList=["0" * 40]
    )
    provider_keys._fetched.clear()
    browser = Client()
    answer: Any = browser.get(f"/principals/sign-in/by/{offered}/", follow=True)
    assert "does not answer" in answer.content.decode()


def test_what_a_provider_refuses_is_told(offered: int) -> None:
    browser = Client()
    state = parse_qs(urlsplit(begin(offered, browser)).query)["state"][0]
    assert "access_denied" in come_back(browser, f"{BACK}?state={state}&error=access_denied")[1]
    state = parse_qs(urlsplit(begin(offered, browser)).query)["state"][0]
    elsewhere = f"{BACK}?state={state}&code=x&iss=https%3A%2F%2Fother.example.com"
    assert "another identity provider" in come_back(browser, elsewhere)[1]


def _use_client(offered: int, client_id: str, secret: str) -> None:
    row = SignInProvider.objects.select_related("provider").get(pk=offered)
    with transaction.write():
        sign_in_settings.store(
            row.provider.account_id,
            row.provider.arn,
            label=row.label,
            client_id=client_id,
            secret=secret,
            scopes="profile",
            rules=oidc_sign_in.rules_of(row),
        )
