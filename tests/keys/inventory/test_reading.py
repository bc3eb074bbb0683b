"""The inventory is read from the keys' API: at once, behind the page, by one reader at a time, and again where something changed."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.http import HttpRequest, QueryDict
from django.test import Client
from django.test.utils import CaptureQueriesContext

from engine.store import transaction
from keys import leases
from keys.inventory import deciding, key_rows, query, sync, visibility
from keys.inventory.lists import Listing
from keys.inventory.models import InventoryKey, SyncState
from tests.conftest import TestAccount
from tests.keys.inventory.listed import described, rows
from tests.support import threads


def test_a_reading_whose_worker_died_goes_on_where_it_was(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "STEP", 3)
    for _ in range(8):
        account.create_key()
    kms = account.client()
    reader = sync.InventorySync(kms, account.account_id, "us-east-1", embedded=True)
    reader._begin_full_read(reader.state())
    held = leases.take(sync.lease_name(reader.place), 30)
    assert held is not None
    reader._full_read_step(held)  # and then the worker dies, holding its lease
    assert len(rows(signed_in, "/keys/")) == 3
    assert "3 keys so far" in signed_in.get("/keys/").content.decode()
    held.seconds = -1
    assert leases.renew(held)
    for _ in range(8):  # a page reads for a moment only, however slow the machine is
        if "so far" not in signed_in.get("/keys/").content.decode():
            break
    assert len(rows(signed_in, "/keys/")) == 8


def test_a_change_of_one_key_among_many_reads_one_key(account: TestAccount, signed_in: Client) -> None:
    keys = [account.create_key() for _ in range(12)]
    signed_in.get("/keys/?q=nothing-has-this")
    before = len(described(account))
    account.client().disable_key(KeyId=keys[0])
    signed_in.get("/keys/?q=nothing-has-this")
    after = described(account)
    assert after[: len(after) - before] == [keys[0]]
    signed_in.get("/keys/?q=nothing-has-this")
    assert len(described(account)) == len(after), "nothing changed, nothing is read"


def test_a_long_list_is_read_behind_the_page(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(7):
        account.create_key()
    monkeypatch.setattr(sync, "STEP", 2)
    monkeypatch.setattr(sync, "AT_ONCE", 0.0)
    behind = threads.held(monkeypatch, sync)
    assert len(rows(signed_in, "/keys/")) == 2
    page = signed_in.get("/keys/").content.decode()
    assert "(at least 2)" in page
    assert 'class="panel provisional"' in page
    part = signed_in.get("/keys/progress/", headers={"HX-Request": "true"}).content.decode()
    assert "2 keys so far" in part
    assert len(behind) == 1, "one reader at a time"
    behind[0]()
    assert "data-read-list" in signed_in.get("/keys/progress/").content.decode()
    assert len(rows(signed_in, "/keys/")) == 7
    assert "at least" not in signed_in.get("/keys/").content.decode()


def test_a_reading_that_ends_while_the_page_is_made_leaves_no_number_as_if_it_were_true(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(rows(signed_in, "/keys/")) == 0
    for _ in range(7):
        account.create_key()
    monkeypatch.setattr(sync, "STEP", 2)
    monkeypatch.setattr(sync, "CATCH_UP", 0.0)
    behind = threads.held(monkeypatch, sync)

    def rest(*_: Any) -> list[Any]:
        behind.pop()()
        return []

    monkeypatch.setattr("keys.inventory.views.listing._views", rest)
    answer = signed_in.get("/keys/")
    assert answer.context["listing"].total < 7
    assert not answer.context["first_reading"]
    assert not behind
    assert answer.context["progress"] is not None, "nothing says that there are more, and the page does not come back"
    assert "data-read-list" in signed_in.get("/keys/progress/").content.decode()


def test_another_endpoint_is_asked_at_a_limited_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [1000.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(sync.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sync.time, "sleep", sleep)
    reader = sync.InventorySync(None, "c1", "us-east-1", embedded=False)
    for _ in range(100):
        reader._wait()
    assert sum(slept) == pytest.approx(100 * 5 / 40 - 1.5, abs=0.2), (
        "forty calls a second, five a key, after a first burst"
    )


def test_making_a_list_asks_neither_the_endpoint_nor_the_database(django_assert_num_queries: Any) -> None:
    """Whoever makes one has synchronised before, by a function that says so (inventory.sync_in_request)."""
    with django_assert_num_queries(0):
        keys = query.visible_keys("111122223333", "us-east-1", visibility.UNRESTRICTED)
        made = Listing(HttpRequest(), "CUSTOMER", QueryDict("q=red&state=Enabled&sort=-tags"), keys)
    with django_assert_num_queries(1):
        assert list(made.base) == []


def test_a_page_with_many_lists_synchronises_once(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[None] = []
    run = sync.InventorySync.run
    monkeypatch.setattr(sync.InventorySync, "run", lambda *given: (runs.append(None), run(*given))[1])
    assert signed_in.get("/").status_code == 200
    assert len(runs) == 1


def test_a_stale_writer_does_not_undo_a_later_reading(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    old = key_rows.read(account.client(), account.account_id, "us-east-1", key_id, embedded=True)
    account.client().disable_key(KeyId=key_id)
    assert rows(signed_in, "/keys/")[0].state == "Disabled"
    key_rows.write(account.account_id, "us-east-1", {key_id: old}, change=0)
    assert InventoryKey.objects.get(account_id=account.account_id, key_id=key_id).state == "Disabled"


def test_a_change_by_a_program_is_in_the_list_at_once(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    assert signed_in.get("/keys/").context["rows"][0].state == "Enabled"
    account.client().disable_key(KeyId=key_id)
    assert signed_in.get("/keys/").context["rows"][0].state == "Disabled"
    (state,) = [facet for facet in signed_in.get("/keys/?state=Disabled").context["facets"] if facet.name == "state"]
    assert [(each.value, each.number, each.chosen) for each in state.values] == [("Disabled", 1, True)]


def test_where_the_database_is_busy_the_rows_are_shown_as_they_are(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.client().create_alias(AliasName="alias/before", TargetKeyId=account.create_key())
    assert "before" in signed_in.get("/keys/").content.decode()

    def held(*_given: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr("keys.inventory.sync.InventorySync.run", held)
    account.client().create_alias(AliasName="alias/after", TargetKeyId=account.create_key())
    for page in ("/keys/", "/"):
        answer = signed_in.get(page)
        assert answer.status_code == 200
        assert "after" not in signed_in.get("/keys/").content.decode()


def writes_of(browser: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as asked:
        assert browser.get(address).status_code == 200
    return [each["sql"] for each in asked if each["sql"].startswith(("BEGIN", "INSERT", "UPDATE", "DELETE"))]


@pytest.mark.parametrize("address", ["/", "/keys/", "/play/encrypt/"])
def test_what_other_accounts_change_has_nothing_written_by_a_page(
    account: TestAccount, other_account: TestAccount, signed_in: Client, address: str
) -> None:
    """A page that writes waits for all writers: with a class of accounts each would write for each change of any."""
    account.create_key()
    signed_in.get(address)
    signed_in.get(address)
    other_account.create_key()
    assert writes_of(signed_in, address) == []


def test_an_own_change_is_found_among_many_of_others(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in.get("/keys/")
    place = {"account_id": account.account_id, "region": "us-east-1"}
    before = SyncState.objects.get(**place).change
    monkeypatch.setattr(deciding, "FAR", 50)
    others = [transaction.key_entity("999999999999", "us-east-1", str(number)) for number in range(60)]
    with transaction.write():
        transaction.changed(*others)
    key_id = account.create_key()
    with transaction.write():
        transaction.changed(*others)
    assert [row.key_id for row in rows(signed_in, "/keys/")] == [key_id]
    assert SyncState.objects.get(**place).change >= before + 120  # so many are not looked through again
    assert not any("keys_syncstate" in each for each in writes_of(signed_in, "/keys/"))
