"""Quotas of IAM: one row each, with the numbers of a new AWS account. Source: IAM User Guide, "IAM and AWS STS quotas"."""

from __future__ import annotations

from engine.wire.errors import AWSError

MFA_DEVICES, SERVER_CERTIFICATES = "VirtualMFADevicesPerAccount", "ServerCertificatesPerAccount"
POLICY_VERSIONS_IN_USE = 10_000
INSTANCE_PROFILES = "InstanceProfilesPerAccount"
OIDC_PROVIDERS, SAML_PROVIDERS = "OpenIdConnectProvidersPerAccount", "SAMLProvidersPerAccount"
USERS, GROUPS, ROLES, POLICIES = "UsersPerAccount", "GroupsPerAccount", "RolesPerAccount", "PoliciesPerAccount"

# Name as AWS's messages have it → the most there may be.
QUOTAS: dict[str, int] = {
    USERS: 5000,
    GROUPS: 300,
    ROLES: 1000,
    POLICIES: 1500,
    INSTANCE_PROFILES: 1000,
    OIDC_PROVIDERS: 100,
    SAML_PROVIDERS: 100,
    "ClientIdsPerOpenIdConnectProvider": 100,
    "ThumbprintsPerOpenIdConnectProvider": 5,
    "InstanceSessionsPerInstanceProfile": 1,
    MFA_DEVICES: 5000,
    SERVER_CERTIFICATES: 20,
    "AccessKeysPerUser": 2,
    "CertificatesPerUser": 2,
    "MFADevicesPerUser": 8,
    "SSHPublicKeysPerUser": 5,
    "ServiceSpecificCredentialsPerUser": 2,
    "GroupsPerUser": 10,
    "PoliciesPerUser": 10,
    "PoliciesPerGroup": 10,
    "PoliciesPerRole": 10,
    "VersionsPerPolicy": 5,
    # Characters, white space not counted.
    "PolicySize": 6144,
    "ACLSizePerRole": 2048,
}
# Characters of all inline policies of one principal together, white space not counted.
INLINE_SIZE = {"user": 2048, "group": 5120, "role": 10240}
TAGS = 50

# Name in GetAccountSummary → the quota it shows.
SUMMARY: dict[str, str] = {
    "UsersQuota": USERS,
    "GroupsQuota": GROUPS,
    "RolesQuota": ROLES,
    "PoliciesQuota": POLICIES,
    "InstanceProfilesQuota": INSTANCE_PROFILES,
    "AccessKeysPerUserQuota": "AccessKeysPerUser",
    "ServerCertificatesQuota": SERVER_CERTIFICATES,
    "SigningCertificatesPerUserQuota": "CertificatesPerUser",
    "GroupsPerUserQuota": "GroupsPerUser",
    "AttachedPoliciesPerUserQuota": "PoliciesPerUser",
    "AttachedPoliciesPerGroupQuota": "PoliciesPerGroup",
    "AttachedPoliciesPerRoleQuota": "PoliciesPerRole",
    "VersionsPerPolicyQuota": "VersionsPerPolicy",
    "PolicySizeQuota": "PolicySize",
    "AssumeRolePolicySizeQuota": "ACLSizePerRole",
}


def hold(name: str, count: int) -> None:
    """Raise LimitExceeded if there would be `count`, more than the quota."""
    if count > QUOTAS[name]:
        raise AWSError("LimitExceeded", f"Cannot exceed quota for {name}: {QUOTAS[name]}")


def size(document: str) -> int:
    """The size of a policy as IAM counts it."""
    return len("".join(document.split()))
