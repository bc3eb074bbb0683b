"""Roles, managed policies, what hangs on users, groups and roles, and acting as a role: through the pages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from tests.conftest import TestAccount, sign_in_browser

LIST_KEYS = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*"}]}
)
DENY = LIST_KEYS.replace("Allow", "Deny")


def text(answer: Any) -> str:
    return str(answer.content.decode())


def make_role(signed_in: Client, name: str = "operators", **given: Any) -> Any:
    return signed_in.post("/principals/roles/new/", {"name": name, "trusted": "this", "document": "{}", **given})


def make_policy(account: TestAccount, name: str = "lister", document: str = LIST_KEYS) -> str:
    return str(account.client("iam").create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"])


def test_a_role_is_made_for_this_account_with_policies_attached(account: TestAccount, signed_in: Client) -> None:
    practice = f"arn:aws:iam::{account.account_id}:policy/practice/KeyOperator"
    answer = make_role(signed_in, policies=[practice], description="runs the keys")
    assert answer["Location"] == "/principals/roles/operators/"
    iam = account.client("iam")
    role = iam.get_role(RoleName="operators")["Role"]
    assert role["Description"] == "runs the keys"
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"AWS": account.root_arn}
    attached = iam.list_attached_role_policies(RoleName="operators")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [practice]


@pytest.mark.parametrize(
    ("given", "principal"),
    [
        ({"trusted": "other", "other": "444455556666"}, {"AWS": "arn:aws:iam::444455556666:root"}),
        ({"trusted": "service", "aws_service": "ec2.amazonaws.com"}, {"Service": "ec2.amazonaws.com"}),
    ],
)
def test_a_role_is_made_for_another_account_or_a_service(
    account: TestAccount, signed_in: Client, given: dict[str, str], principal: dict[str, str]
) -> None:
    assert make_role(signed_in, **given).status_code == 302
    role = account.client("iam").get_role(RoleName="operators")["Role"]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == principal


def test_an_external_id_becomes_a_condition(account: TestAccount, signed_in: Client) -> None:
    make_role(signed_in, trusted="other", other="444455556666", external_id="the-house")
    role = account.client("iam").get_role(RoleName="operators")["Role"]
    condition = role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
    assert condition == {"StringEquals": {"sts:ExternalId": "the-house"}}


def test_what_is_missing_is_said_beside_its_field_and_the_rest_is_kept(signed_in: Client) -> None:
    answer = make_role(signed_in, trusted="other", description="kept")
    assert answer.status_code == 422
    assert "Which account?" in text(answer)
    assert "kept" in text(answer)


def test_a_refused_trust_policy_is_shown_with_awss_error(signed_in: Client) -> None:
    answer = make_role(signed_in, trusted="json", document='{"Version": "2012-10-17", "Statement": []}')
    assert answer.status_code == 422
    assert "MalformedPolicyDocument" in text(answer)


def test_the_call_is_shown_before_a_role_is_made(account: TestAccount, signed_in: Client) -> None:
    answer = make_role(signed_in, preview="1")
    assert "aws iam create-role" in text(answer)
    assert account.client("iam").list_roles()["Roles"] == []


def test_a_roles_trust_description_boundary_and_tags_are_changed(account: TestAccount, signed_in: Client) -> None:
    make_role(signed_in)
    page, iam = "/principals/roles/operators/", account.client("iam")
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
    )
    signed_in.post(f"{page}trust/", {"document": trust})
    signed_in.post(f"{page}settings/", {"description": "new", "max_session": "120"})
    signed_in.post(f"{page}boundary/", {"arn": make_policy(account)})
    signed_in.post(f"{page}tags/", {"key": "team", "value": "blue"})
    role = iam.get_role(RoleName="operators")["Role"]
    assert role["AssumeRolePolicyDocument"] == json.loads(trust)
    assert (role["Description"], role["MaxSessionDuration"]) == ("new", 7200)
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"].endswith("/lister")
    assert role["Tags"] == [{"Key": "team", "Value": "blue"}]
    signed_in.post(f"{page}tags/", {"remove": "team"})
    signed_in.post(f"{page}boundary/", {})
    role = iam.get_role(RoleName="operators")["Role"]
    assert "Tags" not in role or role["Tags"] == []
    assert "PermissionsBoundary" not in role
    assert "team" not in text(signed_in.get(page))


def test_a_role_is_deleted_with_all_that_hangs_on_it(account: TestAccount, signed_in: Client) -> None:
    make_role(signed_in)
    iam = account.client("iam")
    iam.put_role_policy(RoleName="operators", PolicyName="own", PolicyDocument=LIST_KEYS)
    iam.attach_role_policy(RoleName="operators", PolicyArn=make_policy(account))
    assert "Delete role operators?" in text(signed_in.get("/principals/roles/operators/delete/"))
    assert signed_in.post("/principals/roles/operators/delete/")["Location"] == "/principals/roles/"
    assert iam.list_roles()["Roles"] == []


@pytest.mark.parametrize("kind", ["users", "groups", "roles"])
def test_a_managed_policy_is_attached_and_detached(account: TestAccount, signed_in: Client, kind: str) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="who")
    iam.create_group(GroupName="who")
    make_role(signed_in, "who")
    arn = make_policy(account)
    page = f"/principals/{kind}/who/"
    assert arn in text(signed_in.get(page))
    signed_in.post(f"{page}attached/", {"attach": arn})
    entities = iam.list_entities_for_policy(PolicyArn=arn)
    assert [len(entities[f"Policy{name}"]) for name in ("Users", "Groups", "Roles")] == [
        int(kind == each) for each in ("users", "groups", "roles")
    ]
    signed_in.post(f"{page}attached/", {"detach": arn})
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 0


def test_the_list_begins_with_policies_for_roles_in_practice(signed_in: Client) -> None:
    rows = signed_in.get("/principals/policies/").context["rows"]
    assert [policy["PolicyName"] for policy, _url, practice, _aws in rows if practice] == [
        policy["PolicyName"] for policy, *_rest in rows[:5]
    ]
    names = [
        policy["PolicyName"]
        for policy, *_rest in signed_in.get("/principals/policies/?scope=AWS&q=admin").context["rows"]
    ]
    assert "AdministratorAccess" in names
    assert "KeyAdministrator" not in names


def test_a_policy_is_made_changed_compared_and_put_back(account: TestAccount, signed_in: Client) -> None:
    answer = signed_in.post("/principals/policies/new/", {"name": "lister", "document": LIST_KEYS, "description": "d"})
    arn = f"arn:aws:iam::{account.account_id}:policy/lister"
    page = answer["Location"]
    assert arn.rpartition(":")[2].replace("/", "%2F") in page
    signed_in.post("/principals/policies/one/edit/?arn=" + arn, {"document": DENY})
    iam = account.client("iam")
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2"
    compared = signed_in.get(f"/principals/policies/one/?arn={arn}&version=v1")
    marks = {(line.mark, line.text.strip()) for line in compared.context["diff"] if line.mark != " "}
    assert marks == {("-", '"Effect": "Deny",'), ("+", '"Effect": "Allow",')}
    signed_in.post("/principals/policies/one/version/?arn=" + arn, {"default": "v1"})
    signed_in.post("/principals/policies/one/version/?arn=" + arn, {"delete": "v2"})
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [(each["VersionId"], each["IsDefaultVersion"]) for each in versions] == [("v1", True)]


def test_a_policy_is_deleted_from_everybody(account: TestAccount, signed_in: Client) -> None:
    arn = make_policy(account)
    account.create_user("ann")
    account.client("iam").attach_user_policy(UserName="ann", PolicyArn=arn)
    signed_in.post(f"/principals/policies/one/delete/?arn={arn}")
    assert account.client("iam").list_policies(Scope="Local", OnlyAttached=True)["Policies"] == []
    assert signed_in.get(f"/principals/policies/one/?arn={arn}").status_code == 404


def test_a_malformed_policy_is_refused_beside_its_text(signed_in: Client) -> None:
    answer = signed_in.post("/principals/policies/new/", {"name": "lister", "document": '{"Version": "2012-10-17"}'})
    assert answer.status_code == 422
    assert "MalformedPolicyDocument" in text(answer)


def test_acting_as_a_role_is_bound_to_its_policies_until_one_goes_back(account: TestAccount, signed_in: Client) -> None:
    make_role(signed_in)
    account.client("iam").put_role_policy(RoleName="operators", PolicyName="own", PolicyDocument=LIST_KEYS)
    assert signed_in.post("/principals/switch-role/", {"role": "operators"})["Location"] == "/"
    assert "admin → operators" in text(signed_in.get("/keys/"))
    refused = signed_in.get("/principals/users/")
    assert refused.status_code == 403
    assert "assumed-role/operators/admin is not authorized to perform: iam:ListUsers" in text(refused)
    signed_in.post("/principals/back-to-user/")
    assert signed_in.get("/principals/users/").status_code == 200


def test_a_role_that_does_not_trust_the_user_is_refused_with_awss_error(
    account: TestAccount, signed_in: Client
) -> None:
    make_role(signed_in, trusted="service", aws_service="ec2.amazonaws.com")
    answer = signed_in.post("/principals/switch-role/", {"role": "operators"})
    assert answer.status_code == 422
    assert "is not authorized to perform: sts:AssumeRole" in text(answer)


def test_the_trail_shows_the_role_with_the_users_name(account: TestAccount, signed_in: Client) -> None:
    make_role(signed_in)
    account.client("iam").put_role_policy(RoleName="operators", PolicyName="own", PolicyDocument=LIST_KEYS)
    signed_in.post("/principals/switch-role/", {"role": "operators"})
    signed_in.get("/keys/")
    events = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "Username", "AttributeValue": "admin"}]
    )["Events"]
    arns = {json.loads(event["CloudTrailEvent"])["userIdentity"]["arn"] for event in events}
    assert f"arn:aws:sts::{account.account_id}:assumed-role/operators/admin" in arns


def test_signing_out_as_a_role_signs_the_user_out_too(account: TestAccount, signed_in: Client) -> None:
    make_role(signed_in)
    signed_in.post("/principals/switch-role/", {"role": "operators"})
    signed_in.post("/principals/sign-out/")
    assert signed_in.get("/keys/").status_code == 302


def test_an_access_key_shows_when_it_was_last_used(account: TestAccount, signed_in: Client) -> None:
    user = account.create_user("ann", LIST_KEYS)
    user.client().list_keys()
    assert "(kms)" in text(signed_in.get("/principals/users/ann/"))


def test_who_may_not_list_roles_sees_awss_refusal(account: TestAccount) -> None:
    account.create_user("ann")
    account.client("iam").create_login_profile(UserName="ann", Password="long enough")
    user = account.create_user("bob", LIST_KEYS)
    account.client("iam").create_login_profile(UserName="bob", Password="long enough")
    user.password = "long enough"
    browser = sign_in_browser(user)
    for page in ("roles", "policies"):
        answer = browser.get(f"/principals/{page}/")
        assert answer.status_code == 403
        assert "AccessDenied" in text(answer)
