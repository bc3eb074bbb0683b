"""The usual mistakes are recognised at any step of a lesson by the error that was met."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from tests.conftest import TestAccount, TestUser, sign_in_browser


@dataclass
class Learner:
    """A student who is about to do the lesson "Encrypt a secret" with the CLI."""

    account: TestAccount
    user: TestUser
    kms: Any
    browser: Client

    def encrypt(self, key: str, **parameters: Any) -> bytes:
        sealed: bytes = self.kms.encrypt(KeyId=key, Plaintext=b"the launch code is 1234", **parameters)[
            "CiphertextBlob"
        ]
        return sealed

    def decrypt(self, sealed: bytes, **parameters: Any) -> None:
        self.kms.decrypt(CiphertextBlob=sealed, **parameters)


def refused(call: Any, **parameters: Any) -> None:
    with pytest.raises(ClientError):
        call(**parameters)


@pytest.fixture
def sam(account: TestAccount) -> Learner:
    iam, user = account.client("iam"), account.create_user("sam")
    user.password = "learn the class"
    iam.create_login_profile(UserName="sam", Password=user.password)
    iam.attach_user_policy(UserName="sam", PolicyArn=f"arn:aws:iam::{account.account_id}:policy/practice/KeyStudent")
    kms = user.client()
    kms.create_alias(AliasName="alias/sam-key", TargetKeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    user.client("sts").get_caller_identity()
    return Learner(account, user, kms, sign_in_browser(user))


def mistake(sam: Learner, step: str) -> str:
    page: Any = sam.browser.get("/learn/encrypt-a-secret/")
    (shown,) = [each for each in page.context["steps"] if each.step.name == step]
    assert shown.proof is None
    return shown.mistake.title if shown.mistake else ""


def test_the_wrong_region(sam: Learner) -> None:
    refused(sam.user.client("kms", "eu-west-1").encrypt, KeyId="alias/sam-key", Plaintext=b"x")
    assert mistake(sam, "encrypt") == "The wrong Region"
    assert "export AWS_DEFAULT_REGION=us-east-1" in sam.browser.get("/learn/encrypt-a-secret/").content.decode()


def test_no_such_alias(sam: Learner) -> None:
    refused(sam.kms.encrypt, KeyId="alias/sam-kee", Plaintext=b"x")
    assert mistake(sam, "encrypt") == "No such key"


def test_a_file_that_is_too_large(sam: Learner) -> None:
    refused(sam.kms.encrypt, KeyId="alias/sam-key", Plaintext=bytes(5000))
    assert mistake(sam, "encrypt") == "The file is too large"


def test_not_a_key_user(sam: Learner) -> None:
    others = sam.account.create_key(Tags=[{"TagKey": "owner", "TagValue": "eve"}])
    refused(sam.kms.encrypt, KeyId=others, Plaintext=b"x")
    assert mistake(sam, "encrypt") == "Not a key user"


def test_base64_twice(sam: Learner) -> None:
    refused(sam.decrypt, sealed=base64.encodebytes(sam.encrypt("alias/sam-key")))
    assert mistake(sam, "decrypt") == "Base64 twice"


def test_a_missing_context(sam: Learner) -> None:
    refused(sam.decrypt, sealed=sam.encrypt("alias/sam-key", EncryptionContext={"purpose": "lesson"}))
    assert mistake(sam, "decrypt") == "The encryption context is missing"


def test_another_context(sam: Learner) -> None:
    sealed = sam.encrypt("alias/sam-key", EncryptionContext={"purpose": "lesson"})
    refused(sam.decrypt, sealed=sealed, EncryptionContext={"purpose": "Lesson"})
    assert mistake(sam, "decrypt") == "Another encryption context"


def test_a_mistake_is_not_held_against_anyone_for_ever(sam: Learner) -> None:
    refused(sam.kms.encrypt, KeyId="alias/sam-kee", Plaintext=b"x")
    sam.account.move_clock(hours=2)
    assert mistake(replace(sam, browser=sign_in_browser(sam.user)), "encrypt") == ""
