"""AWS managed policies that a KMS user meets. ARN → what IAM tells of it, and its document.

ARNs, IDs, dates, versions and documents are those AWS publishes. Three are reduced to the services that are here, because the real
ones list thousands of actions of others: ReadOnlyAccess, ViewOnlyAccess and SecurityAudit; what they say of these services is unchanged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ManagedDocument:
    arn: str
    name: str
    description: str
    document: str
    policy_id: str
    version_id: str
    created: datetime
    updated: datetime

    @property
    def path(self) -> str:
        return self.arn.partition(":policy")[2].rpartition("/")[0] + "/"


def _policy(
    name: str,
    description: str,
    *statements: dict[str, Any],
    path: str = "/",
    version: int = 1,
    created: str,
    updated: str = "",
    policy_id: str = "",
) -> ManagedDocument:
    arn = f"arn:aws:iam::aws:policy{path}{name}"
    return ManagedDocument(
        arn=arn,
        name=name,
        description=description,
        document=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, indent=4),
        policy_id=policy_id or _made_id(arn),
        version_id=f"v{version}",
        created=datetime.fromisoformat(created),
        updated=datetime.fromisoformat(updated or created),
    )


def _made_id(arn: str) -> str:
    """An ID for the few policies whose real one is not published: always the same, in the form of the others."""
    digest = hashlib.sha256(arn.encode()).digest()
    return "ANPA" + "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[byte % 32] for byte in digest[:17])


def _allow(*actions: str, resource: str | Sequence[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


_OWN_USER = "arn:aws:iam::*:user/${aws:username}"

POLICIES: dict[str, ManagedDocument] = {
    policy.arn: policy
    for policy in (
        _policy(
            "AdministratorAccess",
            "Provides full access to AWS services and resources.",
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            created="2015-02-06T18:39:46Z",
            policy_id="ANPAIWMBCKSKIEE64ZLYK",
        ),
        _policy(
            "PowerUserAccess",
            "Provides full access to AWS services and resources, but does not allow management of Users and groups.",
            {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
            _allow(
                "account:GetAccountInformation",
                "account:GetGovCloudAccountInformation",
                "account:GetPrimaryEmail",
                "account:ListRegions",
                "iam:CreateServiceLinkedRole",
                "iam:DeleteServiceLinkedRole",
                "iam:ListRoles",
                "organizations:DescribeEffectivePolicy",
                "organizations:DescribeOrganization",
            ),
            version=12,
            created="2015-02-06T18:39:47Z",
            updated="2026-02-12T17:59:14Z",
            policy_id="ANPAJYRXTHIB4FOVS3ZXS",
        ),
        _policy(
            "ReadOnlyAccess",
            "Provides read-only access to AWS services and resources.",
            _allow(
                "cloudtrail:Describe*",
                "cloudtrail:Get*",
                "cloudtrail:List*",
                "cloudtrail:LookupEvents",
                "iam:Generate*",
                "iam:Get*",
                "iam:List*",
                "iam:Simulate*",
                Sid="ReadOnlyActionsGroup1",
            ),
            _allow(
                "kms:Describe*",
                "kms:Get*",
                "kms:List*",
                "sts:GetAccessKeyInfo",
                "sts:GetCallerIdentity",
                "sts:GetSessionToken",
                Sid="ReadOnlyActionsGroup2",
            ),
            version=190,
            created="2015-02-06T18:39:48Z",
            updated="2026-09-24T17:37:08Z",
            policy_id="ANPAILL3HVNFSB6DCOWYQ",
        ),
        _policy(
            "ViewOnlyAccess",
            "This policy grants permissions to view resources and basic metadata across all AWS services.",
            _allow(
                "cloudtrail:DescribeTrails",
                "cloudtrail:ListEventDataStores",
                "cloudtrail:ListTrails",
                "cloudtrail:LookupEvents",
                "iam:GetAccountSummary",
                "iam:GetLoginProfile",
                "iam:List*",
                "kms:ListKeys",
                "kms:ListResourceTags",
                Sid="GeneralViewOnlyAccessStatement",
            ),
            path="/job-function/",
            version=46,
            created="2016-11-10T17:20:15Z",
            updated="2026-09-30T20:27:08Z",
            policy_id="ANPAID22R6XPJATWOFDK6",
        ),
        _policy(
            "SecurityAudit",
            "The security audit template grants access to read security configuration metadata. "
            "It is useful for software that audits the configuration of an AWS account.",
            _allow(
                "cloudtrail:DescribeTrails",
                "cloudtrail:GetEventSelectors",
                "cloudtrail:GetInsightSelectors",
                "cloudtrail:GetTrail",
                "cloudtrail:GetTrailStatus",
                "cloudtrail:ListEventDataStores",
                "cloudtrail:ListTags",
                "cloudtrail:ListTrails",
                "cloudtrail:LookupEvents",
                "iam:GenerateCredentialReport",
                "iam:GenerateServiceLastAccessedDetails",
                "iam:Get*",
                "iam:List*",
                "iam:SimulateCustomPolicy",
                "iam:SimulatePrincipalPolicy",
                "kms:Describe*",
                "kms:Get*",
                "kms:List*",
                "sts:GetAccessKeyInfo",
                Sid="BaseSecurityAuditStatement",
            ),
            version=94,
            created="2015-02-06T18:41:01Z",
            updated="2026-09-30T20:27:08Z",
            policy_id="ANPAIX2T3QCXHR2OGGCTO",
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
            version=2,
            created="2015-02-06T18:40:40Z",
            updated="2017-03-07T00:55:11Z",
            policy_id="ANPAJNPP7PPPPMJRV2SA4",
        ),
        _policy(
            "IAMFullAccess",
            "Provides full access to IAM via the AWS Management Console.",
            _allow(
                "iam:*",
                "organizations:DescribeAccount",
                "organizations:DescribeOrganization",
                "organizations:DescribeOrganizationalUnit",
                "organizations:DescribePolicy",
                "organizations:ListChildren",
                "organizations:ListParents",
                "organizations:ListPoliciesForTarget",
                "organizations:ListRoots",
                "organizations:ListPolicies",
                "organizations:ListTargetsForPolicy",
            ),
            version=2,
            created="2015-02-06T18:40:38Z",
            updated="2019-06-21T19:40:00Z",
            policy_id="ANPAI7XKCFMBPM3QQRRVQ",
        ),
        _policy(
            "IAMReadOnlyAccess",
            "Provides read only access to IAM via the AWS Management Console.",
            _allow(
                "iam:GenerateCredentialReport",
                "iam:GenerateServiceLastAccessedDetails",
                "iam:Get*",
                "iam:List*",
                "iam:SimulateCustomPolicy",
                "iam:SimulatePrincipalPolicy",
            ),
            version=4,
            created="2015-02-06T18:40:39Z",
            updated="2018-01-25T19:11:27Z",
            policy_id="ANPAJKSO7NDY4T57MWDSQ",
        ),
        _policy(
            "IAMUserChangePassword",
            "Provides the ability for an IAM user to change their own password.",
            _allow("iam:ChangePassword", resource=[_OWN_USER, "arn:aws:iam::*:user/*/${aws:username}"]),
            _allow("iam:GetAccountPasswordPolicy"),
            version=5,
            created="2016-11-15T00:25:16Z",
            updated="2026-02-12T17:58:57Z",
            policy_id="ANPAJ4L4MM2A7QIEB56MS",
        ),
        _policy(
            "IAMUserSSHKeys",
            "Provides the ability for an IAM user to manage their own SSH keys.",
            _allow(
                "iam:DeleteSSHPublicKey",
                "iam:GetSSHPublicKey",
                "iam:ListSSHPublicKeys",
                "iam:UpdateSSHPublicKey",
                "iam:UploadSSHPublicKey",
                resource=_OWN_USER,
            ),
            created="2015-07-09T17:08:54Z",
            policy_id="ANPAJTSHUA4UXGXU7ANUA",
        ),
        _policy(
            "IAMSelfManageServiceSpecificCredentials",
            "Allows an IAM user to manage their own Service Specific Credentials",
            _allow(
                "iam:CreateServiceSpecificCredential",
                "iam:ListServiceSpecificCredentials",
                "iam:UpdateServiceSpecificCredential",
                "iam:DeleteServiceSpecificCredential",
                "iam:ResetServiceSpecificCredential",
                resource=_OWN_USER,
            ),
            created="2016-12-22T17:25:18Z",
            policy_id="ANPAI4VT74EMXK2PMQJM2",
        ),
        _policy(
            "AWSCloudTrail_ReadOnlyAccess",
            "This policy grants read-only access to AWS CloudTrail.",
            _allow("cloudtrail:Get*", "cloudtrail:Describe*", "cloudtrail:List*", "cloudtrail:LookupEvents"),
            created="2022-06-14T17:19:05Z",
        ),
        _policy(
            "AWSCloudTrail_FullAccess",
            "Provides full access to AWS CloudTrail.",
            _allow(
                "sns:AddPermission",
                "sns:CreateTopic",
                "sns:SetTopicAttributes",
                "sns:GetTopicAttributes",
                resource=["arn:aws:sns:*:*:aws-cloudtrail-logs*"],
            ),
            _allow("sns:ListTopics"),
            _allow(
                "s3:CreateBucket",
                "s3:PutBucketPolicy",
                "s3:PutBucketPublicAccessBlock",
                resource=["arn:aws:s3:::aws-cloudtrail-logs*"],
            ),
            _allow("s3:ListAllMyBuckets", "s3:GetBucketLocation", "s3:GetBucketPolicy"),
            {"Effect": "Allow", "Action": "cloudtrail:*", "Resource": "*"},
            _allow("logs:CreateLogGroup", resource=["arn:aws:logs:*:*:log-group:aws-cloudtrail-logs*"]),
            _allow("iam:ListRoles", "iam:GetRolePolicy", "iam:GetUser"),
            _allow("iam:PassRole", Condition={"StringEquals": {"iam:PassedToService": "cloudtrail.amazonaws.com"}}),
            _allow("kms:CreateKey", "kms:CreateAlias", "kms:ListKeys", "kms:ListAliases"),
            _allow("lambda:ListFunctions"),
            _allow("dynamodb:ListGlobalTables", "dynamodb:ListTables"),
            version=3,
            created="2020-10-08T23:41:15Z",
            updated="2021-02-22T19:01:00Z",
        ),
        _policy(
            "AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy",
            "Enables access to AWS services and resources required for AWS KMS multi-Region keys",
            _allow("kms:SynchronizeMultiRegionKey", Sid="KMSSynchronizeMultiRegionKey"),
            path="/aws-service-role/",
            version=2,
            created="2021-06-16T15:37:37Z",
            updated="2024-11-13T22:53:54Z",
        ),
    )
}
