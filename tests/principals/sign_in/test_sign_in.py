"""Signing in and out of the console."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from console import session
from engine.iam import signin
from engine.iam.models import Account, SignInAttempt
from tests.conftest import TestAccount, TestUser, sign_in_browser


def attempt(account: TestAccount, password: str, name: str = "admin", address: str = "", **fields: str) -> Any:
    fields = {"account": account.account_id, "user_name": name, "password": password, **fields}
    return Client().post("/principals/sign-in/", fields, REMOTE_ADDR=address or f"198.51.100.{len(password)}")


def test_a_signed_out_visitor_is_sent_to_sign_in_and_back(account: TestAccount) -> None:
    answer = Client().get("/keys/?q=x")
    assert (answer.status_code, answer["Location"]) == (302, "/principals/sign-in/?next=%2Fkeys%2F%3Fq%3Dx")
    assert attempt(account, account.administrator.password, next="/keys/?q=x")["Location"] == "/keys/?q=x"


def test_an_address_elsewhere_is_not_gone_to_after_signing_in(account: TestAccount) -> None:
    assert attempt(account, account.administrator.password, next="https://evil.example/")["Location"] == "/"


@pytest.mark.parametrize("name", ["admin", "nobody"])
def test_a_wrong_password_and_a_wrong_name_are_refused_in_the_same_words(account: TestAccount, name: str) -> None:
    answer = attempt(account, "wrong password", name)
    assert answer.status_code == 422
    assert "Account, user name or password is not right." in answer.content.decode()
    assert "wrong password" not in answer.content.decode()


def test_signing_out_ends_the_session(signed_in: Client) -> None:
    assert signed_in.get("/keys/").status_code == 200
    signed_in.post("/principals/sign-out/")
    assert signed_in.get("/keys/").status_code == 302


def test_a_session_ends_when_its_credentials_do(signed_in: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert signed_in.get("/keys/").status_code == 200
    later = timezone.now() + timedelta(hours=13)
    monkeypatch.setattr(session.timezone, "now", lambda: later)
    assert signed_in.get("/keys/").status_code == 302


def test_a_deleted_user_is_out_at_the_next_page(account: TestAccount) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="ann")
    iam.create_login_profile(UserName="ann", Password="long enough")
    browser = sign_in_browser(TestUser(account, "ann", "", "", "", "long enough"))
    assert browser.get("/play/").status_code == 200
    iam.delete_login_profile(UserName="ann")
    iam.delete_user(UserName="ann")
    answer = browser.get("/keys/")
    assert answer["Location"].startswith("/principals/sign-in/")


def test_pages_are_never_cached_and_carry_a_strict_policy(signed_in: Client) -> None:
    answer = signed_in.get("/keys/")
    assert "no-store" in answer["Cache-Control"]
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert "unsafe-inline" not in answer["Content-Security-Policy"]
    assert answer["X-Frame-Options"] == "DENY"


def test_the_session_store_holds_no_secret_in_the_clear(account: TestAccount, signed_in: Client) -> None:
    content = str(dict(signed_in.session.items()))
    assert "secret_access_key" not in content
    assert "ASIA" not in content


def test_a_sixth_guess_is_refused_unlooked_at_even_when_it_is_right(account: TestAccount) -> None:
    for _ in range(signin.ATTEMPTS):
        assert "is not right" in attempt(account, "not this password 123").content.decode()
    refused = attempt(account, account.administrator.password)  # as long as the guesses, so from the same address
    assert refused.status_code == 422
    assert "Too many attempts. Wait five minutes" in refused.content.decode()


def test_a_host_with_many_addresses_guesses_no_more(account: TestAccount) -> None:
    for number in range(signin.ATTEMPTS):
        guessed = attempt(account, "not this password 123", address=f"2001:db8:1:2::{number}")
        assert "is not right" in guessed.content.decode()
    assert attempt(account, account.administrator.password, address="2001:db8:1:2:3:4:5:6").status_code == 422
    assert attempt(account, account.administrator.password, address="2001:db8:1:3::1").status_code == 302


def test_guesses_at_the_same_moment_count_each_other(account: TestAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one password is being looked at, others are tried: no more are looked at than one after another would be."""
    looked_at = 0

    def slow_check(password: str, encoded: str) -> bool:
        nonlocal looked_at
        looked_at += 1
        attempt(account, password)  # another comes in before this one has its answer
        return False

    monkeypatch.setattr(signin, "check_password", slow_check)
    attempt(account, "wrong password")
    assert looked_at == signin.ATTEMPTS


def test_attempts_are_forgotten_after_five_minutes(account: TestAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(signin.ATTEMPTS):
        attempt(account, "not this password 123")
    later = timezone.now() + signin.WINDOW + timedelta(seconds=1)
    monkeypatch.setattr(signin.clock, "real_now", lambda: later)
    assert attempt(account, account.administrator.password).status_code == 302
    assert not SignInAttempt.objects.filter(when__lt=later - signin.WINDOW).exists()


def test_who_names_no_account_means_the_first_one(prepared: object) -> None:
    first = Account.objects.order_by("created").first()
    assert first is not None
    assert f'value="{first.account_id}"' in Client().get("/principals/sign-in/").content.decode()
