"""The timeline of a key: before and after of every change, what time alone did, and all changes of a key that is used much."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.test import Client

from engine import clock
from keys.detail import timeline
from tests.conftest import TestAccount
from tests.support.policies import allow, trusting


def changes(browser: Client, key_id: str) -> list[Any]:
    return list(reversed(browser.get(f"/keys/{key_id}/tab/timeline/").context["changes"]))


def told(change: Any) -> dict[str, tuple[list[str], list[str]]]:
    return {str(each.name): (each.removed, each.added) for each in change.facts}


def test_each_change_tells_what_was_before_and_after(account: TestAccount, signed_in: Client) -> None:
    kms, key_id = account.client(), account.create_key(Description="one")
    key = {"KeyId": key_id}
    kms.update_key_description(**key, Description="uno")
    kms.tag_resource(**key, Tags=[{"TagKey": "team", "TagValue": "blue"}, {"TagKey": "stage", "TagValue": "test"}])
    kms.tag_resource(**key, Tags=[{"TagKey": "team", "TagValue": "red"}])
    kms.untag_resource(**key, TagKeys=["stage"])
    kms.create_alias(AliasName="alias/timeline", TargetKeyId=key_id)
    kms.delete_alias(AliasName="alias/timeline")
    kms.enable_key_rotation(**key, RotationPeriodInDays=100)
    grant = kms.create_grant(**key, GranteePrincipal=account.root_arn, Operations=["Decrypt", "Encrypt"])
    kms.revoke_grant(**key, GrantId=grant["GrantId"])
    kms.disable_key(**key)
    kms.put_key_policy(
        **key, Policy=trusting(account, allow("kms:Decrypt", Sid="More", Principal={"AWS": account.root_arn}))
    )
    found = changes(signed_in, key_id)
    line = f"{account.root_arn}: Decrypt, Encrypt"
    assert [(each.event.name, told(each)) for each in found] == [
        ("CreateKey", {}),
        ("UpdateKeyDescription", {"Description": (["one"], ["uno"])}),
        ("TagResource", {"Tags": ([], ["stage=test", "team=blue"])}),
        ("TagResource", {"Tags": (["team=blue"], ["team=red"])}),
        ("UntagResource", {"Tags": (["stage=test"], [])}),
        ("CreateAlias", {"Aliases": ([], ["timeline"])}),
        ("DeleteAlias", {"Aliases": (["timeline"], [])}),
        ("EnableKeyRotation", {"Automatic rotation (days)": ([], ["100"])}),
        ("CreateGrant", {"Grants": ([], [line])}),
        ("RevokeGrant", {"Grants": ([line], [])}),
        ("DisableKey", {"Status": (["Enabled"], ["Disabled"])}),
        ("PutKeyPolicy", {}),
    ]
    assert ("added", "More") in [(each.mark, each.sid) for each in found[-1].policy.statements]
    page = signed_in.get(f"/keys/{key_id}/tab/timeline/").content.decode()
    assert "+ team=red" in page
    assert "Statement added" in page


def test_what_time_alone_did_is_a_change_at_its_instant(account: TestAccount, signed_in: Client) -> None:
    kms = account.client()
    rotated = account.create_key()
    kms.enable_key_rotation(KeyId=rotated, RotationPeriodInDays=90)
    external = account.create_key(Origin="EXTERNAL")
    expires = clock.now(account.account_id).replace(microsecond=0) + timedelta(days=10)
    given = kms.get_parameters_for_import(
        KeyId=external, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
    )
    wrapping = serialization.load_der_public_key(given["PublicKey"])
    assert isinstance(wrapping, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    kms.import_key_material(
        KeyId=external,
        ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=wrapping.encrypt(b"m" * 32, oaep),
        ExpirationModel="KEY_MATERIAL_EXPIRES",
        ValidTo=expires,
    )
    account.move_clock(days=100)
    found = changes(signed_in, external)
    assert [(each.time, str(each.words), each.state) for each in found if each.event is None] == [
        (expires, "The imported key material expired", "PendingImport")
    ]
    assert [each.state for each in found] == ["PendingImport", "Enabled", "PendingImport"]
    (rotation,) = (each for each in changes(signed_in, rotated) if each.event is None)
    assert "rotated" in str(rotation.words)
    assert timedelta(days=89) < rotation.time - found[0].time < timedelta(days=91)


def test_a_key_that_is_used_much_shows_all_its_changes_to_who_may_read_the_record(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "_FEW", 2)
    kms, key_id = account.client(), account.create_key()
    kms.disable_key(KeyId=key_id)
    kms.enable_key(KeyId=key_id)
    for _ in range(60):
        kms.generate_data_key(KeyId=key_id, KeySpec="AES_256")
    assert [each.event.name for each in changes(signed_in, key_id)] == ["CreateKey", "DisableKey", "EnableKey"]
    events = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ReadRecord"}]
    )["Events"]
    assert any(key_id in json.loads(each["CloudTrailEvent"])["requestParameters"].get("keyId", "") for each in events)
