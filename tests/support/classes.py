"""A class and its students, as tests of its pages make them."""

from __future__ import annotations

from typing import Any

from django.test import Client

from tests.conftest import TestAccount, TestUser

SPRING = {"name": "SPRING-CLASS", "slug": "spring", "students": "ann\nben", "policy": "KeyStudent"}


def policy(account: TestAccount, name: str) -> str:
    return f"arn:aws:iam::{account.account_id}:policy/practice/{name}"


def student(account: TestAccount, made: Any) -> TestUser:
    """Who a hand-out is for."""
    arn = f"arn:aws:iam::{account.account_id}:user/students/spring/{made.name}"
    return TestUser(account, made.name, arn, made.access_key_id, made.secret_access_key, made.password)


def make(browser: Client, **changes: str) -> Any:
    return browser.post("/classes/new/", {**SPRING, **changes})


def users_of(account: TestAccount) -> list[str]:
    found = account.client("iam").list_users(PathPrefix="/students/spring/")["Users"]
    return [user["UserName"] for user in found]
