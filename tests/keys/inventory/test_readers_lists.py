"""The key lists tell nobody more than the policies do."""

from __future__ import annotations

import csv
import io
import json

from django.test import Client

from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.keys.inventory.listed import reader, rows
from tests.support.answers import body, text


def test_who_may_not_describe_a_key_does_not_find_it_by_what_it_says(
    account: TestAccount, sample_keys: dict[str, str], signed_in: Client
) -> None:
    signed_in.get("/keys/")
    ann = reader(account, "ann")
    for address in (
        "/keys/?q=archive",
        "/keys/?q=blue",
        "/keys/?tag=team%3Dblue",
        "/keys/?state=Enabled",
        "/keys/?kind=HMAC",
    ):
        assert not rows(ann, address), address
    page = ann.get("/keys/?cols=tags&cols=description&cols=alias")
    assert not page.context["facets"]
    assert len(page.context["rows"]) == 4
    for words in ("Payments", "team=", "GENERATE_VERIFY_MAC"):
        assert words not in page.content.decode()
    assert not ann.get("/search/?q=archive").context["found"].keys
    exported = list(csv.DictReader(io.StringIO(body(ann.get("/keys/export/")))))
    assert {row["key_id"] for row in exported} == set(sample_keys.values()), "like the list, the file has their IDs"
    assert {row["description"] for row in exported} | {row["usage"] for row in exported} == {"not permitted"}


def test_a_permission_on_some_keys_shows_those(
    account: TestAccount, sample_keys: dict[str, str], signed_in: Client
) -> None:
    signed_in.get("/keys/")
    arn = f"arn:aws:kms:us-east-1:{account.account_id}:key/{sample_keys['blue']}"
    bob = reader(account, "bob", "kms:DescribeKey", resource=arn)
    assert [row.key_id for row in rows(bob, "/keys/?state=Enabled")] == [sample_keys["blue"]]
    assert len(rows(bob, "/keys/")) == 4
    (shown,) = rows(bob, "/keys/?state=Enabled")
    assert shown.tags == {}, "ListResourceTags is a permission of its own"
    assert not rows(bob, "/keys/?q=blue")
    exported, *_others = csv.DictReader(io.StringIO(body(bob.get("/keys/export/"))))
    assert (exported["key_id"], exported["tags"], exported["rotation"]) == (
        sample_keys["blue"],
        "not permitted",
        "not permitted",
    )


def test_a_permission_that_is_taken_away_is_gone_with_the_next_page(
    account: TestAccount, sample_keys: dict[str, str], signed_in: Client
) -> None:
    bob = reader(account, "bob", "kms:Describe*", "kms:List*", "kms:Get*")
    assert len(rows(bob, "/keys/?q=blue")) == 1
    deny = {"Effect": "Deny", "Action": "kms:DescribeKey", "Resource": "*"}
    account.client("iam").put_user_policy(
        UserName="bob", PolicyName="no", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    )
    assert not rows(bob, "/keys/?q=blue")


def test_who_looks_first_with_fewer_rights_hides_nothing_from_others(
    account: TestAccount, sample_keys: dict[str, str], signed_in: Client
) -> None:
    ann = reader(account, "ann")
    assert len(rows(ann, "/keys/")) == 4
    assert [row.key_id for row in rows(signed_in, "/keys/?q=payments")] == [sample_keys["blue"]]
    assert [row.key_id for row in rows(signed_in, "/keys/?tag=team%3Dblue")] == [sample_keys["blue"]]


def test_a_grant_to_describe_shows_the_key(
    account: TestAccount, sample_keys: dict[str, str], signed_in: Client
) -> None:
    ann = reader(account, "ann")
    account.client().create_grant(
        KeyId=sample_keys["mac"],
        GranteePrincipal=f"arn:aws:iam::{account.account_id}:user/ann",
        Operations=["DescribeKey"],
    )
    assert [row.key_id for row in rows(ann, "/keys/?kind=HMAC")] == [sample_keys["mac"]]


def test_a_principal_who_was_deleted_gets_an_answer_and_not_a_failure(account: TestAccount, signed_in: Client) -> None:
    bob = reader(account, "bob", "kms:*")
    iam = account.client("iam")
    iam.delete_user_policy(UserName="bob", PolicyName="test")
    iam.delete_login_profile(UserName="bob")
    for key in iam.list_access_keys(UserName="bob")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="bob", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="bob")
    for address in ("/", "/keys/", "/audit/", "/settings/endpoints/", "/search/?q=x"):
        answer = bob.get(address)
        assert answer.status_code == 302, address
        assert answer["Location"].startswith("/principals/sign-in/"), address


def test_who_may_not_list_keys_gets_awss_error_and_not_the_inventory(account: TestAccount, signed_in: Client) -> None:
    account.create_key(Description="a secret project")
    signed_in.get("/keys/")
    iam = account.client("iam")
    iam.create_user(UserName="ann")
    iam.create_login_profile(UserName="ann", Password="long enough")
    browser = sign_in_browser(TestUser(account, "ann", "", "", "", "long enough"))
    answer = browser.get("/keys/")
    assert answer.status_code == 403
    assert "is not authorized to perform: kms:ListKeys" in text(answer)
    assert "a secret project" not in text(answer)


def test_a_key_that_may_not_be_described_shows_its_id_only(account: TestAccount, signed_in: Client) -> None:
    account.create_key(Description="a secret project")
    signed_in.get("/keys/")
    user = account.create_user(
        "ann",
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": ["kms:ListKeys", "kms:ListAliases"], "Resource": "*"}],
            }
        ),
    )
    account.client("iam").create_login_profile(UserName="ann", Password="long enough")
    user.password = "long enough"
    (row,) = sign_in_browser(user).get("/keys/?cols=alias&cols=key_id&cols=state").context["rows"]
    assert (row.readable, row.description, row.spec) == (False, "", "")
