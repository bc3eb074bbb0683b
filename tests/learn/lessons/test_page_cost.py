"""What a student's pages cost the processor: a class of 60 shares two cores."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.conftest import TestAccount
from tests.support.timing import seconds

TURNS = 300_000  # of a loop that takes some 15 ms of an idle core, as such a page does; with other work beside, both take longer
MOST = 3.0  # of the loop


def loop() -> int:
    total = 0
    for number in range(TURNS):
        total += number * number % 7
    return total


@pytest.mark.parametrize("address", ["/learn/", "/learn/first-key/", "/learn/exam/", "/keys/", "/play/encrypt/"])
def test_a_page_takes_no_more_of_the_processor_than_a_class_has(
    account: TestAccount, signed_in: Client, address: str
) -> None:
    kms = account.client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/mine", TargetKeyId=key)
    for _ in range(20):
        kms.encrypt(KeyId=key, Plaintext=b"x")
    signed_in.get(address)
    assert seconds(lambda: signed_in.get(address), 5) < MOST * seconds(loop, 5)
