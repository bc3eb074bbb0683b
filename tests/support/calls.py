"""A call of each operation that succeeds: an account with an object of each kind, and the parameters that name them.

What a call uses up (a key to delete, a grant to retire) is made anew by each `sound`; what it only looks at is made once.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from engine.service import operations
from engine.wire.services import model
from tests.conftest import TestUser
from tests.support import credential_calls, identity_providers
from tests.support.members import sample

ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]})
TRUST = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
)
EVERY = [(name, operation) for name, table in operations().items() for operation in table]

Parameters = dict[str, Any]
_MATERIAL = ("ImportToken", "EncryptedKeyMaterial")


def text(blob: bytes) -> str:
    return base64.b64encode(blob).decode()


class Calls:
    """Sound parameters of every operation, for calls by `user`, an administrator."""

    def __init__(self, user: TestUser) -> None:
        self.user = user
        self._numbers = itertools.count(1)
        self.kms, self.iam = user.client("kms"), user.client("iam")

    def sound(self, name: str, operation: str) -> Parameters:
        """Parameters in JSON's types."""
        shape = model(name).operation_model(operation).input_shape
        if shape is None:
            return {}
        own = _OWN.get(operation, lambda calls: {})(self)
        needed = {each: shape.members[each] for each in shape.required_members if each not in own}
        return {**{each: sample(member, each, self.given) for each, member in needed.items()}, **own}

    @cached_property
    def given(self) -> Parameters:
        """What members are called that mean the same in every operation."""
        policy = self.policy()
        return {
            "KeyId": self.symmetric,
            "TargetKeyId": self.symmetric,
            "GranteePrincipal": self.user.account.root_arn,
            "RetiringPrincipal": self.user.arn,
            "Principal": self.user.account.root_arn,
            "Operations": ["Encrypt"],
            "GrantTokens": [self.grant()["GrantToken"]],
            "NextToken": text(b"events|1"),
            "Marker": text(b"x"),
            "Plaintext": text(b"secret"),
            "Message": text(b"m" * 32),
            "MessageType": "RAW",
            "MacAlgorithm": "HMAC_SHA_256",
            "SigningAlgorithm": "ECDSA_SHA_256",
            "KeyPairSpec": "ECC_NIST_P256",
            "WrappingAlgorithm": "RSAES_OAEP_SHA_256",
            "WrappingKeySpec": "RSA_2048",
            "ReplicaRegion": "eu-west-1",
            "NumberOfBytes": 32,
            "AccountAlias": f"account-{self.user.account.account_id}",  # one name for all accounts of an installation
            "UserName": self.made_user(),
            "GroupName": self.group(),
            "RoleName": self.role(),
            "PolicyArn": policy,
            "PermissionsBoundary": policy,
            "RoleArn": f"arn:aws:iam::{self.user.account.account_id}:role/{self.role()}",
            "PolicySourceArn": self.user.arn,
            "CallerArn": self.user.arn,
            "AccessKeyId": self.user.access_key_id,
            "VersionId": "v1",
            "AWSServiceName": "autoscaling.amazonaws.com",
            "InstanceProfileName": self.instance_profile(),
            "OpenIDConnectProviderArn": self.oidc_provider(),
            "SAMLProviderArn": self.saml_provider(),
            "SAMLMetadataDocument": identity_providers.metadata(),
            "ThumbprintList": ["a" * 40],
            "AssertionEncryptionMode": "Allowed",
            "PolicyDocument": ALLOW,
            "AssumeRolePolicyDocument": TRUST,
            "PolicyInputList": [ALLOW],
            "PermissionsBoundaryPolicyInputList": [ALLOW],
            "ActionNames": ["kms:Encrypt"],
            "ResourceArns": ["*"],
            "ResourcePolicy": TRUST.replace("sts:AssumeRole", "kms:*").replace("}]", ', "Resource": "*"}]'),
            "ResourceOwner": self.user.account.root_arn,
            "Password": "correct horse battery",
            "NewPassword": "correct horse battery",
        }

    def name(self) -> str:
        return f"n{next(self._numbers)}"

    def key(self, **parameters: Any) -> str:
        return str(self.kms.create_key(**parameters)["KeyMetadata"]["KeyId"])

    @cached_property
    def symmetric(self) -> str:
        return self.key()

    @cached_property
    def external(self) -> str:
        return self.key(Origin="EXTERNAL")

    @cached_property
    def signing(self) -> str:
        return self.key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")

    @cached_property
    def agreement(self) -> str:
        return self.key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")

    @cached_property
    def mac(self) -> str:
        return self.key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")

    @cached_property
    def kem(self) -> str:
        return self.key(KeySpec="ML_KEM_768", KeyUsage="ENCAPSULATE_DECAPSULATE")

    @cached_property
    def ciphertext(self) -> str:
        return text(self.kms.encrypt(KeyId=self.symmetric, Plaintext=b"secret")["CiphertextBlob"])

    def doomed(self) -> str:
        key = self.key()
        self.kms.schedule_key_deletion(KeyId=key)
        return key

    def multi_region(self, *regions: str) -> str:
        key = self.key(MultiRegion=True)
        for region in regions:
            self.kms.replicate_key(KeyId=key, ReplicaRegion=region)
        if regions:
            self.user.account.move_clock(seconds=2)  # until none is Creating
        return key

    def alias(self) -> str:
        name = f"alias/{self.name()}"
        self.kms.create_alias(AliasName=name, TargetKeyId=self.symmetric)
        return name

    def account_alias(self) -> Parameters:
        name = f"alias-{self.user.account.account_id}"
        self.iam.create_account_alias(AccountAlias=name)
        return {"AccountAlias": name}

    def grant(self) -> Parameters:
        made = self.kms.create_grant(
            KeyId=self.symmetric, GranteePrincipal=self.user.account.root_arn, Operations=["Encrypt"]
        )
        return {"GrantToken": made["GrantToken"], "GrantId": made["GrantId"]}

    @cached_property
    def material(self) -> Parameters:
        """What imports material into `external`, as often as it is sent."""
        given = self.kms.get_parameters_for_import(
            KeyId=self.external, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
        )
        wrapping: Any = serialization.load_der_public_key(given["PublicKey"])
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        return {
            "KeyId": self.external,
            "ImportToken": text(given["ImportToken"]),
            "EncryptedKeyMaterial": text(wrapping.encrypt(b"k" * 32, oaep)),
            "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
        }

    def imported(self) -> Parameters:
        sent = {**self.material, **{name: base64.b64decode(self.material[name]) for name in _MATERIAL}}
        self.kms.import_key_material(**sent)
        return {"KeyId": self.external}

    def signature(self) -> str:
        sent = {"KeyId": self.signing, "Message": b"m" * 32, "SigningAlgorithm": "ECDSA_SHA_256"}
        return text(self.kms.sign(**sent)["Signature"])

    def mac_value(self) -> str:
        return text(self.kms.generate_mac(KeyId=self.mac, Message=b"m" * 32, MacAlgorithm="HMAC_SHA_256")["Mac"])

    def made_user(self) -> str:
        name = self.name()
        self.iam.create_user(UserName=name)
        return name

    def instance_profile(self, role: str = "") -> str:
        name = self.name()
        self.iam.create_instance_profile(InstanceProfileName=name)
        if role:
            self.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role)
        return name

    def oidc_provider(self) -> str:
        made = self.iam.create_open_id_connect_provider(Url=f"https://{self.name()}.example.com", ClientIDList=["a"])
        return str(made["OpenIDConnectProviderArn"])

    def saml_provider(self) -> str:
        made = self.iam.create_saml_provider(Name=self.name(), SAMLMetadataDocument=identity_providers.metadata())
        return str(made["SAMLProviderArn"])

    def _trusting(self, provider: str, action: str) -> str:
        statement = {"Effect": "Allow", "Principal": {"Federated": provider}, "Action": action}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        made = self.iam.create_role(RoleName=self.name(), AssumeRolePolicyDocument=document)
        return str(made["Role"]["Arn"])

    def web_identity(self) -> Parameters:
        provider = self.oidc_provider()
        issuer = "https://" + provider.partition("/")[2]
        identity_providers.give_keys(self.user.account.account_id, issuer)
        return {
            "RoleArn": self._trusting(provider, "sts:AssumeRoleWithWebIdentity"),
            "WebIdentityToken": identity_providers.token(iss=issuer, aud="a"),
        }

    def saml(self) -> Parameters:
        provider = self.saml_provider()
        role = self._trusting(provider, "sts:AssumeRoleWithSAML")
        return {
            "RoleArn": role,
            "PrincipalArn": provider,
            "SAMLAssertion": identity_providers.response(role, provider),
        }

    def profile_with_role(self) -> Parameters:
        role = self.role()
        return {"InstanceProfileName": self.instance_profile(role), "RoleName": role}

    def linked_role(self) -> str:
        made = self.iam.create_service_linked_role(AWSServiceName="autoscaling.amazonaws.com", CustomSuffix=self.name())
        return str(made["Role"]["RoleName"])

    def deletion(self) -> Parameters:
        return {"DeletionTaskId": self.iam.delete_service_linked_role(RoleName=self.linked_role())["DeletionTaskId"]}

    def group(self) -> str:
        name = self.name()
        self.iam.create_group(GroupName=name)
        return name

    def role(self) -> str:
        name = self.name()
        self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
        return name

    def policy(self, versions: int = 1) -> str:
        arn = str(self.iam.create_policy(PolicyName=self.name(), PolicyDocument=ALLOW)["Policy"]["Arn"])
        for _ in range(versions - 1):
            self.iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOW, SetAsDefault=True)
        return arn

    def login(self) -> str:
        name = self.made_user()
        self.iam.create_login_profile(UserName=name, Password="correct horse battery")
        return name

    def access_key(self) -> Parameters:
        name = self.made_user()
        return {
            "UserName": name,
            "AccessKeyId": self.iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"],
        }

    def member(self) -> Parameters:
        group, user = self.group(), self.made_user()
        self.iam.add_user_to_group(GroupName=group, UserName=user)
        return {"GroupName": group, "UserName": user}

    def inline(self, kind: str) -> Parameters:
        """A user, group or role with an inline policy."""
        named = {kind: {"UserName": self.made_user, "GroupName": self.group, "RoleName": self.role}[kind]()}
        put = {
            "UserName": self.iam.put_user_policy,
            "GroupName": self.iam.put_group_policy,
            "RoleName": self.iam.put_role_policy,
        }[kind]
        put(**named, PolicyName="inline", PolicyDocument=ALLOW)
        return {**named, "PolicyName": "inline"}

    def attached(self, kind: str) -> Parameters:
        named = {kind: {"UserName": self.made_user, "GroupName": self.group, "RoleName": self.role}[kind]()}
        attach = {
            "UserName": self.iam.attach_user_policy,
            "GroupName": self.iam.attach_group_policy,
            "RoleName": self.iam.attach_role_policy,
        }[kind]
        attach(**named, PolicyArn=self.policy())
        arn = self.iam.list_policies(Scope="Local", OnlyAttached=True)["Policies"][-1]["Arn"]
        return {**named, "PolicyArn": arn}


def _alias_for(calls: Calls) -> Parameters:
    return {"AliasName": f"alias/{calls.name()}"}


# Operation → the parameters that are its own. What is not here has what `Calls.given` and the model say.
_OWN: dict[str, Callable[[Calls], Parameters]] = {
    **credential_calls.OWN,
    "CancelKeyDeletion": lambda calls: {"KeyId": calls.doomed()},
    "ChangePassword": lambda calls: {"OldPassword": calls.user.password, "NewPassword": calls.user.password},
    "CreateAlias": _alias_for,
    "CreateGrant": lambda calls: {"GranteePrincipal": calls.user.account.root_arn},
    "CreateCustomKeyStore": lambda calls: {"CustomKeyStoreName": calls.name()},
    "CreateGroup": lambda calls: {"GroupName": calls.name()},
    "CreateLoginProfile": lambda calls: {"UserName": calls.made_user(), "Password": "correct horse battery"},
    "CreateAccessKey": lambda calls: {"UserName": calls.made_user()},
    "CreatePolicy": lambda calls: {"PolicyName": calls.name()},
    "CreatePolicyVersion": lambda calls: {"PolicyArn": calls.policy()},
    "CreateRole": lambda calls: {"RoleName": calls.name()},
    "CreateUser": lambda calls: {"UserName": calls.name()},
    "AddRoleToInstanceProfile": lambda calls: {"InstanceProfileName": calls.instance_profile()},
    "CreateInstanceProfile": lambda calls: {"InstanceProfileName": calls.name()},
    "AssumeRoleWithSAML": Calls.saml,
    "AssumeRoleWithWebIdentity": Calls.web_identity,
    "CreateOpenIDConnectProvider": lambda calls: {"Url": f"https://{calls.name()}.example.com"},
    "CreateSAMLProvider": lambda calls: {"Name": calls.name()},
    "DeleteOpenIDConnectProvider": lambda calls: {"OpenIDConnectProviderArn": calls.oidc_provider()},
    "DeleteSAMLProvider": lambda calls: {"SAMLProviderArn": calls.saml_provider()},
    "CreateServiceLinkedRole": lambda calls: {"CustomSuffix": calls.name()},
    "DeleteInstanceProfile": lambda calls: {"InstanceProfileName": calls.instance_profile()},
    "DeleteServiceLinkedRole": lambda calls: {"RoleName": calls.linked_role()},
    "GetServiceLinkedRoleDeletionStatus": Calls.deletion,
    "RemoveRoleFromInstanceProfile": Calls.profile_with_role,
    "Decapsulate": lambda calls: {
        "KeyId": calls.kem,
        "EncapsulationAlgorithm": "ML_KEM",
        "SharedSecretCiphertextBlob": text(
            calls.kms.encapsulate(KeyId=calls.kem, EncapsulationAlgorithm="ML_KEM")["SharedSecretCiphertextBlob"]
        ),
    },
    "Decrypt": lambda calls: {"CiphertextBlob": calls.ciphertext},
    "DeleteAccessKey": Calls.access_key,
    "DeleteAlias": lambda calls: {"AliasName": calls.alias()},
    "DeleteAccountAlias": Calls.account_alias,
    "DeleteGroup": lambda calls: {"GroupName": calls.group()},
    "DeleteImportedKeyMaterial": Calls.imported,
    "DeleteLoginProfile": lambda calls: {"UserName": calls.login()},
    "DeletePolicy": lambda calls: {"PolicyArn": calls.policy()},
    "DeletePolicyVersion": lambda calls: {"PolicyArn": calls.policy(2), "VersionId": "v1"},
    "DeleteRole": lambda calls: {"RoleName": calls.role()},
    "DeleteUser": lambda calls: {"UserName": calls.made_user()},
    "DeriveSharedSecret": lambda calls: {
        "KeyId": calls.agreement,
        "KeyAgreementAlgorithm": "ECDH",
        "PublicKey": text(calls.kms.get_public_key(KeyId=calls.agreement)["PublicKey"]),
    },
    "GenerateRandom": lambda calls: {"NumberOfBytes": 32},
    "ListRetirableGrants": lambda calls: {"RetiringPrincipal": calls.user.arn},
    "DisableKey": lambda calls: {"KeyId": calls.key()},
    "Encapsulate": lambda calls: {"KeyId": calls.kem, "EncapsulationAlgorithm": "ML_KEM"},
    "GenerateDataKey": lambda calls: {"KeySpec": "AES_256"},
    "GenerateDataKeyWithoutPlaintext": lambda calls: {"KeySpec": "AES_256"},
    "GenerateMac": lambda calls: {"KeyId": calls.mac},
    "GetAccountAuthorizationDetails": lambda calls: {"MaxItems": 3},
    "ListPolicies": lambda calls: {"MaxItems": 3},
    "GetLoginProfile": lambda calls: {"UserName": calls.login()},
    "GetParametersForImport": lambda calls: {"KeyId": calls.external},
    "GetPublicKey": lambda calls: {"KeyId": calls.signing},
    "ImportKeyMaterial": lambda calls: calls.material,
    "PutKeyPolicy": lambda calls: {
        "KeyId": calls.key(),
        "Policy": calls.kms.get_key_policy(KeyId=calls.symmetric, PolicyName="default")["Policy"],
    },
    "ReEncrypt": lambda calls: {"CiphertextBlob": calls.ciphertext, "DestinationKeyId": calls.symmetric},
    "RemoveUserFromGroup": Calls.member,
    "ReplicateKey": lambda calls: {"KeyId": calls.multi_region()},
    "RetireGrant": lambda calls: {"GrantToken": calls.grant()["GrantToken"]},
    "RevokeGrant": lambda calls: {"KeyId": calls.symmetric, "GrantId": calls.grant()["GrantId"]},
    "RotateKeyOnDemand": lambda calls: {"KeyId": calls.key()},
    "ScheduleKeyDeletion": lambda calls: {"KeyId": calls.key()},
    "Sign": lambda calls: {"KeyId": calls.signing},
    "UpdateAccessKey": Calls.access_key,
    "UpdateAlias": lambda calls: {"AliasName": calls.alias()},
    "UpdateAssumeRolePolicy": lambda calls: {"PolicyDocument": TRUST},
    "UpdateGroup": lambda calls: {"GroupName": calls.group()},
    "UpdateLoginProfile": lambda calls: {"UserName": calls.login()},
    "UpdatePrimaryRegion": lambda calls: {"KeyId": calls.multi_region("eu-west-1"), "PrimaryRegion": "eu-west-1"},
    "UpdateSAMLProvider": lambda calls: {"AssertionEncryptionMode": "Allowed"},
    "UpdateUser": lambda calls: {"UserName": calls.made_user()},
    "Verify": lambda calls: {"KeyId": calls.signing, "Signature": calls.signature()},
    "VerifyMac": lambda calls: {"KeyId": calls.mac, "Mac": calls.mac_value()},
    **{f"{verb}{kind}Policy": (lambda calls, kind=kind: calls.inline(f"{kind}Name"))
       for verb in ("Get", "Delete") for kind in ("User", "Group", "Role")},
    **{f"Detach{kind}Policy": (lambda calls, kind=kind: calls.attached(f"{kind}Name"))
       for kind in ("User", "Group", "Role")},
}  # fmt: skip
