"""`make screenshots`: a server with a small set of keys, people and calls, and a picture of each page of docs/console.md.

`python -m tests.support.screenshots FOLDER LANGUAGE` takes all pages, in every size and theme and that language, to look through.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django
import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.chromium import launch
from tests.support.server import ACCOUNT, PASSWORD, ROOT, Server

SIZES = {"": {"width": 1280, "height": 800}, "-phone": {"width": 390, "height": 844}}
VARIANTS = [(size, theme) for theme in ("light", "dark") for size in SIZES]
PRACTICE = f"arn:aws:iam::{ACCOUNT}:policy/practice"


@dataclass(frozen=True)
class Picture:
    """A page by its address, what is done there before the picture is taken, and which pictures of it docs/console.md shows."""

    name: str
    path: str
    prepare: Callable[[Page], None] | None = None
    whole: bool = False  # its full length, not what a window shows
    kept: tuple[str, ...] = ("",)  # as a name ends: "" light on a desk, "-phone", "-dark", "-phone-dark"


def fill(server: Server) -> dict[str, str]:
    """Keys of every kind, people with roles in practice, and a day's calls, some refused. Answers key IDs by alias."""
    from keys.policy.policies import wizard_policy

    kms, iam = server.client(), server.client("iam")
    keys = {}
    for alias, parameters in {
        "payments/card-data": {
            "Description": "Card numbers at rest",
            "Tags": tags(team="payments", stage="production"),
        },
        "payments/receipts": {"Description": "Receipts of the shop", "Tags": tags(team="payments", stage="test")},
        "backups": {"MultiRegion": True, "Description": "Nightly backups", "Tags": tags(team="platform")},
        "release-signing": {"KeySpec": "ECC_NIST_P384", "KeyUsage": "SIGN_VERIFY", "Tags": tags(team="platform")},
        "post-quantum-signing": {"KeySpec": "ML_DSA_65", "KeyUsage": "SIGN_VERIFY"},
        "partner-exchange": {"KeySpec": "RSA_4096", "KeyUsage": "ENCRYPT_DECRYPT", "Tags": tags(team="partners")},
        "webhooks": {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
        "brought-material": {"Origin": "EXTERNAL"},
        "old-reports": {},
        "legacy-crm": {},
    }.items():
        keys[alias] = kms.create_key(**parameters)["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=f"alias/{alias}", TargetKeyId=keys[alias])
    kms.replicate_key(KeyId=keys["backups"], ReplicaRegion="eu-central-1")
    kms.disable_key(KeyId=keys["legacy-crm"])
    card_data = keys["payments/card-data"]
    kms.enable_key_rotation(KeyId=card_data)
    kms.rotate_key_on_demand(KeyId=card_data)
    clients = {}
    iam.create_group(GroupName="payments")
    for user, policy in {"ann": "KeyOperator", "ben": "KeyAuditor", "cleo": "KeyAdministrator"}.items():
        iam.create_user(UserName=user)
        iam.attach_user_policy(UserName=user, PolicyArn=f"{PRACTICE}/{policy}")
        made = iam.create_access_key(UserName=user)["AccessKey"]
        clients[user] = server.client(access_key_id=made["AccessKeyId"], secret_access_key=made["SecretAccessKey"])
    iam.add_user_to_group(GroupName="payments", UserName="ann")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="payments-service", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    kms.create_grant(KeyId=card_data, GranteePrincipal=role, Operations=["Decrypt", "GenerateDataKey"], Name="payments")
    written = wizard_policy(
        ACCOUNT,
        spec="SYMMETRIC_DEFAULT",
        usage="ENCRYPT_DECRYPT",
        origin="AWS_KMS",
        multi_region=False,
        administrators=[f"arn:aws:iam::{ACCOUNT}:user/cleo"],
        users=[f"arn:aws:iam::{ACCOUNT}:user/ann", role],
        other_accounts=[],
        administrators_delete=False,
    )
    kms.put_key_policy(KeyId=card_data, Policy=written)
    for order in range(4):
        context = {"table": "cards", "order": str(1000 + order)}
        sealed = clients["ann"].encrypt(KeyId=card_data, Plaintext=b"4111", EncryptionContext=context)
        clients["ann"].decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
    kms.generate_data_key(KeyId=keys["backups"], KeySpec="AES_256")
    signed = {"KeyId": keys["release-signing"], "Message": b"1.0", "SigningAlgorithm": "ECDSA_SHA_384"}
    kms.sign(**signed)
    refused(clients["ben"].encrypt, KeyId=card_data, Plaintext=b"4111")
    refused(clients["cleo"].decrypt, CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
    refused(clients["ann"].schedule_key_deletion, KeyId=card_data)
    kms.schedule_key_deletion(KeyId=keys["old-reports"], PendingWindowInDays=14)
    learn(server)
    return keys


def learn(server: Server) -> None:
    """A class of four, of whom three have begun with the lessons and one has come to the fourth."""
    iam, path, policy = server.client("iam"), "/students/spring/", f"{PRACTICE}/KeyStudent"
    iam.create_group(GroupName="SPRING-CLASS", Path=path)
    iam.attach_group_policy(GroupName="SPRING-CLASS", PolicyArn=policy)
    for behind, name in enumerate(("ada-miller", "ben-okafor", "cleo-dubois", "deniz-kaya")):
        iam.create_user(UserName=name, Path=path, PermissionsBoundary=policy)
        iam.add_user_to_group(GroupName="SPRING-CLASS", UserName=name)
        made = iam.create_access_key(UserName=name)["AccessKey"]
        key = {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]}
        kms = server.client(**key)
        if behind < 3:
            own = kms.create_key(Tags=[{"TagKey": "owner", "TagValue": name}])["KeyMetadata"]["KeyId"]
            kms.create_alias(AliasName=f"alias/{name}-key", TargetKeyId=own)
        if behind < 2:
            kms.put_key_policy(KeyId=own, Policy=kms.get_key_policy(KeyId=own)["Policy"])
            server.client("sts", **key).get_caller_identity()
            sealed = kms.encrypt(KeyId=own, Plaintext=b"the launch code is 1234")["CiphertextBlob"]
            kms.decrypt(CiphertextBlob=sealed)
        if behind < 1:
            kms.encrypt(KeyId=own, Plaintext=b"1234", EncryptionContext={"purpose": "lesson"})
            kms.rotate_key_on_demand(KeyId=own)
            kms.decrypt(CiphertextBlob=sealed)
            kms.enable_key_rotation(KeyId=own)
            kms.generate_data_key(KeyId=own, KeySpec="AES_256")


def tags(**pairs: str) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in pairs.items()]


def refused(call: Callable[..., Any], **parameters: Any) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        call(**parameters)


def encrypt(page: Page) -> None:
    keys = page.locator("[name=KeyId]").first
    keys.select_option(keys.locator("option", has_text="payments/card-data").get_attribute("value"))
    page.locator("[name=Plaintext]").fill("the launch code is 1234")
    page.locator("form .actions .button-primary").click()
    page.locator("[data-encoding=base64]").first.wait_for()


def ask(page: Page) -> None:
    page.locator("form .button-primary").first.click()
    page.wait_for_load_state("networkidle")


def palette(page: Page) -> None:
    page.keyboard.press("Control+k")
    page.keyboard.type("payments")
    page.locator("dialog[open] [data-answers=payments] a").first.wait_for()


def asked(page: Page) -> None:
    page.locator("a[data-dialog]").first.click()
    page.locator("dialog[open] [data-cancel]").wait_for()


def new_class(page: Page) -> None:
    """A class of its own for each size and theme, since names are given once."""
    number = page.context.request.get("/classes/").text().count("/students/")
    page.locator("[name=name]").fill(f"AUTUMN-CLASS-{number}")
    page.locator("[name=students]").fill("\n".join(f"{name}-{number}" for name in ("emil", "fatima", "grace")))
    page.locator("[name=access_keys]").check()
    page.locator("form .button-primary").click()
    page.locator(".handout").wait_for()


def new_data_key(page: Page) -> None:
    page.locator("[name=step][value=generate]:not([aria-hidden])").click()
    page.wait_for_load_state("networkidle")


def flipped_bit(page: Page) -> None:
    keys = page.locator("#key")
    keys.select_option(keys.locator("option", has_text="payments/card-data").get_attribute("value"))
    page.locator("#plaintext").fill("the launch code is 1234")
    page.locator("[name=step][value=make]:not([aria-hidden])").click()
    page.locator("[name=at]").nth(3).click()
    page.locator("#answer").wait_for()
    page.wait_for_load_state("networkidle")


def ticked_services(page: Page) -> None:
    for slug in ("s3", "ebs", "rds"):
        page.locator(f"[name=tick][value={slug}]").check()
    page.locator("form .button-primary").last.click()
    page.wait_for_load_state("networkidle")


def pictures(keys: dict[str, str]) -> list[Picture]:
    card_data, reports = f"/keys/{keys['payments/card-data']}", f"/keys/{keys['old-reports']}"
    who = f"arn:aws:iam::{ACCOUNT}:user/ben"
    key_arn = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{keys['payments/card-data']}"
    return [
        # The first: looking at a page is in the record as well.
        Picture("audit", f"/audit/?key={keys['payments/card-data']}"),
        Picture("overview", "/", kept=("", "-phone", "-dark")),
        Picture("palette", "/", palette),
        Picture("keys", "/keys/", kept=("", "-phone")),
        Picture("wizard", "/keys/new/"),
        Picture("key", f"{card_data}/"),
        Picture("disable", f"{card_data}/", asked),
        Picture("policy-edit", f"{card_data}/policy/edit/", kept=()),
        Picture("policy-history", f"{card_data}/policy/history/"),
        Picture("material", f"{card_data}/tab/material/", kept=("-dark",)),
        Picture("regions", f"/keys/{keys['backups']}/tab/regions/", kept=()),
        Picture("grants", f"{card_data}/tab/grants/", kept=()),
        Picture("key-access", f"{card_data}/tab/access/", whole=True),
        Picture("use", f"{card_data}/tab/use/", whole=True),
        Picture("timeline", f"{reports}/tab/timeline/", kept=()),
        Picture("impact", f"{card_data}/tab/impact/", whole=True),
        Picture("deletion", f"/keys/{keys['payments/receipts']}/delete/"),
        Picture("pending-deletion", f"{reports}/", kept=()),
        Picture("import", f"/keys/{keys['brought-material']}/import/"),
        Picture("playground", "/play/encrypt/", encrypt, kept=("", "-phone")),
        Picture("learn", "/learn/"),
        Picture("lesson", "/learn/encrypt-a-secret/", kept=("", "-phone")),
        Picture("class", "/classes/spring/"),
        Picture("hand-out", "/classes/new/", new_class),
        Picture("envelope", "/lab/envelope/", new_data_key),
        Picture("ciphertext", "/lab/ciphertext/", flipped_bit, whole=True),
        Picture("services", "/lab/services/", ticked_services, whole=True),
        Picture("users", "/principals/users/", kept=()),
        Picture("user", "/principals/users/ann/"),
        Picture("roles", "/principals/roles/"),
        Picture("policies", "/principals/policies/", kept=()),
        Picture("access", f"/access/?principal={who}&action=kms:Decrypt&key={key_arn}", whole=True),
        Picture("audit-keys", "/audit/keys/"),
        Picture("endpoints", "/settings/endpoints/"),
        Picture("clock", "/settings/clock/?by=90&unit=days", whole=True),
        Picture("profile", "/settings/profile/"),
    ]


def sign_in(chromium: Browser, server: Server, language: str, **options: Any) -> Page:
    page = chromium.new_context(base_url=server.url, **options).new_page()
    page.goto("/")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(server.url + "/")
    page.context.add_cookies([{"name": "language", "value": language, "url": server.url}])
    return page


def main(folder: Path, language: str = "en", *, everything: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    with tempfile.TemporaryDirectory() as name, Server(Path(name) / "data") as server, sync_playwright() as playwright:
        shown = pictures(fill(server))
        chromium = launch(playwright)
        for size, theme in VARIANTS:
            ending = size + ("-dark" if theme == "dark" else "")
            page = sign_in(chromium, server, language, viewport=SIZES[size], color_scheme=theme)
            for picture in shown:
                if everything or ending in picture.kept:
                    page.goto(picture.path)
                    if picture.prepare:
                        picture.prepare(page)
                    page.screenshot(path=folder / f"{picture.name}{ending}.png", full_page=everything or picture.whole)
            page.context.close()


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kmsconsole.settings")
    django.setup()
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]), *sys.argv[2:3], everything=True)
    else:
        main(ROOT / "docs" / "screenshots")
