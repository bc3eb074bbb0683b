"""Properties through the whole engine: whatever is sent, the answer is AWS's; whatever is done to a key, it is what a small model says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.conftest import TestAccount, new_account
from tests.engine.kms.contract import send
from tests.engine.kms.test_life import bring

OPERATIONS = [
    "Encrypt",
    "Decrypt",
    "CreateKey",
    "DescribeKey",
    "Sign",
    "CreateGrant",
    "ImportKeyMaterial",
    "ListKeys",
    "TagResource",
]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.sampled_from(["alias/x", "AQID", "RSA_2048"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = [
    "KeyId",
    "Plaintext",
    "CiphertextBlob",
    "EncryptionContext",
    "KeySpec",
    "Policy",
    "Tags",
    "GrantTokens",
    "Limit",
    "Message",
    "MultiRegion",
    "ValidTo",
    "Operations",
]


@pytest.fixture(scope="module")
def shared() -> TestAccount:
    return new_account()


@given(st.sampled_from(OPERATIONS), st.dictionaries(st.sampled_from(MEMBERS), values, max_size=5))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_request_is_answered_or_refused_as_aws_does(
    shared: TestAccount, operation: str, parameters: dict[str, Any]
) -> None:
    status, answer = send(shared, operation, json.dumps(parameters).encode())
    assert status in (200, 400), answer
    assert status == 200 or answer["__type"]


@given(st.sampled_from(OPERATIONS), st.binary(max_size=200))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_answered_or_refused_as_aws_does(shared: TestAccount, operation: str, body: bytes) -> None:
    status, answer = send(shared, operation, body)
    assert status in (200, 400), answer


class KeyLife(RuleBasedStateMachine):
    """One key's life beside a model of it: enabled, material here, deletion scheduled, and how many materials there were."""

    @initialize(external=st.booleans())
    def create(self, external: bool) -> None:
        self.account = new_account()
        self.kms = self.account.client()
        self.external = external
        self.key = self.account.create_key(Origin="EXTERNAL" if external else "AWS_KMS")
        self.enabled, self.here, self.deleting = True, not external, False
        self.material = bytes(range(32))
        self.sealed: list[tuple[bytes, bytes]] = []

    def expected(self) -> str:
        if self.deleting:
            return "PendingDeletion"
        if not self.here:
            return "PendingImport"
        return "Enabled" if self.enabled else "Disabled"

    def works(self, call: Any, should: bool, **parameters: Any) -> Any:
        try:
            answer = call(**parameters)
        except ClientError:
            if should:
                raise
            return None
        assert should, "it worked, and should not"
        return answer

    @rule()
    def enable(self) -> None:
        should = self.expected() in ("Enabled", "Disabled")
        self.works(self.kms.enable_key, should, KeyId=self.key)
        self.enabled = self.enabled or should

    @rule()
    def disable(self) -> None:
        should = self.expected() in ("Enabled", "Disabled")
        self.works(self.kms.disable_key, should, KeyId=self.key)
        self.enabled = self.enabled and not should

    @rule(plaintext=st.binary(min_size=1, max_size=40))
    def encrypt(self, plaintext: bytes) -> None:
        answer = self.works(self.kms.encrypt, self.expected() == "Enabled", KeyId=self.key, Plaintext=plaintext)
        if answer is not None:
            self.sealed.append((answer["CiphertextBlob"], plaintext))

    @rule()
    def rotate(self) -> None:
        should = self.expected() == "Enabled" and not self.external
        self.works(self.kms.rotate_key_on_demand, should, KeyId=self.key)

    @rule()
    def schedule_deletion(self) -> None:
        self.works(self.kms.schedule_key_deletion, not self.deleting, KeyId=self.key)
        self.deleting = True

    @rule()
    def cancel_deletion(self) -> None:
        self.works(self.kms.cancel_key_deletion, self.deleting, KeyId=self.key)
        if self.deleting:
            self.deleting, self.enabled = False, False

    @precondition(lambda self: self.external)
    @rule()
    def import_material(self) -> None:
        should = not self.deleting
        self.works(lambda **_: bring(self.kms, self.key, self.material), should)
        self.here = self.here or should

    @precondition(lambda self: self.external)
    @rule()
    def delete_material(self) -> None:
        self.kms.delete_imported_key_material(KeyId=self.key)
        self.here = False

    @invariant()
    def the_state_is_the_models(self) -> None:
        if hasattr(self, "key"):
            assert self.kms.describe_key(KeyId=self.key)["KeyMetadata"]["KeyState"] == self.expected()

    @invariant()
    def all_that_was_encrypted_opens_exactly_when_the_key_is_usable(self) -> None:
        if hasattr(self, "key") and self.sealed:
            blob, plaintext = self.sealed[-1]
            answer = self.works(self.kms.decrypt, self.expected() == "Enabled", CiphertextBlob=blob)
            assert answer is None or answer["Plaintext"] == plaintext


TestKeyLife = KeyLife.TestCase
TestKeyLife.settings = settings(max_examples=8, stateful_step_count=15, deadline=None)
