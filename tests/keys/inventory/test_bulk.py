"""Actions on many keys: the preview, the confirmation, the job and its progress."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError
from django.test import Client
from django.utils import timezone

from keys import leases, service
from keys.inventory import bulk
from keys.models import BulkItem, BulkJob
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support import threads
from tests.support.answers import text
from tests.support.principals import second_person


def state(account: TestAccount, key_id: str) -> str:
    return str(account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"])


def post(browser: Client, **fields: Any) -> Any:
    return browser.post("/keys/bulk/", fields)


def test_the_preview_says_what_each_key_will_answer(account: TestAccount, signed_in: Client) -> None:
    on, doomed = account.create_key(), account.create_key()
    account.client().schedule_key_deletion(KeyId=doomed)
    page = post(signed_in, action="disable", key=[on, doomed])
    assert [(each.key_id, bool(each.problem)) for each in page.context["expected"]] == [(doomed, True), (on, False)]
    assert f"key/{doomed} is pending deletion." in page.content.decode()
    assert state(account, on) == "Enabled"


def test_the_preview_knows_refusals_of_policies(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    allowed = {"Effect": "Allow", "Action": ["kms:List*", "kms:Describe*"], "Resource": "*"}
    user = account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    account.client("iam").create_login_profile(UserName="ann", Password="long enough")
    ann = sign_in_browser(TestUser(account, "ann", user.arn, "", "", "long enough"))
    (expected,) = post(ann, action="disable", key=[key_id]).context["expected"]
    assert expected.problem.startswith(
        f"AccessDeniedException: User: {user.arn} is not authorized to perform: kms:DisableKey"
    )
    post(ann, action="disable", key=[key_id], confirmed="1")
    assert state(account, key_id) == "Enabled"


def test_a_deletion_is_typed_and_keeps_what_was_typed(account: TestAccount, signed_in: Client) -> None:
    keys = [account.create_key(), account.create_key()]
    refused = post(signed_in, action="delete", key=keys, confirmed="1", days="9", typed="yes")
    assert refused.status_code == 422
    assert 'value="9"' in refused.content.decode()
    assert 'value="yes"' in refused.content.decode()
    assert [state(account, key) for key in keys] == ["Enabled"] * 2
    post(signed_in, action="delete", key=keys, confirmed="1", days="9", typed="delete 2")
    assert [state(account, key) for key in keys] == ["PendingDeletion"] * 2


def test_a_tag_is_added_to_all_that_match(account: TestAccount, signed_in: Client) -> None:
    for number in range(4):
        account.create_key(Description=f"ledger {number}")
    other = account.create_key()
    fields = {
        "action": "tag",
        "all": "1",
        "query": "q=ledger",
        "confirmed": "1",
        "tag_key": "team",
        "tag_value": "blue",
    }
    answer = signed_in.post("/keys/bulk/", fields, follow=True)
    assert answer.context["done"] == 4
    assert len(signed_in.get("/keys/?tag=team%3Dblue").context["rows"]) == 4
    assert not account.client().list_resource_tags(KeyId=other)["Tags"]


def test_a_refusal_that_comes_only_with_the_call_is_shown(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key(Tags=[{"TagKey": f"k{n}", "TagValue": ""} for n in range(50)])
    page = signed_in.post(
        "/keys/bulk/",
        {"action": "tag", "key_": "", "all": "1", "query": "", "confirmed": "1", "tag_key": "one-more"},
        follow=True,
    )
    assert (page.context["done"], page.context["refused"]) == (0, 1)
    assert "LimitExceededException" in page.content.decode()
    assert key_id in page.content.decode()


def test_a_job_that_stopped_goes_on_when_its_owner_looks(account: TestAccount, signed_in: Client) -> None:
    keys = [account.create_key() for _ in range(3)]
    job = BulkJob.objects.create(
        account_id=account.account_id,
        region="us-east-1",
        owner=account.client("iam").get_user()["User"]["UserId"],
        action="disable",
        created=timezone.now(),
    )
    assert leases.take(f"bulk {job.pk}", -1) is not None  # by a worker that died
    BulkItem.objects.bulk_create([BulkItem(job=job, key_id=key) for key in keys])
    page = signed_in.get(f"/keys/bulk/{job.pk}/")
    assert (page.context["done"], page.context["left"]) == (3, 0)
    assert [state(account, key) for key in keys] == ["Disabled"] * 3


def test_a_job_is_its_owners_alone(account: TestAccount, other_account: TestAccount, signed_in: Client) -> None:
    post(signed_in, action="disable", key=[account.create_key()], confirmed="1")
    job = BulkJob.objects.get(account_id=account.account_id)
    assert sign_in_browser(other_account.administrator).get(f"/keys/bulk/{job.pk}/").status_code == 404


def test_a_job_stays_with_who_began_it_whatever_the_users_are_called(account: TestAccount, signed_in: Client) -> None:
    """Looking at a job takes it up: who has its owner's name today is not asked for permission by another's choice of keys."""
    ann, iam = second_person(account, "ann"), account.client("iam")
    post(ann, action="disable", key=[account.create_key()], confirmed="1")
    job = BulkJob.objects.get(account_id=account.account_id)
    iam.update_user(UserName="ann", NewUserName="eve")
    second_person(account, "ann")
    renamed, namesake = (sign_in_browser(TestUser(account, name, "", "", "", "long enough")) for name in ("eve", "ann"))
    assert renamed.get(f"/keys/bulk/{job.pk}/").status_code == 200
    assert namesake.get(f"/keys/bulk/{job.pk}/").status_code == 404


def test_a_long_job_goes_on_behind_the_page(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "AT_ONCE", 0.0)
    started = threads.held(monkeypatch, bulk)
    keys = [account.create_key() for _ in range(3)]
    page = signed_in.post("/keys/bulk/", {"action": "disable", "key": keys, "confirmed": "1"}, follow=True)
    assert page.context["left"] == 3
    assert "This page can be left" in page.content.decode()
    started[0]()
    assert [state(account, key) for key in keys] == ["Disabled"] * 3


class Flaky:
    """A client of which one operation fails: with `after` only once the call was carried out."""

    def __init__(self, kms: Any, operation: str, error: Exception, *, after: bool = False) -> None:
        self._kms, self._operation, self._error, self._after = kms, operation, error, after
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        return self._fail if name == self._operation else getattr(self._kms, name)

    def _fail(self, **parameters: Any) -> Any:
        self.calls += 1
        if self._after:
            getattr(self._kms, self._operation)(**parameters)
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        ConnectionClosedError(endpoint_url="http://far.example/"),
        ClientError({"Error": {"Code": "503", "Message": "Service Unavailable"}}, "DisableKey"),
    ],
)
def test_a_call_without_an_answer_stops_the_job_on_its_page_which_goes_on_later(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    keys = [account.create_key() for _ in range(3)]
    flaky = Flaky(account.client(), "disable_key", error, after=True)
    with monkeypatch.context() as patch:
        patch.setattr(service, "client", lambda _request: flaky)
        page = signed_in.post("/keys/bulk/", {"action": "disable", "key": keys, "confirmed": "1"}, follow=True)
    assert page.status_code == 200
    assert [page.context[name] for name in ("done", "refused", "left")] == [0, 0, 3]
    shown = text(page)
    assert "Whether the last call was carried out is not known." in shown
    assert "Nothing listens there" not in shown
    assert flaky.calls == 2  # one of the request that began the job, and one of its page
    later = signed_in.get(page.request["PATH_INFO"])
    assert (later.context["done"], later.context["left"]) == (3, 0)


def test_a_key_that_was_not_read_at_the_moment_is_not_left_out_of_a_job(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [account.create_key() for _ in range(2)]
    signed_in.get("/keys/")
    throttled = ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "DescribeKey")
    with monkeypatch.context() as patch:
        patch.setattr(service, "client", lambda _request: Flaky(account.client(), "describe_key", throttled))
        page = signed_in.post("/keys/bulk/", {"action": "disable", "key": keys, "confirmed": "1"}, follow=True)
    assert page.context["done"] == 2
    assert [state(account, key) for key in keys] == ["Disabled"] * 2


def test_a_key_that_will_not_do_it_any_more_is_shown_before_anything_is_done(
    account: TestAccount, signed_in: Client
) -> None:
    one, two = account.create_key(), account.create_key()
    chosen = {"action": "disable", "key": [one, two]}
    page = text(signed_in.post("/keys/bulk/", chosen))
    (willing,) = re.findall(r'name="willing"\s+value="(\d+)"', page)
    account.client().schedule_key_deletion(KeyId=two)
    again = signed_in.post("/keys/bulk/", {**chosen, "confirmed": "1", "willing": willing})
    assert "has changed since you looked" in text(again)
    assert "1 key will do it." in text(again)
    assert state(account, one) == "Enabled"
    done = signed_in.post("/keys/bulk/", {**chosen, "confirmed": "1", "willing": "1"}, follow=True)
    assert done.context["done"] == 1


def test_nothing_chosen_is_said(signed_in: Client) -> None:
    page = signed_in.post("/keys/bulk/", {"action": "disable"}, follow=True)
    assert "Choose keys and an action first." in page.content.decode()


def test_many_keys_are_disabled_after_a_preview(account: TestAccount, signed_in: Client) -> None:
    one, two = account.create_key(), account.create_key()
    account.client().schedule_key_deletion(KeyId=two)
    preview = text(signed_in.post("/keys/bulk/", {"action": "disable", "key": [one, two]}))
    assert "is pending deletion." in preview
    signed_in.post("/keys/bulk/", {"action": "disable", "key": [one], "confirmed": "1"})
    assert account.client().describe_key(KeyId=one)["KeyMetadata"]["KeyState"] == "Disabled"


def test_the_deletion_of_many_shows_who_uses_each_and_when_it_was_used(account: TestAccount, signed_in: Client) -> None:
    used, unused = account.create_key(), account.create_key()
    account.client().create_alias(AliasName="alias/in-use", TargetKeyId=used)
    account.client().encrypt(KeyId=used, Plaintext=b"x")
    page = post(signed_in, action="delete", key=[unused, used])
    impacts = page.context["impacts"]
    assert impacts[used].aliases == ("in-use",)
    assert impacts[used].users == (account.administrator.arn,)
    assert (impacts[used].recent, impacts[unused].recent) == (True, False)
    assert account.administrator.arn in page.content.decode().partition("<main")[2]


def test_of_a_key_that_will_refuse_nothing_is_said_to_be_none(account: TestAccount, signed_in: Client) -> None:
    """Its aliases and uses are not looked up."""
    doomed, other = account.create_key(), account.create_key()
    account.client().create_alias(AliasName="alias/doomed", TargetKeyId=doomed)
    account.client().schedule_key_deletion(KeyId=doomed)
    page = text(post(signed_in, action="delete", key=[doomed, other]))
    row = page.partition(f'href="/keys/{doomed}/"')[2].partition("</tr>")[0]
    assert "Not looked up: nothing is done to this key." in row
    assert "–" not in row


def test_a_key_that_was_used_lately_is_named_before_many_are_deleted(account: TestAccount, signed_in: Client) -> None:
    used, unused = account.create_key(), account.create_key()
    account.client().create_alias(AliasName="alias/in-use", TargetKeyId=used)
    account.client().encrypt(KeyId=used, Plaintext=b"x")
    given = {"action": "delete", "key": [unused, used], "confirmed": "1", "days": "9", "typed": "delete 2"}
    refused = post(signed_in, **given, names="something else")
    assert refused.status_code == 422
    assert "Not typed: in-use" in refused.content.decode()
    assert state(account, unused) == "Enabled"
    post(signed_in, **given, names="in-use")
    assert state(account, used) == "PendingDeletion"


def ticks(browser: Client, address: str = "/keys/") -> tuple[list[str], list[str]]:
    """(ticked on this page, on others), as a page without scripts has them."""
    page = text(browser.get(address))
    here = re.findall(r'name="key"\s+value="([^"]+)"[^>]*\schecked', page)
    return sorted(here), sorted(re.findall(r'type="hidden" name="key" value="([^"]+)"', page))


def test_ticks_stay_without_scripts_while_one_pages(account: TestAccount, signed_in: Client) -> None:
    one, two, three = sorted(account.create_key() for _ in range(3))
    assert ticks(signed_in) == ([], [])
    moved = signed_in.post(
        "/keys/bulk/", {"query": "sort=key_id&page=1", "shown": [one, two], "key": [one], "page": "2"}
    )
    assert moved["Location"] == "/keys/?sort=key_id&page=2"
    assert ticks(signed_in) == ([one], [])
    assert ticks(signed_in, "/keys/?q=no-such-key") == ([], [one])
    signed_in.post("/keys/bulk/", {"shown": [three], "key": [one, three], "page": "1"})  # as the page has the other's
    assert ticks(signed_in) == ([one, three], [])
    signed_in.post("/keys/bulk/", {"shown": [one, two], "key": [two, three], "page": "2"})
    assert ticks(signed_in) == ([two, three], [])
    signed_in.post("/region/", {"region": "eu-west-1", "next": "/"})
    assert ticks(signed_in) == ([], [])
    signed_in.post("/region/", {"region": "us-east-1", "next": "/"})
    post(signed_in, action="disable", key=[two, three], confirmed="1")
    assert ticks(signed_in) == ([], [])


def test_ticks_are_cleared_and_bounded_without_scripts(account: TestAccount, signed_in: Client) -> None:
    key = account.create_key()
    signed_in.post("/keys/bulk/", {"shown": [key], "key": [key], "page": "1"})
    signed_in.post("/keys/bulk/", {"query": "q=a", "untick": "1"})
    assert ticks(signed_in) == ([], [])
    many = [f"key-{number}" for number in range(950)]
    answer = signed_in.post("/keys/bulk/", {"shown": [], "key": many, "page": "1"}, follow=True)
    assert "At most 900 are ticked" in text(answer)
    assert len(ticks(signed_in)[1]) == 900
