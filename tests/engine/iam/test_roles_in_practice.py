"""The policies every new account has, each attached to a user: what the user may do and what not, by calls as programs make them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine import console_actions
from engine.iam import accounts, grammar, starter_policies
from tests.conftest import TestAccount, TestUser, new_account

ROLES = ("administrator", "operator", "auditor", "teacher", "student")


@dataclass
class Staff:
    """One account: a user for each role, an untagged key that trusts the account, and one that is tagged with another owner."""

    account: TestAccount
    users: dict[str, TestUser]
    key: str
    owned: str


def policy_arn(account: TestAccount, role: str) -> str:
    return f"arn:aws:iam::{account.account_id}:policy/practice/Key{role.capitalize()}"


@pytest.fixture(scope="module")
def staff(prepared: Path) -> Staff:
    account = new_account()
    iam = account.client("iam")
    users = {}
    for role in ROLES:
        users[role] = account.create_user(role)
        iam.attach_user_policy(UserName=role, PolicyArn=policy_arn(account, role))
    owned = account.create_key(Tags=[{"TagKey": "owner", "TagValue": "teacher"}])
    return Staff(account, users, account.create_key(), owned)


# fmt: off
# service, operation, parameters (KEY and OWNED stand for the keys), the roles that may
CALLS: list[tuple[str, str, dict[str, Any], str]] = [
    ("kms", "list_keys", {}, "administrator operator auditor teacher student"),
    ("kms", "list_aliases", {}, "administrator operator auditor teacher student"),
    ("kms", "describe_key", {"KeyId": "KEY"}, "administrator operator auditor teacher student"),
    ("kms", "describe_key", {"KeyId": "OWNED"}, "administrator operator auditor teacher student"),
    ("kms", "get_key_policy", {"KeyId": "KEY"}, "administrator auditor teacher student"),
    ("kms", "get_key_policy", {"KeyId": "OWNED"}, "administrator auditor teacher student"),
    ("kms", "get_key_rotation_status", {"KeyId": "KEY"}, "administrator auditor teacher student"),
    ("kms", "list_resource_tags", {"KeyId": "KEY"}, "administrator auditor teacher student"),
    ("kms", "list_grants", {"KeyId": "KEY"}, "administrator auditor teacher student"),
    ("kms", "create_key", {}, "administrator teacher student"),
    ("kms", "create_key", {"Tags": [{"TagKey": "owner", "TagValue": "student"}]}, "administrator teacher student"),
    ("kms", "create_key", {"BypassPolicyLockoutSafetyCheck": True}, "administrator teacher"),
    ("kms", "encrypt", {"KeyId": "KEY", "Plaintext": b"x"}, "operator teacher student"),
    ("kms", "encrypt", {"KeyId": "OWNED", "Plaintext": b"x"}, "operator teacher"),
    ("kms", "generate_data_key", {"KeyId": "KEY", "KeySpec": "AES_256"}, "operator teacher student"),
    ("kms", "generate_data_key_without_plaintext", {"KeyId": "KEY", "KeySpec": "AES_256"}, "operator teacher student"),
    ("kms", "generate_random", {"NumberOfBytes": 8}, "operator teacher student"),
    ("kms", "update_key_description", {"KeyId": "KEY", "Description": "d"}, "administrator teacher student"),
    ("kms", "update_key_description", {"KeyId": "OWNED", "Description": "d"}, "administrator teacher"),
    ("kms", "tag_resource", {"KeyId": "KEY", "Tags": [{"TagKey": "t", "TagValue": "v"}]}, "administrator teacher student"),
    ("kms", "tag_resource", {"KeyId": "OWNED", "Tags": [{"TagKey": "owner", "TagValue": "student"}]}, "administrator teacher"),
    ("kms", "tag_resource", {"KeyId": "OWNED", "Tags": [{"TagKey": "owner", "TagValue": "teacher"}]}, "administrator teacher"),
    ("kms", "enable_key_rotation", {"KeyId": "KEY"}, "administrator teacher student"),
    ("kms", "disable_key", {"KeyId": "OWNED"}, "administrator teacher"),
    ("kms", "enable_key", {"KeyId": "OWNED"}, "administrator teacher"),
    ("kms", "schedule_key_deletion", {"KeyId": "OWNED"}, "administrator teacher"),
    ("kms", "create_grant", {"KeyId": "KEY", "GranteePrincipal": "SELF", "Operations": ["Decrypt"]}, "teacher student"),
    ("kms", "create_grant", {"KeyId": "OWNED", "GranteePrincipal": "SELF", "Operations": ["Decrypt"]}, "teacher"),
    ("iam", "list_users", {}, "administrator auditor teacher"),
    ("iam", "list_roles", {}, "administrator auditor teacher"),
    ("iam", "get_account_summary", {}, "auditor teacher"),
    ("iam", "simulate_principal_policy", {"PolicySourceArn": "SELF", "ActionNames": ["kms:Encrypt"]}, "auditor teacher"),
    ("iam", "get_user", {}, "administrator operator auditor teacher student"),
    ("iam", "list_access_keys", {}, "administrator operator auditor teacher student"),
    ("iam", "list_access_keys", {"UserName": "operator"}, "operator auditor teacher"),
    ("iam", "create_access_key", {"UserName": "admin"}, ""),
    ("iam", "create_user", {"UserName": "anyone"}, ""),
    ("iam", "create_role", {"RoleName": "r", "AssumeRolePolicyDocument": "TRUST"}, ""),
    ("iam", "attach_user_policy", {"UserName": "SELF", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, ""),
    ("iam", "put_user_policy", {"UserName": "SELF", "PolicyName": "p", "PolicyDocument": "ALL"}, ""),
    ("iam", "delete_user", {"UserName": "admin"}, ""),
    ("cloudtrail", "lookup_events", {}, "administrator auditor teacher student"),
    ("sts", "get_caller_identity", {}, "administrator operator auditor teacher student"),
]
# fmt: on
ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)


def may(call: Any, **parameters: Any) -> bool:
    """Whether a call is let through; what else comes of it does not matter here."""
    try:
        call(**parameters)
    except ClientError as reason:
        return reason.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException")
    return True


def restore(staff: Staff, operation: str) -> None:
    """Undo what the next call must not find."""
    kms = staff.account.client()
    if operation == "schedule_key_deletion":
        kms.cancel_key_deletion(KeyId=staff.owned)
        kms.enable_key(KeyId=staff.owned)
    if operation == "tag_resource":
        kms.tag_resource(KeyId=staff.owned, Tags=[{"TagKey": "owner", "TagValue": "teacher"}])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("service", "operation", "parameters", "allowed"), CALLS)
def test_each_role_may_do_what_it_is_for(
    staff: Staff, role: str, service: str, operation: str, parameters: dict[str, Any], allowed: str
) -> None:
    user = staff.users[role]
    own = user.name if "UserName" in parameters else user.arn
    known = {"KEY": staff.key, "OWNED": staff.owned, "SELF": own, "ALL": ALL, "TRUST": TRUST}
    filled = {name: known.get(value, value) if isinstance(value, str) else value for name, value in parameters.items()}
    assert may(getattr(user.client(service), operation), **filled) is (role in allowed.split())
    if role in allowed.split():
        restore(staff, operation)


# Actions of the console's own, and the roles that may.
CONSOLE: dict[str, str] = {
    "AnswerQuestion": "teacher student",
    "ApproveKeyDeletion": "administrator teacher",
    "ApproveTrailRemoval": "",
    "ChangeDeletionRule": "",
    "ChangeSignInRule": "",
    "CreateRecoveryCodes": "",
    "EndConsoleSessions": "",
    "AddCosignature": "",
    "ListAlerts": "auditor",
    "ListComplianceResults": "auditor",
    "ListConnections": "administrator operator auditor teacher",
    "ListKeyDeletionRequests": "administrator auditor teacher",
    "ListSignInProviders": "auditor",
    "ListSinks": "auditor",
    "ManageAlerts": "",
    "ManageClasses": "teacher",
    "ManageComplianceExceptions": "",
    "ManageConnections": "",
    "ManageDrills": "teacher",
    "ManageSignInProviders": "",
    "MoveClock": "teacher",
    "OpenClassAccount": "teacher",
    "ReadClassRecord": "auditor teacher",
    "ReadKeyStoreHealth": "administrator auditor teacher",
    "ReadRecord": "administrator auditor teacher student",
    "RegisterPasskey": "",
    "RejectKeyDeletion": "administrator teacher",
    "RejectTrailRemoval": "",
    "RequestKeyDeletion": "administrator teacher",
    "RunComplianceChecks": "",
    "SignComplianceReport": "auditor",
    "UseConnection": "",
}


def test_each_role_has_its_actions_of_the_consoles_own(staff: Staff) -> None:
    iam = staff.account.client("iam")
    allowed = {
        (name, role)
        for role in ROLES
        for name in CONSOLE
        if decision(iam, staff.users[role].arn, f"kmsconsole:{name}") == "allowed"
    }
    assert {each.name for each in console_actions.ACTIONS} == set(CONSOLE)
    assert allowed == {(name, role) for name, roles in CONSOLE.items() for role in roles.split()}


def decision(iam: Any, arn: str, action: str) -> str:
    answer = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=[action])
    return str(answer["EvaluationResults"][0]["EvalDecision"])


def test_a_teacher_makes_itself_no_second_person(staff: Staff) -> None:
    """The users that it may make cannot approve, whichever of the policies that it may give them they have."""
    teacher, account = staff.users["teacher"].client("iam"), staff.account
    student = policy_arn(account, "student")
    teacher.create_user(UserName="double", Path="/students/", PermissionsBoundary=student)
    for role in ("student", "operator", "auditor"):
        teacher.attach_user_policy(UserName="double", PolicyArn=policy_arn(account, role))
    arn = f"arn:aws:iam::{account.account_id}:user/students/double"
    for action in ("ApproveKeyDeletion", "ChangeDeletionRule"):
        assert decision(account.client("iam"), arn, f"kmsconsole:{action}") == "implicitDeny"


def test_an_administrator_cannot_give_itself_the_use_of_a_key(staff: Staff) -> None:
    administrator = staff.users["administrator"]
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": staff.account.root_arn}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": administrator.arn}, "Action": "kms:*", "Resource": "*"},
    ]
    key = staff.account.create_key()
    kms = administrator.client()
    kms.put_key_policy(KeyId=key, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    assert not may(kms.encrypt, KeyId=key, Plaintext=b"x")


def test_an_operator_makes_no_grants_but_for_services(staff: Staff) -> None:
    operator = staff.users["operator"]
    wanted = {"KeyId": staff.key, "GranteePrincipal": operator.arn, "Operations": ["Decrypt"]}
    assert not may(operator.client().create_grant, **wanted)


def test_a_student_has_its_own_keys_to_itself(staff: Staff) -> None:
    iam = staff.account.client("iam")
    other = staff.account.create_user("another")
    iam.attach_user_policy(UserName="another", PolicyArn=policy_arn(staff.account, "student"))
    student = staff.users["student"].client()
    key = student.create_key(Tags=[{"TagKey": "owner", "TagValue": "student"}])["KeyMetadata"]["KeyId"]
    sealed = student.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert student.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"
    assert not may(other.client().decrypt, CiphertextBlob=sealed)
    assert not may(other.client().untag_resource, KeyId=key, TagKeys=["owner"])
    assert may(student.schedule_key_deletion, KeyId=key, PendingWindowInDays=7)


def test_a_teachers_students_are_never_more_than_students(staff: Staff) -> None:
    iam, account = staff.users["teacher"].client("iam"), staff.account
    student = policy_arn(account, "student")
    assert not may(iam.create_user, UserName="eve", Path="/students/")
    assert not may(iam.create_user, UserName="eve", PermissionsBoundary=student)
    wide = "arn:aws:iam::aws:policy/AdministratorAccess"
    assert not may(iam.create_user, UserName="eve", Path="/students/", PermissionsBoundary=wide)
    assert may(iam.create_user, UserName="eve", Path="/students/", PermissionsBoundary=student)
    assert not may(iam.attach_user_policy, UserName="eve", PolicyArn=wide)
    assert not may(iam.put_user_policy, UserName="eve", PolicyName="p", PolicyDocument=ALL)
    assert not may(iam.put_user_permissions_boundary, UserName="eve", PermissionsBoundary=wide)
    assert not may(iam.delete_user_permissions_boundary, UserName="eve")
    assert may(iam.attach_user_policy, UserName="eve", PolicyArn=student)
    made = iam.create_access_key(UserName="eve")["AccessKey"]
    eve = TestUser(account, "eve", "", made["AccessKeyId"], made["SecretAccessKey"])
    assert may(eve.client().encrypt, KeyId=staff.key, Plaintext=b"x")
    assert not may(eve.client("iam").list_users)
    iam.create_login_profile(UserName="eve", Password="long enough")
    assert may(iam.delete_login_profile, UserName="eve")


def test_a_teachers_groups_give_no_more_than_a_student_may(staff: Staff) -> None:
    iam, account = staff.users["teacher"].client("iam"), staff.account
    account.client("iam").create_group(GroupName="staff")
    assert not may(iam.create_group, GroupName="class")
    assert may(iam.create_group, GroupName="class", Path="/students/class/")
    assert may(iam.attach_group_policy, GroupName="class", PolicyArn=policy_arn(account, "student"))
    assert not may(iam.attach_group_policy, GroupName="class", PolicyArn=policy_arn(account, "auditor"))
    assert not may(iam.attach_group_policy, GroupName="class", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    assert not may(iam.put_group_policy, GroupName="class", PolicyName="p", PolicyDocument=ALL)
    assert not may(iam.add_user_to_group, GroupName="staff", UserName="student")
    assert not may(iam.delete_group, GroupName="staff")
    assert may(iam.detach_group_policy, GroupName="class", PolicyArn=policy_arn(account, "student"))
    assert may(iam.delete_group, GroupName="class")


@pytest.mark.parametrize("policy", starter_policies.POLICIES, ids=lambda policy: policy.name)
def test_each_policy_is_one_that_iam_takes(policy: starter_policies.PracticePolicy) -> None:
    grammar.check_managed(policy.document)


def test_a_new_account_has_the_policies_and_an_old_one_gets_what_it_lacks(account: TestAccount) -> None:
    iam = account.client("iam")
    listed = iam.list_policies(Scope="Local", PathPrefix="/practice/")["Policies"]
    assert [each["PolicyName"] for each in listed] == sorted(policy.name for policy in starter_policies.POLICIES)
    iam.delete_policy(PolicyArn=policy_arn(account, "student"))
    assert accounts.create_practice_policies(account.account_id) == [policy_arn(account, "student")]
    assert accounts.create_practice_policies(account.account_id) == []
