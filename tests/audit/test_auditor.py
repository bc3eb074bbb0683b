"""The auditor (the policy KeyAuditor): sees every page and every reading call, changes and uses nothing, by any page or call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import resolve

from audit.compliance.models import ComplianceException, ComplianceRun
from engine.iam import starter_policies
from engine.public.vocabulary import READ, kind_of_call
from engine.service import operations
from engine.trail import event_terms, journal, query
from engine.wire.services import SERVICES
from tests.conftest import TestAccount, TestUser, new_account, sign_in_browser
from tests.support import htmlforms, members, raw, samples
from tests.support.calls import EVERY, Calls
from tests.support.long_form import LONG
from tests.support.policies import person
from tests.support.samples import Samples

REFUSED = ("AccessDenied", "AccessDeniedException")
# Reads that are no operation of a key's administration, and what anybody may do with its own credentials.
ALSO = {"GetPublicKey", "GenerateCredentialReport", "GetCallerIdentity", "GetSessionToken"}
NOT = {
    "DecodeAuthorizationMessage",
    "GenerateOrganizationsAccessReport",
    "GetFederationToken",
    "GetParametersForImport",
}
# Pages that are for changing something alone: they say that it may not be done, or show the form as unavailable.
FOR_CHANGES = ("/principals/sign-", "/theme/", "/language/", "/region/", "/styleguide/")
OWN = {"ConsoleLogin", "GenerateCredentialReport"}  # the sign-in itself, and the report that IAM makes to be read
OWN_PAGES = ("/settings/profile/", "/principals/users/auditor/")  # its password, sessions and access keys
NO_PART = ("csrfmiddlewaretoken", "next")  # of a form, in what it does
OWN_CREDENTIALS = {"ChangePassword", "CreateAccessKey", "DeleteAccessKey", "UpdateAccessKey"}


@dataclass
class World:
    account: TestAccount
    auditor: TestUser
    browser: Client
    calls: Calls
    made: Samples

    def changes(self) -> list[str]:
        """What the auditor did that the record does not call a read, and that was done."""
        found = query.lookup(self.account.account_id, query.Lookup(user="auditor", limit=20_000)).events
        assert len(found) < 20_000
        done = [each for each in found if not each.get("readOnly") and not each.get("errorCode")]
        return sorted({each["eventName"] for each in done if each["eventName"] not in OWN and not _is_own(each)})


def _is_own(event: dict[str, Any]) -> bool:
    """Whether it is about the auditor's own password or access keys, which every practice policy leaves to its user."""
    whose = (event.get("requestParameters") or {}).get("userName", "auditor")
    return event["eventName"] in OWN_CREDENTIALS and whose == "auditor"


@pytest.fixture(scope="module")
def world(prepared: object) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal.os, "fdatasync", lambda descriptor: None)
        account = new_account()
        auditor = person(account, "auditor")
        policy = next(each for each in starter_policies.POLICIES if each.name == "KeyAuditor")
        account.client("iam").attach_user_policy(UserName="auditor", PolicyArn=policy.arn(account.account_id))
        made = samples.make(account.client)
        browser = sign_in_browser(account.administrator)
        browser.post("/audit/compliance/run/")
        yield World(account, auditor, sign_in_browser(auditor), Calls(account.administrator), made)


def route(address: str) -> tuple[object, ...]:
    """The pattern of an address, and what chooses between pages of it."""
    match = resolve(urlsplit(address).path)
    return match.route, match.kwargs.get("action"), match.kwargs.get("operation"), match.kwargs.get("kind")


def reads(name: str, operation: str) -> bool:
    if operation in ALSO or operation in NOT:
        return operation in ALSO
    return kind_of_call(operation, read_only=not operations()[name][operation].writes) == READ


def addresses(world: World) -> list[str]:
    found = [address for each in samples.addresses(world.made).values() for address in each]
    return [each for each in found if not each.startswith(FOR_CHANGES)]


@pytest.fixture(scope="module")
def pages(world: World) -> dict[str, Any]:
    """Address → what it answers the auditor."""
    return {address: world.browser.get(address) for address in addresses(world)}


def test_the_auditor_sees_keys_access_the_record_and_compliance(pages: dict[str, Any]) -> None:
    seen = ("/keys/", "/access/", "/audit/", "/principals/", "/settings/endpoints/")
    refused = {each for each, answer in pages.items() if each.startswith(seen) and answer.status_code in (401, 403)}
    assert {each for each in refused if "/new/" not in each and "/do/" not in each} == set()
    assert not [each for each, answer in pages.items() if answer.status_code >= 500]


def test_looking_at_every_page_leaves_nothing_in_the_event_list_but_the_sign_in(
    world: World, pages: dict[str, Any]
) -> None:
    """What the pages asked for themselves is marked as read by this console, and hidden at first: who looks for what was done finds it. Only a public key that was fetched is a use of its key."""
    found = query.lookup(world.account.account_id, query.Lookup(user="auditor", limit=20_000)).events
    assert {each["eventName"] for each in found} >= {"GetCredentialReport", "DescribeKey"}
    shown = {each["eventName"] for each in found if not event_terms.is_read_by_console(each)}
    assert shown == {"ConsoleLogin", "GetPublicKey"}


def test_no_form_of_any_page_changes_anything_for_the_auditor(world: World, pages: dict[str, Any]) -> None:
    """A form of each kind (where it goes, its fields, the button) is sent as it stands, and an empty one to an address of each route that
    no form goes to; by `make walks` each form of each page, and an empty one to every other address. The record tells what was done."""
    sent: set[object] = set()
    posted: set[str] = set()
    for address, answer in pages.items():
        if answer.streaming or not answer["Content-Type"].startswith("text/html"):
            continue
        for form in htmlforms.forms(address, answer.content.decode()):
            if form.method != "post" or form.action.startswith((*FOR_CHANGES, *OWN_PAGES)):
                continue
            given = {each.name: each.value or "x" for each in form.fields if each.name not in NO_PART}
            for button in form.buttons or [("", "")]:
                data = {**given, **({button[0]: button[1]} if button[0] else {})}
                what: object = (route(form.action), tuple(given), button)
                if LONG:
                    what = f"{form.action} {data}"
                if what not in sent:
                    sent.add(what)
                    posted.add(form.action)
                    world.browser.post(form.action, data)
    others = {each if LONG else route(each): each for each in sorted(set(pages) - posted)}
    reached = set() if LONG else {route(each) for each in posted}
    for name, address in others.items():
        if not address.startswith(OWN_PAGES) and name not in reached:
            world.browser.post(address)
    assert len(posted) > 50
    assert world.changes() == []


def test_the_auditor_neither_runs_checks_nor_makes_exceptions(world: World) -> None:
    before = ComplianceRun.objects.filter(account_id=world.account.account_id).count()
    world.browser.post("/audit/compliance/run/")
    given = {"resource": world.made.symmetric_arn, "reason": "x", "owner": "x", "expires": "2027-01-01"}
    world.browser.post("/audit/compliance/key-owner-tag/except/", given)
    assert ComplianceRun.objects.filter(account_id=world.account.account_id).count() == before
    assert not ComplianceException.objects.filter(account_id=world.account.account_id).exists()


def test_the_auditor_may_have_a_report_signed(world: World) -> None:
    answer: Any = world.browser.get("/audit/compliance/report/", {"format": "zip"})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")


# Who may assume a role is what the role's trust policy says, and the sample's trusts everybody.
@pytest.mark.parametrize(("name", "operation"), [each for each in EVERY if each[1] != "AssumeRole"])
def test_each_reading_call_is_answered_and_every_other_is_refused(world: World, name: str, operation: str) -> None:
    parameters = world.calls.sound(name, operation)
    if operation == "Encrypt":
        parameters["KeyId"] = world.calls.key()  # the usual one has a grant that lets the whole account encrypt
    if SERVICES[name].protocol == "json":
        body = json.dumps(parameters).encode()
    else:
        body = members.form(operation, SERVICES[name].version, members.fields(parameters))
    answer = raw.send(world.auditor, name, operation, body)
    assert (answer.code not in REFUSED) == reads(name, operation), answer
