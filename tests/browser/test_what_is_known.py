"""Pages say what they know, and say where they do not: another endpoint, numbers, refusals, the past, a list that is being read."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import Page, expect

from tests.support.pages import open_list, use_region
from tests.support.server import ACCOUNT, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
THEIRS = "222233334444"
KEY = "12345678-1234-4234-8234-123456789012"
ARN = f"arn:aws:kms:us-east-1:{THEIRS}:key/{KEY}"
COUNTED_REGION = "ap-south-1"  # of this module alone, so that numbers are its own
DENIED = 60  # more than a page of LookupEvents has


class Endpoint(ThreadingHTTPServer):
    """Another KMS with one key and no record of calls. Its list has ever another page until it is `released`, and takes its time."""

    def __init__(self) -> None:
        released = self.released = threading.Event()
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": THEIRS}}]}
        metadata = {
            "KeyId": KEY, "Arn": ARN, "AWSAccountId": THEIRS, "CreationDate": 1_700_000_000.0, "Enabled": True, "KeyState": "Enabled",
            "KeyManager": "CUSTOMER", "KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT", "Origin": "AWS_KMS",
        }  # fmt: skip
        answers: dict[str, dict[str, Any]] = {
            "DescribeKey": {"KeyMetadata": metadata},
            "ListAliases": {"Aliases": []},
            "ListResourceTags": {"Tags": []},
            "ListGrants": {"Grants": []},
            "GetKeyRotationStatus": {"KeyRotationEnabled": False},
            "GetKeyPolicy": {"Policy": json.dumps(policy)},
        }

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
                answer = answers.get(operation)
                if operation == "ListKeys":
                    answer = {"Keys": [{"KeyId": KEY, "KeyArn": ARN}], "Truncated": False}
                    if not released.wait(0.9):
                        answer |= {"Truncated": True, "NextMarker": str(time.monotonic())}
                body = json.dumps(answer or {"__type": "UnknownOperationException", "message": ""}).encode()
                self.send_response(200 if answer is not None else 400)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.released.set()
    made.shutdown()
    made.server_close()


def test_of_another_endpoint_nothing_is_zero_that_is_not_known(visit: Callable[..., Page], endpoint: Endpoint) -> None:
    page, main = visit(), "main"
    page.goto("/settings/endpoints/new/")
    page.get_by_role("textbox", name="Name").fill("theirs")
    page.get_by_role("textbox", name="Address").fill(f"http://127.0.0.1:{endpoint.server_address[1]}")
    page.get_by_label("Access key ID").fill("AKIATHEIRS")
    page.get_by_label("Secret access key").fill("not a secret")
    page.get_by_role("button", name="Connect and test").click()
    page.get_by_role("button", name="Save anyway").or_(page.get_by_role("button", name="Use this endpoint")).click()
    if page.get_by_role("button", name="Use this endpoint").count():
        page.get_by_role("button", name="Use this endpoint").click()

    # While its list is being read: no number that is not true yet looks so, and nothing is said of what was not looked at.
    page.goto("/")
    expect(page.locator("#progress")).to_contain_text("The key list is being read")
    expect(page.locator(".overview-keys")).to_have_class(re.compile("provisional"))
    expect(page.locator(main)).to_contain_text("Not known yet: the key list is not read whole.")
    expect(page.locator(main)).not_to_contain_text("Nothing is about to be deleted.")

    # What is read in the meantime does not take away what somebody is at.
    page.keyboard.press("Control+k")
    page.keyboard.type("rotate")
    endpoint.released.set()
    expect(page.locator("#progress")).to_contain_text("The key list is read. Show it")
    expect(page.locator("#palette [data-answers=rotate]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator(main)).to_contain_text("Nothing is about to be deleted.")
    expect(page.locator(main)).not_to_contain_text("No call was denied.")

    # What only a record of calls tells.
    for tab in ("use", "timeline", "impact"):
        page.goto(f"/keys/{KEY}/tab/{tab}/")
        expect(page.locator(main)).to_contain_text("does not answer LookupEvents")
        expect(page.locator(main)).not_to_contain_text(
            re.compile("Nobody in 90 days|No call in this period|has no change")
        )
    page.goto(f"/keys/{KEY}/delete/")
    expect(page.locator(main)).to_contain_text(re.compile("not known", re.IGNORECASE))
    page.goto("/audit/")
    expect(page.locator(main)).to_contain_text("does not answer LookupEvents")
    page.goto(f"/keys/{KEY}/tab/access/")
    expect(page.locator(main)).to_contain_text("cannot be told")

    # Whose account, Region and endpoint a page speaks of.
    open_list(page, "/keys/")
    expect(page.locator(".speaks-of")).to_contain_text(re.compile(f"theirs.*{THEIRS}.*us-east-1", re.DOTALL))
    page.goto("/principals/users/")
    expect(page.locator(main)).to_contain_text(
        f"This page speaks of account {ACCOUNT} of this console's own service, not of theirs."
    )
    # A connection is changed, and its secret stays without being entered again.
    page.goto("/settings/endpoints/")
    page.get_by_role("link", name="theirs").click()
    page.get_by_role("main").get_by_role("link", name="Edit").click()
    expect(page.get_by_label("Secret access key")).to_have_value("")
    page.get_by_role("textbox", name="Name").fill("renamed")
    page.get_by_role("button", name="Test and save").click()
    page.get_by_role("button", name="Save anyway").or_(page.get_by_role("heading", name="renamed")).first.wait_for()
    if page.get_by_role("button", name="Save anyway").count():
        page.get_by_role("button", name="Save anyway").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("renamed")
    page.get_by_role("link", name="Forget").click()
    page.get_by_role("button", name="Forget").click()


def test_numbers_are_those_of_the_rows_and_refusals_are_counted_apart(
    visit: Callable[..., Page], server: Server
) -> None:
    kms, iam = server.client(region=COUNTED_REGION), server.client("iam")
    key = kms.create_key(Description="counted")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/counted", TargetKeyId=key)
    kms.encrypt(KeyId=key, Plaintext=b"x")
    kms.disable_key(KeyId=key)
    with pytest.raises(ClientError, match="DisabledException"):
        kms.encrypt(KeyId=key, Plaintext=b"x")
    iam.create_user(UserName="denied-dan")
    made = iam.create_access_key(UserName="denied-dan")["AccessKey"]
    theirs = server.client(
        region=COUNTED_REGION, access_key_id=made["AccessKeyId"], secret_access_key=made["SecretAccessKey"]
    )
    for _ in range(DENIED):
        with pytest.raises(ClientError, match="AccessDenied"):
            theirs.list_keys()
    page = visit()
    use_region(page, COUNTED_REGION)
    page.goto("/")
    page.get_by_role("link", name=f"{DENIED} Denied calls").click()
    expect(page.locator(".pager")).to_contain_text(f"{DENIED} events, newest first")
    expect(page.locator("#event-rows tr")).to_have_count(50)
    page.get_by_role("link", name="Older").click()
    expect(page.locator("#event-rows tr")).to_have_count(DENIED - 50)
    page.locator(".menu-page", has_text="Export").first.locator("summary").click()
    exported = page.request.get(str(page.get_by_role("link", name="CSV", exact=True).get_attribute("href"))).text()
    assert exported.count("denied-dan") >= DENIED, "an export is not cut"

    # Each facet that has more than one value narrows to what it counts.
    page.goto("/audit/")
    for facet in ("Kind of call", "User", "Operation", "Error code"):
        expect(page.locator("details.facet summary", has_text=facet)).to_be_visible()
    page.locator("#facet-error").click()
    chosen = page.locator("details.facet[open] a", has_text="AccessDenied")
    expect(chosen.locator(".number")).to_have_text(str(DENIED))
    chosen.click()
    expect(page.locator(".pager")).to_contain_text(f"{DENIED} events, newest first")

    page.goto(f"/keys/{key}/tab/use/")
    shares = page.locator("table", has=page.get_by_role("columnheader", name="Principal"))
    expect(shares.locator("tbody tr").first).to_contain_text(re.compile(r"user/admin\s*1\s*1"))
    open_list(page, "/keys/?q=counted")
    expect(page.locator("h1 .count")).to_have_text("(1)")
    expect(page.locator("tbody tr")).to_have_count(1)
    for address in ("/keys/?q=nothing-has-this", "/principals/users/?q=nothing-has-this", "/audit/keys/?q=nothing"):
        page.goto(address)
        expect(page.locator("h1 .count")).to_have_text(re.compile(r"^\(0 of \d+\)$"))

    # A filter by alias finds the key's events, or is refused beside the field: never no events.
    page.goto("/audit/?key=counted")
    expect(page.locator("#event-rows")).to_contain_text("DisableKey")
    page.goto("/audit/?key=alias/nobody")
    expect(page.locator(".audit-filter .field-error")).to_contain_text("alias/nobody")


def test_a_page_of_the_past_is_read_only_with_its_moment_or_not_there(
    visit: Callable[..., Page], server: Server
) -> None:
    kms = server.client()
    key = kms.create_key(Description="before")["KeyMetadata"]["KeyId"]
    time.sleep(1.1)  # the record's times are whole seconds
    then = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    time.sleep(1.1)
    kms.update_key_description(KeyId=key, Description="after")
    kms.disable_key(KeyId=key)
    page = visit()
    banner, main = page.get_by_role("region", name="As of"), page.locator("main")
    for address, shown in (
        (f"/keys/{key}/", "before"),
        ("/keys/?q=before", "before"),
        (f"/keys/{key}/tab/access/", "admin"),
        ("/principals/users/", "admin"),
    ):
        page.goto(f"{address}{'&' if '?' in address else '?'}as_of={then}")
        expect(banner).to_contain_text("nothing can be changed here")
        expect(main).to_contain_text(shown)
        expect(main.locator("form[method=post], a[href*='/do/']")).to_have_count(0)
    page.goto(f"/keys/{key}/?as_of={then}")
    expect(main).to_contain_text("Enabled")
    banner.get_by_role("link", name="To the present").click()
    expect(main).to_contain_text("Disabled")
    answer = page.goto(f"/classes/?as_of={then}")
    assert answer is not None
    assert answer.status == 400
