"""How each lesson is done, from its first step to its last, and a wrong path with what is said to it: for tests of the lessons."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from django.test import Client

from tests.conftest import TestAccount, TestUser

SECRET = b"the launch code is 1234"
ALIAS = "alias/sam-key"
OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)


@dataclass
class Learner:
    """A student with a browser, and a partner in the same account."""

    account: TestAccount
    user: TestUser
    browser: Client
    partner: TestUser
    slug: str = ""

    def __post_init__(self) -> None:
        self.kms: Any = self.user.client()
        self.arn = f"arn:aws:iam::{self.account.account_id}:user/{self.user.name}"

    def partner_arn(self) -> str:
        return f"arn:aws:iam::{self.account.account_id}:user/{self.partner.name}"

    def key(self, **parameters: Any) -> str:
        made: str = self.kms.create_key(**parameters)["KeyMetadata"]["KeyId"]
        return made

    def named_key(self) -> str:
        key = self.key()
        self.kms.create_alias(AliasName=ALIAS, TargetKeyId=key)
        return key

    def encrypt(self, key: str, **parameters: Any) -> bytes:
        sealed: bytes = self.kms.encrypt(KeyId=key, Plaintext=SECRET, **parameters)["CiphertextBlob"]
        return sealed

    def decrypt(self, sealed: bytes, **parameters: Any) -> bytes:
        opened: bytes = self.kms.decrypt(CiphertextBlob=sealed, **parameters)["Plaintext"]
        return opened

    def answer(self, step: str, *choices: int) -> None:
        answer = self.browser.post(f"/learn/{self.slug}/", {"step": step, "choice": [str(each) for each in choices]})
        assert answer.status_code == 302

    def policy(self, key: str, *statements: dict[str, Any]) -> str:
        """Adds statements to the key's policy; answers the one of before."""
        before: str = self.kms.get_key_policy(KeyId=key)["Policy"]
        document = json.loads(before)
        document["Statement"] += statements
        self.kms.put_key_policy(KeyId=key, Policy=json.dumps(document))
        return before

    def events_of(self, key: str) -> None:
        wanted = [{"AttributeKey": "ResourceName", "AttributeValue": key}]
        self.user.client("cloudtrail").lookup_events(LookupAttributes=wanted)


def refused(call: Callable[..., Any], **parameters: Any) -> None:
    with pytest.raises(ClientError):
        call(**parameters)


def deny_encrypt(learner: Learner, **condition: Any) -> dict[str, Any]:
    statement = {"Sid": "Not", "Effect": "Deny", "Principal": {"AWS": learner.arn}, "Action": "kms:Encrypt"}
    return {**statement, "Resource": "*", **({"Condition": condition} if condition else {})}


def what_is_kms(learner: Learner) -> None:
    learner.kms.generate_random(NumberOfBytes=32)
    wanted = [{"AttributeKey": "EventName", "AttributeValue": "GenerateRandom"}]
    learner.user.client("cloudtrail").lookup_events(LookupAttributes=wanted)
    learner.answer("managed", 2, 4)
    learner.answer("sensitive-data", 1, 2, 4, 5)
    learner.answer("when-to-use-it", 1, 3)


def managed_keys(learner: Learner) -> None:
    managed = learner.kms.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["KeyId"]
    own = learner.key()
    learner.kms.describe_key(KeyId=own)
    refused(learner.kms.disable_key, KeyId=managed)
    learner.kms.disable_key(KeyId=own)
    learner.kms.enable_key(KeyId=own)
    learner.answer("which-one", 1, 3, 4)


def first_key(learner: Learner) -> None:
    key = learner.named_key()
    learner.kms.tag_resource(KeyId=key, Tags=[{"TagKey": "owner", "TagValue": learner.user.name}])
    learner.policy(key)


def data_key(learner: Learner) -> None:
    key = learner.named_key()
    learner.decrypt(learner.kms.generate_data_key(KeyId=key, KeySpec="AES_256")["CiphertextBlob"])
    learner.kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")
    learner.answer("which-is-which", 2, 3)


def key_attributes(learner: Learner) -> None:
    key = learner.named_key()
    learner.kms.update_key_description(KeyId=key, Description="for training")
    learner.kms.disable_key(KeyId=key)
    learner.kms.describe_key(KeyId=key)
    learner.kms.enable_key(KeyId=key)
    refused(learner.kms.get_public_key, KeyId=key)
    learner.answer("no-way-out", 3, 4)


def users_and_a_group(learner: Learner) -> None:
    iam = learner.user.client("iam")
    iam.create_group(GroupName="MY-KMS-GROUP")
    policy = f"arn:aws:iam::{learner.account.account_id}:policy/practice/KeyStudent"
    iam.attach_group_policy(GroupName="MY-KMS-GROUP", PolicyArn=policy)
    iam.create_user(UserName="eve")
    iam.add_user_to_group(GroupName="MY-KMS-GROUP", UserName="eve")
    iam.create_access_key(UserName="eve")


def administrators_apart(learner: Learner) -> None:
    partner = learner.partner.client()
    allowed = (
        (learner.arn, ["kms:DescribeKey", "kms:PutKeyPolicy", "kms:DisableKey"]),
        (learner.partner_arn(), ["kms:Encrypt", "kms:Decrypt"]),
    )
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": actions, "Resource": "*"} for arn, actions in allowed
    ]
    key = learner.key(Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    refused(learner.kms.encrypt, KeyId=key, Plaintext=SECRET)
    partner.encrypt(KeyId=key, Plaintext=SECRET)
    refused(partner.disable_key, KeyId=key)
    learner.kms.disable_key(KeyId=key)


def _signed(learner: Learner) -> tuple[dict[str, Any], bytes]:
    key = learner.key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    asked = {"KeyId": key, "SigningAlgorithm": "ECDSA_SHA_256"}
    return asked, learner.kms.sign(**asked, Message=SECRET)["Signature"]


def asymmetric_keys(learner: Learner) -> None:
    asked, signature = _signed(learner)
    public: Any = serialization.load_der_public_key(learner.kms.get_public_key(KeyId=asked["KeyId"])["PublicKey"])
    public.verify(signature, SECRET, ec.ECDSA(hashes.SHA256()))
    learner.answer("what-openssl-says", 1)
    refused(learner.kms.verify, **asked, Message=b"forged", Signature=signature)
    key = learner.key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    outside: Any = serialization.load_der_public_key(learner.kms.get_public_key(KeyId=key)["PublicKey"])
    sealed = outside.encrypt(SECRET, OAEP)
    assert learner.decrypt(sealed, KeyId=key, EncryptionAlgorithm="RSAES_OAEP_SHA_256") == SECRET


def bring(learner: Learner, key: str, material: bytes) -> None:
    given = learner.kms.get_parameters_for_import(
        KeyId=key, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
    )
    wrapping: Any = serialization.load_der_public_key(given["PublicKey"])
    learner.kms.import_key_material(
        KeyId=key,
        ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=wrapping.encrypt(material, OAEP),
        ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
    )


def imported_material(learner: Learner) -> None:
    key = learner.key(Origin="EXTERNAL")
    bring(learner, key, bytes(32))
    sealed = learner.encrypt(key)
    learner.kms.delete_imported_key_material(KeyId=key)
    refused(learner.decrypt, sealed=sealed)
    bring(learner, key, bytes(32))
    assert learner.decrypt(sealed) == SECRET


def moved_alias(learner: Learner) -> None:
    learner.named_key()
    old = learner.encrypt(ALIAS)
    learner.kms.update_alias(AliasName=ALIAS, TargetKeyId=learner.key())
    learner.encrypt(ALIAS)
    assert learner.decrypt(old) == SECRET


def encrypt_a_secret(learner: Learner) -> None:
    learner.named_key()
    learner.user.client("sts").get_caller_identity()
    learner.decrypt(learner.encrypt(ALIAS))
    refused(learner.decrypt, sealed=learner.encrypt(ALIAS, EncryptionContext={"purpose": "lesson"}))


def rotation(learner: Learner) -> None:
    key = learner.named_key()
    old = learner.encrypt(key)
    learner.kms.rotate_key_on_demand(KeyId=key)
    learner.decrypt(old)
    learner.kms.enable_key_rotation(KeyId=key)


def disabled_key(learner: Learner) -> None:
    key = learner.named_key()
    learner.kms.disable_key(KeyId=key)
    refused(learner.encrypt, key=key)
    learner.kms.enable_key(KeyId=key)
    learner.encrypt(key)


def envelope(learner: Learner) -> None:
    key = learner.named_key()
    refused(learner.kms.encrypt, KeyId=key, Plaintext=bytes(5000))
    learner.decrypt(learner.kms.generate_data_key(KeyId=key, KeySpec="AES_256")["CiphertextBlob"])
    learner.browser.post("/lab/direct/", {"key": key, "size": "16384"})
    learner.answer("what-it-saves", 1, 2)


def encryption_context(learner: Learner) -> None:
    key = learner.named_key()
    context = {"customer": "17", "purpose": "lesson"}
    sealed = learner.encrypt(key, EncryptionContext=context)
    learner.decrypt(sealed, EncryptionContext=context)
    refused(learner.decrypt, sealed=sealed, EncryptionContext={**context, "customer": "18"})
    learner.policy(key, deny_encrypt(learner, StringNotEquals={"kms:EncryptionContext:purpose": "lesson"}))
    refused(learner.encrypt, key=key, EncryptionContext={"purpose": "party"})
    learner.encrypt(key, EncryptionContext={"purpose": "lesson"})
    learner.answer("is-it-secret", 1, 2)


def integrated_services(learner: Learner) -> None:
    key = learner.named_key()
    learner.browser.post("/lab/services/", {"apply": "1", "tick": "s3", "key-s3": key})
    learner.browser.post("/lab/services/", {"read": "s3"})
    learner.browser.post("/lab/services/", {"disable": "s3"})
    learner.answer("on-whose-behalf", 2, 3)
    learner.answer("what-stops", 1, 3)


def who_may_do_what(learner: Learner) -> None:
    key = learner.named_key()
    before = learner.policy(key, deny_encrypt(learner))
    refused(learner.encrypt, key=key)
    learner.answer("why", 2)
    learner.kms.put_key_policy(KeyId=key, Policy=before)
    learner.encrypt(key)
    grant = learner.kms.create_grant(KeyId=key, GranteePrincipal=learner.arn, Operations=["Decrypt"])["GrantId"]
    learner.kms.revoke_grant(KeyId=key, GrantId=grant)
    learner.answer("who-decides", 2)


def deletion(learner: Learner) -> None:
    key = learner.named_key()
    sealed = learner.encrypt(key)
    learner.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    refused(learner.decrypt, sealed=sealed)
    learner.events_of(key)
    learner.kms.cancel_key_deletion(KeyId=key)
    learner.kms.enable_key(KeyId=key)
    assert learner.decrypt(sealed) == SECRET
    learner.answer("what-is-lost", 1, 2, 4)


def audit_trail(learner: Learner) -> None:
    key = learner.named_key()
    events = learner.browser.get(f"/audit/?key={key}").context["events"]
    learner.browser.get(f"/audit/{events[0]['id']}/")
    learner.events_of(key)


def exam(learner: Learner) -> None:
    key = learner.key(Tags=[{"TagKey": "exam", "TagValue": "mine"}])
    context = {"purpose": "exam"}
    old = learner.encrypt(key, EncryptionContext=context)
    learner.decrypt(old, EncryptionContext=context)
    made = learner.kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")
    learner.decrypt(made["CiphertextBlob"])
    learner.kms.rotate_key_on_demand(KeyId=key)
    learner.decrypt(old, EncryptionContext=context)
    learner.kms.disable_key(KeyId=key)
    refused(learner.encrypt, key=key)
    learner.kms.enable_key(KeyId=key)
    asked, signature = _signed(learner)
    learner.kms.verify(**asked, Message=SECRET, Signature=signature)
    refused(learner.kms.verify, **asked, Message=b"forged", Signature=signature)
    for step, *choices in (("limit", 2), ("export", 2), ("delete", 3), ("decide", 1, 2, 4)):
        learner.answer(str(step), *choices)


# The lesson of custom key stores has a test of its own (test_key_store_lesson.py): it takes a token.
SOLUTIONS: dict[str, Callable[[Learner], None]] = {
    each.__name__.replace("_", "-"): each
    for each in (
        what_is_kms,
        managed_keys,
        first_key,
        data_key,
        key_attributes,
        users_and_a_group,
        administrators_apart,
        asymmetric_keys,
        imported_material,
        moved_alias,
        encrypt_a_secret,
        rotation,
        disabled_key,
        envelope,
        encryption_context,
        integrated_services,
        who_may_do_what,
        deletion,
        audit_trail,
        exam,
    )
}


def _encrypted_anew(learner: Learner) -> None:
    key = learner.named_key()
    learner.encrypt(key)
    learner.kms.rotate_key_on_demand(KeyId=key)
    learner.encrypt(key)


def _other_material(learner: Learner) -> None:
    key = learner.key(Origin="EXTERNAL")
    bring(learner, key, bytes(32))
    learner.encrypt(key)
    learner.kms.delete_imported_key_material(KeyId=key)
    refused(lambda: bring(learner, key, b"x" * 32))


def _named_the_alias(learner: Learner) -> None:
    learner.named_key()
    old = learner.encrypt(ALIAS)
    learner.kms.update_alias(AliasName=ALIAS, TargetKeyId=learner.key())
    refused(learner.kms.decrypt, KeyId=ALIAS, CiphertextBlob=old)


def _used_while_enabled(learner: Learner) -> None:
    key = learner.named_key()
    learner.kms.disable_key(KeyId=key)
    learner.encrypt(learner.key())


def _may_use_as_well(learner: Learner) -> None:
    key = learner.named_key()
    everything = {"Effect": "Allow", "Principal": {"AWS": learner.arn}, "Resource": "*"}
    learner.policy(key, {**everything, "Action": ["kms:PutKeyPolicy", "kms:Encrypt"]})
    learner.encrypt(key)


def _denied_to_another(learner: Learner) -> None:
    key = learner.named_key()
    learner.policy(key, {**deny_encrypt(learner), "Principal": {"AWS": learner.partner_arn()}})
    learner.encrypt(key)


def _still_disabled(learner: Learner) -> None:
    key = learner.named_key()
    sealed = learner.encrypt(key)
    learner.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    learner.kms.cancel_key_deletion(KeyId=key)
    refused(learner.decrypt, sealed=sealed)


def _in_the_console(learner: Learner) -> None:
    key = learner.named_key()
    learner.browser.post("/play/encrypt/", {"run": "1", "KeyId": key, "Plaintext": "x", "Plaintext_as": "text"})


def _without_context(learner: Learner) -> None:
    key = learner.named_key()
    refused(learner.decrypt, sealed=learner.encrypt(key, EncryptionContext={"customer": "17"}))


def _verified(learner: Learner) -> None:
    asked, signature = _signed(learner)
    learner.kms.verify(**asked, Message=SECRET, Signature=signature)


# Lesson → (what is done wrong, the step, what the hint begins with).
WRONG_PATHS: dict[str, tuple[Callable[[Learner], Any], str, str]] = {
    "what-is-kms": (lambda learner: learner.answer("managed", 1, 3), "managed", "What has to do with machines"),
    "managed-keys": (
        lambda learner: learner.kms.disable_key(KeyId=learner.named_key()),
        "cannot-disable",
        "This call was answered, so it was not about the AWS managed key",
    ),
    "first-key": (
        lambda learner: learner.key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT"),
        "create-key",
        "You made a key of another kind",
    ),
    "data-key": (
        lambda learner: learner.kms.generate_data_key(KeyId=learner.named_key(), KeySpec="AES_256"),
        "without-plaintext",
        "That was GenerateDataKey",
    ),
    "key-attributes": (
        lambda learner: learner.kms.get_public_key(KeyId=learner.key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")),
        "export",
        "This key has a public half",
    ),
    "users-and-a-group": (
        lambda learner: refused(learner.user.client("iam").create_group, GroupName="MY KMS GROUP"),
        "create-group",
        "IAM does not take this name",
    ),
    "administrators-apart": (_may_use_as_well, "cannot-use", "This call was answered: the policy lets you use"),
    "asymmetric-keys": (_verified, "verify-a-forgery", "This signature is right"),
    "imported-material": (_other_material, "bring-back", "This is not the material that the key had"),
    "moved-alias": (_named_the_alias, "open-old", "You named the alias"),
    "encrypt-a-secret": (_in_the_console, "encrypt", "That was the console"),
    "rotation": (_encrypted_anew, "decrypt-old", "Since the rotation you have encrypted"),
    "disabled-key": (_used_while_enabled, "refused", "This call was answered: it used another key"),
    "envelope": (lambda learner: learner.encrypt(learner.named_key()), "find-the-limit", "That was encrypted"),
    "encryption-context": (_without_context, "other-context", "Refused, but for another reason"),
    "integrated-services": (
        lambda learner: learner.encrypt(learner.named_key()),
        "tick-a-service",
        "That call was your own",
    ),
    "who-may-do-what": (_denied_to_another, "be-refused", "The policy denies it to somebody else"),
    "deletion": (_still_disabled, "decrypt", "A saved key is Disabled"),
    "audit-trail": (
        lambda learner: learner.user.client("cloudtrail").lookup_events(MaxResults=1),
        "events-of-a-key",
        "You read events, but not those of one key",
    ),
    "exam": (lambda learner: learner.key(), "key", "The key was made without a tag"),
}
