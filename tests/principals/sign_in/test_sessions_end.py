"""Console sessions end when the password changes or goes, or the user does; and one ends one's own, wherever they are."""

from __future__ import annotations

import json
import re
import urllib.request
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from botocore.exceptions import ClientError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from console import session
from engine.iam import console_sessions
from engine.iam.models import ConsoleSession
from tests.conftest import TestAccount, TestUser, make_client, sign_in_browser
from tests.support.answers import text
from tests.support.server import ACCOUNT, Server

PROFILE = "/settings/profile/"
SESSIONS = "/settings/profile/sessions/"
NEW = "an entirely new staple"


def person(account: TestAccount, name: str = "ann", *actions: str) -> TestUser:
    statement = {"Effect": "Allow", "Action": [*actions, "iam:ChangePassword"], "Resource": "*"}
    user = account.create_user(name, json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    user.password = "correct horse battery"
    account.client("iam").create_login_profile(UserName=name, Password=user.password)
    return user


def alive(browser: Client) -> bool:
    """Whether the browser still sees pages, of those that make no call as well."""
    answers = {browser.get(address).status_code for address in ("/styleguide/", PROFILE)}
    return bool(browser.get("/styleguide/").context["signed_in"]) and answers == {200}


def credentials_of(browser: Client) -> Any:
    """A program's client with the credentials that the pages sign with, as one would have them from a copy of the server's memory."""
    held = session._read(dict(browser.session.items())["signed_in"])
    assert held is not None
    return make_client("sts", "us-east-1", held.access_key_id, held.secret_access_key, held.session_token)


def refused(client: Any) -> bool:
    try:
        client.get_caller_identity()
    except ClientError as error:
        return error.response["Error"]["Code"] in ("UnrecognizedClientException", "InvalidClientTokenId")
    return False


def listed(browser: Client) -> list[str]:
    return re.findall(r'name="session" value="(\w+)"', browser.get(PROFILE).content.decode())


def end_by_new_password(account: TestAccount) -> None:
    account.client("iam").update_login_profile(UserName="ann", Password=NEW)


def end_by_no_password(account: TestAccount) -> None:
    account.client("iam").delete_login_profile(UserName="ann")


def end_by_deletion(account: TestAccount) -> None:
    iam = account.client("iam")
    iam.delete_login_profile(UserName="ann")
    iam.delete_user_policy(UserName="ann", PolicyName="test")
    for key in iam.list_access_keys(UserName="ann")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="ann")


ENDS = [end_by_new_password, end_by_no_password, end_by_deletion]


@pytest.mark.parametrize("end", ENDS, ids=lambda each: each.__name__)
def test_it_ends_on_the_pages_and_in_the_engine(account: TestAccount, end: Any) -> None:
    browser = sign_in_browser(person(account))
    client = credentials_of(browser)
    assert alive(browser)
    assert not refused(client)
    end(account)
    assert refused(client)
    assert not alive(browser)
    assert browser.get("/keys/")["Location"].startswith("/principals/sign-in/")


def test_a_role_that_was_taken_in_the_session_ends_with_it(account: TestAccount) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "sts:AssumeRole"}
    account.client("iam").create_role(
        RoleName="auditor", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    browser = sign_in_browser(person(account, "ann", "sts:AssumeRole"))
    assert browser.post("/principals/switch-role/", {"role": "auditor"}).status_code == 302
    client = credentials_of(browser)
    assert ":assumed-role/auditor/" in client.get_caller_identity()["Arn"]
    end_by_new_password(account)
    assert refused(client)
    assert not alive(browser)


def test_a_role_that_is_gone_leaves_the_user(account: TestAccount) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "sts:AssumeRole"}
    account.client("iam").create_role(
        RoleName="auditor", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    browser = sign_in_browser(person(account, "ann", "sts:AssumeRole"))
    browser.post("/principals/switch-role/", {"role": "auditor"})
    account.client("iam").delete_role(RoleName="auditor")
    assert alive(browser)
    assert browser.get("/styleguide/").context["signed_in"].role_name == ""


def test_a_user_made_again_under_the_same_name_has_none_of_the_old_sessions(account: TestAccount) -> None:
    browser = sign_in_browser(person(account))
    client = credentials_of(browser)
    end_by_deletion(account)
    person(account)
    assert refused(client)
    assert not alive(browser)


def test_ones_own_new_password_ends_all_sessions_but_this_one(account: TestAccount) -> None:
    ann = person(account)
    here, there = sign_in_browser(ann), sign_in_browser(ann)
    assert here.post(PROFILE, {"old": ann.password, "new": NEW, "again": NEW}).status_code == 302
    assert alive(here)
    assert not alive(there)


def test_a_program_that_changes_the_password_ends_them_all(account: TestAccount) -> None:
    ann = person(account)
    browser = sign_in_browser(ann)
    ann.client("iam").change_password(OldPassword=ann.password, NewPassword=NEW)
    assert not alive(browser)


def test_a_refused_change_ends_none(account: TestAccount) -> None:
    ann = person(account)
    browser = sign_in_browser(ann)
    with pytest.raises(ClientError, match="old password"):
        ann.client("iam").change_password(OldPassword="wrong", NewPassword=NEW)
    assert alive(browser)


def test_access_keys_and_their_session_tokens_are_not_the_consoles(account: TestAccount) -> None:
    ann = person(account)
    given = ann.client("sts").get_session_token()["Credentials"]
    program = make_client("sts", "us-east-1", given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    end_by_new_password(account)
    assert not refused(program)
    assert not refused(ann.client("sts"))


def test_others_of_the_account_stay(account: TestAccount) -> None:
    bob = sign_in_browser(person(account, "bob"))
    person(account)
    end_by_new_password(account)
    assert alive(bob)


def test_a_sign_in_put_aside_ends_too_and_the_one_in_use_stays(account: TestAccount) -> None:
    browser = sign_in_browser(person(account))
    browser.post(
        "/principals/sign-in/",
        {"account": account.account_id, "user_name": "admin", "password": "correct horse battery", "add": "1"},
    )
    assert len(browser.get("/styleguide/").context["other_sessions"]) == 1
    end_by_new_password(account)
    page = browser.get("/styleguide/")
    assert page.context["other_sessions"] == []
    assert page.context["signed_in"].user_name == "admin"


def test_signing_out_ends_the_session_for_a_copy_of_its_cookie_and_credentials(account: TestAccount) -> None:
    browser = sign_in_browser(person(account))
    client, cookie = credentials_of(browser), browser.cookies["sessionid"].value
    browser.post("/principals/sign-out/")
    copy = Client()
    copy.cookies["sessionid"] = cookie
    assert not alive(copy)
    assert refused(client)


def test_an_ordinary_sign_in_ends_what_the_browser_held(account: TestAccount, signed_in: Client) -> None:
    before = credentials_of(signed_in)
    signed_in.post(
        "/principals/sign-in/",
        {"account": account.account_id, "user_name": "admin", "password": "correct horse battery"},
    )
    assert refused(before)
    assert len(listed(signed_in)) == 1


def test_the_session_id_and_the_csrf_token_change_at_sign_in(account: TestAccount) -> None:
    browser = Client()
    browser.get("/principals/sign-in/")
    browser.cookies["sessionid"] = planted = "a" * 32
    token = browser.cookies["csrftoken"].value
    browser.post(
        "/principals/sign-in/",
        {"account": account.account_id, "user_name": "admin", "password": "correct horse battery"},
    )
    assert browser.cookies["sessionid"].value != planted
    assert browser.cookies["csrftoken"].value != token


def test_it_ends_in_every_worker(server: Server) -> None:
    iam = server.client("iam")
    iam.create_user(UserName="worker-ann")
    iam.create_login_profile(UserName="worker-ann", Password="long enough")
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def reached() -> set[str]:
        """Where connections, which go to one worker or another, end up."""
        found = set()
        for _ in range(12):
            with opener.open(f"{server.url}{PROFILE}") as answer:
                found.add(urlsplit(answer.geturl()).path)
        return found

    page = opener.open(f"{server.url}/principals/sign-in/").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token is not None
    given = {"account": ACCOUNT, "user_name": "worker-ann", "password": "long enough", "next": PROFILE}
    given["csrfmiddlewaretoken"] = token[1]
    opener.open(f"{server.url}/principals/sign-in/", urlencode(given).encode()).close()
    assert reached() == {PROFILE}
    iam.update_login_profile(UserName="worker-ann", Password=NEW)
    assert reached() == {"/principals/sign-in/"}


# --- the profile page's list


def test_the_profile_lists_ones_own_sessions_and_marks_this_one(account: TestAccount) -> None:
    ann = person(account)
    sign_in_browser(person(account, "bob"))
    there = Client(
        headers={"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
        REMOTE_ADDR="192.0.2.7",
    )
    there.post("/principals/sign-in/", {"account": account.account_id, "user_name": "ann", "password": ann.password})
    here = sign_in_browser(ann)
    rows = here.get(PROFILE).context["sessions"]
    assert sorted(row["own"] for row in rows) == [False, True]
    other = next(row for row in rows if not row["own"])
    assert (other["browser"], other["session"].source_ip) == ("Firefox, Linux", "192.0.2.7")
    assert "this one" in text(here.get(PROFILE))


def test_one_is_ended_from_the_list(account: TestAccount) -> None:
    ann = person(account)
    here, there = sign_in_browser(ann), sign_in_browser(ann)
    (other,) = (row["session"].id for row in here.get(PROFILE).context["sessions"] if not row["own"])
    assert here.post(SESSIONS, {"session": other})["Location"] == PROFILE
    assert not alive(there)
    assert alive(here)
    wanted = [{"AttributeKey": "EventName", "AttributeValue": "EndConsoleSessions"}]
    (event,) = account.client("cloudtrail").lookup_events(LookupAttributes=wanted)["Events"]
    assert event["Username"] == "ann"


def test_all_others_are_ended_at_once(account: TestAccount) -> None:
    ann = person(account)
    here, *elsewhere = (sign_in_browser(ann) for _ in range(3))
    here.post(SESSIONS, {"others": "1"})
    assert alive(here)
    assert [alive(each) for each in elsewhere] == [False, False]
    assert len(listed(here)) == 1


def test_ending_the_one_in_use_signs_out(account: TestAccount) -> None:
    here = sign_in_browser(person(account))
    (own,) = listed(here)
    assert here.post(SESSIONS, {"session": own})["Location"] == "/principals/sign-in/"
    assert not alive(here)


def test_nobody_ends_anothers_session_there(account: TestAccount, signed_in: Client) -> None:
    (of_admin,) = listed(signed_in)
    ann = sign_in_browser(person(account))
    ann.post(SESSIONS, {"session": of_admin})
    assert alive(signed_in)


def test_an_administrator_ends_a_users_sessions(account: TestAccount, signed_in: Client) -> None:
    ann = sign_in_browser(person(account))
    assert "End console sessions" in text(signed_in.get("/principals/users/ann/"))
    assert signed_in.post("/principals/users/ann/sessions/").status_code == 302
    assert not alive(ann)
    assert alive(signed_in)
    assert signed_in.post("/principals/users/nobody/sessions/").status_code == 404


def test_who_may_not_end_anothers_sessions_reads_the_missing_permission(account: TestAccount) -> None:
    ann = sign_in_browser(person(account))
    sign_in_browser(person(account, "bob"))
    answer = ann.post("/principals/users/bob/sessions/")
    assert answer.status_code == 403
    assert "kmsconsole:EndConsoleSessions" in text(answer)


# --- what is stored


def test_a_row_holds_no_secret(account: TestAccount) -> None:
    browser = sign_in_browser(person(account))
    held = session._read(dict(browser.session.items())["signed_in"])
    assert held is not None
    row = str(ConsoleSession.objects.filter(session_id=held.session_id).values())
    for secret in (held.secret_access_key, held.session_token, held.access_key_id, browser.cookies["sessionid"].value):
        assert secret not in row


def test_a_page_writes_the_last_use_down_only_once_in_five_minutes(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = sign_in_browser(person(account))
    (own,) = listed(browser)
    begun = ConsoleSession.objects.get(session_id=own).seen

    def written() -> list[str]:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            browser.get("/styleguide/")
        return [each["sql"] for each in queries if not each["sql"].startswith("SELECT")]

    assert written() == []
    later = begun + timedelta(minutes=6)
    monkeypatch.setattr(console_sessions.clock, "real_now", lambda: later)
    assert len(written()) == 1
    assert written() == []
    assert ConsoleSession.objects.get(session_id=own).seen == later


def test_what_has_expired_is_taken_away_by_the_next_sign_in(account: TestAccount) -> None:
    ann = person(account)
    (old,) = listed(sign_in_browser(ann))
    row = ConsoleSession.objects.filter(session_id=old)
    row.update(expires=row.get().begun)
    sign_in_browser(ann)
    assert not row.exists()
