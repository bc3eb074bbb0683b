"""Roles, managed policies, what hangs on users, groups and roles, and acting as a role: through the pages."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from tests.conftest import TestAccount, sign_in_browser
from tests.support.answers import text
from tests.support.principals import LIST_KEYS, make_policy, make_role


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
    ticked = "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"
    boxes = text(make_role(signed_in, trusted="other", policies=ticked)).partition('class="many"')[2]
    assert f'value="{ticked}" id="id_policies_0" checked' in boxes  # among 1,500: the first


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
    iam.create_instance_profile(InstanceProfileName="machines")
    iam.add_role_to_instance_profile(InstanceProfileName="machines", RoleName="operators")
    assert "Delete role operators?" in text(signed_in.get("/principals/roles/operators/delete/"))
    assert signed_in.post("/principals/roles/operators/delete/")["Location"] == "/principals/roles/"
    assert iam.list_roles()["Roles"] == []


def test_a_service_linked_role_is_marked_and_deleted_by_its_task(account: TestAccount, signed_in: Client) -> None:
    iam = account.client("iam")
    name = iam.create_service_linked_role(AWSServiceName="eks.amazonaws.com")["Role"]["RoleName"]
    assert "service-linked" in text(signed_in.get("/principals/roles/"))
    page = text(signed_in.get(f"/principals/roles/{name}/"))
    assert "service-linked" in page
    for change in (f"/principals/roles/{name}/trust/", "Attach", "Detach", "Add inline policy", "Set as boundary"):
        assert change not in page
    signed_in.post(f"/principals/roles/{name}/settings/", {"description": "of the cluster"})
    assert iam.get_role(RoleName=name)["Role"]["Description"] == "of the cluster"
    assert "delete-service-linked-role" in text(signed_in.get(f"/principals/roles/{name}/delete/"))
    signed_in.post(f"/principals/roles/{name}/delete/")
    assert iam.list_roles()["Roles"] == []


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


def test_roles_are_listed_and_filtered(account: TestAccount, signed_in: Client) -> None:
    for name in ("operators", "readers"):
        make_role(signed_in, name)
    page = signed_in.get("/principals/roles/", {"q": "READ"})
    assert [role["RoleName"] for role in page.context["roles"]] == ["readers"]
    assert "operators" in text(signed_in.get("/principals/roles/"))


def test_the_forms_of_a_role_begin_with_what_it_has(account: TestAccount, signed_in: Client) -> None:
    make_role(signed_in, description="for the night", max_session="120")
    settings = text(signed_in.get("/principals/roles/operators/settings/"))
    assert "for the night" in settings
    assert "sts:AssumeRole" in text(signed_in.get("/principals/roles/operators/trust/"))
