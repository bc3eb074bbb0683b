"""Show the call as Terraform: which resource of the AWS provider sends a request, as one table, and its configuration text.

In comes an operation's parameters, out comes a configuration that `terraform apply` takes as printed; an operation that no resource
sends answers None, and the page says so. Source: the schemas of hashicorp/aws.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from engine.public.lint import is_unicode

Parameters = Mapping[str, Any]
Arguments = dict[str, Any]


class Raw(str):
    """An expression that stands as it is, not a text."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Resource:
    """`arguments`: member of the request → argument. `also` gives what a plain renaming cannot. `part_of`: the request changes one
    argument of a resource that is there already, which `identity` names for `terraform import`."""

    type: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    also: Callable[[Parameters], Arguments] = lambda parameters: {}
    kind: str = "resource"
    part_of: bool = False
    where: Callable[[Parameters], bool] = lambda parameters: True
    identity: str = "KeyId"
    beside: Callable[[Parameters], str] = lambda parameters: ""  # what else the configuration needs


def _tags(parameters: Parameters) -> Arguments:
    tags = parameters.get("Tags") or []
    return (
        {"tags": {tag.get("TagKey", tag.get("Key")): tag.get("TagValue", tag.get("Value")) for tag in tags}}
        if tags
        else {}
    )


def _grant(parameters: Parameters) -> Arguments:
    constraints = parameters.get("Constraints", {})
    names = {
        "EncryptionContextEquals": "encryption_context_equals",
        "EncryptionContextSubset": "encryption_context_subset",
    }
    given = {argument: constraints[member] for member, argument in names.items() if member in constraints}
    return {"constraints": Block(given)} if given else {}


class Block(dict[str, Any]):
    """A nested block, in contrast to an argument that is a map."""


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


_KEY = {
    "Description": "description",
    "KeySpec": "customer_master_key_spec",
    "KeyUsage": "key_usage",
    "MultiRegion": "multi_region",
    "Policy": "policy",
    "BypassPolicyLockoutSafetyCheck": "bypass_policy_lockout_safety_check",
    "CustomKeyStoreId": "custom_key_store_id",  # these two say the origin
    "XksKeyId": "xks_key_id",
}
_NOT_IMPORTED = ("KeySpec", "KeyUsage", "CustomKeyStoreId", "XksKeyId")
_IMPORTED = {name: argument for name, argument in _KEY.items() if name not in _NOT_IMPORTED}
_STORE = {
    "CloudHsmClusterId": "cloud_hsm_cluster_id",
    "XksProxyConnectivity": "xks_proxy_connectivity",
    "XksProxyUriEndpoint": "xks_proxy_uri_endpoint",
    "XksProxyUriPath": "xks_proxy_uri_path",
    "XksProxyVpcEndpointServiceName": "xks_proxy_vpc_endpoint_service_name",
    "XksProxyVpcEndpointServiceOwner": "xks_proxy_vpc_endpoint_service_owner",
}
_INLINE = {"PolicyName": "name", "PolicyDocument": "policy"}


def _of_role(arguments: Mapping[str, str], also: Callable[[Parameters], Arguments] = lambda parameters: {}) -> Resource:
    """Arguments of a role that is there: its resource wants the trust policy too, so that is looked up."""
    trust = Raw("data.aws_iam_role.before.assume_role_policy")
    return Resource(
        "aws_iam_role",
        {"RoleName": "name", **arguments},
        lambda parameters: {"assume_role_policy": trust, **also(parameters)},
        part_of=True,
        identity="RoleName",
        beside=_role_before,
    )


def _role_before(parameters: Parameters) -> str:
    return f'data "aws_iam_role" "before" {{\n  name = {_text(parameters["RoleName"])}\n}}'


def _store_secrets(parameters: Parameters) -> Arguments:
    """A store's secrets as variables, which `_store_variables` declares."""
    found: Arguments = {}
    if "KeyStorePassword" in parameters:
        found["key_store_password"] = Raw("var.key_store_password")
    if "XksProxyAuthenticationCredential" in parameters:
        found["xks_proxy_authentication_credential"] = Block(
            access_key_id=Raw("var.access_key_id"), raw_secret_access_key=Raw("var.raw_secret_access_key")
        )
    return found


def _store_variables(parameters: Parameters) -> str:
    names = ["key_store_password"] if "KeyStorePassword" in parameters else []
    if "XksProxyAuthenticationCredential" in parameters:
        names += ["access_key_id", "raw_secret_access_key"]
    return "\n\n".join(f'variable "{name}" {{\n  type      = string\n  sensitive = true\n}}' for name in names)


def _own(**arguments: Any) -> list[Resource]:
    """An argument of the key's own resource."""
    return [Resource("aws_kms_key", also=lambda parameters: dict(arguments), part_of=True)]


# Operation → the resources that send it; the first whose condition holds is shown.
RESOURCES: dict[tuple[str, str], list[Resource]] = {
    ("kms", "CreateKey"): [
        Resource(
            "aws_kms_external_key",
            _IMPORTED,
            _tags,
            where=lambda given: (
                given.get("Origin") == "EXTERNAL" and given.get("KeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
            ),
        ),
        Resource("aws_kms_key", _KEY, _tags, where=lambda given: given.get("Origin") != "EXTERNAL"),
    ],
    ("kms", "CreateCustomKeyStore"): [
        Resource(
            "aws_kms_custom_key_store",
            {
                "CustomKeyStoreName": "custom_key_store_name",
                "CustomKeyStoreType": "custom_key_store_type",
                "TrustAnchorCertificate": "trust_anchor_certificate",
                **_STORE,
            },
            _store_secrets,
            beside=_store_variables,
        )
    ],
    ("kms", "UpdateCustomKeyStore"): [
        Resource(
            "aws_kms_custom_key_store",
            {"NewCustomKeyStoreName": "custom_key_store_name", **_STORE},
            _store_secrets,
            part_of=True,
            identity="CustomKeyStoreId",
            beside=_store_variables,
        )
    ],
    ("kms", "CreateAlias"): [Resource("aws_kms_alias", {"AliasName": "name", "TargetKeyId": "target_key_id"})],
    ("kms", "UpdateAlias"): [Resource("aws_kms_alias", {"AliasName": "name", "TargetKeyId": "target_key_id"})],
    ("kms", "CreateGrant"): [
        Resource(
            "aws_kms_grant",
            {
                "Name": "name",
                "KeyId": "key_id",
                "GranteePrincipal": "grantee_principal",
                "RetiringPrincipal": "retiring_principal",
                "Operations": "operations",
            },
            _grant,
            where=lambda given: "GranteePrincipal" in given,
        )
    ],
    ("kms", "PutKeyPolicy"): [
        Resource(
            "aws_kms_key_policy",
            {
                "KeyId": "key_id",
                "Policy": "policy",
                "BypassPolicyLockoutSafetyCheck": "bypass_policy_lockout_safety_check",
            },
        )
    ],
    ("kms", "ReplicateKey"): [
        Resource(
            "aws_kms_replica_key",
            {"KeyId": "primary_key_arn", "Description": "description", "Policy": "policy"},
            _tags,
        )
    ],
    ("kms", "EnableKey"): _own(is_enabled=True),
    ("kms", "DisableKey"): _own(is_enabled=False),
    ("kms", "EnableKeyRotation"): [
        Resource(
            "aws_kms_key",
            {"RotationPeriodInDays": "rotation_period_in_days"},
            lambda parameters: {"enable_key_rotation": True},
            part_of=True,
        )
    ],
    ("kms", "DisableKeyRotation"): _own(enable_key_rotation=False),
    ("kms", "UpdateKeyDescription"): [Resource("aws_kms_key", {"Description": "description"}, part_of=True)],
    ("kms", "TagResource"): [Resource("aws_kms_key", {}, _tags, part_of=True)],
    ("kms", "Encrypt"): [
        Resource(
            "aws_kms_ciphertext",
            {"KeyId": "key_id", "EncryptionContext": "context"},
            lambda given: {"plaintext": given["Plaintext"].decode()},
            where=lambda given: _is_text(given["Plaintext"]),
        )
    ],
    ("kms", "Decrypt"): [
        Resource(
            "aws_kms_secrets",
            {},
            lambda given: {
                "secret": Block(
                    name="opened",
                    payload=given["CiphertextBlob"],
                    **({"key_id": given["KeyId"]} if "KeyId" in given else {}),
                    **({"context": given["EncryptionContext"]} if "EncryptionContext" in given else {}),
                )
            },
            kind="data",
        )
    ],
    ("kms", "GetPublicKey"): [Resource("aws_kms_public_key", {"KeyId": "key_id"}, kind="data")],
    ("kms", "DescribeKey"): [Resource("aws_kms_key", {"KeyId": "key_id"}, kind="data")],
    ("iam", "CreateUser"): [
        Resource(
            "aws_iam_user", {"UserName": "name", "Path": "path", "PermissionsBoundary": "permissions_boundary"}, _tags
        )
    ],
    ("iam", "CreateGroup"): [Resource("aws_iam_group", {"GroupName": "name", "Path": "path"})],
    ("iam", "CreateRole"): [
        Resource(
            "aws_iam_role",
            {
                "RoleName": "name",
                "Path": "path",
                "Description": "description",
                "AssumeRolePolicyDocument": "assume_role_policy",
                "MaxSessionDuration": "max_session_duration",
                "PermissionsBoundary": "permissions_boundary",
            },
            _tags,
        )
    ],
    ("iam", "CreatePolicy"): [
        Resource(
            "aws_iam_policy",
            {"PolicyName": "name", "Path": "path", "Description": "description", "PolicyDocument": "policy"},
            _tags,
        )
    ],
    ("iam", "PutUserPolicy"): [Resource("aws_iam_user_policy", {"UserName": "user", **_INLINE})],
    ("iam", "PutGroupPolicy"): [Resource("aws_iam_group_policy", {"GroupName": "group", **_INLINE})],
    ("iam", "PutRolePolicy"): [Resource("aws_iam_role_policy", {"RoleName": "role", **_INLINE})],
    ("iam", "AttachUserPolicy"): [
        Resource("aws_iam_user_policy_attachment", {"UserName": "user", "PolicyArn": "policy_arn"})
    ],
    ("iam", "AttachGroupPolicy"): [
        Resource("aws_iam_group_policy_attachment", {"GroupName": "group", "PolicyArn": "policy_arn"})
    ],
    ("iam", "AttachRolePolicy"): [
        Resource("aws_iam_role_policy_attachment", {"RoleName": "role", "PolicyArn": "policy_arn"})
    ],
    ("iam", "AddUserToGroup"): [
        Resource(
            "aws_iam_user_group_membership",
            {"UserName": "user"},
            lambda given: {"groups": [given["GroupName"]]},
        )
    ],
    ("iam", "CreateAccessKey"): [Resource("aws_iam_access_key", {"UserName": "user"})],
    ("iam", "CreateLoginProfile"): [
        Resource(
            "aws_iam_user_login_profile",
            {"UserName": "user", "PasswordResetRequired": "password_reset_required"},
        )
    ],
    ("iam", "PutUserPermissionsBoundary"): [
        Resource(
            "aws_iam_user",
            {"UserName": "name", "PermissionsBoundary": "permissions_boundary"},
            part_of=True,
            identity="UserName",
        )
    ],
    ("iam", "PutRolePermissionsBoundary"): [_of_role({"PermissionsBoundary": "permissions_boundary"})],
    ("iam", "TagUser"): [Resource("aws_iam_user", {"UserName": "name"}, _tags, part_of=True, identity="UserName")],
    ("iam", "TagRole"): [_of_role({}, _tags)],
    ("iam", "UpdateRole"): [_of_role({"Description": "description", "MaxSessionDuration": "max_session_duration"})],
    ("iam", "UpdateAssumeRolePolicy"): [
        Resource(
            "aws_iam_role",
            {"RoleName": "name", "PolicyDocument": "assume_role_policy"},
            part_of=True,
            identity="RoleName",
        )
    ],
    ("iam", "CreatePolicyVersion"): [
        Resource(
            "aws_iam_policy",
            {"PolicyDocument": "policy"},
            part_of=True,
            identity="PolicyArn",
            where=lambda given: given.get("SetAsDefault") is True,
        )
    ],
    ("iam", "UpdateAccessKey"): [
        Resource(
            "aws_iam_access_key",
            {"UserName": "user", "Status": "status"},
            part_of=True,
            identity="AccessKeyId",
        )
    ],
    ("iam", "CreateAccountAlias"): [Resource("aws_iam_account_alias", {"AccountAlias": "account_alias"})],
}


# Operation → the resource that sends it when it is taken out of the configuration.
REMOVED: dict[tuple[str, str], str] = {
    ("kms", "ScheduleKeyDeletion"): "aws_kms_key",
    ("kms", "DeleteAlias"): "aws_kms_alias",
    ("kms", "RevokeGrant"): "aws_kms_grant",
    ("kms", "DeleteCustomKeyStore"): "aws_kms_custom_key_store",
    ("iam", "DeleteUser"): "aws_iam_user",
    ("iam", "DeleteGroup"): "aws_iam_group",
    ("iam", "DeleteRole"): "aws_iam_role",
    ("iam", "DeletePolicy"): "aws_iam_policy",
    ("iam", "DeleteUserPolicy"): "aws_iam_user_policy",
    ("iam", "DeleteGroupPolicy"): "aws_iam_group_policy",
    ("iam", "DeleteRolePolicy"): "aws_iam_role_policy",
    ("iam", "DetachUserPolicy"): "aws_iam_user_policy_attachment",
    ("iam", "DetachGroupPolicy"): "aws_iam_group_policy_attachment",
    ("iam", "DetachRolePolicy"): "aws_iam_role_policy_attachment",
    ("iam", "RemoveUserFromGroup"): "aws_iam_user_group_membership",
    ("iam", "DeleteAccessKey"): "aws_iam_access_key",
    ("iam", "DeleteLoginProfile"): "aws_iam_user_login_profile",
}
# Operation → the resource that sends it when one of its arguments is taken out, and the argument.
EMPTIED: dict[tuple[str, str], tuple[str, str]] = {
    ("kms", "UntagResource"): ("aws_kms_key", "tags"),
    ("iam", "UntagUser"): ("aws_iam_user", "tags"),
    ("iam", "UntagRole"): ("aws_iam_role", "tags"),
    ("iam", "DeleteUserPermissionsBoundary"): ("aws_iam_user", "permissions_boundary"),
    ("iam", "DeleteRolePermissionsBoundary"): ("aws_iam_role", "permissions_boundary"),
}


def absent(service: str, calls: Sequence[tuple[str, Parameters]]) -> str:
    """Why there is no configuration for these calls."""
    operations = [(service, operation) for operation, _parameters in calls]
    if removed := list(dict.fromkeys(REMOVED[each] for each in operations if each in REMOVED)):
        return _("Terraform makes this call when the resource is taken out of its configuration: %(resources)s.") % {
            "resources": ", ".join(removed)
        }
    if emptied := [EMPTIED[each] for each in operations if each in EMPTIED]:
        return _("Terraform makes this call when the argument is taken out of its resource: %(arguments)s.") % {
            "arguments": ", ".join(f"{kind}.{argument}" for kind, argument in emptied)
        }
    return _("No resource of Terraform's AWS provider makes this call.")


def resource(service: str, operation: str, parameters: Parameters) -> Resource | None:
    return next((each for each in RESOURCES.get((service, operation), ()) if each.where(parameters)), None)


def configurations(
    service: str, calls: Sequence[tuple[str, Parameters]], region: str, endpoint: str, account_id: str
) -> str:
    """A whole configuration, provider included, of the calls that resources send, each after the one before; empty where there is none."""
    blocks: list[str] = []
    labels: Counter[str] = Counter()
    before = ""
    for operation, parameters in calls:
        found = resource(service, operation, parameters)
        if found is None:
            continue
        region = parameters.get("ReplicaRegion", region)
        labels[found.type] += 1
        label = "this" if labels[found.type] == 1 else f"this_{labels[found.type]}"
        blocks.append(block(found, parameters, region, account_id, label, after=before))
        before = f"{found.type}.{label}"
    return "\n\n".join([provider(region, endpoint), *blocks]) if blocks else ""


def block(
    found: Resource, parameters: Parameters, region: str, account_id: str, label: str = "this", after: str = ""
) -> str:
    arguments: Arguments = {}
    for member, argument in found.arguments.items():
        if member in parameters:
            arguments[argument] = _value(argument, parameters[member], region, account_id)
    arguments.update(found.also(parameters))
    if after:
        arguments["depends_on"] = Raw(f"[{after}]")
    text = f'{found.kind} "{found.type}" "{label}" {_body(arguments, 0)}'
    beside = found.beside(parameters)
    if not found.part_of:
        return f"{beside}\n\n{text}" if beside else text
    note = _("An argument of the resource that is there, beside those it has. One made elsewhere is taken over first:")
    identity = parameters[found.identity]
    if not found.identity.endswith("Arn"):
        identity = identity.rpartition("/")[2]
    shown = f"# {note}\n# terraform import {found.type}.{label} {identity}\n{text}"
    return f"{beside}\n\n{shown}" if beside else shown


def provider(region: str, endpoint: str) -> str:
    lines = ['provider "aws" {', f"  region = {_text(region)}"]
    if endpoint:
        lines += [
            "  skip_metadata_api_check = true",
            "  endpoints {",
            *(f"    {name} = {_text(endpoint)}" for name in ("iam", "kms", "sts")),
            "  }",
        ]
    return "\n".join([*lines, "}"])


def _value(argument: str, value: Any, region: str, account_id: str) -> Any:
    if argument in ("policy", "assume_role_policy"):
        try:
            document = json.loads(value)
            return Raw(f"jsonencode({expression(document, 1)})") if is_unicode(document) else value
        except (ValueError, RecursionError):
            return value  # refused by AWS all the same; the request is shown as it is
    if argument == "primary_key_arn" and not value.startswith("arn:"):
        return f"arn:aws:kms:{region}:{account_id}:key/{value}"
    return value


def _body(arguments: Mapping[str, Any], depth: int) -> str:
    inner = "  " * (depth + 1)
    lines = []
    width = max((len(name) for name, value in arguments.items() if not isinstance(value, Block)), default=0)
    for name, value in arguments.items():
        if isinstance(value, Block):
            lines.append(f"{inner}{name} {_body(value, depth + 1)}")
        else:
            lines.append(f"{inner}{name:<{width}} = {expression(value, depth + 1)}")
    return "{\n" + "\n".join(lines) + "\n" + "  " * depth + "}" if lines else "{}"


def expression(value: Any, depth: int = 0) -> str:
    """A value in Terraform's language. Maps have quoted keys, so that any name can be one."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, bytes):
        import base64

        return _text(base64.b64encode(value).decode())
    if value is None:
        return "null"
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, Mapping):
        items = [f"{inner}{_text(str(name))} = {expression(each, depth + 1)}" for name, each in value.items()]
        return "{\n" + "\n".join(items) + f"\n{outer}}}" if items else "{}"
    if isinstance(value, list | tuple):
        if len(value) < 2:
            return f"[{', '.join(expression(each, depth) for each in value)}]"
        return "[\n" + "".join(f"{inner}{expression(each, depth + 1)},\n" for each in value) + f"{outer}]"
    return _text(str(value))


def _text(value: str) -> str:
    """A quoted text: escapes as in JSON, and Terraform's two template openers made harmless."""
    quoted = json.dumps(value, ensure_ascii=False).replace("\\b", "\\u0008").replace("\\f", "\\u000c")
    return quoted.replace("${", "$${").replace("%{", "%%{")
