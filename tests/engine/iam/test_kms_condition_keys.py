"""Each condition key of KMS through the real API: a call is let through when the key has the value, and denied when it has another.

Source: Service Authorization Reference, "Condition keys for AWS KMS", with the keys for grants of the KMS Developer Guide. Not here:
kms:RecipientAttestation:*, because requests of Nitro Enclaves are refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from tests.conftest import TestAccount, TestUser, new_account


@dataclass
class Lab:
    """An account, a user whose one policy the tests change, and keys of every kind."""

    account: TestAccount
    user: TestUser
    keys: dict[str, str]
    blob: bytes

    def allow(self, condition: dict[str, Any]) -> None:
        """Let the user do what it likes with KMS, under one condition."""
        statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": condition}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.account.client("iam").put_user_policy(UserName=self.user.name, PolicyName="test", PolicyDocument=document)


@pytest.fixture(scope="module")
def lab(prepared: Path) -> Lab:
    account = new_account()
    kms = account.client()
    made: dict[str, dict[str, Any]] = {
        "symmetric": {"Tags": [{"TagKey": "team", "TagValue": "blue"}]},
        "second": {},
        "regional": {"MultiRegion": True},
        "signing": {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
        "rsa": {"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"},
        "mac": {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
        "agreement": {"KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT"},
        "external": {"Origin": "EXTERNAL"},
    }
    keys = {name: account.create_key(**parameters) for name, parameters in made.items()}
    kms.create_alias(AliasName="alias/app", TargetKeyId=keys["symmetric"])
    blob = kms.encrypt(KeyId=keys["symmetric"], Plaintext=b"x")["CiphertextBlob"]
    return Lab(account, account.create_user("ann"), keys, blob)


def encrypt(lab: Lab, kms: Any, **more: Any) -> Any:
    return kms.encrypt(**{"KeyId": lab.keys["symmetric"], "Plaintext": b"x", **more})


def sign(lab: Lab, kms: Any) -> Any:
    return kms.sign(KeyId=lab.keys["signing"], Message=b"x", SigningAlgorithm="ECDSA_SHA_256", MessageType="RAW")


def grant(lab: Lab, kms: Any, **more: Any) -> Any:
    wanted = {"GranteePrincipal": lab.account.administrator.arn, "Operations": ["Encrypt", "Decrypt"], **more}
    return kms.create_grant(KeyId=lab.keys["symmetric"], **wanted)


def for_service(lab: Lab, kms: Any, **more: Any) -> Any:
    wanted = {"GranteeServicePrincipal": "s3.amazonaws.com", "Operations": ["Encrypt"], **more}
    if "Constraints" not in wanted:
        wanted["Constraints"] = {"SourceArn": "arn:aws:sns:us-east-1:111122223333:topic"}
    return kms.create_grant(KeyId=lab.keys["symmetric"], **wanted)


def agree(lab: Lab, kms: Any) -> Any:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return kms.derive_shared_secret(KeyId=lab.keys["agreement"], KeyAgreementAlgorithm="ECDH", PublicKey=der)


def import_parameters(lab: Lab, kms: Any) -> Any:
    wanted = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
    return kms.get_parameters_for_import(KeyId=lab.keys["external"], **wanted)


def import_material(lab: Lab, kms: Any) -> Any:
    key = lab.account.create_key(Origin="EXTERNAL")
    given = lab.account.client().get_parameters_for_import(
        KeyId=key, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
    )
    public: Any = load_der_public_key(given["PublicKey"])
    wrapped = public.encrypt(os.urandom(32), padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    return kms.import_key_material(
        KeyId=key,
        ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=wrapped,
        ExpirationModel="KEY_MATERIAL_EXPIRES",
        ValidTo=datetime.now(UTC) + timedelta(days=30),
    )


def replicate(lab: Lab, kms: Any) -> Any:
    key = lab.account.create_key(MultiRegion=True)
    return kms.replicate_key(KeyId=key, ReplicaRegion="eu-west-1")


def move_primary(lab: Lab, kms: Any) -> Any:
    key = lab.account.create_key(MultiRegion=True)
    lab.account.client().replicate_key(KeyId=key, ReplicaRegion="eu-west-1")
    lab.account.move_clock(minutes=10)
    return kms.update_primary_region(KeyId=key, PrimaryRegion="eu-west-1")


def put_policy(lab: Lab, kms: Any) -> Any:
    key = lab.account.create_key()
    policy = lab.account.client().get_key_policy(KeyId=key)["Policy"]
    return kms.put_key_policy(KeyId=key, Policy=policy, BypassPolicyLockoutSafetyCheck=True)


def re_encrypt(lab: Lab, kms: Any, destination: str = "second") -> Any:
    return kms.re_encrypt(CiphertextBlob=lab.blob, DestinationKeyId=lab.keys[destination])


def tagged(lab: Lab, kms: Any) -> Any:
    return kms.tag_resource(KeyId=lab.keys["second"], Tags=[{"TagKey": "team", "TagValue": "blue"}])


Call = Callable[[Lab, Any], Any]


def on(name: str, operation: str, **more: Any) -> Call:
    """A call of an operation on one of the lab's keys."""
    return lambda lab, kms: getattr(kms, operation)(KeyId=lab.keys[name], **more)


def new(**more: Any) -> Call:
    return lambda lab, kms: kms.create_key(**more)


CONTEXT = {"AppName": "Shop", "Stage": "prod"}
with_context: Call = lambda lab, kms: encrypt(lab, kms, EncryptionContext=CONTEXT)  # noqa: E731
with_constraint: Call = lambda lab, kms: grant(lab, kms, Constraints={"EncryptionContextSubset": CONTEXT})  # noqa: E731


def retire(lab: Lab, kms: Any) -> Any:
    """A grant with a constraint, made by the administrator; neither its grantee nor its retiring principal is the caller."""
    made = with_constraint(lab, lab.account.client())
    return kms.retire_grant(KeyId=lab.keys["symmetric"], GrantId=made["GrantId"])


# fmt: off
# condition key, operator, a value with which the call is let through, one with which it is denied, the call
ROWS: list[tuple[str, str, Any, Any, Call]] = [
    ("kms:BypassPolicyLockoutSafetyCheck", "Bool", "true", "false", put_policy),
    ("kms:BypassPolicyLockoutSafetyCheck", "Bool", "true", "false", new(BypassPolicyLockoutSafetyCheck=True)),
    ("kms:CallerAccount", "StringEquals", "ACCOUNT", "111122223333", encrypt),
    ("kms:CallerAccount", "StringEquals", "ACCOUNT", "111122223333", lambda lab, kms: kms.describe_custom_key_stores()),
    ("kms:CallerAccount", "Null", "true", "false", lambda lab, kms: kms.list_keys()),
    ("kms:CallerAccount", "Null", "true", "false", lambda lab, kms: kms.list_aliases()),
    ("kms:CallerAccount", "Null", "true", "false", lambda lab, kms: kms.generate_random(NumberOfBytes=1)),
    ("kms:CallerAccount", "Null", "true", "false", new()),
    ("kms:CustomerMasterKeySpec", "StringEquals", "SYMMETRIC_DEFAULT", "RSA_2048", encrypt),
    ("kms:CustomerMasterKeyUsage", "StringEquals", "ENCRYPT_DECRYPT", "SIGN_VERIFY", encrypt),
    ("kms:DataKeyPairSpec", "StringEquals", "ECC_NIST_P256", "RSA_2048", on("symmetric", "generate_data_key_pair", KeyPairSpec="ECC_NIST_P256")),
    ("kms:EncryptionAlgorithm", "StringEquals", "SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_256", encrypt),
    ("kms:EncryptionAlgorithm", "StringEquals", "RSAES_OAEP_SHA_256", "SYMMETRIC_DEFAULT", on("rsa", "encrypt", Plaintext=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_256")),
    ("kms:EncryptionAlgorithm", "StringEquals", "SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", lambda lab, kms: kms.decrypt(CiphertextBlob=lab.blob)),
    ("kms:EncryptionAlgorithm", "StringEquals", "SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", on("symmetric", "generate_data_key", KeySpec="AES_256")),
    ("kms:EncryptionAlgorithm", "StringEquals", "SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", re_encrypt),
    ("kms:EncryptionContext:AppName", "StringEquals", "Shop", "shop", with_context),
    ("kms:EncryptionContext:appname", "StringEquals", "Shop", "Other", with_context),
    ("kms:EncryptionContext:AppName", "StringLike", "Sh*", "X*", with_context),
    ("kms:EncryptionContext:AppName", "Null", "false", "true", with_context),
    ("kms:EncryptionContext:AppName", "Null", "true", "false", encrypt),
    ("kms:EncryptionContextKeys", "ForAllValues:StringEquals", ["AppName", "Stage"], ["AppName"], with_context),
    ("kms:EncryptionContextKeys", "ForAnyValue:StringEquals", ["AppName"], ["appname"], with_context),
    ("kms:ExpirationModel", "StringEquals", "KEY_MATERIAL_EXPIRES", "KEY_MATERIAL_DOES_NOT_EXPIRE", import_material),
    ("kms:GrantConstraintType", "StringEquals", "EncryptionContextEquals", "EncryptionContextSubset", lambda lab, kms: grant(lab, kms, Constraints={"EncryptionContextEquals": {"a": "b"}})),
    ("kms:GrantConstraintType", "Null", "true", "false", grant),
    ("kms:EncryptionContext:AppName", "StringEquals", "Shop", "Other", with_constraint),
    ("kms:EncryptionContextKeys", "ForAllValues:StringEquals", ["AppName", "Stage"], ["AppName"], with_constraint),
    ("kms:EncryptionContextKeys", "Null", "true", "false", grant),
    ("kms:GrantConstraintType", "StringEquals", "EncryptionContextSubset", "EncryptionContextEquals", retire),
    ("kms:EncryptionContext:AppName", "StringEquals", "Shop", "Other", retire),
    ("kms:EncryptionContextKeys", "ForAnyValue:StringEquals", ["Stage"], ["Other"], retire),
    ("kms:GrantIsForAWSResource", "Bool", "false", "true", grant),
    ("kms:GrantIsForAWSResource", "Bool", "false", "true", on("symmetric", "list_grants")),
    ("kms:GrantOperations", "ForAllValues:StringEquals", ["Encrypt", "Decrypt", "Sign"], ["Encrypt"], grant),
    ("kms:GrantOperations", "ForAnyValue:StringEquals", ["Decrypt"], ["CreateGrant"], grant),
    ("kms:GranteePrincipal", "StringEquals", "ADMIN", "arn:aws:iam::111122223333:user/x", grant),
    ("kms:GranteeServicePrincipal", "StringEquals", "s3.amazonaws.com", "ec2.amazonaws.com", for_service),
    ("kms:RetiringServicePrincipal", "StringEquals", "s3.amazonaws.com", "ec2.amazonaws.com", lambda lab, kms: for_service(lab, kms, RetiringServicePrincipal="s3.amazonaws.com")),
    ("kms:GrantConstraintSourceArn", "ArnLike", "arn:aws:sns:*:*:class-*", "arn:aws:sns:*:*:other", lambda lab, kms: for_service(lab, kms, Constraints={"SourceArn": "arn:aws:sns:us-east-1:111122223333:class-1"})),
    ("kms:RetiringPrincipal", "StringEquals", "ADMIN", "arn:aws:iam::111122223333:user/x", lambda lab, kms: grant(lab, kms, RetiringPrincipal=lab.account.administrator.arn)),
    ("kms:KeyAgreementAlgorithm", "StringEquals", "ECDH", "OTHER", agree),
    ("kms:KeyOrigin", "StringEquals", "AWS_KMS", "EXTERNAL", encrypt),
    ("kms:KeyOrigin", "StringEquals", "EXTERNAL", "AWS_KMS", new(Origin="EXTERNAL")),
    ("kms:KeySpec", "StringEquals", "SYMMETRIC_DEFAULT", "RSA_2048", encrypt),
    ("kms:KeySpec", "StringLike", "ECC_*", "RSA_*", new(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")),
    ("kms:KeySpec", "StringEquals", "SYMMETRIC_DEFAULT", "RSA_2048", new()),
    ("kms:KeyUsage", "StringEquals", "SIGN_VERIFY", "ENCRYPT_DECRYPT", sign),
    ("kms:KeyUsage", "StringEquals", "ENCRYPT_DECRYPT", "SIGN_VERIFY", new()),
    ("kms:MacAlgorithm", "StringEquals", "HMAC_SHA_256", "HMAC_SHA_512", on("mac", "generate_mac", Message=b"x", MacAlgorithm="HMAC_SHA_256")),
    ("kms:MessageType", "StringEquals", "RAW", "DIGEST", sign),
    ("kms:MultiRegion", "Bool", "true", "false", on("regional", "describe_key")),
    ("kms:MultiRegion", "Bool", "false", "true", on("symmetric", "describe_key")),
    ("kms:MultiRegion", "Bool", "true", "false", new(MultiRegion=True)),
    ("kms:MultiRegionKeyType", "StringEquals", "PRIMARY", "REPLICA", on("regional", "describe_key")),
    ("kms:PrimaryRegion", "StringEquals", "eu-west-1", "us-east-1", move_primary),
    ("kms:ReEncryptOnSameKey", "Bool", "false", "true", re_encrypt),
    ("kms:ReEncryptOnSameKey", "Bool", "true", "false", lambda lab, kms: re_encrypt(lab, kms, "symmetric")),
    ("kms:ReplicaRegion", "StringEquals", ["eu-west-1", "eu-west-2"], "us-west-2", replicate),
    ("kms:RequestAlias", "StringEquals", "alias/app", "alias/other", lambda lab, kms: encrypt(lab, kms, KeyId="alias/app")),
    ("kms:RequestAlias", "StringLike", "alias/a*", "alias/b*", lambda lab, kms: kms.describe_key(KeyId=f"arn:aws:kms:us-east-1:{lab.account.account_id}:alias/app")),
    ("kms:RequestAlias", "Null", "true", "false", encrypt),
    ("kms:RequestAlias", "Null", "true", "false", lambda lab, kms: kms.create_alias(AliasName="alias/more", TargetKeyId=lab.keys["symmetric"])),
    ("kms:ResourceAliases", "ForAnyValue:StringEquals", "alias/app", "alias/other", encrypt),
    ("kms:ResourceAliases", "Null", "true", "false", on("second", "describe_key")),
    ("kms:RotationPeriodInDays", "NumericLessThanEquals", "180", "179", on("symmetric", "enable_key_rotation", RotationPeriodInDays=180)),
    ("kms:ScheduleKeyDeletionPendingWindowInDays", "NumericGreaterThanEquals", "20", "21", lambda lab, kms: kms.schedule_key_deletion(KeyId=lab.account.create_key(), PendingWindowInDays=20)),
    ("kms:SigningAlgorithm", "StringEquals", "ECDSA_SHA_256", "ECDSA_SHA_512", sign),
    ("kms:ValidTo", "DateGreaterThan", "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z", import_material),
    ("kms:ViaService", "Null", "true", "false", encrypt),
    ("kms:WrappingAlgorithm", "StringEquals", "RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1", import_parameters),
    ("kms:WrappingKeySpec", "StringEquals", "RSA_2048", "RSA_4096", import_parameters),
    ("aws:RequestTag/team", "StringEquals", "blue", "red", tagged),
    ("aws:RequestTag/team", "StringEquals", "blue", "red", new(Tags=[{"TagKey": "team", "TagValue": "blue"}])),
    ("aws:TagKeys", "ForAllValues:StringEquals", ["team", "stage"], ["stage"], tagged),
    ("aws:TagKeys", "ForAnyValue:StringEquals", "team", "stage", on("second", "untag_resource", TagKeys=["team"])),
    ("aws:ResourceTag/team", "StringEquals", "blue", "red", encrypt),
    ("aws:ResourceTag/TEAM", "StringEquals", "blue", "red", encrypt),
    ("aws:ResourceTag/team", "Null", "true", "false", on("regional", "describe_key")),
    ("aws:ResourceAccount", "StringEquals", "ACCOUNT", "111122223333", encrypt),
    ("aws:PrincipalArn", "ArnLike", "arn:aws:iam::*:user/a*", "arn:aws:iam::*:role/*", encrypt),
    ("aws:PrincipalAccount", "StringEquals", "ACCOUNT", "111122223333", encrypt),
    ("aws:PrincipalType", "StringEquals", "User", "AssumedRole", encrypt),
    ("aws:PrincipalIsAWSService", "Bool", "false", "true", encrypt),
    ("aws:username", "StringEquals", "ann", "bob", encrypt),
    ("aws:userid", "StringLike", "AIDA*", "AROA*", encrypt),
    ("aws:SourceIp", "IpAddress", "127.0.0.0/8", "203.0.113.0/24", encrypt),
    ("aws:SourceIp", "NotIpAddress", "203.0.113.0/24", "127.0.0.0/8", encrypt),
    ("aws:SecureTransport", "Bool", "false", "true", encrypt),
    ("aws:RequestedRegion", "StringEquals", "us-east-1", "eu-west-1", encrypt),
    ("aws:UserAgent", "StringLike", "*oto*", "curl*", encrypt),
    ("aws:ViaAWSService", "Bool", "false", "true", encrypt),
    ("aws:CalledVia", "Null", "true", "false", encrypt),
    ("aws:CurrentTime", "DateGreaterThan", "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z", encrypt),
    ("aws:EpochTime", "NumericGreaterThan", "1577836800", "4102444800", encrypt),
    ("aws:EpochTime", "DateLessThan", "2100-01-01T00:00:00Z", "2020-01-01T00:00:00Z", encrypt),
    ("aws:MultiFactorAuthPresent", "BoolIfExists", "true", ["neither"], encrypt),
    ("aws:MultiFactorAuthPresent", "Null", "true", "false", encrypt),
    ("aws:MultiFactorAuthAge", "Null", "true", "false", encrypt),
    ("aws:TokenIssueTime", "Null", "true", "false", encrypt),
    ("aws:SourceArn", "Null", "true", "false", encrypt),
    ("aws:SourceAccount", "Null", "true", "false", encrypt),
]
# fmt: on


def let_through(lab: Lab, call: Call) -> bool:
    try:
        call(lab, lab.user.client())
    except ClientError as reason:
        if reason.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return False
    return True


@pytest.mark.parametrize(("key", "operator", "right", "wrong", "call"), ROWS)
def test_a_condition_key_has_the_requests_value(
    lab: Lab, key: str, operator: str, right: Any, wrong: Any, call: Call
) -> None:
    known = {"ACCOUNT": lab.account.account_id, "ADMIN": lab.account.administrator.arn}
    lab.allow({operator: {key: known.get(right, right) if isinstance(right, str) else right}})
    assert let_through(lab, call)
    if wrong != ["neither"]:
        lab.allow({operator: {key: wrong}})
        assert not let_through(lab, call)


def test_only_the_clock_of_the_account_makes_a_dated_permission_end(prepared: Path) -> None:
    account = new_account()  # of its own: a clock does not go back
    lab = Lab(account, account.create_user("ann"), {"symmetric": account.create_key()}, b"")
    end = datetime.now(UTC) + timedelta(days=400)
    lab.allow({"DateLessThan": {"aws:CurrentTime": f"{end:%Y-%m-%dT%H:%M:%SZ}"}})
    assert let_through(lab, encrypt)
    account.move_clock(days=500)
    assert not let_through(lab, encrypt)
    lab.allow({})
    assert let_through(lab, encrypt)
