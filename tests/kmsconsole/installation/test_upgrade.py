"""A data folder of version 0.1.0 opens: keys, ciphertexts, users, trail and what waited for approval are there.

tests/data/data-0.1.0.tar.xz was made by that version's server: a key with an alias, a tag and two materials, a signing key, a user, the
key list read once, and a deletion that waits for a second person. Its root key is a test's.
"""

from __future__ import annotations

import base64
import json
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.browsing import Browsing
from tests.support.server import ROOT, Server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("upgrade")
    with tarfile.open(ROOT / "tests" / "data" / "data-0.1.0.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    with Server(folder / "data", KMSCONSOLE_WORKERS="1") as server:
        yield server


@pytest.fixture(scope="module")
def facts(upgraded: Server) -> dict[str, Any]:
    """What the earlier version made."""
    return dict(json.loads((upgraded.folder / "facts.json").read_text()))


def test_ciphertexts_open_and_signatures_hold(upgraded: Server, facts: dict[str, Any]) -> None:
    kms = upgraded.client()
    opened = kms.decrypt(CiphertextBlob=base64.b64decode(facts["blob"]), EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == b"made before the upgrade"
    assert kms.verify(
        KeyId=facts["ecc"],
        Message=b"m",
        Signature=base64.b64decode(facts["signature"]),
        SigningAlgorithm="ECDSA_SHA_256",
    )["SignatureValid"]


def test_aliases_tags_and_rotations_are_there(upgraded: Server, facts: dict[str, Any]) -> None:
    kms = upgraded.client()
    assert kms.describe_key(KeyId="alias/old")["KeyMetadata"]["KeyId"] == facts["key"]
    assert kms.list_resource_tags(KeyId=facts["key"])["Tags"] == [{"TagKey": "owner", "TagValue": "payments"}]
    assert len(kms.list_key_rotations(KeyId=facts["key"])["Rotations"]) == 1


def test_the_trail_is_whole_and_has_what_was_recorded_before(upgraded: Server) -> None:
    events = upgraded.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "RotateKeyOnDemand"}]
    )["Events"]
    assert len(events) == 1
    done = upgraded.manage("verify_trail")
    assert done.returncode == 0, done.stderr


def test_users_sign_in_and_see_the_list(upgraded: Server) -> None:
    browser = Browsing(upgraded)
    browser.sign_in("ann")
    assert "old" in browser.get("/keys/")


def test_what_waited_under_a_name_has_to_be_asked_for_again(upgraded: Server, facts: dict[str, Any]) -> None:
    browser = Browsing(upgraded)
    browser.sign_in("ann")
    assert "old" in browser.get("/keys/approvals/")
    browser.post("/keys/approvals/", {"do": "approve", "request": "1"})
    assert upgraded.client().describe_key(KeyId=facts["key"])["KeyMetadata"]["Enabled"] is True
