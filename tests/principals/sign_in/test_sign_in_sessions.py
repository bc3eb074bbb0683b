"""Several sign-ins in one browser: adding, switching, signing out of one or all, and what ends when."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from console import session
from kmsconsole.server import background
from tests.conftest import TestAccount
from tests.support.answers import text


def add(browser: Client, account: TestAccount, name: str = "admin", password: str = "correct horse battery") -> Any:
    return browser.post(
        "/principals/sign-in/",
        {"account": account.account_id, "user_name": name, "password": password, "add": "1"},
    )


def held(browser: Client) -> dict[str, str]:
    """Account → the ID of its session, of those that the page offers to switch to."""
    page = text(browser.get("/principals/sign-in/"))
    found = re.findall(r'name="session" value="([^"]+)">[^<]* <span class="mono small">@ (\d+)</span>', page)
    return {account: each for each, account in found}


def whose(browser: Client) -> str:
    """The account whose pages are shown; empty when signed out."""
    answer = browser.get("/play/")
    found = re.search(r'<span class="menu-account">\s*@ (\d+)\s*</span>', text(answer))
    return found[1] if found else ""


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("get", "/principals/sign-in/"),
        ("get", "/principals/sign-in/callback/?state=made-up&code=x"),
        ("get", "/principals/sign-in/second-factor/"),
        ("get", "/principals/sign-in/enrolment/"),
        ("get", "/join/made-up/"),
        ("get", "/keys/"),
        ("post", "/principals/sign-in/"),
        ("post", "/principals/sign-in/saml/"),
        ("post", "/principals/sign-in/new-password/"),
        ("post", "/principals/sign-in/use/"),
        ("post", "/principals/sign-out/"),
        ("post", "/language/"),
        ("post", "/theme/"),
    ],
)
def test_no_session_is_kept_for_who_only_connects(account: TestAccount, method: str, address: str) -> None:
    browser, before = Client(), Session.objects.count()
    answer = getattr(browser, method)(address)
    assert answer.status_code < 500
    assert "sessionid" not in browser.cookies
    assert Session.objects.count() == before


def test_a_session_that_has_expired_is_taken_away(account: TestAccount, signed_in: Client) -> None:
    begun = Client()
    begun.session.save()
    Session.objects.exclude(pk=signed_in.session.session_key).update(expire_date=timezone.now())
    background.forget_expired_sessions()
    assert [row.pk for row in Session.objects.all()] == [signed_in.session.session_key]


def use(browser: Client, account: TestAccount) -> Any:
    return browser.post("/principals/sign-in/use/", {"session": held(browser)[account.account_id]})


def test_a_session_is_added_beside_and_both_are_in_the_menu(
    signed_in: Client, account: TestAccount, other_account: TestAccount
) -> None:
    assert add(signed_in, other_account).status_code == 302
    assert whose(signed_in) == other_account.account_id
    assert list(held(signed_in)) == [account.account_id]


def test_switching_is_a_post_and_needs_no_password(
    signed_in: Client, account: TestAccount, other_account: TestAccount
) -> None:
    add(signed_in, other_account)
    assert signed_in.get("/principals/sign-in/use/").status_code == 405
    assert use(signed_in, account).status_code == 302
    assert whose(signed_in) == account.account_id
    use(signed_in, other_account)
    assert whose(signed_in) == other_account.account_id


def test_an_ordinary_sign_in_leaves_nothing_of_who_was_here_before(
    signed_in: Client, other_account: TestAccount
) -> None:
    signed_in.post(
        "/principals/sign-in/",
        {"account": other_account.account_id, "user_name": "admin", "password": "correct horse battery"},
    )
    assert whose(signed_in) == other_account.account_id
    assert held(signed_in) == {}


def test_each_session_keeps_its_own_region_drafts_and_role(
    signed_in: Client, account: TestAccount, other_account: TestAccount
) -> None:
    signed_in.post("/region/", {"region": "eu-west-1"})
    account.client("iam").create_role(
        RoleName="Deploy",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "sts:AssumeRole"}],
            }
        ),
    )
    signed_in.post("/principals/switch-role/", {"role": "Deploy"})
    add(signed_in, other_account)
    signed_in.post("/region/", {"region": "us-west-2"})
    page = text(signed_in.get("/styleguide/"))
    assert "admin → Deploy" in page
    use(signed_in, account)
    page = text(signed_in.get("/play/"))
    assert "Back to admin" in page
    assert "<option selected>eu-west-1</option>" in page


def test_the_session_key_and_the_csrf_secret_change_with_each_switch(
    signed_in: Client, account: TestAccount, other_account: TestAccount
) -> None:
    keys, secrets = set(), set()
    for change in (
        lambda: signed_in.get("/play/"),
        lambda: add(signed_in, other_account),
        lambda: use(signed_in, account),
        lambda: signed_in.post("/principals/sign-out/"),
    ):
        change()
        keys.add(signed_in.cookies["sessionid"].value)
        secrets.add(signed_in.cookies["csrftoken"].value)
    assert len(keys) == len(secrets) == 4


def test_a_form_of_another_tab_is_refused_after_a_switch(account: TestAccount, other_account: TestAccount) -> None:
    browser = Client(enforce_csrf_checks=True)

    def token() -> str:
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text(browser.get("/styleguide/")))
        assert found is not None
        return found[1]

    for each in (account, other_account):
        answer = browser.post(
            "/principals/sign-in/",
            {"account": each.account_id, "user_name": "admin", "password": "correct horse battery", "add": "1",
             "csrfmiddlewaretoken": token()},
        )  # fmt: skip
        assert answer.status_code == 302
    stale = token()
    which = held(browser)[account.account_id]
    browser.post("/principals/sign-in/use/", {"session": which, "csrfmiddlewaretoken": stale})
    refused = browser.post("/principals/groups/new/", {"name": "meant-for-the-other", "csrfmiddlewaretoken": stale})
    assert refused.status_code == 403
    assert account.client("iam").list_groups()["Groups"] == []


def test_signing_out_of_one_leaves_the_others_to_choose_from(
    signed_in: Client, account: TestAccount, other_account: TestAccount
) -> None:
    add(signed_in, other_account)
    signed_in.post("/principals/sign-out/")
    assert whose(signed_in) == ""
    page = text(signed_in.get("/principals/sign-in/"))
    assert "Other sessions" in page
    use(signed_in, account)
    assert whose(signed_in) == account.account_id
    assert held(signed_in) == {}


def test_one_put_aside_is_signed_out_of_from_the_menu(
    signed_in: Client, account: TestAccount, other_account: TestAccount
) -> None:
    add(signed_in, other_account)
    signed_in.post("/principals/sign-out/", {"session": held(signed_in)[account.account_id]})
    assert held(signed_in) == {}
    assert whose(signed_in) == other_account.account_id


def test_signing_out_of_all_leaves_none(signed_in: Client, other_account: TestAccount) -> None:
    add(signed_in, other_account)
    signed_in.post("/principals/sign-out/", {"all": "1"})
    assert whose(signed_in) == ""
    assert held(signed_in) == {}
    assert dict(signed_in.session.items()) == {}


def test_each_session_ends_at_its_own_time_and_no_other_steps_in(
    signed_in: Client, account: TestAccount, other_account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = timezone.now()
    monkeypatch.setattr(session.timezone, "now", lambda: start + timedelta(hours=6))
    found = dict(signed_in.session.items())
    first = session._open(found["signed_in"])  # the first session ends 12 hours after it began
    assert first is not None
    add(signed_in, other_account)
    content = signed_in.session
    later = session._open(content["signed_in"])
    assert later is not None
    content["signed_in"] = session._seal(
        session.SignedIn(**{**{name: getattr(later, name) for name in session.SignedIn.__slots__},
                            "expires": start + timedelta(hours=7)})
    )  # fmt: skip
    content.save()
    monkeypatch.setattr(session.timezone, "now", lambda: start + timedelta(hours=8))
    assert whose(signed_in) == ""  # the one in use is over: a sign-in page, not the other account
    assert list(held(signed_in)) == [account.account_id]
    use(signed_in, account)
    assert whose(signed_in) == account.account_id
    monkeypatch.setattr(session.timezone, "now", lambda: start + timedelta(hours=13))
    assert whose(signed_in) == ""
    assert held(signed_in) == {}


def test_the_same_user_signed_in_again_is_one_session(signed_in: Client, account: TestAccount) -> None:
    add(signed_in, account)
    assert held(signed_in) == {}


def test_a_browser_holds_five_sessions(signed_in: Client, account: TestAccount) -> None:
    iam = account.client("iam")
    for number in range(5):
        iam.create_user(UserName=f"u{number}")
        iam.create_login_profile(UserName=f"u{number}", Password="long enough")
    answers = [add(signed_in, account, f"u{number}", "long enough") for number in range(5)]
    assert [answer.status_code for answer in answers] == [302, 302, 302, 302, 422]
    assert "Five sessions are the most" in answers[-1].content.decode()


def test_an_unknown_session_is_not_switched_to(signed_in: Client, account: TestAccount) -> None:
    answer = signed_in.post("/principals/sign-in/use/", {"session": "made-up"}, follow=True)
    assert "This session has ended" in text(answer)
    assert whose(signed_in) == account.account_id


def test_what_is_put_aside_holds_no_secret_in_the_clear(signed_in: Client, other_account: TestAccount) -> None:
    add(signed_in, other_account)
    content = str(dict(signed_in.session.items()))
    assert "secret_access_key" not in content
    assert "ASIA" not in content
