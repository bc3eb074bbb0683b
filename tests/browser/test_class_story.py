"""The class story in a browser: people, a key, a secret, the CLI beside it, rotation, disabling, and every step in the audit."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support import aws_cli
from tests.support.pages import choose_principal, key_option
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def create_user(page: Page, name: str, password: str, group: str = "") -> None:
    page.goto("/principals/users/new/")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Console password").fill(password)
    if group:
        page.get_by_label(group).check()
    page.get_by_role("button", name="Create user").click()
    expect(page.get_by_role("status")).to_contain_text(f"User {name} was created.")


def test_a_class_from_its_group_to_its_audit_trail(visit: Callable[..., Page], server: Server, tmp_path: Path) -> None:
    admin = visit()

    # The group's name in the lesson is not a legal one: the page says so and offers one that is.
    admin.goto("/principals/groups/new/")
    admin.get_by_label("Group name").fill("MY KMS GROUP")
    admin.get_by_role("button", name="Create group").click()
    expect(admin.locator(".field-error")).to_contain_text("letters, digits and + = , . @ _ -")
    expect(admin.locator(".field-error")).to_contain_text("MY-KMS-GROUP")
    expect(admin.get_by_label("Group name")).to_have_value("MY KMS GROUP")
    admin.get_by_label("Group name").fill("MY-KMS-GROUP")
    admin.get_by_role("button", name="Create group").click()
    expect(admin.get_by_role("status")).to_contain_text("Group MY-KMS-GROUP was created.")

    create_user(admin, "tess-teacher", "teach-the-class")
    create_user(admin, "sam-student", "learn-the-class", group="MY-KMS-GROUP")
    create_user(admin, "nora-nobody", "nothing-allowed")

    # What everyone who uses the console needs: to list keys. The key itself is given by its policy.
    admin.goto("/principals/groups/MY-KMS-GROUP/")
    admin.get_by_role("link", name="Add inline policy").first.click()
    admin.get_by_label("Policy name").fill("see-keys")
    admin.get_by_role("button", name="Save policy").click()
    expect(admin.get_by_role("status")).to_contain_text("see-keys")

    admin.goto("/principals/users/sam-student/")
    admin.get_by_role("button", name="Create access key").click()
    access_key_id, secret = (each.inner_text() for each in admin.locator(".copyable code").all()[:2])

    # The wizard
    admin.goto("/keys/")
    admin.get_by_role("link", name="Create key").first.click()
    admin.get_by_role("button", name="Next").click()
    admin.get_by_label("Alias", exact=True).fill("my-kms-key")
    admin.get_by_role("button", name="Next").click()
    choose_principal(admin, "tess-teacher (user)")
    admin.get_by_role("button", name="Next").click()
    choose_principal(admin, "sam-student (user)")
    admin.get_by_role("button", name="Next").click()
    expect(admin.get_by_label("Key policy (JSON)")).to_have_value(re.compile(".*key-consolepolicy-3.*", re.DOTALL))
    admin.get_by_role("button", name="Next").click()
    admin.get_by_text("Show the call").first.click()
    expect(admin.locator(".call").first).to_contain_text("aws kms create-key")
    admin.get_by_role("button", name="Finish").click()
    expect(admin.get_by_role("status")).to_contain_text("my-kms-key")
    admin.get_by_role("link", name="my-kms-key").click()
    key_page = admin.url

    # The student encrypts in the playground what the CLI then opens.
    student = visit("sam-student", "learn-the-class")
    student.goto("/play/encrypt/")
    student.get_by_label("Key", exact=True).select_option(label=key_option(student, "my-kms-key"))
    secret_text = "the launch code is 1234"
    student.locator("#id_Plaintext").fill(secret_text)
    student.locator("input[name=EncryptionContext_name]").first.fill("class")
    student.locator("input[name=EncryptionContext_value]").first.fill("one")
    student.get_by_role("button", name="Encrypt").click()
    ciphertext = student.locator("#blob-CiphertextBlob").inner_text()
    expect(student.locator(".call")).to_contain_text("aws kms encrypt")

    student.goto("/play/decrypt/")
    student.locator("#id_CiphertextBlob").fill(ciphertext)
    student.locator("input[name=EncryptionContext_name]").first.fill("class")
    student.locator("input[name=EncryptionContext_value]").first.fill("one")
    student.get_by_role("button", name="Decrypt").click()
    expect(student.locator("[data-encoding=text]").first).to_have_text(secret_text)
    expect(student.locator("[data-encoding=hex]").first).to_have_text(secret_text.encode().hex(" "))

    blob = tmp_path / "secret.enc"
    blob.write_bytes(base64.b64decode(ciphertext))

    def cli_decrypt() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                str(aws_cli.folder() / "aws"),
                "kms",
                "decrypt",
                "--ciphertext-blob",
                f"fileb://{blob}",
                "--encryption-context",
                "class=one",
            ],
            env=server.cli_environment(access_key_id, secret),
            capture_output=True,
            text=True,
        )

    assert base64.b64decode(json.loads(cli_decrypt().stdout)["Plaintext"]) == secret_text.encode()

    # Rotation: the old ciphertext still opens.
    admin.goto(key_page)
    admin.get_by_role("link", name="Rotate now").click()
    admin.get_by_role("dialog").get_by_role("button", name="Rotate now").click()
    expect(admin.get_by_role("status")).to_contain_text("new material")
    expect(admin.locator("tbody tr", has_text="ON_DEMAND")).to_have_count(1)
    assert cli_decrypt().returncode == 0

    # Who is no key user is denied, on the page and in the words of AWS.
    nobody = visit("nora-nobody", "nothing-allowed")
    nobody.goto("/play/decrypt/")
    nobody.locator("#id_CiphertextBlob").fill(ciphertext)
    nobody.locator("input[name=EncryptionContext_name]").first.fill("class")
    nobody.locator("input[name=EncryptionContext_value]").first.fill("one")
    nobody.get_by_role("button", name="Decrypt").click()
    expect(nobody.locator("#outcome")).to_contain_text("AccessDeniedException")
    expect(nobody.locator("#outcome")).to_contain_text("is not authorized to perform: kms:Decrypt")

    # Disabled: the student's decrypt is refused.
    admin.goto(key_page)
    admin.get_by_role("link", name="Disable").click()
    admin.get_by_role("button", name="Disable key").click()
    expect(admin.get_by_role("status")).to_contain_text("The key is disabled.")
    assert "DisabledException" in cli_decrypt().stderr

    # Every step is on the audit page.
    admin.get_by_role("link", name="Events of this key").click()
    shown = admin.locator("#event-rows").inner_text()
    for step in (
        "CreateKey",
        "CreateAlias",
        "Encrypt",
        "Decrypt",
        "RotateKeyOnDemand",
        "DisableKey",
        "AccessDenied",
        "DisabledException",
    ):
        assert step in shown, step
    admin.goto("/audit/verify/")
    admin.get_by_role("button", name="Check every record").click()
    expect(admin.get_by_role("status")).to_contain_text("The chain is whole.")
