"""SimulatePrincipalPolicy and SimulateCustomPolicy, as the CLI and Terraform's data source ask: decisions, statements, what is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.iam.simulate import statement_spans
from tests.conftest import TestAccount

KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_KEY = KEY[:-1] + "c"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def statement(effect: str = "Allow", action: Any = "kms:*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def simulate(account: TestAccount, *policies: str, action: str = "kms:Decrypt", **more: Any) -> dict[str, Any]:
    """The one result of SimulateCustomPolicy."""
    iam = account.client("iam")
    answer = iam.simulate_custom_policy(PolicyInputList=list(policies), ActionNames=[action], **more)
    (result,) = answer["EvaluationResults"]
    found: dict[str, Any] = result
    return found


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as reason:
        call(**parameters)
    error = reason.value.response["Error"]
    return error["Code"], error["Message"]


ALLOW, DENY = document(statement()), document(statement("Deny"))
READ = document(statement(action="kms:Describe*"))
TAGGED = document(statement(Condition={"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}))
TEAM = {"ContextKeyName": "aws:ResourceTag/team", "ContextKeyType": "string"}
MINE = {"ContextKeyName": "aws:PrincipalTag/team", "ContextKeyType": "string", "ContextKeyValues": ["blue"]}


@pytest.mark.parametrize(
    ("policies", "decision"),
    [
        ([ALLOW], "allowed"),
        ([READ], "implicitDeny"),
        ([ALLOW, DENY], "explicitDeny"),
        ([DENY], "explicitDeny"),
        ([READ, ALLOW], "allowed"),
    ],
)
def test_policies_are_decided_together(account: TestAccount, policies: list[str], decision: str) -> None:
    result = simulate(account, *policies)
    assert (result["EvalActionName"], result["EvalResourceName"], result["EvalDecision"]) == (
        "kms:Decrypt",
        "*",
        decision,
    )


def test_no_resources_are_every_resource(account: TestAccount) -> None:
    result = simulate(account, ALLOW, ResourceArns=[])
    assert (result["EvalResourceName"], result["EvalDecision"]) == ("*", "allowed")
    assert "ResourceSpecificResults" not in result
    answer = account.client("iam").simulate_principal_policy(
        PolicySourceArn=account.administrator.arn, ActionNames=["kms:Decrypt"], ResourceArns=[]
    )
    assert [each["EvalResourceName"] for each in answer["EvaluationResults"]] == ["*"]


def test_the_statements_that_decided_are_named_with_their_place(account: TestAccount) -> None:
    text = '{"Version": "2012-10-17", "Statement": [' + json.dumps(statement()) + "]}"
    (matched,) = simulate(account, READ, text)["MatchedStatements"]
    assert matched["SourcePolicyId"] == "PolicyInputList.2"
    assert matched["StartPosition"] == {"Line": 1, "Column": 41}
    assert matched["EndPosition"] == {"Line": 1, "Column": len(text) - 1}
    assert simulate(account, READ)["MatchedStatements"] == []


def test_of_an_explicit_deny_only_the_denying_statement_is_named(account: TestAccount) -> None:
    (matched,) = simulate(account, ALLOW, DENY)["MatchedStatements"]
    assert matched["SourcePolicyId"] == "PolicyInputList.2"


def test_all_statements_that_allow_are_named(account: TestAccount) -> None:
    matched = simulate(account, ALLOW, document(statement(action="kms:De*")))["MatchedStatements"]
    assert [each["SourcePolicyId"] for each in matched] == ["PolicyInputList.1", "PolicyInputList.2"]


def test_each_resource_has_its_own_result(account: TestAccount) -> None:
    result = simulate(account, document(statement(resource=KEY)), ResourceArns=[KEY, OTHER_KEY])
    each = {found["EvalResourceName"]: found["EvalResourceDecision"] for found in result["ResourceSpecificResults"]}
    assert each == {KEY: "allowed", OTHER_KEY: "implicitDeny"}
    assert result["EvalDecision"] == "implicitDeny"
    alone = simulate(account, document(statement(resource=KEY)), ResourceArns=[KEY])
    assert (alone["EvalDecision"], alone["EvalResourceName"]) == ("allowed", KEY)


def test_condition_keys_that_the_request_does_not_give_are_listed(account: TestAccount) -> None:
    result = simulate(account, TAGGED)
    assert result["EvalDecision"] == "implicitDeny"
    assert result["MissingContextValues"] == ["aws:PrincipalTag/team", "aws:ResourceTag/team"]
    given = simulate(account, TAGGED, ContextEntries=[{**TEAM, "ContextKeyValues": ["blue"]}, MINE])
    assert (given["EvalDecision"], given["MissingContextValues"]) == ("allowed", [])
    other = simulate(account, TAGGED, ContextEntries=[{**TEAM, "ContextKeyValues": ["red"]}, MINE])
    assert other["EvalDecision"] == "implicitDeny"


def test_a_statement_about_another_action_misses_nothing(account: TestAccount) -> None:
    assert (
        simulate(account, document(statement(action="kms:Sign", Condition={"Bool": {"a:b": "true"}})))[
            "MissingContextValues"
        ]
        == []
    )


def test_a_list_has_several_values_and_a_single_type_one(account: TestAccount) -> None:
    policy = document(statement(Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}))
    entry = {"ContextKeyName": "aws:TagKeys", "ContextKeyValues": ["a", "b"]}
    listed = simulate(account, policy, ContextEntries=[{**entry, "ContextKeyType": "stringList"}])
    assert listed["EvalDecision"] == "allowed"
    iam = account.client("iam")
    wanted = {"PolicyInputList": [policy], "ActionNames": ["kms:Decrypt"]}
    code, _ = refused(iam.simulate_custom_policy, **wanted, ContextEntries=[{**entry, "ContextKeyType": "string"}])
    assert code == "InvalidInput"


@pytest.mark.parametrize(("boundary", "decision", "within"), [(ALLOW, "allowed", True), (READ, "implicitDeny", False)])
def test_a_boundary_takes_part(account: TestAccount, boundary: str, decision: str, within: bool) -> None:
    result = simulate(account, ALLOW, PermissionsBoundaryPolicyInputList=[boundary])
    assert result["EvalDecision"] == decision
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": within}


def resource_policy(arn: str, **more: Any) -> str:
    return document(statement(Principal={"AWS": arn}, **more))


@pytest.mark.parametrize(
    ("identity", "named", "caller", "decision"),
    [
        (READ, "arn:aws:iam::111122223333:user/a", "arn:aws:iam::111122223333:user/a", "allowed"),
        (ALLOW, "arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:user/a", "allowed"),
        (ALLOW, "arn:aws:iam::111122223333:user/b", "arn:aws:iam::111122223333:user/a", "implicitDeny"),
        (ALLOW, "arn:aws:iam::444455556666:root", "arn:aws:iam::444455556666:user/a", "allowed"),
        (READ, "arn:aws:iam::444455556666:user/a", "arn:aws:iam::444455556666:user/a", "implicitDeny"),
        (DENY, "arn:aws:iam::111122223333:user/a", "arn:aws:iam::111122223333:user/a", "explicitDeny"),
    ],
)
def test_a_key_policy_decides_as_in_kms(
    account: TestAccount, identity: str, named: str, caller: str, decision: str
) -> None:
    result = simulate(account, identity, ResourceArns=[KEY], ResourcePolicy=resource_policy(named), CallerArn=caller)
    assert result["EvalDecision"] == decision
    if "444455556666" in caller:
        detail = result["ResourceSpecificResults"][0]["EvalDecisionDetails"]
        assert set(detail) == {"IAM Policy", "Resource Policy"}


def test_the_statements_of_a_resources_policy_are_named(account: TestAccount) -> None:
    caller = "arn:aws:iam::111122223333:user/a"
    result = simulate(account, READ, ResourceArns=[KEY], ResourcePolicy=resource_policy(caller), CallerArn=caller)
    (matched,) = result["MatchedStatements"]
    assert (matched["SourcePolicyId"], matched["SourcePolicyType"]) == ("ResourcePolicy", "Resource Policy")


def test_for_other_services_either_policy_is_enough_in_one_account(account: TestAccount) -> None:
    caller = "arn:aws:iam::111122223333:user/a"
    policy = document(statement(action="s3:*", Principal={"AWS": "arn:aws:iam::111122223333:user/b"}))
    result = simulate(
        account,
        document(statement(action="s3:*")),
        action="s3:GetObject",
        ResourceArns=["arn:aws:s3:::bucket/x"],
        ResourcePolicy=policy,
        ResourceOwner="arn:aws:iam::111122223333:root",
        CallerArn=caller,
    )
    assert result["EvalDecision"] == "allowed"


def test_what_is_simulated_must_be_well_formed(account: TestAccount) -> None:
    iam = account.client("iam")
    wanted = {"PolicyInputList": [ALLOW], "ActionNames": ["kms:Decrypt"]}
    bad = refused(iam.simulate_custom_policy, PolicyInputList=[ALLOW, "{}"], ActionNames=["kms:Decrypt"])
    assert bad == ("InvalidInput", "PolicyInputList.2: Syntax errors in policy.")
    assert refused(iam.simulate_custom_policy, **wanted, ResourcePolicy=ALLOW)[0] == "InvalidInput"
    role = "arn:aws:iam::111122223333:role/a"
    assert refused(iam.simulate_custom_policy, **wanted, CallerArn=role)[0] == "InvalidInput"
    user = "arn:aws:iam::111122223333:user/a"
    broken = refused(iam.simulate_custom_policy, **wanted, CallerArn=user, ResourcePolicy=ALLOW)
    assert broken == ("InvalidInput", "ResourcePolicy: Policy statement must contain a principal.")


def test_a_users_own_and_group_policies_and_boundary_are_simulated(account: TestAccount) -> None:
    iam, user = account.client("iam"), account.create_user("ann", READ)
    iam.create_group(GroupName="users")
    iam.put_group_policy(GroupName="users", PolicyName="use", PolicyDocument=ALLOW)
    wanted = {"PolicySourceArn": user.arn, "ActionNames": ["kms:DescribeKey", "kms:Decrypt"]}

    def decisions() -> list[str]:
        return [each["EvalDecision"] for each in iam.simulate_principal_policy(**wanted)["EvaluationResults"]]

    assert decisions() == ["allowed", "implicitDeny"]
    iam.add_user_to_group(GroupName="users", UserName="ann")
    assert decisions() == ["allowed", "allowed"]
    iam.put_user_permissions_boundary(UserName="ann", PermissionsBoundary="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    assert decisions() == ["implicitDeny", "implicitDeny"]
    override = iam.simulate_principal_policy(**wanted, PermissionsBoundaryPolicyInputList=[ALLOW])
    assert [each["EvalDecision"] for each in override["EvaluationResults"]] == ["allowed", "allowed"]


def test_a_users_name_and_tags_are_known(account: TestAccount) -> None:
    iam, user = account.client("iam"), account.create_user("ann", TAGGED)
    iam.tag_user(UserName="ann", Tags=[{"Key": "team", "Value": "blue"}])
    answer = iam.simulate_principal_policy(
        PolicySourceArn=user.arn, ActionNames=["kms:Decrypt"], ContextEntries=[{**TEAM, "ContextKeyValues": ["blue"]}]
    )
    assert answer["EvaluationResults"][0]["EvalDecision"] == "allowed"


def test_groups_and_roles_are_simulated(account: TestAccount) -> None:
    iam = account.client("iam")
    group = iam.create_group(GroupName="users")["Group"]["Arn"]
    iam.put_group_policy(GroupName="users", PolicyName="use", PolicyDocument=ALLOW)
    trust = document({"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName="app", Path="/a/", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.attach_role_policy(RoleName="app", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    for arn, source in ((group, "use"), (role, "AdministratorAccess")):
        (result,) = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["kms:Encrypt"])["EvaluationResults"]
        assert result["EvalDecision"] == "allowed"
        assert result["MatchedStatements"][0]["SourcePolicyId"] == source
    more = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=["kms:Encrypt"], PolicyInputList=[DENY])
    assert more["EvaluationResults"][0]["EvalDecision"] == "explicitDeny"
    wanted = {"PolicySourceArn": role, "ActionNames": ["kms:Encrypt"], "ResourcePolicy": resource_policy(role)}
    assert refused(iam.simulate_principal_policy, **wanted)[0] == "InvalidInput"
    caller = account.administrator.arn
    named = {**wanted, "ResourcePolicy": resource_policy(caller), "CallerArn": caller}
    assert iam.simulate_principal_policy(**named)["EvaluationResults"][0]["EvalDecision"] == "allowed"


def test_a_users_policies_and_a_resources_policy_are_simulated_together(account: TestAccount) -> None:
    user, iam = account.create_user("ann", READ), account.client("iam")
    key = f"arn:aws:kms:us-east-1:{account.account_id}:key/1234abcd-12ab-34cd-56ef-1234567890ab"

    def decision(named: str) -> str:
        (result,) = iam.simulate_principal_policy(
            PolicySourceArn=user.arn,
            CallerArn=user.arn,
            ActionNames=["kms:Encrypt"],
            ResourceArns=[key],
            ResourcePolicy=resource_policy(named),
        )["EvaluationResults"]
        return str(result["EvalDecision"])

    assert decision(user.arn) == "allowed"
    assert decision(account.root_arn) == "implicitDeny"  # her own policies have to allow it then
    iam.put_user_policy(UserName="ann", PolicyName="use", PolicyDocument=ALLOW)
    assert decision(account.root_arn) == "allowed"
    iam.put_user_policy(UserName="ann", PolicyName="use", PolicyDocument=DENY)
    assert decision(user.arn) == "explicitDeny"


def test_who_is_not_there_cannot_be_simulated(account: TestAccount) -> None:
    iam = account.client("iam")
    nobody = f"arn:aws:iam::{account.account_id}:user/nobody"
    wanted = {"ActionNames": ["kms:Encrypt"]}
    assert refused(iam.simulate_principal_policy, PolicySourceArn=nobody, **wanted)[0] == "NoSuchEntity"
    assert refused(iam.simulate_principal_policy, PolicySourceArn=KEY, **wanted)[0] == "InvalidInput"
    ann = account.create_user("ann").client("iam")
    assert refused(ann.simulate_principal_policy, PolicySourceArn=nobody, **wanted)[0] == "AccessDenied"
    assert refused(ann.simulate_custom_policy, PolicyInputList=[ALLOW], **wanted)[0] == "AccessDenied"


def test_results_come_in_pages(account: TestAccount) -> None:
    pages = (
        account.client("iam")
        .get_paginator("simulate_custom_policy")
        .paginate(
            PolicyInputList=[ALLOW],
            ActionNames=["kms:Encrypt", "kms:Decrypt", "kms:Sign"],
            PaginationConfig={"PageSize": 2},
        )
    )
    found = [[each["EvalActionName"] for each in page["EvaluationResults"]] for page in pages]
    assert found == [["kms:Encrypt", "kms:Decrypt"], ["kms:Sign"]]


def test_the_condition_keys_of_policies_are_listed(account: TestAccount) -> None:
    iam, own = account.client("iam"), "arn:aws:iam::*:user/${aws:username}"
    policy = document(statement(action="iam:*", resource=[own, "arn:aws:s3:::${*}"]))
    custom = iam.get_context_keys_for_custom_policy(PolicyInputList=[policy, TAGGED])["ContextKeyNames"]
    assert custom == ["aws:PrincipalTag/team", "aws:ResourceTag/team", "aws:username"]
    user = account.create_user("ann", TAGGED)
    of_user = iam.get_context_keys_for_principal_policy(PolicySourceArn=user.arn, PolicyInputList=[policy])
    assert of_user["ContextKeyNames"] == custom


@pytest.mark.parametrize(
    "text",
    [
        '{"Statement":[{"a":1},{"b":"]}"}],"Version":"x"}',
        '{ "Version" : "x" ,\n "Statement" : [ {"a":1} ,\n\t{"b":"]}"} ] }',
        '{"Id":{"Statement":[]},"Statement":[{"a":1},{"b":"]}"}]}',
    ],
)
def test_statements_are_found_in_any_layout(text: str) -> None:
    assert [json.loads(text[start:end]) for start, end in statement_spans(text)] == [{"a": 1}, {"b": "]}"}]
    assert statement_spans('{"Statement": {"a": 1}}') == [(14, 22)]
