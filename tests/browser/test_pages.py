"""Every page: reachable, no accessibility violation in either theme, no script error, usable on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.support.accessible import violations
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def paths(server: Server) -> list[str]:
    """The address of each page, with a key of each kind that has pages of its own."""
    kms, iam = server.client(), server.client("iam")
    symmetric = kms.create_key(Description="pages", Tags=[{"TagKey": "team", "TagValue": "blue"}])["KeyMetadata"][
        "KeyId"
    ]
    kms.create_alias(AliasName="alias/pages", TargetKeyId=symmetric)
    kms.enable_key_rotation(KeyId=symmetric)
    kms.create_grant(KeyId=symmetric, GranteePrincipal="arn:aws:iam::111122223333:root", Operations=["Encrypt"])
    signing = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", MultiRegion=True)["KeyMetadata"]["KeyId"]
    external = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    doomed = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.schedule_key_deletion(KeyId=doomed)
    iam.create_group(GroupName="pages")
    iam.create_user(UserName="pages")
    iam.create_access_key(UserName="pages")
    iam.add_user_to_group(GroupName="pages", UserName="pages")
    trust = (
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}'
    )
    iam.create_role(RoleName="pages", AssumeRolePolicyDocument=trust)
    practice = "arn:aws:iam::111122223333:policy/practice/KeyOperator"
    iam.attach_user_policy(UserName="pages", PolicyArn=practice)
    event = server.client("cloudtrail").lookup_events(MaxResults=1)["Events"][0]["EventId"]
    tabs = [
        f"/keys/{symmetric}/tab/{tab}/"
        for tab in ("policy", "crypto", "aliases", "tags", "material", "grants", "access", "use", "timeline", "impact")
    ]
    actions = [f"/keys/{symmetric}/do/{action}/" for action in ("disable", "delete", "describe", "grant-add")]
    plays = [
        f"/play/{play}/"
        for play in (
            "encrypt",
            "decrypt",
            "re-encrypt",
            "generate-data-key",
            "sign",
            "verify",
            "generate-mac",
            "verify-mac",
            "derive-shared-secret",
            "encapsulate",
            "decapsulate",
            "generate-random",
        )
    ]
    return [
        "/",
        "/keys/",
        "/keys/?q=pages&sort=-created&cols=alias&cols=tags&cols=rotation",
        "/keys/?q=nothing-has-this",
        "/keys/aws/",
        *tabs,
        *actions,
        f"/keys/{symmetric}/policy/edit/",
        f"/keys/{symmetric}/policy/history/",
        f"/keys/{symmetric}/tab/policy/?view=json",
        f"/keys/{symmetric}/tab/access/?all=1",
        "/access/",
        f"/access/?principal=pages&action=kms:Decrypt&key={symmetric}",
        f"/access/?principal=pages&key={symmetric}",
        f"/access/?action=kms:Decrypt&key={symmetric}",
        "/access/?principal=admin",
        "/principals/roles/",
        "/principals/roles/new/",
        "/principals/roles/pages/",
        "/principals/roles/pages/trust/",
        "/principals/roles/pages/settings/",
        "/principals/switch-role/",
        "/principals/policies/",
        "/principals/policies/new/",
        f"/principals/policies/one/?arn={practice}",
        f"/principals/policies/one/edit/?arn={practice}",
        f"/keys/{signing}/tab/public-key/",
        f"/keys/{signing}/tab/regions/",
        f"/keys/{external}/import/",
        f"/keys/{external}/tab/material/",
        f"/keys/{doomed}/",
        "/keys/new/",
        "/keys/approvals/",
        "/lab/",
        "/lab/envelope/",
        "/lab/ciphertext/",
        "/lab/services/",
        "/play/recipe/",
        "/play/",
        *plays,
        "/principals/users/",
        "/principals/users/new/",
        "/principals/users/pages/",
        "/principals/users/pages/password/",
        "/principals/users/pages/delete/",
        "/principals/groups/",
        "/principals/groups/new/",
        "/principals/groups/pages/",
        "/principals/users/pages/policies/new/",
        "/audit/",
        f"/audit/{event}/",
        "/audit/verify/",
        "/settings/profile/",
        "/search/?q=pages",
        "/styleguide/",
        "/no/such/page/",
    ]


def test_no_page_has_an_accessibility_violation(visit: Callable[..., Page], paths: list[str]) -> None:
    page = visit()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
    problems = {}
    for path in paths:
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == (404 if path == "/no/such/page/" else 200), path
        if found := violations(page):
            problems[path] = found
    assert not problems
    assert not errors


def test_the_sign_in_page_has_no_accessibility_violation(chromium: Any, server: Server) -> None:
    page = chromium.new_page()
    page.goto(server.url)
    assert page.get_by_role("heading", level=1).inner_text() == "Sign in"
    assert not violations(page)
    page.close()


def test_no_page_is_wider_than_a_phone(visit: Callable[..., Page], paths: list[str]) -> None:
    page = visit(viewport=PHONE)
    too_wide = []
    for path in paths:
        page.goto(path)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > PHONE["width"]:
            too_wide.append((path, width))
    assert not too_wide


def test_no_link_of_the_frame_is_dead(visit: Callable[..., Page]) -> None:
    page = visit()
    page.goto("/")
    links = {link.get_attribute("href") for link in page.locator("nav a, header a, footer a").all()}
    for link in links:
        answer = page.goto(str(link))
        assert answer is not None
        assert answer.status == 200, link


def test_a_key_is_made_without_javascript(visit: Callable[..., Page]) -> None:
    page = visit(java_script_enabled=False)
    page.goto("/keys/new/")
    page.get_by_role("button", name="Next").click()
    page.get_by_label("Alias", exact=True).fill("no-script")
    for _ in range(4):
        page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Finish").click()
    assert "no-script" in page.locator("tbody").inner_text()
