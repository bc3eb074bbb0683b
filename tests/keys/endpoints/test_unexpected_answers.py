"""An endpoint whose answers are JSON but none of AWS's: no page answers 500, and what does not fit is named to who manages connections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from console import aws_calls
from console.aws_calls import UnexpectedAnswerError
from keys.endpoints import answers, outbound
from keys.inventory import inventory
from keys.models import Connection
from tests.conftest import TestAccount, new_account, sign_in_browser
from tests.support import samples
from tests.support.answers import body
from tests.support.long_form import one_in
from tests.support.stub_endpoint import GONE, StubEndpoint, changed, paths

ODD: dict[str, Any] = {
    "gone": GONE,
    "null": None,
    "true": True,
    "zero": 0,
    "a huge number": 10**40,
    "a float beyond all dates": 1e300,
    "an empty text": "",
    "a text": "x",
    "half a surrogate pair": "\ud800",
    "NUL": "\0",
    "markup and slashes": "a/../<b>?#%",
    "a long text": "a" * 3000,
    "an empty list": [],
    "an empty map": {},
    "a list of null": [None],
    "a list of lists": [[[]]],
    "a map of null": {"a": None},
    "a long list": ["x"] * 20_000,
    "a policy that says nothing": "{}",
    "a policy of a list": "[]",
    "a policy of unknown words": '{"Statement": {"Effect": "Perhaps", "Principal": "x", "Action": "y", "Resource": "z"}}',
    "a policy of other types": '{"Version": 1, "Statement": [{"Sid": [], "Effect": {}, "Principal": 1, "Condition": {"a": 1}}]}',
    "an ARN": "arn:aws:kms:us-east-1:111122223333:key/other",
    "a date that ends": 253402300799,
}
WHOLE = {
    "nothing": b"",
    "null": b"null",
    "text": b"<html>",
    "not UTF-8": b'{"Keys": "\xff"}',
    "UTF-16": '{"Keys": []}'.encode("utf-16"),
    "deep": b'{"Keys":' * 50_000,
    "NaN": b'{"Keys": NaN, "KeyMetadata": NaN}',
    "another operation's": b'{"CustomKeyStores": [], "Truncated": false}',
    "more without a marker": b'{"Keys": [], "Aliases": [], "Grants": [], "Tags": [], "Rotations": [], "Truncated": true}',
}
# One of so many changes is tried on pages; all of them by `make walks`. `check` itself is asked about all.
STEP = 40


MESSAGE = "answer to %s is not what AWS KMS answers: "


@dataclass(frozen=True)
class World:
    browser: Client
    stub: StubEndpoint
    connection: Connection
    pages: dict[str, set[str]]  # address → the operations that it asks for
    sound: dict[str, Any]  # operation → an answer of the engine

    def get(self, address: str) -> Any:
        """The page, over a list that is read anew and with nothing known of what the endpoint offers."""
        inventory.drop(f"c{self.connection.pk}")
        return self.browser.get(address)

    def asking(self, operation: str) -> list[str]:
        return [address for address, asked in self.pages.items() if operation in asked]


@pytest.fixture(scope="module")
def world(prepared: object) -> Iterator[World]:
    theirs, account = new_account(), new_account()
    made = samples.make(theirs.client)
    stub = StubEndpoint(theirs.client(), theirs.client("cloudtrail"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbound.CheckedSession, "send", lambda _self, request: stub.send(request))
        patch.setenv("AWS_ACCESS_KEY_ID", "stub")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "stub")
        yield _connected(account, made, stub)


def _connected(account: TestAccount, made: samples.Samples, stub: StubEndpoint) -> World:
    connection = Connection.objects.create(
        account_id=account.account_id,
        name="stub",
        kind="url",
        url="http://stub.example",
        method="server",
        created=timezone.now(),
    )
    browser = sign_in_browser(account.administrator)
    browser.raise_request_exception = False
    browser.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk)})
    found = World(browser, stub, connection, {}, {})

    def note(operation: str, answer: Any) -> Any:
        found.sound.setdefault(operation, answer)
        if len(json.dumps(answer)) > len(json.dumps(found.sound[operation])):
            found.sound[operation] = answer
        return answer

    stub.change = note
    for each in [address for listed in samples.addresses(made).values() for address in listed]:
        stub.asked.clear()
        assert found.get(each).status_code < 500, each
        if stub.asked:
            found.pages[each] = set(stub.asked)
    return found


def changes(sound: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(operation, what is changed, the answer)."""
    for operation, answer in sorted(sound.items()):
        for name, content in WHOLE.items():
            yield operation, name, content
        for path in paths(answer):
            for name, value in ODD.items():
                if path or value is not GONE:
                    yield operation, f"{'.'.join(map(str, path))}: {name}", changed(answer, path, value)


def test_the_pages_of_an_endpoint_and_its_operations_are_found(world: World) -> None:
    assert len(world.pages) > 25
    assert {"ListKeys", "ListAliases", "DescribeKey", "GetKeyPolicy", "ListGrants", "GetPublicKey"} <= set(world.sound)


def fits(world: World, operation: str, answer: Any) -> bool:
    """Whether the answer is let through to the pages."""
    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    try:
        answers.check(world.stub.client(operation).meta.service_model.operation_model(operation), 200, {}, content)
    except UnexpectedAnswerError:
        return False
    return True


def walk(world: World, chosen: list[tuple[str, str, Any]]) -> list[Any]:
    """Each answer on one of the pages that ask for it: (address, operation, what was changed, page) of those without a message."""
    failed = []
    for number, (operation, name, answer) in enumerate(chosen):
        world.stub.change = lambda asked, sound, at=operation, answer=answer: answer if asked == at else sound
        asking = world.asking(operation)
        address = asking[number % len(asking)]
        page = world.get(address)
        if page.status_code not in (200, 302, 400, 403, 404, 422) and not (
            page.status_code == 502 and MESSAGE % operation in body(page)
        ):
            failed.append((address, operation, name, page.status_code))
    return failed


@pytest.fixture(scope="module")
def sorted_changes(world: World) -> dict[bool, list[tuple[str, str, Any]]]:
    """Whether it is let through → the changes."""
    found: dict[bool, list[tuple[str, str, Any]]] = {True: [], False: []}
    for each in changes(world.sound):
        found[fits(world, each[0], each[2])].append(each)
    return found


def test_an_answer_that_does_not_fit_is_one_message(world: World, sorted_changes: dict[bool, list[Any]]) -> None:
    refused = sorted_changes[False]
    assert len(refused) > 1000
    assert walk(world, list(one_in(8 * STEP, refused))) == []


def test_an_answer_that_fits_is_shown(world: World, sorted_changes: dict[bool, list[Any]]) -> None:
    fitting = sorted_changes[True]
    assert len(fitting) > 100
    assert walk(world, list(one_in(STEP, fitting))) == []


@pytest.mark.parametrize("marker", ["the same", "another each time"])
def test_a_list_without_an_end_is_one_message(world: World, monkeypatch: pytest.MonkeyPatch, marker: str) -> None:
    monkeypatch.setattr(aws_calls, "MOST_LISTED", 50)
    numbers = iter(range(10_000))
    account_id, given = world.connection.account_id, {"method": "server", "created": timezone.now()}
    other = Connection.objects.create(
        account_id=account_id, name=marker, kind="url", url="http://other.example", **given
    )

    def endless(operation: str, answer: Any) -> Any:
        if operation not in ("ListKeys", "ListAliases"):
            return answer
        return {**answer, "Truncated": True, "NextMarker": "m" if marker == "the same" else f"m{next(numbers)}"}

    world.stub.change = endless
    world.browser.post("/settings/endpoints/switch/", {"endpoint": str(other.pk)})
    try:
        page = world.browser.get("/keys/")
        assert page.status_code == 200, "what was read is shown, and why it is not all"
        assert "The endpoint cannot be reached." in body(page)
        assert world.browser.get("/play/encrypt/").status_code in (200, 502)
    finally:
        world.browser.post("/settings/endpoints/switch/", {"endpoint": str(world.connection.pk)})
    assert next(numbers) < 1_000
