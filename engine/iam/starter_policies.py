"""Policies for the roles that people have in practice, ready to attach: every new account has them as customer managed policies.

They are the account's own, to be changed like any other. `docs/roles-in-practice.md` tells what each may do and why.
Sources: KMS Developer Guide, "Key policies" (administrators and users apart) and "ABAC for AWS KMS"; IAM User Guide, "Delegating
responsibility to others using permissions boundaries".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

PATH = "/practice/"
STUDENTS = "/students/"  # the path of the groups and users that a teacher may make


@dataclass(frozen=True, slots=True)
class PracticePolicy:
    name: str
    description: str
    document: str

    def arn(self, account_id: str) -> str:
        return f"arn:aws:iam::{account_id}:policy{PATH}{self.name}"


def _policy(name: str, description: str, *statements: dict[str, Any]) -> PracticePolicy:
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, indent=2)
    return PracticePolicy(name, description, document)


def _statement(
    effect: str, sid: str, actions: list[str], resource: str | list[str] = "*", **more: Any
) -> dict[str, Any]:
    return {"Sid": sid, "Effect": effect, "Action": actions, "Resource": resource, **more}


# What a key is for. An administrator does none of it, an operator all of it.
_USE = [
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:ReEncrypt*",
    "kms:GenerateDataKey*",
    "kms:Sign",
    "kms:Verify",
    "kms:GenerateMac",
    "kms:VerifyMac",
    "kms:DeriveSharedSecret",
    "kms:Encapsulate",
    "kms:Decapsulate",
]
_LOOK = [
    "kms:ListKeys",
    "kms:ListAliases",
    "kms:ListResourceTags",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListGrants",
    "kms:DescribeKey",
    "kms:DescribeCustomKeyStores",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:GetKeyLastUsage",
    "kms:GetPublicKey",
]
# Where deletions need two persons: see, ask for, approve and reject them.
_DELETIONS = [
    "kmsconsole:ListKeyDeletionRequests",
    "kmsconsole:RequestKeyDeletion",
    "kmsconsole:ApproveKeyDeletion",
    "kmsconsole:RejectKeyDeletion",
]
# The events of the account, by AWS's API and by the console's reports and lessons.
_EVENTS = ["cloudtrail:LookupEvents", "kmsconsole:ReadRecord"]
_LEARN = _statement("Allow", "AnswerQuestions", ["kmsconsole:AnswerQuestion"])
_OWN_USER = ["arn:aws:iam::*:user/${aws:username}", "arn:aws:iam::*:user/*/${aws:username}"]
_STUDENT_USERS = f"arn:aws:iam::*:user{STUDENTS}*"
_STUDENT_GROUPS = f"arn:aws:iam::*:group{STUDENTS}*"


def _practice(*names: str) -> list[str]:
    return [f"arn:aws:iam::*:policy{PATH}{name}" for name in names]


# What a student may be given: every key without an owner too, or own keys alone.
STUDENT, STUDENT_OF_OWN_KEYS = "KeyStudent", "KeyStudentOwnKeys"
_OTHERS_KEYS = {
    "Sid": "OthersKeys",
    "Effect": "Deny",
    "NotAction": [*_LOOK, "iam:*", "sts:*", "cloudtrail:*"],
    "Resource": "*",
    "Condition": {
        "Null": {"aws:ResourceTag/owner": "false"},
        "StringNotEquals": {"aws:ResourceTag/owner": "${aws:username}"},
    },
}
# A key that is there (only then is there an aws:ResourceAccount) and has no owner. It cannot be made one's own by a tag either; a key that
# is being created can. What an AWS service does with a key for the student stays as the key's policy has it.
_NOBODYS_KEYS = {
    "Sid": "NobodysKeys",
    "Effect": "Deny",
    "NotAction": [*_LOOK, "iam:*", "sts:*", "cloudtrail:*", "kmsconsole:*"],
    "Resource": "*",
    "Condition": {
        "Null": {"aws:ResourceTag/owner": "true", "aws:ResourceAccount": "false"},
        "Bool": {"aws:ViaAWSService": "false"},
    },
}
_NO_LOCKOUT = _statement(
    "Deny",
    "LockNobodyOut",
    ["kms:CreateKey", "kms:PutKeyPolicy", "kms:ReplicateKey"],
    Condition={"Bool": {"kms:BypassPolicyLockoutSafetyCheck": "true"}},
)
_OWN_CREDENTIALS = _statement(
    "Allow",
    "OwnCredentials",
    [
        "iam:ChangePassword",
        "iam:GetUser",
        "iam:CreateAccessKey",
        "iam:DeleteAccessKey",
        "iam:ListAccessKeys",
        "iam:UpdateAccessKey",
    ],
    _OWN_USER,
)

POLICIES: tuple[PracticePolicy, ...] = (
    _policy(
        "KeyAdministrator",
        "Creates, changes and deletes keys, and never uses them: what the key policy or a grant says does not matter.",
        _statement(
            "Allow",
            "Administer",
            [
                "kms:CreateKey",
                "kms:CreateAlias",
                "kms:UpdateAlias",
                "kms:DeleteAlias",
                "kms:UpdateKeyDescription",
                "kms:UpdatePrimaryRegion",
                "kms:ReplicateKey",
                "kms:EnableKey",
                "kms:DisableKey",
                "kms:EnableKeyRotation",
                "kms:DisableKeyRotation",
                "kms:RotateKeyOnDemand",
                "kms:PutKeyPolicy",
                "kms:RevokeGrant",
                "kms:TagResource",
                "kms:UntagResource",
                "kms:GetParametersForImport",
                "kms:ImportKeyMaterial",
                "kms:DeleteImportedKeyMaterial",
                "kms:ScheduleKeyDeletion",
                "kms:CancelKeyDeletion",
                "kms:*CustomKeyStore*",
                *_LOOK,
            ],
        ),
        _statement("Allow", "ChoosePrincipals", ["iam:ListUsers", "iam:ListRoles", "iam:ListGroups"]),
        _statement("Allow", "SeeEvents", _EVENTS),
        _statement("Allow", "ChooseEndpoint", ["kmsconsole:ListConnections"]),
        _statement("Allow", "SeeKeyStoreHealth", ["kmsconsole:ReadKeyStoreHealth"]),
        _statement("Allow", "DecideDeletions", _DELETIONS),
        _statement("Deny", "NeverUse", [*_USE, "kms:CreateGrant"]),
        _OWN_CREDENTIALS,
    ),
    _policy(
        "KeyOperator",
        "Uses keys for every kind of cryptography and lets AWS services use them on its behalf; changes none.",
        _statement("Allow", "Use", [*_USE, "kms:GenerateRandom"]),
        _statement("Allow", "FindKeys", ["kms:ListKeys", "kms:ListAliases", "kms:DescribeKey", "kms:GetPublicKey"]),
        _statement("Allow", "ChooseEndpoint", ["kmsconsole:ListConnections"]),
        _statement(
            "Allow",
            "GrantsForServices",
            ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
            Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
        _OWN_CREDENTIALS,
    ),
    _policy(
        "KeyAuditor",
        "Reads everything about keys, principals and events; changes and uses nothing.",
        _statement("Allow", "ReadKeys", [*_LOOK, "kms:ListRetirableGrants"]),
        _statement(
            "Allow", "ReadPrincipals", ["iam:Get*", "iam:List*", "iam:Simulate*", "iam:GenerateCredentialReport"]
        ),
        _statement(
            "Allow",
            "ReadEvents",
            ["cloudtrail:LookupEvents", "cloudtrail:Describe*", "cloudtrail:Get*", "cloudtrail:List*"],
        ),
        _statement(
            "Allow",
            "FindByTags",
            ["tag:Get*", "ec2:DescribeRegions", "organizations:Describe*", "organizations:List*"],
        ),
        _statement("Allow", "WhoHasThisAccessKey", ["sts:GetAccessKeyInfo"]),
        _statement("Allow", "ReadConsole", ["kmsconsole:List*", "kmsconsole:Read*", "kmsconsole:SignComplianceReport"]),
        _OWN_CREDENTIALS,
    ),
    _policy(
        "KeyTeacher",
        "Does everything with keys, and moves the account's clock; makes classes of students (under /students/) who cannot become more than students.",
        _statement("Allow", "AllKeys", ["kms:*"]),
        _statement("Allow", "ShowTheFuture", ["kmsconsole:MoveClock", "kmsconsole:ManageDrills"]),
        _statement(
            "Allow",
            "KeepClassAccounts",
            ["kmsconsole:ManageClasses", "kmsconsole:OpenClassAccount", "kmsconsole:ReadClassRecord"],
        ),
        _statement("Allow", "DecideDeletions", _DELETIONS),
        _statement("Allow", "ChooseEndpoint", ["kmsconsole:ListConnections"]),
        _statement("Allow", "SeeKeyStoreHealth", ["kmsconsole:ReadKeyStoreHealth"]),
        _statement("Allow", "SeeEvents", _EVENTS),
        _LEARN,
        _statement(
            "Allow", "SeePrincipals", ["iam:Get*", "iam:List*", "iam:Simulate*", "iam:GenerateCredentialReport"]
        ),
        _statement(
            "Allow",
            "MakeStudents",
            ["iam:CreateUser", "iam:PutUserPermissionsBoundary"],
            _STUDENT_USERS,
            Condition={"ArnLike": {"iam:PermissionsBoundary": _practice("KeyStudent", "KeyStudentOwnKeys")}},
        ),
        _statement(
            "Allow",
            "GiveStudentsTheirPolicies",
            ["iam:AttachUserPolicy", "iam:DetachUserPolicy"],
            _STUDENT_USERS,
            Condition={
                "ArnLike": {"iam:PolicyARN": _practice("KeyStudent", "KeyStudentOwnKeys", "KeyOperator", "KeyAuditor")}
            },
        ),
        _statement(
            "Allow",
            "MakeClasses",
            ["iam:CreateGroup", "iam:DeleteGroup", "iam:AddUserToGroup", "iam:RemoveUserFromGroup"],
            _STUDENT_GROUPS,
        ),
        _statement(
            "Allow",
            "GiveClassesTheirPolicy",
            ["iam:AttachGroupPolicy", "iam:DetachGroupPolicy"],
            _STUDENT_GROUPS,
            Condition={"ArnLike": {"iam:PolicyARN": _practice("KeyStudent", "KeyStudentOwnKeys")}},
        ),
        _statement(
            "Allow",
            "LookAfterStudents",
            [
                "iam:DeleteUser",
                "iam:TagUser",
                "iam:UntagUser",
                "iam:CreateLoginProfile",
                "iam:UpdateLoginProfile",
                "iam:DeleteLoginProfile",
                "iam:CreateAccessKey",
                "iam:UpdateAccessKey",
                "iam:DeleteAccessKey",
            ],
            _STUDENT_USERS,
        ),
        _OWN_CREDENTIALS,
    ),
    _policy(
        STUDENT,
        "Everything with the keys of a class account but those that are tagged with another owner; nothing else.",
        _statement("Allow", "Keys", ["kms:*"]),
        _statement("Allow", "SeeEvents", _EVENTS),
        _LEARN,
        _OTHERS_KEYS,
        _NO_LOCKOUT,
        _OWN_CREDENTIALS,
    ),
    _policy(
        STUDENT_OF_OWN_KEYS,
        "Everything with keys that are tagged with oneself as owner, from their creation on; others are only looked at.",
        _statement("Allow", "Keys", ["kms:*"]),
        _statement("Allow", "SeeEvents", _EVENTS),
        _LEARN,
        _OTHERS_KEYS,
        _NOBODYS_KEYS,
        _statement(
            "Deny",
            "CreateWithAnOwner",
            ["kms:CreateKey"],
            Condition={"StringNotEquals": {"aws:RequestTag/owner": "${aws:username}"}},
        ),
        _NO_LOCKOUT,
        _OWN_CREDENTIALS,
    ),
)


def of_arn(arn: str) -> PracticePolicy | None:
    """The policy that a new account has under this ARN."""
    name = arn.partition(f":policy{PATH}")[2]
    return next((policy for policy in POLICIES if policy.name == name), None)
