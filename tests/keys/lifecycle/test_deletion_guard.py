"""Deletion by two persons leads round by no way: every page, job and move of the clock is held, in its account alone; programs by a policy."""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.test import Client, RequestFactory, override_settings
from django.utils import timezone

from console import session
from engine import clock, timetravel
from keys import leases, service
from keys.inventory import bulk
from keys.lifecycle import approvals
from keys.material import wrapping
from keys.models import BulkItem, BulkJob, DeletionRequest
from tests.conftest import TestAccount, sign_in_browser
from tests.support import classes
from tests.support.answers import text
from tests.support.principals import second_person
from tests.support.server import ROOT

DAY = 86_400


def test_another_accounts_rule_holds_nobody_up(
    account: TestAccount, other_account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the thread of a bulk job, which has nothing of the request but its client."""
    sign_in_browser(other_account.administrator).post("/keys/approvals/", {"do": "on"})
    monkeypatch.setattr(bulk, "AT_ONCE", 0.0)
    keys = [account.create_key() for _ in range(2)]
    form = {"action": "delete", "key": keys, "confirmed": "1", "days": "7", "typed": "delete 2"}
    job = signed_in.post("/keys/bulk/", form, follow=True).context["job"]
    for _ in range(100):
        if leases.is_held(f"bulk {job.pk}"):
            time.sleep(0.1)
    states = {account.client().describe_key(KeyId=each)["KeyMetadata"]["KeyState"] for each in keys}
    assert states == {"PendingDeletion"}


def test_a_job_that_was_begun_before_the_rule_is_held_by_it(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    job = BulkJob.objects.create(
        account_id=account.account_id,
        region="us-east-1",
        owner=account.client("iam").get_user()["User"]["UserId"],
        action="delete",
        parameters={"PendingWindowInDays": 7},
        created=timezone.now(),
    )
    BulkItem.objects.create(job=job, key_id=key_id)
    signed_in.post("/keys/approvals/", {"do": "on"})
    page = signed_in.get(f"/keys/bulk/{job.pk}/")
    assert "ApprovalRequired" in text(page)
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"] is True


def imported_key(account: TestAccount) -> str:
    kms, key_id = account.client(), account.create_key(Origin="EXTERNAL")
    given = kms.get_parameters_for_import(
        KeyId=key_id, WrappingAlgorithm="RSA_AES_KEY_WRAP_SHA_256", WrappingKeySpec="RSA_2048"
    )
    kms.import_key_material(
        KeyId=key_id,
        ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=wrapping.wrap(given["PublicKey"], b"x" * 32, "RSA_AES_KEY_WRAP_SHA_256"),
        ExpirationModel="KEY_MATERIAL_EXPIRES",
        ValidTo=clock.now(account.account_id) + timedelta(days=20),
    )
    return key_id


def test_imported_material_is_deleted_by_two_persons_too(account: TestAccount, signed_in: Client) -> None:
    second, key_id = second_person(account), imported_key(account)
    state = lambda: account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"]  # noqa: E731
    signed_in.post("/keys/approvals/", {"do": "on"})
    page = signed_in.post(f"/keys/{key_id}/do/delete-material/", {"material": "", "confirmed": "on"}, follow=True)
    assert "Nothing happens to the key until another person approves it." in text(page)
    assert state() == "Enabled"
    (waiting,) = signed_in.get("/keys/approvals/").context["waiting"]
    second.post("/keys/approvals/", {"do": "approve", "request": waiting.pk})
    assert state() == "PendingImport"


def test_one_person_gives_material_in_use_no_earlier_end(account: TestAccount, signed_in: Client) -> None:
    """Material that is imported anew with a date is deleted then. A first import may have one: nothing is lost by it."""
    key_id = account.create_key(Origin="EXTERNAL")
    signed_in.post("/keys/approvals/", {"do": "on"})
    dates = [f"{clock.now(account.account_id) + timedelta(days=days):%Y-%m-%dT%H:%M}" for days in (20, 30, 10)]
    page = [
        text(
            signed_in.post(
                f"/keys/{key_id}/import/", {"train": "1", "material": "00" * 32, "expires": date}, follow=True
            )
        )
        for date in dates
    ]
    assert ["does not give key material in use an earlier end" in each for each in page] == [False, False, True]
    valid_to = account.client().describe_key(KeyId=key_id)["KeyMetadata"]["ValidTo"]
    assert f"{valid_to:%Y-%m-%dT%H:%M}" == dates[1]


# --- the account's clock


def move(days: int, typed: str = "") -> dict[str, str]:
    return {"begin": "0", "seconds": str(days * DAY), "typed": typed}


@pytest.mark.parametrize("kind", ["deletion", "expiry"])
def test_one_person_does_not_bring_the_end_nearer_by_the_clock(
    account: TestAccount, signed_in: Client, kind: str
) -> None:
    key_id = imported_key(account) if kind == "expiry" else account.create_key()
    if kind == "deletion":
        account.client().schedule_key_deletion(KeyId=key_id, PendingWindowInDays=10)
    signed_in.post("/keys/approvals/", {"do": "on"})
    preview = signed_in.get("/settings/clock/?by=40&unit=days")
    assert "this move would end 1 key or key material" in text(preview)
    assert "not approved by two persons" in text(preview)
    assert "disabled" in preview.content.decode().partition("Move forward by")[0].rpartition("<button")[2]
    answer = signed_in.post("/settings/clock/", move(40, "destroy 1"), follow=True)
    assert "ApprovalRequired: In this account two persons decide" in text(answer)
    assert timetravel.offset(account.account_id) == 0
    (event,) = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "MoveClock"}]
    )["Events"]
    assert json.loads(event["CloudTrailEvent"])["errorCode"] == "ApprovalRequired"
    signed_in.post("/settings/clock/", move(1))
    assert timetravel.offset(account.account_id) == DAY


def test_what_two_persons_have_approved_the_clock_may_bring(account: TestAccount, signed_in: Client) -> None:
    approved_deletion(account, signed_in)
    preview = signed_in.get("/settings/clock/?by=40&unit=days")
    assert "1 key is destroyed for good" in text(preview)
    assert "not approved by two persons" not in text(preview)
    signed_in.post("/settings/clock/", move(40, "destroy 1"))
    assert timetravel.offset(account.account_id) == 40 * DAY


def test_a_deletion_that_was_cancelled_and_scheduled_by_one_person_is_not_the_approved_one(
    account: TestAccount, signed_in: Client
) -> None:
    key_id, kms = approved_deletion(account, signed_in), account.client()
    kms.cancel_key_deletion(KeyId=key_id)
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=10)
    signed_in.post("/settings/clock/", move(40, "destroy 1"))
    assert timetravel.offset(account.account_id) == 0


def approved_deletion(account: TestAccount, signed_in: Client) -> str:
    second, key_id = second_person(account), account.create_key()
    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    second.post("/keys/approvals/", {"do": "approve", "request": DeletionRequest.objects.get(key_id=key_id).pk})
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    return key_id


# --- every way

Way = Callable[[TestAccount, Client], str]  # tries to delete, and returns the ID of the key


def by_its_page(account: TestAccount, browser: Client) -> str:
    key_id = account.create_key()
    browser.post(f"/keys/{key_id}/delete/", {"days": "7", "confirmed": "on"})
    return key_id


def by_its_material(account: TestAccount, browser: Client) -> str:
    key_id = imported_key(account)
    browser.post(f"/keys/{key_id}/do/delete-material/", {"material": "", "confirmed": "on"})
    return key_id


def by_a_job(account: TestAccount, browser: Client) -> str:
    key_id = account.create_key()
    form = {"action": "delete", "key": [key_id], "confirmed": "1", "days": "7", "typed": "delete 1"}
    browser.post("/keys/bulk/", form)
    return key_id


def by_closing_a_class(account: TestAccount, browser: Client) -> str:
    made = classes.make(browser, access_keys="on").context["students"][0]
    key_id = str(classes.student(account, made).client().create_key()["KeyMetadata"]["KeyId"])
    answer = browser.post("/classes/spring/close/", {"key": key_id, "days": "7", "confirm": "spring"})
    assert "ApprovalRequired" in text(answer)
    return key_id


def by_approving_alone(account: TestAccount, browser: Client) -> str:
    key_id = by_its_page(account, browser)
    browser.post("/keys/approvals/", {"do": "approve", "request": DeletionRequest.objects.get(key_id=key_id).pk})
    return key_id


# Modules of pages that name an operation which deletes: how each might be used to go round the second person.
WAYS: dict[str, Way] = {
    "keys/lifecycle/views/deletion.py": by_its_page,
    "keys/lifecycle/views/actions.py": by_its_material,
    "keys/inventory/bulk.py": by_a_job,
    "learn/classes/views/class_closing.py": by_closing_a_class,
    "keys/lifecycle/views/approvals.py": by_approving_alone,
}
# Modules that name one and send none.
NAMED_ONLY = {
    "keys/lifecycle/approvals.py": "the rule itself",
    "keys/models.py": "what a request asks for",
    "keys/record/key_states.py": "what the record says",
    "keys/lifecycle/action_rules.py": "what a state refuses",
    "audit/alerts/kinds.py": "what a rule looks for in the record",
    "audit/ocsf.py": "how an event is called in OCSF",
    "console/terraform.py": "how a call is written as Terraform",
}


@pytest.mark.parametrize("module", WAYS)
def test_no_page_or_job_deletes_without_a_second_person(account: TestAccount, signed_in: Client, module: str) -> None:
    signed_in.post("/keys/approvals/", {"do": "on"})
    key_id = WAYS[module](account, signed_in)
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled"


@pytest.mark.parametrize("way", [by_its_page, by_its_material, by_a_job])
def test_without_the_rule_the_same_deletes(account: TestAccount, signed_in: Client, way: Way) -> None:
    """So that the test above tries what would work; for classes and approvals their own tests show it."""
    key_id = way(account, signed_in)
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] != "Enabled"


def modules() -> dict[str, ast.Module]:
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
        for room in ("console", "keys", "learn", "audit", "access", "playground", "principals", "kmsconsole")
        for path in (ROOT / room).rglob("*.py")
        if path.parent.name != "migrations"
    }


def test_every_module_that_names_a_deleting_operation_is_tried() -> None:
    words = approvals.GUARDED_OPERATIONS | set(approvals.GUARDED_METHODS)
    named = {
        name
        for name, module in modules().items()
        for node in ast.walk(module)
        if (isinstance(node, ast.Constant) and node.value in words)
        or (isinstance(node, ast.Attribute) and node.attr in words)
    }
    assert named == {*WAYS, *NAMED_ONLY}


# Who makes a KMS client or is given one past the guard, and why that deletes nothing unapproved.
CLIENT_MAKERS = {
    ("keys/service.py", "inprocess.attach"),  # in `_in_process`
    ("keys/service.py", "_in_process"),  # in `_embedded` and `_forwarded`
    ("keys/service.py", "_embedded"),  # in `_client` and `embedded`, and to open a connection's secret
    ("keys/service.py", "_client"),  # in `client`, and for what was approved
    ("keys/service.py", "_forwarded"),  # in `by_aws_service`, and for what was approved
    ("keys/service.py", "backends.remote_client"),  # in `_client`
    ("keys/endpoints/connections.py", "backends.remote_client"),  # a connection's test, which changes nothing
    ("keys/lifecycle/views/approvals.py", "service.approved"),  # after the second person's decision
}
MAKERS = (
    "inprocess.attach",
    "remote_client",
    "_in_process",
    "_embedded",
    "_client",
    "_forwarded",
    "approved",
    "_make_api_call",
)


def test_every_client_of_a_page_is_held_to_the_rule() -> None:
    calls = {
        (name, ast.unparse(node.func))
        for name, module in modules().items()
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and name != "keys/endpoints/backends.py"
    }
    made = {each for each in calls if each[1] in MAKERS or each[1].rpartition(".")[2] in MAKERS}
    assert made == CLIENT_MAKERS


def request_of(browser: Client) -> Any:
    """A request as views get it from this browser."""
    request: Any = RequestFactory().get("/")
    request.session = browser.session
    request.signed_in = session.current(request)
    return request


@pytest.mark.parametrize(
    "given",
    [service.client, service.embedded, lambda request: service.by_aws_service(request, "s3.amazonaws.com")],
    ids=["client", "embedded", "by_aws_service"],
)
def test_a_client_of_a_page_is_held_whichever_function_gave_it(
    account: TestAccount, signed_in: Client, given: Callable[[Any], Any]
) -> None:
    key_id = account.create_key()
    signed_in.post("/keys/approvals/", {"do": "on"})
    kms = given(request_of(signed_in))
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyId"] == key_id
    for method in approvals.GUARDED_METHODS:
        with pytest.raises(ClientError, match="ApprovalRequired"):
            getattr(kms, method)(KeyId=key_id)
    with pytest.raises(AttributeError):
        kms._make_api_call("ScheduleKeyDeletion", {"KeyId": key_id})


def test_no_page_has_the_consoles_own_session_but_by_approving(signed_in: Client) -> None:
    with pytest.raises(ValueError, match="only what was approved"):
        service.by_aws_service(request_of(signed_in), approvals.SERVICE)


# --- programs


def test_the_policy_that_the_page_makes_lets_only_what_was_approved_here_delete(
    account: TestAccount, signed_in: Client
) -> None:
    key_id, iam = account.create_key(), account.client("iam")
    second = second_person(account)
    signed_in.post("/keys/approvals/", {"do": "on"})
    page = signed_in.post("/keys/approvals/", {"do": "policy"}, follow=True)
    arn = f"arn:aws:iam::{account.account_id}:policy/DeleteOnlyWhatTwoPersonsApproved"
    assert arn in text(page)
    for name in ("admin", "second"):
        iam.attach_user_policy(UserName=name, PolicyArn=arn)
    for call in (account.client().schedule_key_deletion, account.client().delete_imported_key_material):
        with pytest.raises(ClientError, match="with an explicit deny in an identity-based policy"):
            call(KeyId=key_id)
    signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    (waiting,) = signed_in.get("/keys/approvals/").context["waiting"]
    second.post("/keys/approvals/", {"do": "approve", "request": waiting.pk})
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    (event,) = (
        json.loads(each["CloudTrailEvent"])
        for each in account.client("cloudtrail").lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ScheduleKeyDeletion"}]
        )["Events"]
        if "errorCode" not in each["CloudTrailEvent"]
    )
    assert event["userIdentity"]["invokedBy"] == "kmsconsole.amazonaws.com"


def test_no_program_can_claim_what_the_policy_asks_for(account: TestAccount) -> None:
    """kms:ViaService comes from a session that only this process makes, and that it takes from no socket."""
    key_id, iam = account.create_key(), account.client("iam")
    document = {"Version": "2012-10-17", "Statement": [approvals.closing_statement()]}
    iam.put_user_policy(UserName="admin", PolicyName="close", PolicyDocument=json.dumps(document))
    kms = account.client()
    for header in ("x-amz-via-service", "x-amzn-kms-via-service", "kms:ViaService"):
        kms.meta.events.register(
            "before-call.kms",
            lambda params, name=header, **_: params["headers"].update({name: "kmsconsole.us-east-1.amazonaws.com"}),
        )
    kms.meta.events.register(
        "before-call.kms", lambda params, **_: params["headers"].update({"User-Agent": approvals.SERVICE})
    )
    with pytest.raises(ClientError, match="explicit deny"):
        kms.schedule_key_deletion(KeyId=key_id)


def test_the_statement_of_a_keys_policy_denies_everyone_but_by_approval(
    account: TestAccount, signed_in: Client
) -> None:
    second = second_person(account)
    page = signed_in.get("/keys/approvals/")
    assert "also for the account's root user" in text(page)
    kms, key_id = account.client(), account.create_key()
    policy = json.loads(kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"])
    policy["Statement"].append(json.loads(page.context["key_statement"]))
    kms.put_key_policy(KeyId=key_id, Policy=json.dumps(policy))
    with pytest.raises(ClientError, match="explicit deny in a resource-based policy"):
        kms.schedule_key_deletion(KeyId=key_id)
    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post(f"/keys/{key_id}/delete/", {"days": "10", "confirmed": "on"})
    second.post("/keys/approvals/", {"do": "approve", "request": DeletionRequest.objects.get(key_id=key_id).pk})
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_at_another_endpoint_the_page_says_that_the_rule_binds_this_console_alone(signed_in: Client) -> None:
    with override_settings(BACKEND="http://127.0.0.1:9"):
        page = text(signed_in.get("/keys/approvals/"))
    assert "The rule binds this console's pages alone there" in page
    assert "DeleteOnlyWhatTwoPersonsApproved" not in page
