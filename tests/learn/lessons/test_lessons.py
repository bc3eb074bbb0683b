"""The lessons: a step is ticked by what really happened and by nothing else, and shows the event that proves it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from django.test import Client, override_settings

from console.awsmodel import service_model
from keys import service
from keys.endpoints.backends import Backend
from keys.record import events as record
from learn.lessons import lessons
from tests.conftest import TestAccount, TestUser, sign_in_browser

SECRET = b"the launch code is 1234"


@pytest.fixture
def sam(account: TestAccount) -> TestUser:
    """A student with the students' policy, a password and an access key."""
    iam = account.client("iam")
    made = account.create_user("sam")
    made.password = "learn the class"
    iam.create_login_profile(UserName="sam", Password=made.password)
    iam.attach_user_policy(UserName="sam", PolicyArn=f"arn:aws:iam::{account.account_id}:policy/practice/KeyStudent")
    return made


def ticked(browser: Client, slug: str) -> list[bool]:
    return [step.proof is not None for step in browser.get(f"/learn/{slug}/").context["steps"]]


def refused(call: Callable[..., Any], **parameters: Any) -> None:
    with pytest.raises(ClientError):
        call(**parameters)


def with_alias(kms: Any, name: str = "alias/sam-key") -> str:
    key: str = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=name, TargetKeyId=key)
    return key


def test_nothing_is_ticked_before_anything_was_done(sam: TestUser) -> None:
    assert [row.done for row in sign_in_browser(sam).get("/learn/").context["rows"]] == [0] * len(lessons.every())


def test_looking_at_the_lessons_ticks_none_of_their_steps(sam: TestUser) -> None:
    """A lesson's page says how the learner's key is, and a list of keys reads what is new in it: neither is the learner's doing."""
    kms, browser = sam.client(), sign_in_browser(sam)
    kms.disable_key(KeyId=with_alias(kms))

    def done() -> dict[str, int]:
        return {row.lesson.slug: row.done for row in browser.get("/learn/").context["rows"]}

    before = done()
    for address in ["/", "/play/encrypt/", *(f"/learn/{lesson.slug}/" for lesson in lessons.every())]:
        assert browser.get(address).status_code == 200
    assert done() == before
    assert ticked(browser, "key-attributes")[0] is False
    key = browser.get("/learn/").context["who"].key_id
    browser.get(f"/keys/{key}/")
    assert ticked(browser, "key-attributes")[0] is True


def test_a_first_key_has_an_alias_an_owner_and_a_policy_that_was_changed(sam: TestUser) -> None:
    kms, browser = sam.client(), sign_in_browser(sam)
    kms.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    assert ticked(browser, "first-key") == [False] * 4
    key = with_alias(kms)
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "owner", "TagValue": "someone-else"}])
    assert ticked(browser, "first-key") == [True, True, False, False]
    key = kms.create_key(Tags=[{"TagKey": "owner", "TagValue": "sam"}])["KeyMetadata"]["KeyId"]
    policy = kms.get_key_policy(KeyId=key)["Policy"]
    assert ticked(browser, "first-key") == [True, True, True, False]
    kms.put_key_policy(KeyId=key, Policy=policy)
    assert ticked(browser, "first-key") == [True] * 4


def test_the_cli_lesson_wants_a_program(sam: TestUser) -> None:
    kms, browser = sam.client(), sign_in_browser(sam)
    key = with_alias(kms)
    played = {"run": "1", "KeyId": key, "Plaintext": "x", "Plaintext_as": "text"}
    assert browser.post("/play/encrypt/", played).status_code == 200
    assert ticked(browser, "encrypt-a-secret") == [False] * 5
    sam.client("sts").get_caller_identity()
    sealed = kms.encrypt(KeyId="alias/sam-key", Plaintext=SECRET)["CiphertextBlob"]
    assert ticked(browser, "encrypt-a-secret") == [True, True, False, False, False]
    kms.decrypt(CiphertextBlob=sealed)
    context = {"purpose": "lesson"}
    bound = kms.encrypt(KeyId=key, Plaintext=SECRET, EncryptionContext=context)["CiphertextBlob"]
    assert ticked(browser, "encrypt-a-secret") == [True, True, True, True, False]
    refused(kms.decrypt, CiphertextBlob=bound)
    assert ticked(browser, "encrypt-a-secret") == [True] * 5


def test_an_old_ciphertext_is_one_that_no_newer_one_can_be_taken_for(sam: TestUser) -> None:
    kms, browser = sam.client(), sign_in_browser(sam)
    key = with_alias(kms)
    kms.rotate_key_on_demand(KeyId=key)  # nothing was encrypted before it
    old = kms.encrypt(KeyId=key, Plaintext=SECRET)["CiphertextBlob"]
    assert ticked(browser, "rotation") == [True, False, False, False]
    kms.rotate_key_on_demand(KeyId=key)
    new = kms.encrypt(KeyId=key, Plaintext=SECRET)["CiphertextBlob"]
    kms.decrypt(CiphertextBlob=new)
    assert ticked(browser, "rotation") == [True, True, False, False]
    kms.rotate_key_on_demand(KeyId=key)
    kms.decrypt(CiphertextBlob=old)
    kms.enable_key_rotation(KeyId=key)
    assert ticked(browser, "rotation") == [True] * 4
    assert "rotates, next on" in browser.get("/learn/rotation/").content.decode()


def test_a_disabled_key_refuses_and_works_again(sam: TestUser) -> None:
    kms, browser = sam.client(), sign_in_browser(sam)
    key = with_alias(kms)
    kms.enable_key(KeyId=key)
    sealed = kms.encrypt(KeyId=key, Plaintext=SECRET)["CiphertextBlob"]
    assert ticked(browser, "disabled-key") == [False] * 4
    kms.disable_key(KeyId=key)
    assert ticked(browser, "disabled-key") == [True, False, False, False]
    refused(kms.decrypt, CiphertextBlob=sealed)
    assert ticked(browser, "disabled-key") == [True, True, False, False]
    kms.enable_key(KeyId=key)
    assert ticked(browser, "disabled-key") == [True, True, True, False]
    kms.decrypt(CiphertextBlob=sealed)
    assert ticked(browser, "disabled-key") == [True] * 4


def test_a_tick_leads_to_the_event_that_proves_it(sam: TestUser) -> None:
    browser = sign_in_browser(sam)
    key = sam.client().create_key()["KeyMetadata"]["Arn"]
    page = browser.get("/learn/first-key/").content.decode()
    (address,) = re.findall(r'href="(/audit/[0-9a-f-]{36}/)"', page)
    event = browser.get(address).context["event"]
    assert (event["name"], event["record"]["responseElements"]["keyMetadata"]["arn"]) == ("CreateKey", key)


def test_what_another_did_ticks_nothing(account: TestAccount, sam: TestUser) -> None:
    with_alias(account.client(), "alias/theirs")
    browser = sign_in_browser(sam)
    assert not any(ticked(browser, "first-key"))
    page = browser.get("/learn/encrypt-a-secret/").content.decode()
    assert "alias/sam-key" in page
    assert "alias/theirs" not in page


def test_what_is_longer_ago_than_asked_for_ticks_nothing(account: TestAccount, sam: TestUser) -> None:
    with_alias(sam.client())
    account.move_clock(days=8)
    browser = sign_in_browser(sam)
    assert not any(ticked(browser, "first-key"))
    assert browser.get("/learn/first-key/?days=30").context["done"] == 2


def test_commands_name_this_server_and_the_learners_own_key(sam: TestUser) -> None:
    key = with_alias(sam.client(), "alias/mine")
    page = sign_in_browser(sam).get("/learn/rotation/").content.decode()
    words = re.sub(r"<[^>]+>", "", page)
    assert "export AWS_ENDPOINT_URL=http://testserver" in words
    assert "aws kms encrypt --key-id alias/mine" in words
    assert f"aws kms rotate-key-on-demand --key-id {key}" in words
    assert f'href="/keys/{key}/tab/material/"' in page


def test_every_command_is_one_that_the_cli_knows() -> None:
    everywhere = {"query", "output"}
    checked = 0
    for command in [text for lesson in lessons.every() for step in lesson.steps for _kind, text in step.words.commands]:
        for line in re.findall(r"aws (?!configure).*?(?=[|)\n]|$)", command.replace("\\\n", " ")):
            _aws, service, operation, *rest = shlex.split(line)
            model = service_model(service)
            (known,) = (each for each in model.operation_names if xform_name(each, "-") == operation)
            shape = model.operation_model(known).input_shape
            members = {xform_name(each, "-") for each in (shape.members if shape else ())}
            options = {each.removeprefix("--") for each in rest if each.startswith("--")}
            assert options <= members | everywhere | {"max-results"}, line
            checked += 1
    assert checked > 25


@pytest.mark.parametrize("missing", ["kmsconsole:ReadRecord", "cloudtrail:LookupEvents"])
def test_who_may_not_read_the_record_is_told_which_permission_is_missing(account: TestAccount, missing: str) -> None:
    actions = {"kms:*", "kmsconsole:ReadRecord", "cloudtrail:LookupEvents"} - {missing}
    allowed = {"Effect": "Allow", "Action": sorted(actions), "Resource": "*"}
    user = account.create_user("kim", json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    user.password = "learn the class"
    account.client("iam").create_login_profile(UserName="kim", Password=user.password)
    browser = sign_in_browser(user)
    for address in ("/learn/", "/learn/first-key/"):
        answer = browser.get(address)
        assert answer.status_code == 403
        assert f"is not authorized to perform: {missing}" in answer.content.decode()


def test_a_page_reads_the_record_once_and_the_record_has_it(account: TestAccount, signed_in: Client) -> None:
    def reads() -> list[dict[str, Any]]:
        wanted = [{"AttributeKey": "EventName", "AttributeValue": "ReadRecord"}]
        events = account.client("cloudtrail").lookup_events(LookupAttributes=wanted)["Events"]
        return [json.loads(event["CloudTrailEvent"]) for event in events]

    signed_in.get("/learn/")
    (read,) = reads()
    assert (read["eventSource"], read["readOnly"], read["userIdentity"]["userName"]) == ("kmsconsole", True, "admin")
    assert "Encrypt" in read["requestParameters"]["eventNames"]


def test_the_list_of_lessons_says_how_far_one_is_and_what_comes_next(sam: TestUser) -> None:
    with_alias(sam.client())
    answer = sign_in_browser(sam).get("/learn/")
    assert {row.lesson.slug: row.done for row in answer.context["rows"]}["first-key"] == 2
    assert answer.context["next"].slug == "what-is-kms"
    assert "2 of 4 steps" in answer.content.decode()


def test_at_another_endpoint_the_page_says_that_nothing_can_be_ticked(sam: TestUser) -> None:
    with_alias(sam.client())
    browser = sign_in_browser(sam)
    with override_settings(BACKEND="http://127.0.0.1:9"):
        page = browser.get("/learn/rotation/").content.decode()
    assert "no step will be ticked" in page
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:9" in re.sub(r"<[^>]+>", "", page)


def test_on_aws_the_record_is_walked_by_lookup_events_alone(
    account: TestAccount, sam: TestUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine stands in for AWS: its LookupEvents answers, and the embedded trail is not touched."""
    kms, browser = sam.client(), sign_in_browser(sam)
    key = with_alias(kms)
    with_alias(account.client(), "alias/theirs")
    for _number in range(60):  # more than a page of events
        kms.encrypt(KeyId=key, Plaintext=SECRET)
    monkeypatch.setattr(service, "backend", lambda request: Backend("aws", service.AWS, "AWS"))
    monkeypatch.setattr(record, "trail", None)
    assert ticked(browser, "first-key") == [True, True, False, False]
    assert ticked(browser, "rotation") == [True, False, False, False]
    page = browser.get("/learn/rotation/").content.decode()
    assert "AWS_ENDPOINT_URL" not in page
    assert "alias/sam-key" in page


def test_a_step_that_asks_for_the_keys_state_is_open_again_when_that_is_another(sam: TestUser) -> None:
    kms, browser = sam.client(), sign_in_browser(sam)
    key = with_alias(kms)
    sealed = kms.encrypt(KeyId=key, Plaintext=SECRET)["CiphertextBlob"]
    kms.schedule_key_deletion(KeyId=key)
    kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)
    kms.decrypt(CiphertextBlob=sealed)
    assert ticked(browser, "deletion")[5]
    kms.disable_key(KeyId=key)
    step = browser.get("/learn/deletion/").context["steps"][5]
    assert step.proof is None
    assert step.lacks == "the key is no longer as it has to be: its KeyState is Disabled"


def test_a_lesson_is_said_in_the_language_of_the_page(sam: TestUser) -> None:
    browser = sign_in_browser(sam)
    browser.cookies["language"] = "de"
    page = browser.get("/learn/what-is-kms/").content.decode()
    assert "Einen ersten Aufruf machen" in page
    assert "Make a first call" not in page


def test_there_is_no_other_lesson(signed_in: Client) -> None:
    assert signed_in.get("/learn/no-such-lesson/").status_code == 404


def test_an_answer_is_of_its_question_alone(sam: TestUser) -> None:
    browser = sign_in_browser(sam)

    def answered() -> dict[str, tuple[list[int], bool, bool]]:
        """Step → (what was chosen, whether it is right, whether the page says that it is wrong)."""
        steps: Any = browser.get("/learn/what-is-kms/").context["steps"]
        questions = [step for step in steps if step.choices]
        return {
            step.step.name: (sorted(step.answer), step.proof is not None, step.mistake is not None)
            for step in questions
        }

    browser.post("/learn/what-is-kms/", {"step": "managed", "choice": ["1"]})
    browser.post("/learn/what-is-kms/", {"step": "sensitive-data", "choice": ["1", "2", "4", "5"]})
    assert answered() == {
        "managed": ([1], False, True),
        "sensitive-data": ([1, 2, 4, 5], True, False),
        "when-to-use-it": ([], False, False),
    }
