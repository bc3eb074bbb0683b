"""A student reaches no other student's account: by no page, by no call."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from audit.alerts import watch
from audit.alerts.models import Alert, AlertRule, Delivery
from engine.wire.services import SERVICES
from kmsconsole.management.commands import trail_segments
from learn.class_accounts import join_links, urls
from tests.conftest import TestUser, new_account, sign_in_browser
from tests.support import members, raw, samples
from tests.support.answers import text
from tests.support.calls import EVERY, Calls
from tests.support.class_accounts import make
from tests.support.long_form import LONG

MARK = "grace-alone-knows"
_KEY_ID = re.compile(r"(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})")


@dataclass
class World:
    ada: TestUser
    grace: TestUser
    browser: Client  # Ada's
    addresses: list[str]  # of Grace's things
    classes: list[str]  # of the class
    teacher: str  # account ID


@pytest.fixture(scope="module")
def world(prepared: object) -> World:
    account = new_account()
    made = make(sign_in_browser(account.administrator), account)
    ada, grace = made.student("ada-lovelace"), made.student("grace-hopper")
    there = samples.make(grace.client, "marked")
    grace.client("kms").update_key_description(KeyId=there.symmetric, Description=MARK)
    grace.client("iam").tag_user(UserName="marked", Tags=[{"Key": "secret", "Value": MARK}])
    leaving = ("principals/sign-out/", "principals/sign-in/use/", "settings/profile/sessions/")
    several = [found for route, found in samples.addresses(there).items() if route not in leaving]
    addresses = [each for found in several for each in found]
    link = join_links.make(made.row, 90, 3)
    given = {"slug": made.row.slug, "pk": link.pk, "user_name": "grace-hopper"}
    classes = [
        reverse(str(each.name), kwargs={name: given[name] for name in each.pattern.converters})
        for each in urls.urlpatterns
        if "slug" in each.pattern.converters
    ]
    return World(ada, grace, sign_in_browser(ada), addresses, classes, account.account_id)


def state(user: TestUser) -> str:
    """All that an account is, as its administrator sees it."""
    kms, iam = user.client("kms"), user.client("iam")
    keys = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
    principals = iam.get_account_authorization_details()
    found: dict[str, Any] = {"keys": keys, "aliases": kms.list_aliases()["Aliases"], "principals": principals}
    for each in found["principals"].values():
        if isinstance(each, dict):
            each.clear()  # the answer's own metadata
    return json.dumps(found, default=str, sort_keys=True)


def test_no_page_shows_or_changes_anything_of_another_students_account(world: World) -> None:
    """Each address is looked at and, if it names something of the other's, sent a form; by `make walks` each is sent one."""
    before = state(world.grace)
    for address in world.addresses:
        names = _KEY_ID.search(address) or "marked" in address or "/one/" in address
        answers = [world.browser.get(address)]
        if names or LONG:
            answers.append(world.browser.post(address, {"confirm": "marked", "do": "end"}))
        for answer in answers:
            assert answer.status_code < 500, address
            if not address.startswith("/principals/sign-in/"):
                assert "sign-in" not in answer.get("Location", ""), address
            assert MARK.encode() not in b"".join(answer) if answer.streaming else MARK.encode() not in answer.content
    assert state(world.grace) == before


def test_of_its_class_a_student_finds_no_page(world: World) -> None:
    assert len(world.classes) > 10
    for address in world.classes:
        assert world.browser.post(address, {"do": "end"}).status_code == 404, address
        assert world.browser.get(address).status_code in (404, 405), address


def test_no_call_with_another_accounts_names_is_answered_with_anything_of_it(world: World) -> None:
    calls = Calls(world.grace)
    everywhere = [(name, operation, calls.sound(name, operation)) for name, operation in EVERY]
    before, there = state(world.grace), world.grace.account.account_id
    for name, operation, parameters in everywhere:
        if operation == "AssumeRole":  # the sample's role trusts everybody
            continue
        named = _KEY_ID.sub(rf"arn:aws:kms:us-east-1:{there}:key/\1", json.dumps(parameters))
        body = _body(name, operation, json.loads(named))
        answer = raw.send(world.ada, name, operation, body)
        assert MARK.encode() not in answer.body, operation
        if name == "kms" and (f":{there}:key/" in named or "CiphertextBlob" in parameters):
            assert answer.status != 200, operation
    assert state(world.grace) == before


def _body(name: str, operation: str, parameters: dict[str, Any]) -> bytes:
    if SERVICES[name].protocol == "json":
        return json.dumps(parameters).encode()
    return members.form(operation, SERVICES[name].version, members.fields(parameters))


def test_a_student_takes_no_role_of_another_students_account_nor_of_the_teachers(world: World) -> None:
    sts = world.ada.client("sts")
    for account in (world.grace.account.account_id, world.teacher):
        with pytest.raises(sts.exceptions.ClientError, match="AccessDenied"):
            sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole", RoleSessionName="ada")


def test_a_student_makes_no_classes_and_connects_to_nothing(world: World) -> None:
    assert world.browser.get("/classes/accounts/new/").status_code == 403
    assert world.browser.get("/settings/endpoints/new/").status_code == 403


@pytest.mark.parametrize("page", ["/classes/", "/settings/endpoints/"])
def test_a_student_is_offered_nothing_that_no_student_may(world: World, page: str) -> None:
    shown = world.browser.get(page).content.decode()
    offered = re.findall(r'<a\s[^>]*href="(/[^"]+/new/)"', shown)
    assert [each for each in offered if world.browser.get(each).status_code == 403] == []
    assert "with an explicit deny in a service control policy" in shown


def test_a_student_has_no_say_over_the_record_of_the_installation(world: World) -> None:
    deciding = trail_segments.Command().deciding()
    assert world.teacher in deciding
    assert world.ada.account.account_id not in deciding
    assert world.browser.get("/audit/sinks/").status_code == 403


def test_a_students_alerts_are_shown_and_sent_nowhere(world: World) -> None:
    given = {"name": "deletions", "kind": "deletion", "enabled": "on", "denials": "3", "minutes": "5"}
    for target in ({"webhook": "http://10.0.0.1:8080/"}, {"emails": "a@example.org"}):
        answer = world.browser.post("/audit/alerts/new/", {**given, **target})
        assert "The account of a class sends nothing" in text(answer)
    assert world.browser.post("/audit/alerts/new/", given).status_code == 302
    AlertRule.objects.update(webhook="http://10.0.0.1:8080/")  # of before this was refused
    kms = world.ada.client("kms")
    kms.schedule_key_deletion(KeyId=kms.create_key()["KeyMetadata"]["KeyId"])
    while watch.look():
        pass
    assert Alert.objects.filter(account_id=world.ada.account.account_id).exists()
    assert not Delivery.objects.exists()
