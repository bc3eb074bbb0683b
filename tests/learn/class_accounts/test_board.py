"""The teacher's board."""

from __future__ import annotations

from django.test import Client

from tests.conftest import TestAccount
from tests.support.class_accounts import make, text


def test_the_board_lists_the_accounts_and_the_list_of_classes_leads_to_it(
    account: TestAccount, browser: Client
) -> None:
    made = make(browser, account)
    page = text(browser.get(made.address))

    for card in made.cards.values():
        assert card.account_id in page
        assert card.name in page
    assert made.address in browser.get("/classes/").content.decode()
