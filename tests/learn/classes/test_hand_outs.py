"""What is handed out names the address at which others reach the console, and students land on their lessons."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from console import public_address
from tests.conftest import TestAccount
from tests.support.classes import make, student

WARNING = "works on this machine alone"


def test_a_hand_out_names_the_public_address(account: TestAccount, browser: Client, settings: Any) -> None:
    settings.PUBLIC_URL = "https://keys.example.org"
    page = make(browser, access_keys="on").content.decode()
    assert page.count("https://keys.example.org") == 4  # the console's and the endpoint's, for two students
    assert WARNING not in page


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost"])
def test_it_warns_of_an_address_that_leads_every_machine_to_itself(
    account: TestAccount, browser: Client, settings: Any, host: str
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    make(browser)
    for page in (
        browser.get("/classes/new/", headers={"host": host}),
        browser.post("/principals/users/ann/access-keys/new/", headers={"host": host}),
        browser.get("/learn/rotation/", headers={"host": host}),
    ):
        assert WARNING in page.content.decode()
        assert f"http://{host}" in page.content.decode()


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:8080", True),
        ("http://localhost", True),
        ("http://keys.localhost:80", True),
        ("http://0.0.0.0:8080", True),
        ("http://192.168.1.4:8080", False),
        ("https://keys.example.org", False),
        ("http://localhost.example.org", False),
    ],
)
def test_which_addresses_are_local(address: str, local: bool) -> None:
    assert public_address.is_local(address) is local


@pytest.mark.parametrize(
    ("asked", "lands"), [({}, "/learn/"), ({"next": "/"}, "/learn/"), ({"next": "/keys/"}, "/keys/")]
)
def test_a_student_lands_on_the_lessons_unless_another_page_was_asked_for(
    account: TestAccount, browser: Client, asked: dict[str, str], lands: str
) -> None:
    ann = student(account, make(browser).context["students"][0])
    assert _sign_in(account, ann.name, ann.password, asked) == lands


def test_who_is_in_a_class_s_group_alone_lands_there_too_and_others_on_the_overview(
    account: TestAccount, browser: Client
) -> None:
    make(browser)
    iam = account.client("iam")
    for name in ("guest", "other"):
        iam.create_user(UserName=name)
        iam.create_login_profile(UserName=name, Password="long enough")
    iam.add_user_to_group(GroupName="SPRING-CLASS", UserName="guest")
    assert _sign_in(account, "guest", "long enough", {}) == "/learn/"
    assert _sign_in(account, "other", "long enough", {}) == "/"


def _sign_in(account: TestAccount, name: str, password: str, asked: dict[str, str]) -> str:
    form = {"account": account.account_id, "user_name": name, "password": password, **asked}
    answer: Any = Client().post("/principals/sign-in/", form)
    assert answer.status_code == 302
    return str(answer["Location"])
