"""What each check finds, in one account where something fails each check that can be failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.compliance import checks, key_checks, results
from audit.compliance.results import Finding
from audit.compliance.runs import CheckResult
from engine import clock
from engine.iam.principal import Principal
from engine.trail import record, recorder
from keys.inventory import inventory
from tests.conftest import TestAccount, TestUser, new_account, sign_in_browser
from tests.support.policies import allow, document, person, trusting
from tests.support.totp import assign

BASE = "/audit/compliance/"
READS = allow(["kms:List*", "kms:Describe*", "kms:Get*", "iam:*", "cloudtrail:LookupEvents", "kmsconsole:List*"])


@dataclass
class World:
    account: TestAccount
    browser: Client
    keys: dict[str, str]
    users: dict[str, TestUser]

    def names(self, check_id: str) -> list[str]:
        """What fails the check: keys by what they are called here, others by their label."""
        names = {key_id: name for name, key_id in self.keys.items()}
        return sorted(names.get(each.name, each.label) for each in findings(self.browser, check_id))


def findings(browser: Client, check_id: str) -> list[Finding]:
    return [finding for finding, _exception in browser.get(f"{BASE}{check_id}/", {"print": "all"}).context["rows"]]


def result(browser: Client, check_id: str) -> CheckResult:
    found: CheckResult = browser.get(f"{BASE}{check_id}/").context["result"]
    return found


@pytest.fixture(scope="module")
def world(prepared: object) -> World:
    account = new_account()
    kms, iam = account.client(), account.client("iam")
    users = {
        "old": account.create_user("old", document(allow("kms:Decrypt"))),
        "keeper": account.create_user("keeper", document(allow("kms:PutKeyPolicy"))),
    }
    person(account, "asleep", document(allow("kms:ListKeys")))
    iam.create_role(RoleName="idle", AssumeRolePolicyDocument=document(allow("sts:AssumeRole", Principal="*")) .replace(', "Resource": "*"', ""))  # fmt: skip
    for name, statement in (
        ("decrypts", allow("kms:Decrypt")),
        ("decrypts-here", allow("kms:Decrypt", f"arn:aws:kms:us-east-1:{account.account_id}:key/*")),
        ("wide", allow("kms:*")),
        ("silent", {"Effect": "Deny", "Action": "cloudtrail:*", "Resource": "*"}),
    ):
        iam.create_policy(PolicyName=name, PolicyDocument=document(statement))
    for name in ("wide", "silent"):
        iam.attach_user_policy(UserName="old", PolicyArn=f"arn:aws:iam::{account.account_id}:policy/{name}")
    iam.delete_user_policy(UserName="old", PolicyName="test")
    iam.put_user_policy(UserName="old", PolicyName="inline", PolicyDocument=document(allow("kms:ReEncrypt*")))
    owner = [{"TagKey": "owner", "TagValue": "ann"}]
    keys = {"unused": account.create_key(Tags=owner)}
    account.move_clock(days=100)
    both = trusting(account, allow(["kms:Decrypt"], Principal={"AWS": users["keeper"].arn}))
    keys |= {
        "rotated": account.create_key(Tags=owner),
        "plain": account.create_key(),
        "asymmetric": account.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY", Tags=owner),
        "doomed": account.create_key(Tags=owner),
        "public": account.create_key(Policy=trusting(account, allow("kms:Decrypt", Principal="*")), Tags=owner),
        "given": account.create_key(Policy=both, Tags=owner),
    }
    kms.enable_key_rotation(KeyId=keys["rotated"])
    kms.schedule_key_deletion(KeyId=keys["doomed"])
    return World(account, sign_in_browser(account.administrator), keys, users)


def test_every_check_of_the_table_answers(world: World) -> None:
    page = world.browser.get(BASE)
    found = {each.check_id: each.status for each in page.context["results"]}
    assert list(found) == [each.id for each in checks.CHECKS]
    assert {name for name, status in found.items() if status != results.FAILED} == {
        "material-expires",
        "root-use",
    }
    assert (found["material-expires"], found["root-use"]) == (results.NOT_APPLICABLE, results.PASSED)


@pytest.mark.parametrize(
    ("check_id", "names"),
    [
        ("key-rotation", ["given", "plain", "public", "unused"]),
        ("key-deletion-pending", ["doomed"]),
        ("key-policy-public", ["public"]),
        ("key-unused", ["unused"]),
        ("key-owner-tag", ["plain"]),
        ("inline-decrypt-all", ["inline (user old)"]),
        ("policy-kms-all", ["AdministratorAccess", "wide"]),
        ("access-key-age", ["admin: access key 1", "keeper: access key 1", "old: access key 1", "asleep: access key 1"]),
        ("role-unused", ["idle"]),
        ("audit-denied", ["silent"]),
    ],
)  # fmt: skip
def test_what_fails_a_check_is_named(world: World, check_id: str, names: list[str]) -> None:
    assert world.names(check_id) == sorted(names)


def test_policies_that_allow_decryption_with_the_keys_of_one_region_pass(world: World) -> None:
    found = world.names("policy-decrypt-all")
    assert {"decrypts", "wide"} < set(found)
    assert "decrypts-here" not in found


def test_administrators_who_use_keys_are_found_by_iam_and_by_key_policies(world: World) -> None:
    facts = {each.name: str(each.fact) for each in findings(world.browser, "duties-separated")}
    assert "every key that leaves access to IAM" in facts["admin"]
    assert "kms:PutKeyPolicy and kms:Decrypt" in facts["keeper"]
    assert "asleep" not in facts


def test_a_used_password_and_key_are_not_unused(world: World) -> None:
    names = world.names("credentials-unused")
    assert {"asleep: password", "old: access key 1"} <= set(names)
    assert not [each for each in names if each.startswith("admin")]


def test_a_password_without_an_mfa_device_fails_until_there_is_one(world: World) -> None:
    assert world.names("user-mfa") == ["admin", "asleep"]
    assign(world.account.client("iam"), "asleep")
    world.account.move_clock(hours=5)  # IAM keeps a credential report for four hours
    assert world.names("user-mfa") == ["admin"]


def test_a_finding_leads_to_its_resource(world: World) -> None:
    (doomed,) = findings(world.browser, "key-deletion-pending")
    assert doomed.url == f"/keys/{world.keys['doomed']}/"
    assert "It is deleted on" in str(doomed.fact)
    for check_id in ("policy-kms-all", "role-unused", "access-key-age", "inline-decrypt-all"):
        for each in findings(world.browser, check_id):
            assert world.browser.get(each.url).status_code == 200


def import_material(account: TestAccount, key: str, days: int) -> None:
    kms = account.client()
    given = kms.get_parameters_for_import(KeyId=key, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048")
    wrapping: Any = serialization.load_der_public_key(given["PublicKey"])
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    kms.import_key_material(
        KeyId=key,
        ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=wrapping.encrypt(b"k" * 32, oaep),
        ValidTo=clock.now(account.account_id) + timedelta(days=days),
    )


def test_imported_material_that_expires_soon_fails(world: World, account: TestAccount, signed_in: Client) -> None:
    key = account.create_key(Origin="EXTERNAL")
    assert result(signed_in, "material-expires").status == results.PASSED
    import_material(account, key, days=10)
    (found,) = findings(signed_in, "material-expires")
    assert (found.name, result(signed_in, "material-expires").status) == (key, results.FAILED)


def test_what_may_not_be_read_is_not_passed(world: World) -> None:
    kms = [{"Effect": "Deny", "Action": ["kms:GetKeyRotationStatus", "iam:GetAccountAuthorizationDetails"], "Resource": "*"}]  # fmt: skip
    browser = sign_in_browser(person(world.account, "short-sighted", document(READS, *kms)))
    rotation, policies = result(browser, "key-rotation"), result(browser, "policy-kms-all")
    assert (rotation.status, rotation.failing) == (results.UNKNOWN, 0)
    assert "could not be looked at" in str(rotation.unknown[0])
    assert policies.status == results.UNKNOWN
    assert "iam:GetAccountAuthorizationDetails" in str(policies.unknown[0])


def test_the_root_user_is_found_in_the_record(account: TestAccount, signed_in: Client) -> None:
    assert result(signed_in, "root-use").status == results.PASSED
    root = record.ServiceEvent(
        account_id=account.account_id,
        region="us-east-1",
        source="signin",
        name="ConsoleLogin",
        now=clock.now(account.account_id),
        principal=Principal("root", account.account_id, account.root_arn, account.account_id),
    )
    recorder.record([record.service_event(root)])
    assert result(signed_in, "root-use").status == results.FAILED


@pytest.mark.parametrize(
    ("examined", "failing", "excepted", "unknown", "status"),
    [
        (3, 0, 0, False, results.PASSED),
        (0, 0, 0, False, results.NOT_APPLICABLE),
        (3, 2, 0, True, results.FAILED),
        (3, 2, 1, False, results.FAILED),
        (3, 2, 2, False, results.EXCEPTED),
        (3, 2, 2, True, results.UNKNOWN),
        (3, 0, 0, True, results.UNKNOWN),
        (0, 0, 0, True, results.UNKNOWN),
    ],
)
def test_what_could_not_be_looked_at_never_passes(
    examined: int, failing: int, excepted: int, unknown: bool, status: str
) -> None:
    assert results.status(examined, failing, excepted, unknown) == status


def test_each_check_is_whole() -> None:
    assert len({each.id for each in checks.CHECKS}) == len(checks.CHECKS)
    for each in checks.CHECKS:
        assert each.severity in checks.SEVERITIES
        assert each.calls
        assert each.what_to_do


def test_kept_counts_tell_the_same_as_the_keys_themselves(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [each.id for each in checks.CHECKS if each.examine.__module__ == key_checks.__name__]
    assert wanted
    with CaptureQueriesContext(connection) as asked:
        kept = {check_id: result(world.browser, check_id) for check_id in wanted}
    # Only what is about a date is counted in the rows.
    assert sum("FILTER (WHERE" in each["sql"] for each in asked) <= 2
    together = {each.check_id: each for each in world.browser.get(BASE).context["results"]}
    monkeypatch.setattr(inventory, "combination_counts", lambda _request: None)
    for check_id, found in kept.items():
        counted, listed = result(world.browser, check_id), together[check_id]
        assert (found.examined, found.failing) == (counted.examined, counted.failing), check_id
        assert (found.examined, found.failing) == (listed.examined, listed.failing), check_id
        assert found.failing == len(findings(world.browser, check_id)), check_id
