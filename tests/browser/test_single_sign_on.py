"""A person signs in by a real OpenID Connect provider, in a browser, after an administrator has set it up there."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import make_client
from tests.support.openid_provider import needs_openid_provider, running
from tests.support.server import ACCESS_KEY_ID, ACCOUNT, SECRET, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow, needs_openid_provider]
ANN = {"groups": ["key-admins"], "email": "ann@example.com", "email_verified": True}


def test_who_is_known_to_the_provider_signs_in_without_a_password(
    chromium: Browser, server: Server, visit: Callable[..., Page]
) -> None:
    iam = make_client("iam", "us-east-1", ACCESS_KEY_ID, SECRET, endpoint=server.url)
    client = {
        "client_id": "console",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"],
        "redirect_uris": [f"{server.url}/principals/sign-in/callback/"],
        "id_token_signed_response_alg": "RS256",
    }
    with running([client], {"ann": ANN}) as idp:
        arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{idp.issuer.removeprefix('https://')}"
        trust = {"Effect": "Allow", "Principal": {"Federated": arn}, "Action": "sts:AssumeRoleWithWebIdentity"}
        iam.create_open_id_connect_provider(Url=idp.issuer, ThumbprintList=[idp.thumbprint])
        iam.create_role(
            RoleName="KeyAdmins", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        )
        iam.attach_role_policy(
            RoleName="KeyAdmins", PolicyArn="arn:aws:iam::aws:policy/AWSKeyManagementServicePowerUser"
        )
        administrator = visit()
        administrator.goto(f"/principals/identity-providers/one/sign-in/?arn={quote(arn, safe='')}")
        administrator.get_by_label("Name on the sign-in page").fill("Example Login")
        administrator.get_by_label("Client ID").fill("console")
        administrator.get_by_label("Scopes").fill("profile")
        administrator.get_by_label("Role mapping").fill("groups = key-* -> KeyAdmins")
        administrator.get_by_role("button", name="Save changes").click()

        context = chromium.new_context(base_url=server.url, ignore_https_errors=True)
        page = context.new_page()
        problems: list[str] = []
        page.on(
            "console", lambda message: problems.append(message.text) if "Content Security" in message.text else None
        )
        page.goto("/keys/")
        page.get_by_role("link", name="Sign in with Example Login").click()
        page.get_by_placeholder("Enter any login").fill("ann")
        page.get_by_placeholder("and password").fill("x")
        page.get_by_role("button", name="Sign-in").click()
        page.get_by_role("button", name="Continue").click()
        page.wait_for_url(f"{server.url}/keys/")
        page.goto("/settings/profile/")
        expect(page.get_by_text("Example Login: ann@example.com")).to_be_visible()
        session = f"arn:aws:sts::{ACCOUNT}:assumed-role/KeyAdmins/ann@example.com"
        expect(page.get_by_role("code").get_by_text(session)).to_be_visible()
        assert not problems
        context.close()
