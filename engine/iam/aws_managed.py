"""AWS managed policies that a KMS user meets, as what they mean for the services here. ARN → description and document."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ManagedDocument:
    arn: str
    name: str
    description: str
    document: str


def _policy(name: str, description: str, *statements: dict[str, Any], path: str = "/") -> ManagedDocument:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return ManagedDocument(f"arn:aws:iam::aws:policy{path}{name}", name, description, json.dumps(document))


def _allow(*actions: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


_KMS_READ = ("kms:Describe*", "kms:Get*", "kms:List*")
_IAM_READ = ("iam:GenerateCredentialReport", "iam:Get*", "iam:List*", "iam:Simulate*")
_TRAIL_READ = ("cloudtrail:Describe*", "cloudtrail:Get*", "cloudtrail:List*", "cloudtrail:LookupEvents")

POLICIES: dict[str, ManagedDocument] = {
    policy.arn: policy
    for policy in (
        _policy("AdministratorAccess", "Provides full access to AWS services and resources.", _allow("*")),
        _policy(
            "PowerUserAccess",
            "Provides full access to AWS services and resources, but does not allow management of Users and groups.",
            {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
            _allow("iam:ListRoles", "iam:CreateServiceLinkedRole", "iam:DeleteServiceLinkedRole"),
        ),
        _policy(
            "ReadOnlyAccess",
            "Provides read-only access to AWS services and resources.",
            _allow(*_KMS_READ, *_IAM_READ, *_TRAIL_READ, "sts:GetAccessKeyInfo", "sts:GetCallerIdentity"),
        ),
        _policy(
            "AWSKeyManagementServicePowerUser",
            "Provides access to AWS Key Management Service (KMS).",
            _allow(
                "kms:CreateAlias",
                "kms:CreateKey",
                "kms:DeleteAlias",
                "kms:Describe*",
                "kms:GenerateRandom",
                "kms:Get*",
                "kms:List*",
                "kms:TagResource",
                "kms:UntagResource",
                "iam:ListGroups",
                "iam:ListRoles",
                "iam:ListUsers",
            ),
        ),
        _policy("IAMFullAccess", "Provides full access to IAM.", _allow("iam:*")),
        _policy("IAMReadOnlyAccess", "Provides read only access to IAM.", _allow(*_IAM_READ)),
        _policy(
            "IAMUserChangePassword",
            "Provides the ability for an IAM user to change their own password.",
            _allow("iam:ChangePassword", resource="arn:aws:iam::*:user/${aws:username}"),
            _allow("iam:GetAccountPasswordPolicy"),
        ),
        _policy(
            "IAMSelfManageServiceSpecificCredentials",
            "Allows an IAM user to manage their own Service Specific Credentials.",
            _allow("iam:*ServiceSpecificCredential*", resource="arn:aws:iam::*:user/${aws:username}"),
        ),
        _policy(
            "SecurityAudit",
            "The security audit template grants access to read security configuration metadata.",
            _allow(
                "kms:Describe*",
                "kms:GetKeyPolicy",
                "kms:GetKeyRotationStatus",
                "kms:List*",
                *_IAM_READ,
                *_TRAIL_READ,
            ),
        ),
        _policy(
            "ViewOnlyAccess",
            "This policy grants permissions to view resources and basic metadata across all AWS services.",
            _allow("kms:ListKeys", "kms:ListAliases", "iam:List*", "iam:GetAccountSummary", *_TRAIL_READ),
            path="/job-function/",
        ),
        _policy("AWSCloudTrail_ReadOnlyAccess", "Provides read only access to AWS CloudTrail.", _allow(*_TRAIL_READ)),
        _policy("AWSCloudTrail_FullAccess", "Provides full access to AWS CloudTrail.", _allow("cloudtrail:*")),
    )
}
