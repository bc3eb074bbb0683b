"""The compliance pages: status by framework, evidence, runs over time, exceptions, and the command for a timer."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import translation

from audit.compliance import results, runs
from audit.compliance.models import ComplianceException, ComplianceRun
from engine import clock
from keys.endpoints import outbound
from tests.conftest import TestAccount, sign_in_browser
from tests.support.answers import body, text
from tests.support.connections import connect
from tests.support.policies import allow, document, person
from tests.support.stub_endpoint import StubEndpoint

BASE = "/audit/compliance/"
AUDITS = [
    allow(["kms:List*", "kms:Describe*", "kms:Get*", "iam:Get*", "iam:List*", "iam:GenerateCredentialReport"]),
    allow(["cloudtrail:LookupEvents", "kmsconsole:List*", "kmsconsole:ReadRecord"]),
]


def statuses(browser: Client, **query: str) -> dict[str, str]:
    return {each.check_id: each.status for each in browser.get(BASE, query).context["results"]}


def except_(browser: Client, account: TestAccount, resource: str, check_id: str = "key-owner-tag", **more: Any) -> Any:
    expires = clock.now(account.account_id) + timedelta(days=30)
    given = {"resource": resource, "reason": "moved in May", "owner": "ann", "expires": f"{expires:%Y-%m-%d}", **more}
    return browser.post(f"{BASE}{check_id}/except/", given)


def arn_of(account: TestAccount, key_id: str) -> str:
    return f"arn:aws:kms:us-east-1:{account.account_id}:key/{key_id}"


def test_the_list_is_narrowed_by_framework_and_status(account: TestAccount, signed_in: Client) -> None:
    account.create_key()
    everything = statuses(signed_in)
    cis = statuses(signed_in, framework="cis")
    assert {"key-rotation", "access-key-age", "root-use"} <= set(cis) < set(everything)
    failed = statuses(signed_in, framework="cis", status="failed")
    assert failed
    assert set(failed.values()) == {"failed"}
    assert statuses(signed_in, framework="no-such") == everything


def test_a_run_is_kept_and_shown_over_time(account: TestAccount, signed_in: Client) -> None:
    key = account.create_key()
    assert not signed_in.get(BASE).context["history"]
    signed_in.post(f"{BASE}run/")
    first = clock.now(account.account_id)
    account.move_clock(days=1)
    account.client().enable_key_rotation(KeyId=key)
    signed_in.post(f"{BASE}run/")
    page = signed_in.get(BASE)
    before, after = page.context["history"]
    assert after.numbers["passed"] == before.numbers["passed"] + 1
    assert [len(bar.parts) for bar in page.context["chart"].bars] == [2, 2]
    assert statuses(signed_in, as_of=first.isoformat())["key-rotation"] == "failed"
    assert statuses(signed_in)["key-rotation"] == "passed"
    assert statuses(signed_in, as_of=(first - timedelta(days=1)).isoformat()) == {}
    only_keys = signed_in.get(BASE, {"framework": "own"}).context["history"]
    assert not any(each.numbers for each in only_keys)


def test_a_run_is_an_action_that_policies_decide_and_the_record_tells(account: TestAccount, signed_in: Client) -> None:
    auditor = sign_in_browser(person(account, "auditor", document(*AUDITS)))
    assert "is not authorized to perform: kmsconsole:RunComplianceChecks" in body(auditor.get(BASE))
    auditor.post(f"{BASE}run/")
    assert not ComplianceRun.objects.filter(account_id=account.account_id).exists()
    signed_in.post(f"{BASE}run/")
    attribute = {"AttributeKey": "EventName", "AttributeValue": "RunComplianceChecks"}
    done, refused = account.client("cloudtrail").lookup_events(LookupAttributes=[attribute])["Events"]
    assert json.loads(refused["CloudTrailEvent"])["errorCode"] == "AccessDenied"
    assert json.loads(done["CloudTrailEvent"])["requestParameters"]["results"]["user-mfa"] == "failed"


def test_who_may_not_see_results_gets_the_refusal(account: TestAccount) -> None:
    browser = sign_in_browser(person(account, "outside", document(allow("kms:*"))))
    for address in (BASE, f"{BASE}key-rotation/"):
        page = browser.get(address)
        assert page.status_code == 403
        assert "kmsconsole:ListComplianceResults" in body(page)


def test_of_older_runs_the_last_of_a_day_is_kept(account: TestAccount, signed_in: Client) -> None:
    for _number in range(2):
        signed_in.post(f"{BASE}run/")
    mine = ComplianceRun.objects.filter(account_id=account.account_id)
    first, second = mine.order_by("pk")
    account.move_clock(days=40)
    signed_in.post(f"{BASE}run/")
    assert mine.order_by("pk").first() == second
    assert (first in mine, mine.count()) == (False, 2)


def test_an_exception_is_neither_passed_nor_failed_until_it_expires(account: TestAccount, signed_in: Client) -> None:
    key = account.create_key()
    assert statuses(signed_in)["key-owner-tag"] == "failed"
    assert except_(signed_in, account, arn_of(account, key)).status_code == 302
    assert statuses(signed_in)["key-owner-tag"] == "excepted"
    shown = body(signed_in.get(f"{BASE}key-owner-tag/"))
    assert "moved in May" in shown
    assert "Excepted until" in shown
    account.create_key()
    assert statuses(signed_in)["key-owner-tag"] == "failed"
    assert signed_in.get(f"{BASE}key-owner-tag/").context["result"].excepted == 1
    account.move_clock(days=31)
    page = signed_in.get(f"{BASE}key-owner-tag/")
    assert (page.context["result"].excepted, page.context["result"].failing) == (0, 2)
    assert "Expired" in body(page)


def test_who_made_and_ended_an_exception_is_recorded(account: TestAccount, signed_in: Client) -> None:
    arn = arn_of(account, account.create_key())
    except_(signed_in, account, arn)
    except_(signed_in, account, arn, reason="another reason")
    older, row = ComplianceException.objects.filter(account_id=account.account_id).order_by("pk")
    assert older.ended is not None
    assert row.made_by == account.administrator.arn
    signed_in.post(f"{BASE}exceptions/{row.pk}/end/")
    row.refresh_from_db()
    assert (row.ended_by, statuses(signed_in)["key-owner-tag"]) == (account.administrator.arn, "failed")
    attribute = {"AttributeKey": "EventName", "AttributeValue": "ManageComplianceExceptions"}
    events = account.client("cloudtrail").lookup_events(LookupAttributes=[attribute])["Events"]
    said = [json.loads(each["CloudTrailEvent"])["requestParameters"] for each in events]
    assert [(each["change"], each.get("reason")) for each in said] == [
        ("end", None),
        ("make", "another reason"),
        ("make", "moved in May"),
    ]


def test_an_exception_takes_a_reason_an_owner_and_a_day_within_a_year(account: TestAccount, signed_in: Client) -> None:
    arn = arn_of(account, account.create_key(Tags=[{"TagKey": "team", "TagValue": "x"}]))
    for wrong in ({"reason": ""}, {"owner": ""}, {"expires": ""}, {"expires": "2020-01-01"}, {"expires": "2099-01-01"}):
        page = except_(signed_in, account, arn, **wrong)
        assert (page.status_code, list(page.context["form"].errors)) == (422, list(wrong))
    assert except_(signed_in, account, "arn:aws:kms:us-east-1:1:key/none").status_code == 404
    assert signed_in.get(f"{BASE}key-owner-tag/except/", {"resource": arn}).status_code == 200


def test_an_exception_takes_the_permission(account: TestAccount, signed_in: Client) -> None:
    arn = arn_of(account, account.create_key())
    auditor = sign_in_browser(person(account, "auditor", document(*AUDITS)))
    assert "kmsconsole:ManageComplianceExceptions" in body(except_(auditor, account, arn))
    except_(signed_in, account, arn)
    row = ComplianceException.objects.get(account_id=account.account_id)
    auditor.post(f"{BASE}exceptions/{row.pk}/end/")
    row.refresh_from_db()
    assert row.ended is None


def test_another_accounts_exceptions_are_not_there(
    account: TestAccount, other_account: TestAccount, signed_in: Client
) -> None:
    except_(signed_in, account, arn_of(account, account.create_key()))
    row = ComplianceException.objects.get(account_id=account.account_id)
    stranger = sign_in_browser(other_account.administrator)
    assert stranger.post(f"{BASE}exceptions/{row.pk}/end/").status_code == 404
    assert not stranger.get(BASE).context["exceptions"]


def test_with_very_many_keys_a_page_tells_of_the_last_run(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "LIVE_KEYS", 0)
    account.create_key()
    before = {each.check_id: each for each in signed_in.get(BASE).context["results"]}["duties-separated"]
    assert (before.status, before.run) == (results.UNKNOWN, None)
    signed_in.post(f"{BASE}run/")
    after = {each.check_id: each for each in signed_in.get(BASE).context["results"]}["duties-separated"]
    assert (after.status, after.run is None) == (results.FAILED, False)
    assert signed_in.get(f"{BASE}duties-separated/").context["result"].status == results.FAILED


def test_stored_words_are_read_in_the_readers_language(account: TestAccount, signed_in: Client) -> None:
    account.create_key()
    signed_in.post(f"{BASE}run/")
    run = runs.of_run(ComplianceRun.objects.get(account_id=account.account_id))
    (fact,) = (each.findings.page(0, 1)[0].fact for each in run if each.check_id == "key-rotation")
    with translation.override("en"):
        english = str(fact)
    with translation.override("de"):
        assert str(fact) != english


def test_another_endpoint_is_checked_as_far_as_it_tells(
    account: TestAccount, signed_in: Client, other_account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = other_account.create_key()
    stub = StubEndpoint(other_account.client(), other_account.client("cloudtrail"))
    monkeypatch.setattr(outbound.CheckedSession, "send", lambda self, request: stub.send(request))
    connection = connect(signed_in, "http://203.0.113.7:4566")
    signed_in.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk), "next": "/"})
    found = {each.check_id: each for each in signed_in.get(BASE).context["results"]}
    assert (found["key-rotation"].status, found["key-rotation"].findings.page(0, 1)[0].name) == ("failed", key)
    for check_id in ("policy-kms-all", "access-key-age", "duties-separated", "root-use"):
        assert found[check_id].status == results.UNKNOWN
        assert "not known here" in str(found[check_id].unknown[0])
    signed_in.post(f"{BASE}run/")
    assert ComplianceRun.objects.get(account_id=account.account_id).scope == f"c{connection.pk}"


# --- the command


def run_command(account: TestAccount, monkeypatch: pytest.MonkeyPatch, *options: str) -> tuple[int, str, str]:
    user = account.administrator
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", user.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", user.secret_access_key)
    out = StringIO()
    try:
        call_command("compliance", *options, stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    return 0, out.getvalue(), ""


def test_the_command_runs_the_checks_and_keeps_them(account: TestAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    account.create_key()
    code, printed, problem = run_command(account, monkeypatch, "--json")
    told = json.loads(printed)
    assert (code, problem, told["account"], told["keys"]) == (1, "a check failed", account.account_id, 1)
    rotation = next(each for each in told["results"] if each["check"] == "key-rotation")
    assert (rotation["status"], rotation["findings"][0]["fact"]) == ("failed", "Automatic rotation is off.")
    assert ComplianceRun.objects.get(account_id=account.account_id).made_by == account.administrator.arn
    code, printed, _problem = run_command(account, monkeypatch)
    assert "failed         key-rotation 1 of 1" in printed


def test_the_command_says_why_it_could_not_run(account: TestAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_command(account, monkeypatch, "--region", "no where") == (2, "", "no where is no Region")
    ann = account.create_user("ann", document(allow("kms:List*")))
    account.administrator = ann
    code, _printed, problem = run_command(account, monkeypatch)
    assert code == 2
    assert "kmsconsole:RunComplianceChecks" in problem


# --- own checks on the page


@pytest.fixture
def own_file() -> Any:
    path = Path(settings.DATA) / "compliance.toml"
    yield path
    path.unlink(missing_ok=True)


def test_own_checks_are_checks_like_the_others(account: TestAccount, signed_in: Client, own_file: Path) -> None:
    own_file.write_text(
        '[[check]]\nid = "team"\ntitle = "Every key has a team"\nreferences = ["Rule 7"]\n'
        'requires = [{ field = "tag:team", operator = "is there" }]\n'
    )
    tagged = account.create_key(Tags=[{"TagKey": "team", "TagValue": "blue"}])
    bare = account.create_key()
    assert statuses(signed_in, framework="own") == {"own-team": "failed"}
    page = signed_in.get(f"{BASE}own-team/")
    assert [each.name for each, _exception in page.context["rows"]] == [bare]
    assert tagged not in body(page)
    signed_in.post(f"{BASE}run/")
    own_file.unlink()
    now = clock.now(account.account_id).isoformat()
    (kept,) = [each for each in signed_in.get(BASE, {"as_of": now}).context["results"] if each.check_id == "own-team"]
    assert (kept.title, kept.status, kept.references) == ("Every key has a team", "failed", ["Own checks Rule 7"])


def test_a_file_that_is_wrong_is_told_with_its_line_and_stops_a_run(
    account: TestAccount, signed_in: Client, own_file: Path
) -> None:
    own_file.write_text('[[check]]\nid = "team"\n')
    page = body(signed_in.get(BASE))
    assert "compliance.toml, line 1" in page
    signed_in.post(f"{BASE}run/")
    assert not ComplianceRun.objects.filter(account_id=account.account_id).exists()


def test_the_credential_report_is_made_once_and_no_event_of_it_is_in_the_way(
    account: TestAccount, signed_in: Client
) -> None:
    for _look in range(2):
        assert signed_in.get("/audit/compliance/").status_code == 200
    asked = [{"AttributeKey": "EventSource", "AttributeValue": "iam.amazonaws.com"}]
    found = account.client("cloudtrail").lookup_events(LookupAttributes=asked, MaxResults=50)["Events"]
    assert [each["EventName"] for each in found].count("GenerateCredentialReport") == 1
    assert "CredentialReport" not in text(signed_in.get("/audit/"))
    assert "GenerateCredentialReport" in text(signed_in.get("/audit/", {"reads": "on"}))
