"""What a class's students may do with other people's keys: the form tells, and offers a policy for own keys alone."""

from __future__ import annotations

import html
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support.classes import make, policy, student

OWN_KEYS = "KeyStudentOwnKeys"


@pytest.fixture
def ann(account: TestAccount, browser: Client) -> TestUser:
    return student(account, make(browser, access_keys="on", policy=OWN_KEYS).context["students"][0])


def own_key(user: TestUser) -> str:
    made = user.client().create_key(Tags=[{"TagKey": "owner", "TagValue": user.name}])
    return str(made["KeyMetadata"]["KeyId"])


def test_the_form_begins_with_the_policy_for_own_keys(account: TestAccount, browser: Client) -> None:
    made = make(browser, policy="")
    assert made.status_code == 200
    boundary = account.client("iam").get_user(UserName="ann")["User"]["PermissionsBoundary"]
    assert boundary["PermissionsBoundaryArn"] == policy(account, OWN_KEYS)


def test_the_form_says_which_keys_would_be_common_property(account: TestAccount, browser: Client) -> None:
    common = account.create_key(Description="untagged")
    named = account.create_key()
    account.client().create_alias(AliasName="alias/payroll", TargetKeyId=named)
    owned = account.create_key(Tags=[{"TagKey": "owner", "TagValue": "somebody"}])
    page = html.unescape(browser.get("/classes/new/").content.decode())
    assert "With KeyStudent 2 keys of this Region would be common property" in " ".join(page.split())
    assert common in page
    assert "payroll" in page
    assert owned not in page


def test_it_says_nothing_where_no_key_would_be(account: TestAccount, browser: Client) -> None:
    account.create_key(Tags=[{"TagKey": "owner", "TagValue": "somebody"}])
    assert "common property: each student" not in " ".join(browser.get("/classes/new/").content.decode().split())


def test_students_added_later_get_the_policy_of_their_class(account: TestAccount, browser: Client) -> None:
    make(browser, policy="KeyStudent")
    browser.post("/classes/spring/students/", {"students": "cleo"})
    boundary = account.client("iam").get_user(UserName="cleo")["User"]["PermissionsBoundary"]
    assert boundary["PermissionsBoundaryArn"] == policy(account, "KeyStudent")


CHANGES: dict[str, dict[str, Any]] = {
    "disable_key": {},
    "schedule_key_deletion": {},
    "put_key_policy": {"Policy": "{}"},
    "create_grant": {"GranteePrincipal": "{arn}", "Operations": ["Decrypt"]},
    "encrypt": {"Plaintext": b"x"},
    "update_key_description": {"Description": "mine"},
    "tag_resource": {"Tags": [{"TagKey": "owner", "TagValue": "ann"}]},
}


@pytest.mark.parametrize("operation", CHANGES)
def test_a_student_may_not_touch_an_untagged_key_nor_make_it_ones_own(
    account: TestAccount, ann: TestUser, operation: str
) -> None:
    key = account.create_key()
    given = {name: ann.arn if value == "{arn}" else value for name, value in CHANGES[operation].items()}
    with pytest.raises(ClientError, match="with an explicit deny in"):
        getattr(ann.client(), operation)(KeyId=key, **given)
    assert ann.client().describe_key(KeyId=key)["KeyMetadata"]["Enabled"]


def test_nor_give_it_an_alias(account: TestAccount, ann: TestUser) -> None:
    key = account.create_key()
    with pytest.raises(ClientError, match="explicit deny"):
        ann.client().create_alias(AliasName="alias/ann", TargetKeyId=key)


def test_a_student_does_all_that_the_lessons_ask_with_an_own_key(account: TestAccount, ann: TestUser) -> None:
    kms, key = ann.client(), own_key(ann)
    kms.create_alias(AliasName="alias/ann-key", TargetKeyId=key)
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "owner", "TagValue": "ann"}, {"TagKey": "team", "TagValue": "blue"}])
    sealed = kms.encrypt(KeyId="alias/ann-key", Plaintext=b"secret", EncryptionContext={"a": "b"})["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext={"a": "b"})["Plaintext"] == b"secret"
    kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    kms.enable_key_rotation(KeyId=key)
    kms.rotate_key_on_demand(KeyId=key)
    kms.put_key_policy(KeyId=key, Policy=kms.get_key_policy(KeyId=key)["Policy"])
    grant = kms.create_grant(KeyId=key, GranteePrincipal=ann.arn, Operations=["Decrypt"])["GrantId"]
    kms.revoke_grant(KeyId=key, GrantId=grant)
    kms.disable_key(KeyId=key)
    kms.enable_key(KeyId=key)
    kms.schedule_key_deletion(KeyId=key)
    kms.cancel_key_deletion(KeyId=key)
    kms.generate_random(NumberOfBytes=8)
    assert ann.client("cloudtrail").lookup_events()["Events"]


def test_an_aws_service_uses_a_key_for_a_student_as_its_policy_has_it(account: TestAccount, ann: TestUser) -> None:
    page = sign_in_browser(ann).post(
        "/lab/services/", {"tick": "s3", "key-s3": "alias/aws/s3", "apply": "1"}, follow=True
    )
    assert "explicit deny" not in page.content.decode()
    assert "aws:s3:arn" in page.content.decode()


def test_a_key_is_created_with_its_owner_or_not_at_all(ann: TestUser) -> None:
    for tags in ([], [{"TagKey": "owner", "TagValue": "ben"}]):
        with pytest.raises(ClientError, match=r"kms:CreateKey on resource: .* explicit deny"):
            ann.client().create_key(Tags=tags)


def test_the_wizard_begins_with_the_students_own_tag(account: TestAccount, ann: TestUser) -> None:
    browser = sign_in_browser(ann)
    draft = browser.get("/keys/new/")["Location"].partition("?")[2]
    configure = {"kind": "symmetric", "origin": "AWS_KMS", "regionality": "single"}
    labels = browser.post(f"/keys/new/configure/?{draft}", configure)["Location"]
    (row,) = browser.get(labels).context["form"].rows
    assert (row.key, row.value) == ("owner", "ann")
    browser.post(labels, {"alias": "ann-key", "description": "", "tag_key": row.key, "tag_value": row.value})
    browser.post(f"/keys/new/administrators/?{draft}", {"deletion": "on"})
    browser.post(f"/keys/new/users/?{draft}", {})
    policy_text = browser.get(f"/keys/new/policy/?{draft}").context["form"]["policy"].value()
    browser.post(f"/keys/new/policy/?{draft}", {"policy": policy_text})
    browser.post(f"/keys/new/review/?{draft}")
    assert account.client().describe_key(KeyId="alias/ann-key")["KeyMetadata"]["Enabled"]
