"""A class with an account for each student, as tests of its pages make it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import Any

from django.test import Client

from learn.class_accounts.cards import Card
from learn.models import AccountClass
from tests.conftest import TestAccount, TestUser

FORM = {
    "name": "Spring",
    "students": "Ada Lovelace, ada@example.com\nGrace Hopper",
    "minutes": "90",
    "places": "3",
    "days": "7",
    "key_quota": "20",
    "call_quota": "500",
}


@dataclass
class Made:
    """A class, and who its students are by user name."""

    browser: Client
    row: AccountClass
    cards: dict[str, Card]

    @property
    def address(self) -> str:
        return f"/classes/accounts/{self.row.slug}/"

    def student(self, user_name: str) -> TestUser:
        return user(self.cards[user_name])


def user(card: Card) -> TestUser:
    arn = f"arn:aws:iam::{card.account_id}:user/{card.user_name}"
    account = TestAccount(card.account_id)
    return TestUser(account, card.user_name, arn, card.access_key_id, card.secret_access_key, card.password)


def make(browser: Client, account: TestAccount, **changes: str) -> Made:
    answer = browser.post("/classes/accounts/new/", {**FORM, **changes})
    assert answer.status_code == 200, answer.content.decode()
    row = AccountClass.objects.get(account_id=account.account_id)
    return Made(browser, row, {card.user_name: card for card in cards(answer)})


def cards(answer: Any) -> list[Card]:
    """Those that a page shows."""
    shown = answer.context["cards"] if "cards" in answer.context else [answer.context["card"]]
    return list(shown)


def text(answer: Any) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode())))


def join_address(answer: Any) -> str:
    (found,) = set(re.findall(r"https?://[^/\s\"<]+(/join/[0-9a-f]+/)", answer.content.decode()))
    return str(found)
