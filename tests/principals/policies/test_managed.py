"""Managed policies: made, changed in versions, compared, deleted from everybody."""

from __future__ import annotations

from urllib.parse import quote

from django.test import Client

from engine.iam.starter_policies import POLICIES
from tests.conftest import TestAccount
from tests.principals.policies.test_inline import changes, document
from tests.support.answers import text
from tests.support.principals import DENY, LIST_KEYS, make_policy


def test_the_list_begins_with_policies_for_roles_in_practice(signed_in: Client) -> None:
    rows = signed_in.get("/principals/policies/").context["rows"]
    assert [policy["PolicyName"] for policy, _url, practice, _aws in rows if practice] == [
        policy["PolicyName"] for policy, *_rest in rows[: len(POLICIES)]
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


def test_a_policy_that_came_with_the_account_is_brought_to_what_new_accounts_get(
    account: TestAccount, signed_in: Client
) -> None:
    starter = next(policy for policy in POLICIES if policy.name == "KeyAuditor")
    arn = starter.arn(account.account_id)
    page, edit = f"/principals/policies/one/?arn={arn}", f"/principals/policies/one/edit/?arn={arn}"
    assert signed_in.get(page).context["newer"] is None
    signed_in.post(edit, {"document": LIST_KEYS})
    newer = signed_in.get(page)
    assert [each.mark for each in newer.context["newer"].statements].count("added") > 1
    assert f"arn={quote(arn)}&amp;newer=1" in newer.content.decode()
    offered = signed_in.get(edit + "&newer=1").context["form"].initial["document"]
    assert offered == starter.document
    signed_in.post(edit + "&newer=1", {"document": offered})
    assert signed_in.get(page).context["newer"] is None
    own = make_policy(account)
    assert signed_in.get(f"/principals/policies/one/?arn={own}").context["newer"] is None


def test_a_policy_that_an_older_account_lacks_is_made_as_new_accounts_have_it(
    account: TestAccount, signed_in: Client
) -> None:
    starter = next(policy for policy in POLICIES if policy.name == "KeyAuditor")
    arn = starter.arn(account.account_id)
    assert signed_in.get("/principals/policies/").context["lacking"] == []
    account.client("iam").delete_policy(PolicyArn=arn)
    ((name, address),) = signed_in.get("/principals/policies/").context["lacking"]
    assert name == "KeyAuditor"
    assert signed_in.get("/principals/policies/?scope=AWS").context["lacking"] == []
    begun = signed_in.get(address).context["form"].initial
    assert begun == {"name": "KeyAuditor", "description": starter.description, "document": starter.document}
    signed_in.post(address, begun)
    assert signed_in.get(f"/principals/policies/one/?arn={arn}").context["newer"] is None
    assert signed_in.get("/principals/policies/").context["lacking"] == []


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


def test_a_managed_policy_concerns_whom_it_is_attached_to(account: TestAccount, signed_in: Client) -> None:
    iam = account.client("iam")
    account.create_user("ann")
    account.create_user("bob")
    key_id = account.create_key()
    arn = iam.create_policy(PolicyName="use", PolicyDocument=document("kms:Decrypt"))["Policy"]["Arn"]
    iam.attach_user_policy(UserName="ann", PolicyArn=arn)
    address = f"/principals/policies/one/edit/?arn={quote(arn)}"
    answer = signed_in.post(address, {"document": document("kms:Decrypt", effect="Deny"), "preview": "1"})
    (change,) = changes(answer)["ann"]
    assert (change.action, change.gained, [key.key_id for key in change.keys]) == ("kms:Decrypt", False, [key_id])
    assert list(changes(answer)) == ["ann"]
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v1"
