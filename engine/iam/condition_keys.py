"""Condition keys: one row each, with what it is made of. Everything that names, fills or explains a condition key asks here.

Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS KMS" (IAM, STS); KMS Developer Guide, "AWS KMS
condition keys"; IAM User Guide, "AWS global condition context keys". Requests carry names in lower case: names are compared so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.kms_operations import CONTEXT_ACTIONS

Value = str | tuple[str, ...]
Values = dict[str, Value]

# Where a value comes from. "principal", "key" and "region" are known before there is a request; "session" is how the principal came
# to call (through a service, with a source identity); "request" is all that only a request brings.
Source = Literal["principal", "key", "region", "session", "request"]
Type = Literal["String", "Bool", "Numeric", "Date", "ARN"]

_BEFOREHAND = ("principal", "key", "region")


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What condition keys tell of a KMS key. One that is being created has no account, aliases and tags yet."""

    spec: str
    usage: str
    origin: str
    multi_region_type: str = ""  # PRIMARY or REPLICA of a multi-Region key
    account_id: str = ""
    aliases: tuple[str, ...] = ()  # with their prefix
    tags: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ConditionKey:
    """`name` as AWS spells it. `prefix`: the policy completes the name: a tag, a name in an encryption context.

    `member`: the request's member with the value. `of_key`: the value that a key has, empty if it has none. `operations`: those whose
    requests carry it; if empty, all that are on a key, or whose request has the member. `says_who`: a statement for everyone with a
    condition on it is for someone (an account, a principal, a network, a service).
    """

    name: str
    source: Source = "request"
    type: Type = "String"
    multivalued: bool = False
    prefix: bool = False
    member: str = ""
    of_key: Callable[[KeyFacts], Value] | None = None
    operations: frozenset[str] = frozenset()
    says_who: bool = False
    lower: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lower", self.name.lower())

    def given(self, value: Any) -> Values:
        """The value as requests carry it."""
        return {self.lower: self.written(value)}

    def given_each(self, values: Mapping[str, str]) -> Values:
        """Of a prefix: one condition key for each name."""
        return {f"{self.lower}{name.lower()}": value for name, value in values.items()}

    def written(self, value: Any) -> Value:
        if self.multivalued:
            return tuple(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value.isoformat()) if self.type == "Date" else str(value)


# Those that operations fill themselves.
CALLER_ACCOUNT = ConditionKey("kms:CallerAccount", "principal", says_who=True)
VIA_SERVICE = ConditionKey("kms:ViaService", says_who=True)
REQUEST_ALIAS = ConditionKey("kms:RequestAlias")
ENCRYPTION_CONTEXT = ConditionKey(
    "kms:EncryptionContext:", prefix=True, operations=CONTEXT_ACTIONS | {"CreateGrant", "RetireGrant"}
)
ENCRYPTION_CONTEXT_KEYS = ConditionKey(
    "kms:EncryptionContextKeys", multivalued=True, operations=ENCRYPTION_CONTEXT.operations
)
ENCRYPTION_ALGORITHM = ConditionKey("kms:EncryptionAlgorithm", member="EncryptionAlgorithm", operations=CONTEXT_ACTIONS)
RE_ENCRYPT_ON_SAME_KEY = ConditionKey(
    "kms:ReEncryptOnSameKey", type="Bool", operations=frozenset({"ReEncryptFrom", "ReEncryptTo"})
)
GRANT_IS_FOR_AWS_RESOURCE = ConditionKey(
    "kms:GrantIsForAWSResource", type="Bool", operations=frozenset({"CreateGrant", "ListGrants", "RevokeGrant"})
)
GRANT_OPERATIONS = ConditionKey("kms:GrantOperations", multivalued=True, operations=frozenset({"CreateGrant"}))
GRANT_CONSTRAINT_TYPE = ConditionKey(
    "kms:GrantConstraintType", multivalued=True, operations=frozenset({"CreateGrant", "RetireGrant"})
)
GRANT_CONSTRAINT_SOURCE_ARN = ConditionKey(
    "kms:GrantConstraintSourceArn", type="ARN", operations=frozenset({"CreateGrant"})
)
RESOURCE_TAG = ConditionKey("aws:ResourceTag/", "key", prefix=True)
RESOURCE_ALIASES = ConditionKey("kms:ResourceAliases", "key", multivalued=True, of_key=lambda key: key.aliases)
REQUEST_TAG = ConditionKey("aws:RequestTag/", prefix=True)
TAG_KEYS = ConditionKey("aws:TagKeys", multivalued=True)

_OF_KMS = (
    CALLER_ACCOUNT,
    VIA_SERVICE,
    # Of the key; of a request for a new one.
    ConditionKey("kms:KeySpec", "key", of_key=lambda key: key.spec),
    ConditionKey("kms:CustomerMasterKeySpec", "key", of_key=lambda key: key.spec),
    ConditionKey("kms:KeyUsage", "key", of_key=lambda key: key.usage),
    ConditionKey("kms:CustomerMasterKeyUsage", "key", of_key=lambda key: key.usage),
    ConditionKey("kms:KeyOrigin", "key", of_key=lambda key: key.origin),
    ConditionKey(
        "kms:MultiRegion", "key", type="Bool", of_key=lambda key: "true" if key.multi_region_type else "false"
    ),
    ConditionKey("kms:MultiRegionKeyType", "key", of_key=lambda key: key.multi_region_type),
    RESOURCE_ALIASES,
    # Of the request: a member's value as it is.
    ENCRYPTION_ALGORITHM,
    ConditionKey("kms:SigningAlgorithm", member="SigningAlgorithm"),
    ConditionKey("kms:MacAlgorithm", member="MacAlgorithm"),
    ConditionKey("kms:KeyAgreementAlgorithm", member="KeyAgreementAlgorithm"),
    ConditionKey("kms:EncapsulationAlgorithm", member="EncapsulationAlgorithm"),
    ConditionKey("kms:MessageType", member="MessageType"),
    ConditionKey("kms:DataKeyPairSpec", member="KeyPairSpec"),
    ConditionKey("kms:ExpirationModel", member="ExpirationModel"),
    ConditionKey("kms:ValidTo", type="Date", member="ValidTo"),
    ConditionKey("kms:WrappingAlgorithm", member="WrappingAlgorithm"),
    ConditionKey("kms:WrappingKeySpec", member="WrappingKeySpec"),
    ConditionKey("kms:ScheduleKeyDeletionPendingWindowInDays", type="Numeric", member="PendingWindowInDays"),
    ConditionKey("kms:RotationPeriodInDays", type="Numeric", member="RotationPeriodInDays"),
    ConditionKey("kms:BypassPolicyLockoutSafetyCheck", type="Bool", member="BypassPolicyLockoutSafetyCheck"),
    ConditionKey("kms:ReplicaRegion", member="ReplicaRegion"),
    ConditionKey("kms:PrimaryRegion", member="PrimaryRegion"),
    ConditionKey("kms:GranteePrincipal", member="GranteePrincipal"),
    ConditionKey("kms:GranteeServicePrincipal", member="GranteeServicePrincipal"),
    ConditionKey("kms:RetiringPrincipal", member="RetiringPrincipal"),
    ConditionKey("kms:RetiringServicePrincipal", member="RetiringServicePrincipal"),
    # Of the request: what the operation makes of it.
    REQUEST_ALIAS,
    ENCRYPTION_CONTEXT,
    ENCRYPTION_CONTEXT_KEYS,
    RE_ENCRYPT_ON_SAME_KEY,
    GRANT_IS_FOR_AWS_RESOURCE,
    GRANT_OPERATIONS,
    GRANT_CONSTRAINT_TYPE,
    GRANT_CONSTRAINT_SOURCE_ARN,
    # Of an attestation document of AWS Nitro Enclaves, which no request here can have.
    ConditionKey("kms:RecipientAttestation:ImageSha384"),
    ConditionKey("kms:RecipientAttestation:NitroTPMPCR4"),
    ConditionKey("kms:RecipientAttestation:NitroTPMPCR7"),
    ConditionKey("kms:RecipientAttestation:PCR", prefix=True),
)

_GLOBAL = (
    ConditionKey("aws:PrincipalAccount", "principal", says_who=True),
    ConditionKey("aws:PrincipalArn", "principal", type="ARN", says_who=True),
    ConditionKey("aws:PrincipalIsAWSService", "principal", type="Bool"),
    ConditionKey("aws:PrincipalTag/", "principal", prefix=True, says_who=True),
    ConditionKey("aws:PrincipalType", "principal"),
    ConditionKey("aws:UserId", "principal", says_who=True),
    ConditionKey("aws:Username", "principal", says_who=True),
    ConditionKey("aws:CalledVia", "session", multivalued=True),
    ConditionKey("aws:CalledViaFirst", "session"),
    ConditionKey("aws:CalledViaLast", "session"),
    ConditionKey("aws:PrincipalServiceName", "session", says_who=True),
    ConditionKey("aws:PrincipalServiceNamesList", "session", multivalued=True, says_who=True),
    ConditionKey("aws:SourceAccount", "session", says_who=True),
    ConditionKey("aws:SourceArn", "session", type="ARN", says_who=True),
    ConditionKey("aws:SourceIdentity", "session"),
    ConditionKey("aws:ViaAWSService", "session", type="Bool"),
    ConditionKey("aws:RequestedRegion", "region"),
    ConditionKey("aws:ResourceAccount", "key", of_key=lambda key: key.account_id),
    RESOURCE_TAG,
    REQUEST_TAG,
    TAG_KEYS,
    ConditionKey("aws:CurrentTime", type="Date"),
    ConditionKey("aws:EpochTime", type="Date"),
    ConditionKey("aws:MultiFactorAuthAge", type="Numeric"),
    ConditionKey("aws:MultiFactorAuthPresent", type="Bool"),
    ConditionKey("aws:SecureTransport", type="Bool"),
    ConditionKey("aws:SourceIp", says_who=True),
    ConditionKey("aws:TokenIssueTime", type="Date"),
    ConditionKey("aws:UserAgent"),
    ConditionKey("aws:FederatedProvider"),  # of a role's session that an identity provider vouched for
    # AWS has these; no request here carries them (organizations, VPCs).
    ConditionKey("aws:PrincipalOrgID", says_who=True),
    ConditionKey("aws:PrincipalOrgPaths", multivalued=True, says_who=True),
    ConditionKey("aws:Referer"),
    ConditionKey("aws:ResourceOrgID"),
    ConditionKey("aws:ResourceOrgPaths", multivalued=True),
    ConditionKey("aws:SourceOrgID", says_who=True),
    ConditionKey("aws:SourceOrgPaths", multivalued=True, says_who=True),
    ConditionKey("aws:SourceVpc", says_who=True),
    ConditionKey("aws:SourceVpce", says_who=True),
    ConditionKey("aws:VpcSourceIp", says_who=True),
)

_OF_IAM_AND_STS = (
    *(ConditionKey(f"iam:{name}") for name in ("AWSServiceName", "AssociatedResourceArn", "OrganizationsPolicyId")),
    *(ConditionKey(f"iam:{name}") for name in ("PassedToService", "PermissionsBoundary", "PolicyARN")),
    ConditionKey("iam:ResourceTag/", prefix=True),
    *(ConditionKey(f"sts:{name}") for name in ("AWSServiceName", "DurationSeconds", "ExternalId")),
    *(ConditionKey(f"sts:{name}") for name in ("RequestContextProviders", "RoleSessionName", "SourceIdentity")),
    ConditionKey("sts:TransitiveTagKeys", multivalued=True),
    *(ConditionKey(name) for name in ("saml:aud", "saml:sub", "cognito-identity.amazonaws.com:aud")),
)

ALL = (*_OF_KMS, *_GLOBAL, *_OF_IAM_AND_STS)

_BY_NAME = {row.lower: row for row in ALL if not row.prefix}
_PREFIXES = tuple((row.lower, row) for row in ALL if row.prefix)
_WITH_MEMBER = tuple((row.member, row) for row in ALL if row.member)
_OF_KEY = tuple((row.lower, row.of_key) for row in ALL if row.of_key is not None)


def find(name: str) -> ConditionKey | None:
    """The row of a condition key, however its name's case is written; None for one that there is not."""
    lower = name.lower()
    found = _BY_NAME.get(lower)
    if found is None:
        found = next((row for start, row in _PREFIXES if lower.startswith(start) and lower != start), None)
    return found


def is_known_beforehand(name: str) -> bool:
    """Whether its value (or that it has none) is known without a request."""
    found = find(name)
    return found is not None and found.source in _BEFOREHAND


def is_of_request(name: str) -> bool:
    """Whether only a request brings it. So is one that there is not."""
    found = find(name)
    return found is None or found.source == "request"


def says_who(name: str) -> bool:
    """Whether a condition on it makes a statement for everyone one for someone."""
    found = find(name)
    return found is not None and found.says_who


def of_key(key: KeyFacts) -> Values:
    """The condition keys that a KMS key has."""
    values: Values = {}
    for name, value_of in _OF_KEY:
        value = value_of(key)
        if value:
            values[name] = value
    if key.tags:
        values.update(RESOURCE_TAG.given_each(key.tags))
    return values


def of_request(parameters: Mapping[str, Any]) -> Values:
    """The members of a KMS request that are condition keys."""
    values: Values = {}
    for member, row in _WITH_MEMBER:
        if member in parameters:
            values[row.lower] = row.written(parameters[member])
    if "Tags" in parameters:
        tags = {tag["TagKey"]: tag["TagValue"] for tag in parameters["Tags"]}
        values |= TAG_KEYS.given(tags) | REQUEST_TAG.given_each(tags)
    if "TagKeys" in parameters:
        values |= TAG_KEYS.given(parameters["TagKeys"])
    return values


def of_encryption_context(pairs: Mapping[str, str] | None) -> Values:
    if not pairs:
        return {}
    return ENCRYPTION_CONTEXT.given_each(pairs) | ENCRYPTION_CONTEXT_KEYS.given(pairs)


def names(*, prefixes: bool) -> Iterable[str]:
    """As AWS spells them: those that policies complete, or the others."""
    return (row.name for row in ALL if row.prefix == prefixes)


# Single-valued keys with which ForAllValues lets in what it seems to keep out, and AWS's sentence. Source: KMS Developer Guide,
# "Using set operators with condition keys" and "kms:EncryptionContext:context-key".
OVERLY_PERMISSIVE = {
    ENCRYPTION_CONTEXT.lower: (
        "OverlyPermissiveCondition:EncryptionContext: Using the ForAllValues set operator with a single-valued condition key matches "
        "requests without the specified encryption context or with an unspecified encryption context. To fix, remove ForAllValues."
    ),
    REQUEST_TAG.lower: (
        "OverlyPermissiveCondition: Using the ForAllValues set operator with a single-valued condition key matches requests without "
        "the specified tag or with an unspecified tag. To fix, remove ForAllValues."
    ),
}
