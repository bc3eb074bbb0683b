"""A key's page: its tabs from the trail, its actions with what they would answer, grants, Regions and deletion."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from console import charts
from keys.detail import views
from tests.conftest import TestAccount
from tests.support.answers import text


def test_the_use_tab_counts_by_principal_operation_and_error(account: TestAccount, signed_in: Client) -> None:
    key_id, kms = account.create_key(), account.client()
    bob = account.create_user("bob")
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    for _ in range(2):
        kms.decrypt(CiphertextBlob=blob)
    with pytest.raises(ClientError):
        bob.client().decrypt(CiphertextBlob=blob)
    context = signed_in.get(f"/keys/{key_id}/tab/use/?days=1").context
    groups = {
        head: {share.name: (share.done, share.refused) for share in shares} for _w, head, shares in context["groups"]
    }
    assert groups["Principal"] == {account.administrator.arn: (3, 0), bob.arn: (0, 1)}
    assert groups["Operation"] == {"Encrypt": (1, 0), "Decrypt": (2, 1)}
    assert groups["Error"] == {"AccessDenied": (0, 1)}
    assert sum(each.done + each.refused for _label, each in context["columns"]) == 4 == context["total"]


def test_a_period_without_calls_is_no_empty_chart_and_leads_to_a_longer_one(
    account: TestAccount, signed_in: Client
) -> None:
    key_id = account.create_key()
    address = f"/keys/{key_id}/tab/use/"
    page = signed_in.get(address).content.decode()
    assert "No call in this period." in page
    assert 'href="?days=90">Look at 90 days' in " ".join(page.split()).replace('" >', '">')
    assert "chart-swatch" not in page
    assert "Look at 90 days" not in signed_in.get(address, {"days": 90}).content.decode()


def test_the_timeline_has_every_change_with_the_state_from_then_on(account: TestAccount, signed_in: Client) -> None:
    key_id, kms = account.create_key(), account.client()
    kms.disable_key(KeyId=key_id)
    kms.enable_key(KeyId=key_id)
    kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=9)
    kms.cancel_key_deletion(KeyId=key_id)
    context = signed_in.get(f"/keys/{key_id}/tab/timeline/").context
    assert [(change.event.name, change.state) for change in context["changes"]] == [
        ("CancelKeyDeletion", "Disabled"),
        ("ScheduleKeyDeletion", "PendingDeletion"),
        ("EnableKey", "Enabled"),
        ("DisableKey", "Disabled"),
        ("CreateKey", "Enabled"),
    ]
    assert [each.state for each in context["strip"]][-1] == "Disabled"


def test_the_impact_tab_tells_who_uses_what_and_what_goes(account: TestAccount, signed_in: Client) -> None:
    key_id, kms = account.create_key(), account.client()
    kms.create_alias(AliasName="alias/payroll", TargetKeyId=key_id)
    kms.create_grant(KeyId=key_id, GranteePrincipal=account.root_arn, Operations=["Encrypt"])
    kms.encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext={"tenant": "blue"})
    answer = signed_in.get(f"/keys/{key_id}/tab/impact/")
    context = answer.context
    assert context["used"].operation == "Encrypt"
    assert [(each.name, each.value, each.made) for each in context["data"]] == [("tenant", "blue", 1)]
    assert context["ciphertexts"] == 1
    assert "alias/payroll" in text(answer)
    assert len(context["key_grants"]) == 1


def test_a_public_key_is_downloaded_as_pem_and_der_with_its_fingerprint(
    account: TestAccount, signed_in: Client
) -> None:
    key_id = account.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    der = account.client().get_public_key(KeyId=key_id)["PublicKey"]
    assert signed_in.get(f"/keys/{key_id}/public-key.der").content == der
    assert signed_in.get(f"/keys/{key_id}/public-key.pem").content.startswith(b"-----BEGIN PUBLIC KEY-----")
    assert hashlib.sha256(der).hexdigest() in text(signed_in.get(f"/keys/{key_id}/tab/public-key/"))


def test_tabs_that_do_not_apply_are_absent(account: TestAccount, signed_in: Client) -> None:
    def tabs(key_id: str) -> set[str]:
        context = signed_in.get(f"/keys/{key_id}/").context
        return {slug for slug, _words in context["tabs"] + context["rare_tabs"]}

    symmetric = tabs(account.create_key())
    assert not symmetric & {"public-key", "regions"}
    signing = tabs(account.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY", MultiRegion=True))
    assert {"public-key", "regions"} <= signing
    assert "material" not in signing
    managed = account.client().describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["KeyId"]
    assert "impact" not in tabs(managed)


@pytest.mark.parametrize(("numbers", "top"), [([0], 2), ([7], 8), ([10], 10), ([11], 20), ([95, 3], 100), ([340], 400)])
def test_a_chart_reaches_to_a_round_even_number(numbers: list[int], top: int) -> None:
    drawn = charts.bars([(str(number), "", (("good", number),)) for number in numbers])
    assert drawn.lines[-1][1] == top
    assert all(y >= 0 and y + size <= drawn.bottom for bar in drawn.bars for _kind, y, size in bar.parts)


def test_a_strip_joins_what_is_the_same_state() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    changes = [(start, "Enabled"), (start + timedelta(days=1), "Enabled"), (start + timedelta(days=5), "Disabled")]
    strip = charts.state_intervals(changes, start + timedelta(days=10), width=100)
    assert [(each.state, each.x, each.width) for each in strip] == [("Enabled", 0.0, 50.0), ("Disabled", 50.0, 50.0)]


def test_a_key_page_shows_each_tab(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key(Description="what it is for")
    for tab, shown in (
        ("policy", "Key administrators"),
        ("policy/?view=json", "key-default-1"),
        ("crypto", "SYMMETRIC_DEFAULT"),
        ("material", "CURRENT"),
        ("grants", "No grants"),
    ):
        answer = signed_in.get(f"/keys/{key_id}/tab/{tab}" + ("" if "?" in tab else "/"))
        assert answer.status_code == 200
        assert shown in text(answer).replace("&quot;", '"')


def test_the_aliases_of_one_key_are_found_by_the_key_whatever_others_there_are(account: TestAccount) -> None:
    """SQLite would read all of the Region's in the order of their names: a second and more of 80,000, on each page of a key."""
    kms, key_id = account.client(), account.create_key()
    kms.create_alias(AliasName="alias/one", TargetKeyId=key_id)
    with CaptureQueriesContext(connection) as asked:
        assert [each["AliasName"] for each in kms.list_aliases(KeyId=key_id)["Aliases"]] == ["alias/one"]
    plans = [each["sql"] for each in asked.captured_queries if 'FROM "kms_alias"' in each["sql"]]
    assert plans
    with connection.cursor() as cursor:
        for sql in plans:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = str(cursor.fetchall())
            assert "alias_target" in plan or "PRIMARY KEY" in plan, (sql, plan)


def test_the_page_of_a_key_that_is_gone_leads_to_its_past(account: TestAccount, signed_in: Client) -> None:
    key = account.create_key(Description="was here")
    account.client().schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    account.move_clock(days=8)
    page = signed_in.get(f"/keys/{key}/")
    assert page.status_code == 404
    for address in (f"/audit/keys/?q={key}", f"/audit/?key={key}"):
        assert f'href="{address}"' in page.content.decode()
        assert key in signed_in.get(address).content.decode()


@pytest.mark.parametrize("tab", ["material", "regions", "public-key"])
def test_a_tab_that_a_key_has_not_says_so_at_its_address(account: TestAccount, signed_in: Client, tab: str) -> None:
    key_id = account.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    answer = signed_in.get(f"/keys/{key_id}/tab/{tab}/")
    assert re.search(f"t-not-there.*{re.escape(str(views.TABS[tab].why_not))}</p></section>", text(answer))


def test_the_algorithms_of_a_key_have_names(account: TestAccount, signed_in: Client) -> None:
    for spec, usage, words in (
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "Encryption algorithms"),
        ("ECC_NIST_P256", "SIGN_VERIFY", "Signing algorithms"),
        ("HMAC_256", "GENERATE_VERIFY_MAC", "MAC algorithms"),
        ("ECC_NIST_P256", "KEY_AGREEMENT", "Key agreement algorithms"),
        ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE", "Encapsulation algorithms"),
    ):
        key_id = account.create_key(KeySpec=spec, KeyUsage=usage)
        answer = signed_in.get(f"/keys/{key_id}/tab/crypto/")
        assert words in text(answer)
        assert "Algorithms<" not in text(answer)
