"""A passkey is made and signed in with, by Chromium's virtual authenticator."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import make_client
from tests.support.server import ACCESS_KEY_ID, SECRET, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PASSWORD = "correct horse battery"
ALL = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
WITH_MFA = ALL.replace('"*"}', '"*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}')
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def enter(page: Page, name: str = "passkey") -> None:
    page.goto("/principals/sign-in/")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_a_passkey_is_made_and_signed_in_with(chromium: Browser, server: Server) -> None:
    iam = make_client("iam", "us-east-1", ACCESS_KEY_ID, SECRET, endpoint=server.url)
    iam.create_user(UserName="passkey")
    iam.create_login_profile(UserName="passkey", Password=PASSWORD)
    iam.put_user_policy(UserName="passkey", PolicyName="all", PolicyDocument=ALL)
    address = re.sub(r"//[^:]+", "//localhost", server.url)  # browsers make none for the number of an address
    context = chromium.new_context(base_url=address)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    devices = context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    made = devices.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    enter(page)
    page.goto("/principals/security-credentials/")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_role("button", name="Create the passkey").click()
    expect(page.get_by_text("The passkey is your second factor from now on.")).to_be_visible()
    (device,) = iam.list_mfa_devices(UserName="passkey")["MFADevices"]
    assert ":u2f/user/passkey/" in device["SerialNumber"]

    context.clear_cookies()
    enter(page)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(lambda url: "sign-in" not in url)
    page.goto("/settings/profile/")
    expect(page.get_by_text("second factor", exact=True)).to_be_visible()

    # A device that does not have the passkey gives no answer, and the page says so.
    context.clear_cookies()
    enter(page)
    devices.send("WebAuthn.clearCredentials", {"authenticatorId": made["authenticatorId"]})
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("The browser gave no passkey.")

    # Whose policies allow nothing without a second factor makes one before there is a session.
    iam.create_user(UserName="obliged")
    iam.create_login_profile(UserName="obliged", Password=PASSWORD)
    iam.put_user_policy(UserName="obliged", PolicyName="with-mfa", PolicyDocument=WITH_MFA)
    context.clear_cookies()
    enter(page, "obliged")
    page.get_by_role("button", name="Create the passkey").click()
    expect(page.get_by_text("This is the only time they can be seen.")).to_be_visible()
    page.get_by_role("link", name="Continue").click()
    page.goto("/keys/")
    expect(page.get_by_role("heading", name="Customer managed keys")).to_be_visible()
    assert not problems
    context.close()
