"""Joining a class by its link."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from learn.class_accounts import join_links
from learn.models import JoinLink
from tests.conftest import TestAccount, sign_in_browser
from tests.support.class_accounts import FORM, cards, join_address, make, text, user


@pytest.fixture
def link(account: TestAccount, browser: Client) -> str:
    return join_address(
        browser.post("/classes/accounts/new/", {**FORM, "students": "", "with_link": "on"}, follow=True)
    )


def test_who_joins_is_signed_in_to_an_account_of_its_own_and_sees_its_credentials(
    account: TestAccount, link: str
) -> None:
    student = Client()
    assert "Spring" in text(student.get(link))
    joined = student.post(link, {"name": "Ada", "email": "ada@example.com"})

    (card,) = cards(joined)
    assert card.password in text(joined)
    assert card.secret_access_key in text(joined)
    user(card).client("kms").create_key()
    assert card.account_id in student.get("/keys/").content.decode()
    events = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "JoinClass"}]
    )["Events"]
    assert card.account_id in events[0]["CloudTrailEvent"]
    assert card.password not in events[0]["CloudTrailEvent"]


def test_a_link_takes_as_many_as_it_has_places(link: str) -> None:
    for name in ("Ada", "Grace", "Jean"):
        assert Client().post(link, {"name": name}).status_code == 200

    refused = Client().post(link, {"name": "Late"})
    assert refused.status_code == 410
    assert "This link is closed" in text(refused)


def test_a_link_is_closed_when_its_time_is_over_or_it_is_revoked_and_a_made_up_one_is_not_there(
    browser: Client, link: str
) -> None:
    row = JoinLink.objects.order_by("-pk")[0]
    assert not join_links.is_open(row, timezone.now() + timedelta(minutes=91))

    browser.post(f"/classes/accounts/spring/links/{row.pk}/revoke/")
    assert Client().get(link).status_code == 410
    assert Client().get(f"{link[:-4]}000/").status_code == 404
    assert Client().get("/join/nonsense/").status_code == 404


def test_a_nameless_student_is_asked_for_a_name(link: str) -> None:
    assert Client().post(link, {"name": "  "}).status_code == 422


def test_the_qr_code_is_an_svg_without_script_or_style_for_the_teacher_alone(
    account: TestAccount, browser: Client, other_account: TestAccount
) -> None:
    make(browser, account, with_link="on")
    row = JoinLink.objects.order_by("-pk")[0]
    address = f"/classes/accounts/spring/links/{row.pk}.svg"
    answer = browser.get(address)

    assert answer["Content-Type"] == "image/svg+xml"
    assert answer.content.startswith(b"<svg ")
    assert b"style" not in answer.content
    assert sign_in_browser(other_account.administrator).get(address).status_code == 404


def test_where_too_many_join_or_sign_in_at_once_one_is_asked_to_try_again(
    link: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_given: object, **_named: object) -> None:
        raise OperationalError("other changes hold the database")

    monkeypatch.setattr("learn.class_accounts.class_accounts.member_accounts.by_link", busy)
    monkeypatch.setattr("principals.sign_in.views.sign_in.signin.sign_in", busy)
    given = {"account": "1", "user_name": "ada", "password": "x"}

    assert "Too many join at this moment" in text(Client().post(link, {"name": "Ada"}))
    assert "Too many sign in at this moment" in text(Client().post("/principals/sign-in/", given))
