"""Every lesson can be done from its first step to its last, and a usual mistake at it is not ticked and gets its hint."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from django.test import Client

from learn.lessons import lessons
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support.lesson_solutions import SOLUTIONS, WRONG_PATHS, Learner, refused

EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
WITH_A_TOKEN = {"custom-key-store"}  # tests/learn/lessons/test_key_store_lesson.py


def person(account: TestAccount, name: str, policy: str = "KeyStudent") -> TestUser:
    iam = account.client("iam")
    made = account.create_user(name, json.dumps(EVERYTHING) if not policy else None)
    made.password = "learn the class"
    iam.create_login_profile(UserName=name, Password=made.password)
    if policy:
        arn = f"arn:aws:iam::{account.account_id}:policy/practice/{policy}"
        iam.attach_user_policy(UserName=name, PolicyArn=arn)
    return made


@pytest.fixture
def learner(slug: str, account: TestAccount) -> Learner:
    """Of the lesson that the test is about: a student, or for teachers' lessons an administrator."""
    row = lessons.by_slug(slug)
    assert row is not None
    user = person(account, "sam", "KeyStudent" if row.for_students else "")
    return Learner(account, user, sign_in_browser(user), person(account, "pat"), slug)


def steps(browser: Client, slug: str) -> dict[str, Any]:
    return {step.step.name: step for step in browser.get(f"/learn/{slug}/").context["steps"]}


def test_every_lesson_has_a_solution_and_a_wrong_path() -> None:
    there = {lesson.slug for lesson in lessons.every() if not lesson.own}
    assert there - WITH_A_TOKEN == set(SOLUTIONS) == set(WRONG_PATHS)


@pytest.mark.parametrize("slug", SOLUTIONS)
def test_a_lesson_is_done_from_start_to_end(learner: Learner, slug: str) -> None:
    assert not any(step.proof for step in steps(learner.browser, slug).values())
    SOLUTIONS[slug](learner)
    shown = steps(learner.browser, slug)
    assert {name: step.lacks for name, step in shown.items() if step.proof is None} == {}
    overview = {row.lesson.slug: row.whole for row in learner.browser.get("/learn/").context["rows"]}
    assert overview[slug]


@pytest.mark.parametrize("slug", WRONG_PATHS)
def test_a_wrong_path_is_not_ticked_and_gets_its_hint(learner: Learner, slug: str) -> None:
    wrong, step, hint = WRONG_PATHS[slug]
    wrong(learner)
    shown = steps(learner.browser, slug)[step]
    assert shown.proof is None
    assert shown.mistake is not None
    assert re.sub(r"<[^>]+>", "", shown.mistake.hint).startswith(hint)


class TestUsualMistakes:
    """They are recognised at any step by the error that was met."""

    @pytest.fixture
    def sam(self, account: TestAccount) -> Learner:
        user = person(account, "sam")
        learner = Learner(account, user, sign_in_browser(user), user, "encrypt-a-secret")
        learner.named_key()
        learner.user.client("sts").get_caller_identity()
        return learner

    def mistake(self, sam: Learner, step: str) -> str:
        shown = steps(sam.browser, "encrypt-a-secret")[step]
        assert shown.proof is None
        return shown.mistake.title if shown.mistake else ""

    def test_the_wrong_region(self, sam: Learner) -> None:
        refused(sam.user.client("kms", "eu-west-1").encrypt, KeyId="alias/sam-key", Plaintext=b"x")
        assert self.mistake(sam, "encrypt") == "The wrong Region"
        assert "export AWS_DEFAULT_REGION=us-east-1" in sam.browser.get("/learn/encrypt-a-secret/").content.decode()

    def test_no_such_alias(self, sam: Learner) -> None:
        refused(sam.kms.encrypt, KeyId="alias/sam-kee", Plaintext=b"x")
        assert self.mistake(sam, "encrypt") == "No such key"

    def test_a_file_that_is_too_large(self, sam: Learner) -> None:
        refused(sam.kms.encrypt, KeyId="alias/sam-key", Plaintext=bytes(5000))
        assert self.mistake(sam, "encrypt") == "The file is too large"

    def test_not_a_key_user(self, sam: Learner) -> None:
        others = sam.account.create_key(Tags=[{"TagKey": "owner", "TagValue": "eve"}])
        refused(sam.kms.encrypt, KeyId=others, Plaintext=b"x")
        assert self.mistake(sam, "encrypt") == "Not a key user"

    def test_base64_twice(self, sam: Learner) -> None:
        refused(sam.decrypt, sealed=base64.encodebytes(sam.encrypt("alias/sam-key")))
        assert self.mistake(sam, "decrypt") == "Base64 twice"

    def test_a_missing_context(self, sam: Learner) -> None:
        refused(sam.decrypt, sealed=sam.encrypt("alias/sam-key", EncryptionContext={"purpose": "lesson"}))
        assert self.mistake(sam, "decrypt") == "The encryption context is missing"

    def test_another_context(self, sam: Learner) -> None:
        sealed = sam.encrypt("alias/sam-key", EncryptionContext={"purpose": "lesson"})
        refused(sam.decrypt, sealed=sealed, EncryptionContext={"purpose": "Lesson"})
        assert self.mistake(sam, "decrypt") == "Another encryption context"

    def test_a_mistake_is_not_held_against_anyone_for_ever(self, sam: Learner) -> None:
        refused(sam.kms.encrypt, KeyId="alias/sam-kee", Plaintext=b"x")
        sam.account.move_clock(hours=2)
        assert self.mistake(Learner(sam.account, sam.user, sign_in_browser(sam.user), sam.user), "encrypt") == ""
