"""Permission in a browser: a refusal explained and mended, a policy checked while it is typed, a key given and taken without JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.accessible import violations
from tests.support.server import ACCOUNT, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def person(server: Server, name: str, *actions: str) -> str:
    """A user who can sign in; the ARN."""
    iam = server.client("iam")
    arn: str = iam.create_user(UserName=name)["User"]["Arn"]
    iam.create_login_profile(UserName=name, Password="long enough")
    if actions:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    return arn


def key(server: Server, alias: str) -> str:
    kms = server.client()
    key_id: str = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=f"alias/{alias}", TargetKeyId=key_id)
    return key_id


def no_violation(page: Page) -> None:
    assert not violations(page)


def test_a_refusal_is_explained_and_mended_with_the_statement_it_offers(
    visit: Callable[..., Page], server: Server
) -> None:
    arn = person(server, "refused-rita", "kms:ListKeys", "kms:ListAliases", "kms:DescribeKey")
    key_id = key(server, "refused")
    # Where every key of a short picker refuses, the button says so and does nothing: one key lets her.
    server.client().create_grant(KeyId=key(server, "allowed"), GranteePrincipal=arn, Operations=["Encrypt"])
    rita = visit("refused-rita", "long enough")
    rita.goto(f"/play/encrypt/?key={key_id}")
    rita.locator("#id_Plaintext").fill("x")
    rita.get_by_role("button", name="Encrypt", exact=True).click()
    outcome = rita.locator("#outcome")
    expect(outcome).to_contain_text("AccessDeniedException")
    outcome.get_by_text("The smallest statement that would allow it").click()
    expect(outcome.locator(".denied pre")).to_contain_text("kms:Encrypt")
    no_violation(rita)

    admin = visit()
    admin.goto(str(outcome.get_by_role("link", name="Why? Explain this decision").get_attribute("href")))
    expect(admin.locator(".callout-error")).to_contain_text("no identity-based policy allows it")
    expect(admin.locator(".trace")).to_contain_text("does not match kms:Encrypt")
    statement = admin.locator(".code-block pre").last.inner_text()
    admin.get_by_role("link", name="Write an inline policy").click()
    admin.get_by_label("Policy name").fill("mended")
    admin.get_by_label("Policy document (JSON)").fill(f'{{"Version": "2012-10-17", "Statement": [{statement}]}}')
    admin.get_by_role("button", name="Save policy").click()
    expect(admin.get_by_role("status").first).to_contain_text("mended")

    rita.get_by_role("button", name="Encrypt", exact=True).click()
    expect(rita.locator("#blob-CiphertextBlob")).not_to_be_empty()


def test_a_policy_is_checked_while_it_is_typed(visit: Callable[..., Page], server: Server) -> None:
    page = visit()
    page.goto(f"/keys/{key(server, 'typed')}/policy/edit/")
    editor = page.get_by_label("Key policy (JSON)")
    text = editor.input_value()
    editor.fill(text.replace('"kms:*"', '"kms:Decypt"'))
    findings = page.locator(".findings")
    expect(findings).to_contain_text("There is no action “kms:Decypt”.")
    expect(findings).to_contain_text("Did you mean kms:Decrypt?")
    expect(findings).to_contain_text(re.compile(r"line \d+, column \d+"))
    expect(findings).to_contain_text("could change this policy again")
    no_violation(page)
    editor.fill(text)
    expect(findings).to_be_empty()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_user_is_added_to_a_key_without_json_and_seen_in_the_matrix(
    visit: Callable[..., Page], server: Server, scripts: bool
) -> None:
    name = f"added-{'with' if scripts else 'without'}"
    arn, key_id = person(server, name), key(server, name)
    page = visit(java_script_enabled=scripts)
    page.goto(f"/keys/{key_id}/tab/policy/")
    users = page.get_by_role("region", name="Key users").or_(page.locator("section[aria-labelledby=dv-users]")).first
    users.get_by_role("combobox").select_option(arn)
    users.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("section[aria-labelledby=dv-users] .members")).to_contain_text(arn)
    page.get_by_role("link", name="Switch to policy view").click()
    expect(page.locator(".code-block").first).to_contain_text(arn)
    page.goto(f"/keys/{key_id}/tab/access/")
    row = page.locator(".matrix tr", has=page.get_by_role("link", name=name, exact=True))
    expect(row).to_contain_text("Yes")
    answer = row.get_by_role("link", name="kms:Decrypt")
    expect(answer).to_have_css("text-decoration-style", "dotted")  # what leads to an explanation looks like it does
    answer.click()
    expect(page.locator(".decides")).to_contain_text("Allow use of the key")


def test_an_earlier_policy_is_compared_and_restored(visit: Callable[..., Page], server: Server) -> None:
    arn, key_id = person(server, "restored-ron"), key(server, "restored")
    kms = server.client()
    first = kms.get_key_policy(KeyId=key_id)["Policy"]
    root = f"arn:aws:iam::{ACCOUNT}:root"
    kms.put_key_policy(KeyId=key_id, Policy=first.replace(f'"{root}"', f'["{root}", "{arn}"]'))
    page = visit()
    page.goto(f"/keys/{key_id}/policy/history/")
    expect(page.locator(".diff .added").filter(has_text=arn)).to_have_count(1)
    page.get_by_role("link", name="Restore version").click()
    expect(page.get_by_role("heading", name="What saving would change")).to_be_visible()
    expect(page.locator(".lost", has_text="kms:Decrypt")).to_be_visible()
    no_violation(page)
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("status").first).to_contain_text("The key policy is in force.")
    assert json.loads(kms.get_key_policy(KeyId=key_id)["Policy"]) == json.loads(first)
