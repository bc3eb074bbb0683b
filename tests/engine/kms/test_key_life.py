"""A key's life, lived at random beside a small model: create, import, rotate, disable, schedule, cancel, and time that goes by."""

from __future__ import annotations

import os
from typing import Any

from botocore.exceptions import ClientError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.conftest import new_account
from tests.engine.kms.test_life import bring

PERIOD = 90


class KeyLife(RuleBasedStateMachine):
    """The model: days that have gone by, enabled or not, the day of deletion, and for each material whether it is here."""

    def __init__(self) -> None:
        super().__init__()
        self.account = new_account()
        self.kms = self.account.client()
        self.key = ""

    @initialize(external=st.booleans())
    def create(self, external: bool) -> None:
        self.external = external
        self.key = self.account.create_key(Origin="EXTERNAL" if external else "AWS_KMS")
        self.today = 0
        self.enabled = True
        self.deletion: int | None = None
        self.next_rotation: int | None = None
        self.materials: list[bytes] = [] if external else [b""]  # in the order they were current; the last one is
        self.here: set[bytes] = set(self.materials)
        self.pending: bytes | None = None
        self.sealed: list[tuple[bytes, bytes]] = []

    # --- what the model expects

    @property
    def gone(self) -> bool:
        return self.deletion is not None and self.today >= self.deletion

    def state(self) -> str:
        if self.deletion is not None:
            return "PendingDeletion"
        if not self.materials or not self.here.issuperset(self.materials):
            return "PendingImport"
        return "Enabled" if self.enabled else "Disabled"

    def rotate_as_due(self) -> None:
        if not self.enabled or self.deletion is not None or self.next_rotation is None:
            return
        while self.next_rotation <= self.today:
            self.materials.append(b"")
            self.next_rotation += PERIOD

    def works(self, call: Any, should: bool, **parameters: Any) -> Any:
        try:
            answer = call(**parameters)
        except ClientError:
            if should:
                raise
            return None
        assert should, "it worked, and should not"
        return answer

    # --- what happens to it

    @precondition(lambda self: not self.gone)
    @rule()
    def enable(self) -> None:
        should = self.state() in ("Enabled", "Disabled")
        self.works(self.kms.enable_key, should, KeyId=self.key)
        self.enabled = self.enabled or should
        if should:
            self.rotate_as_due()

    @precondition(lambda self: not self.gone)
    @rule()
    def disable(self) -> None:
        should = self.state() in ("Enabled", "Disabled")
        self.works(self.kms.disable_key, should, KeyId=self.key)
        self.enabled = self.enabled and not should

    @rule(plaintext=st.binary(min_size=1, max_size=40))
    def encrypt(self, plaintext: bytes) -> None:
        should = not self.gone and self.state() == "Enabled"
        answer = self.works(self.kms.encrypt, should, KeyId=self.key, Plaintext=plaintext)
        if answer is not None:
            self.sealed.append((answer["CiphertextBlob"], plaintext))

    @precondition(lambda self: not self.gone)
    @rule()
    def rotate_on_demand(self) -> None:
        should = self.state() == "Enabled" and (not self.external or self.pending in self.here)
        self.works(self.kms.rotate_key_on_demand, should, KeyId=self.key)
        if should:
            self.materials.append(self.pending if self.external and self.pending else b"")
            self.pending = None

    @precondition(lambda self: not self.gone)
    @rule(on=st.booleans())
    def rotate_by_the_clock(self, on: bool) -> None:
        should = self.state() == "Enabled" and not self.external
        if on:
            self.works(self.kms.enable_key_rotation, should, KeyId=self.key, RotationPeriodInDays=PERIOD)
            if should and self.next_rotation is None:
                self.next_rotation = self.today + PERIOD
        else:
            self.works(self.kms.disable_key_rotation, should, KeyId=self.key)
            self.next_rotation = None if should else self.next_rotation

    @precondition(lambda self: not self.gone)
    @rule()
    def schedule_deletion(self) -> None:
        should = self.deletion is None
        self.works(self.kms.schedule_key_deletion, should, KeyId=self.key, PendingWindowInDays=7)
        if should:
            self.deletion = self.today + 7

    @precondition(lambda self: not self.gone)
    @rule()
    def cancel_deletion(self) -> None:
        should = self.deletion is not None
        self.works(self.kms.cancel_key_deletion, should, KeyId=self.key)
        if should:
            self.deletion, self.enabled = None, False

    @precondition(lambda self: self.external and not self.gone)
    @rule(which=st.integers(min_value=0, max_value=3))
    def import_again(self, which: int) -> None:
        """The first material of all, or one that the key has had."""
        known = self.materials + ([self.pending] if self.pending else [])
        material = known[which % len(known)] if known else os.urandom(32)
        should = self.deletion is None
        self.works(lambda **_: bring(self.kms, self.key, material), should)
        if should:
            self.here.add(material)
            if not known:
                self.materials.append(material)

    @precondition(lambda self: self.external and not self.gone and self.materials)
    @rule()
    def import_new(self) -> None:
        material = os.urandom(32)
        should = self.deletion is None and self.pending is None
        self.works(lambda **_: bring(self.kms, self.key, material, ImportType="NEW_KEY_MATERIAL"), should)
        if should:
            self.pending = material
            self.here.add(material)

    @precondition(lambda self: self.external and not self.gone)
    @rule()
    def delete_current_material(self) -> None:
        self.kms.delete_imported_key_material(KeyId=self.key)
        if self.materials:
            self.here.discard(self.materials[-1])

    @rule(days=st.integers(min_value=1, max_value=100))
    def time_goes_by(self, days: int) -> None:
        self.account.move_clock(days=days)
        self.today += days
        if not self.gone:
            self.rotate_as_due()

    # --- what is always so

    @invariant()
    def the_key_is_what_the_model_says(self) -> None:
        if not self.key:
            return
        if self.gone:
            assert self.works(self.kms.describe_key, False, KeyId=self.key) is None
            return
        assert self.kms.describe_key(KeyId=self.key)["KeyMetadata"]["KeyState"] == self.state()
        listed = self.kms.list_key_rotations(KeyId=self.key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
        assert len(listed) == len(self.materials) + (self.pending is not None)
        assert [each["KeyMaterialState"] for each in listed].count("CURRENT") == min(1, len(self.materials))

    @invariant()
    def what_was_encrypted_opens_exactly_when_the_key_is_usable(self) -> None:
        if self.key and self.sealed:
            usable = not self.gone and self.state() == "Enabled"
            for blob, plaintext in (self.sealed[0], self.sealed[-1]):
                answer = self.works(self.kms.decrypt, usable, CiphertextBlob=blob)
                assert answer is None or answer["Plaintext"] == plaintext


TestKeyLife = KeyLife.TestCase
TestKeyLife.settings = settings(max_examples=10, stateful_step_count=20, deadline=None)
