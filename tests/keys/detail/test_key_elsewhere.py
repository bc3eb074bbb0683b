"""The addresses one would guess for a key's tabs and actions lead to theirs."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.conftest import TestAccount


@pytest.mark.parametrize(
    ("guessed", "led_to"),
    [
        ("tags/", "tab/tags/"),
        ("public-key/", "tab/public-key/"),
        ("policy/", "tab/policy/"),
        ("policy/?view=json", "tab/policy/?view=json"),
        ("replicate/", "do/replicate/"),
        ("primary/", "do/primary/"),
        ("rotate/", "do/rotate/"),
        ("policy/diff/?to=x", "policy/history/?to=x"),
    ],
)
def test_a_guessed_address_leads_for_good_to_the_tab_or_action(signed_in: Client, guessed: str, led_to: str) -> None:
    answer = signed_in.get(f"/keys/1234/{guessed}")
    assert (answer.status_code, answer["Location"]) == (301, f"/keys/1234/{led_to}")


def test_an_address_that_is_neither_tab_nor_action_is_not_found(account: TestAccount, signed_in: Client) -> None:
    assert signed_in.get(f"/keys/{account.create_key()}/no-such-thing/").status_code == 404
