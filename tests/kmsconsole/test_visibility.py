"""What may not be read is not shown: every page, looked at by someone who may do everything but one thing.

Each secret is a word that only some permission reveals. It is written behind the trail's back, because the trail, which has a permission
of its own, would tell it too.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from engine import console_actions
from engine.iam import models as iam_models
from engine.kms import models as kms_models
from engine.store import transaction
from keys.inventory import query
from keys.inventory.models import InventoryKey
from keys.models import Connection, DeletionRequest
from tests.conftest import TestAccount, new_account, sign_in_browser
from tests.support import samples
from tests.support.long_form import one_in
from tests.support.policies import allow, document, person, trusting

# Permission, or permissions each of which reveals it → the words that are seen by nobody who has none of them.
IAM = "iam:GetAccountAuthorizationDetails"
TRAIL = "cloudtrail:LookupEvents"
CASES: dict[tuple[str, ...], tuple[str, ...]] = {
    ("kms:ListAliases",): ("secret-alias", "secret-quiet-alias"),
    ("kms:DescribeKey",): ("secret-description", "secret-quiet-description"),
    ("kms:ListResourceTags",): ("secret-tag-name", "secret-tag-value"),
    ("kms:GetKeyPolicy",): ("SecretPolicySid",),
    ("kms:ListGrants",): ("secret-grant-name",),
    ("kms:GetKeyRotationStatus",): ("1537 days",),
    ("kms:ListKeyRotations",): ("2013-03-03",),
    ("kms:GetPublicKey",): ("PUBLIC KEY",),
    ("kms:GetKeyLastUsage",): ("2011-07-13",),
    ("kms:ListKeys", "kms:ListAliases", TRAIL): ("QUIET KEY",),
    (TRAIL,): ("secret-event-context",),
    ("iam:ListUsers", "iam:GetGroup", "iam:ListEntitiesForPolicy", IAM): ("secret-user",),
    ("iam:ListRoles", "iam:ListEntitiesForPolicy", IAM): ("secret-role",),
    ("iam:ListGroups", "iam:ListGroupsForUser", "iam:ListEntitiesForPolicy", IAM): ("secret-group",),
    ("iam:ListPolicies", "iam:ListAttachedUserPolicies", IAM): ("secret-managed-policy",),
    ("iam:GetPolicyVersion", IAM): ("SecretManagedSid",),
    ("iam:GetUserPolicy", IAM): ("SecretInlineSid",),
    ("iam:GetRole", "iam:ListRoles", IAM): ("SecretTrustSid",),
    ("iam:ListUserTags", "iam:GetUser", IAM): ("hidden-tag-of-a-user",),
    ("kmsconsole:ListConnections",): ("secret-connection", "secret.example"),
    ("kmsconsole:ReadRecord",): ("The record of this account begins",),
}
# What these read has a place of its own, and a test there.
TOLD_ELSEWHERE = {
    "kmsconsole:ListAlerts": "tests/audit/alerts",
    "kmsconsole:ListComplianceResults": "tests/audit/compliance",
    "kmsconsole:ListSignInProviders": "tests/principals/identity_providers",
    "kmsconsole:ListSinks": "tests/audit/test_sinks.py",
    "kmsconsole:ReadClassRecord": "tests/learn/class_accounts",
    "kmsconsole:ReadKeyStoreHealth": "tests/keys/stores",
    "kmsconsole:SignComplianceReport": "signs what its reader has been shown",
}
# Who asked for a deletion and why: asked for once the console has that action.
if (requests := "kmsconsole:ListKeyDeletionRequests") in console_actions.BY_ACTION:
    CASES[requests,] = ("secret-reason",)
_FRAME = 60  # a word that more pages show is part of each page's frame
KEYS = sorted({each for denied in CASES for each in denied if each.startswith("kms:")})
PEOPLE = sorted({each for denied in CASES for each in denied if each.startswith("iam:")})
ALL_WORDS = tuple(word for words in CASES.values() for word in words)


@dataclass(frozen=True)
class World:
    account: TestAccount
    browser: Client
    addresses: list[str]
    words: dict[str, str]
    described: str
    """ARN of the key whose every part is a secret."""

    def without(self, *statements: dict[str, Any]) -> None:
        """The browser's user may do everything but what `statements` deny."""
        self.account.client("iam").put_user_policy(
            UserName="walker", PolicyName="test", PolicyDocument=document(allow("*"), *statements)
        )

    def seen(self, words: Iterable[str], addresses: Iterable[str] = ()) -> set[tuple[str, str]]:
        """(word, address) wherever a page shows one of the words, unless its address says it."""
        found = set()
        for address in addresses or self.addresses:
            answer: Any = self.browser.get(address)
            assert answer.status_code < 500, address
            content = b"".join(answer.streaming_content) if answer.streaming else answer.content
            shown = html.unescape(content.decode(errors="replace"))
            found |= {(word, address) for word in words if self.words.get(word, word) in shown and word not in address}
        return found


@pytest.fixture(scope="module")
def world(prepared: object) -> World:
    account = new_account()
    made = samples.make(account.client)
    quiet = account.create_key(Origin="EXTERNAL")  # has no material that its ID is bound to
    account.client().encrypt(KeyId=made.symmetric, Plaintext=b"x", EncryptionContext={"of": "secret-event-context"})
    public = base64.b64encode(account.client().get_public_key(KeyId=made.primary)["PublicKey"]).decode()
    walker = person(account, "walker", document(allow("*")))
    quiet = _write_secrets(account, made, quiet)
    # Someone who may read everything looks first: what the console keeps of the keys is whole.
    administrator = sign_in_browser(account.administrator)
    for address in ("/keys/", "/", "/access/", f"/access/?action=kms:Decrypt&principal={made.name}"):
        assert administrator.get(address).status_code == 200
    InventoryKey.objects.filter(account_id=account.account_id, key_id=made.symmetric).update(
        last_used=datetime(2011, 7, 13, 12, tzinfo=UTC)
    )
    connection = Connection.objects.create(
        account_id=account.account_id,
        name="secret-connection",
        kind="url",
        url="https://secret.example",
        method="server",
        created=timezone.now(),
    )
    DeletionRequest.objects.create(
        account_id=account.account_id,
        region="us-east-1",
        key_id=made.symmetric,
        label="sample",
        parameters={"PendingWindowInDays": 7},
        reason="secret-reason",
        asked_by=account.administrator.arn,
        asked_user="admin",
        asked=timezone.now(),
    )
    addresses = [address for each in samples.addresses(made).values() for address in each]
    columns = "&".join(f"cols={name}" for name in ("alias", "tags", "description", "rotation", "last_used", "public"))
    addresses += [
        f"/settings/endpoints/{connection.pk}/",
        *(f"/keys/?q={word}" for word in ("secret", "secret-quiet")),
        *(f"/keys/?tag=secret-tag-name&{columns}", f"/keys/?sort=description&{columns}", f"/keys/?{columns}&sort=tags"),
        "/search/?q=secret",
        "/play/re-encrypt/",
        "/play/get-public-key/",
    ]
    addresses = [
        each for each in addresses if not each.startswith(("/styleguide/", "/search/?q=sample", "/principals/sign-out"))
    ]
    arn = account.client().describe_key(KeyId=made.symmetric)["KeyMetadata"]["Arn"]
    return World(account, sign_in_browser(walker), addresses, {"QUIET KEY": quiet, "PUBLIC KEY": public[70:120]}, arn)


def _write_secrets(account: TestAccount, made: samples.Samples, quiet: str) -> str:
    """Into what there is, and unrecorded. The ID of a key that no page's address names."""
    policy = trusting(account, allow("kms:Decrypt", Principal={"AWS": account.root_arn}, Sid="SecretPolicySid"))
    account_id, secret_id = account.account_id, "0f0e0d0c-0b0a-4908-8706-050403020100"[:-12] + account.account_id
    statement = {"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*"}
    with transaction.write():
        keys = kms_models.Key.objects.filter(account_id=account_id)
        keys.filter(key_id=made.symmetric).update(
            description="secret-description",
            tags={"secret-tag-name": "secret-tag-value"},
            policy=policy,
            rotation_period_days=1537,
        )
        keys.filter(key_id=quiet).update(key_id=secret_id, description="secret-quiet-description")
        aliases = kms_models.Alias.objects.filter(account_id=account_id)
        aliases.filter(name=f"alias/{made.name}").update(name="alias/secret-alias")
        kms_models.Alias.objects.create(
            account_id=account_id, region="us-east-1", name="alias/secret-quiet-alias",
            target_key_id=secret_id, created=timezone.now(), updated=timezone.now(),
        )  # fmt: skip
        kms_models.Grant.objects.filter(key__account_id=account_id).update(name="secret-grant-name")
        kms_models.Material.objects.filter(key__account_id=account_id, key__key_id=made.symmetric).update(
            rotation_type="ON_DEMAND", rotation_date=datetime(2013, 3, 3, 12, tzinfo=UTC)
        )
        for model, name in ((iam_models.User, "secret-user"), (iam_models.Group, "secret-group")):
            one = model.objects.get(account_id=account_id, name=made.name)
            model.objects.create(
                account_id=account_id,
                name=name,
                unique_id=f"{one.unique_id[:4]}{name}{account_id}"[:32],
                created=one.created,
            )
        user = iam_models.User.objects.get(account_id=account_id, name="secret-user")
        user.groups.set(iam_models.Group.objects.filter(account_id=account_id, name__in=[made.name, "secret-group"]))
        iam_models.User.objects.filter(account_id=account_id, name=made.name).update(
            tags={"team": "hidden-tag-of-a-user"}
        )
        shown = iam_models.User.objects.get(account_id=account_id, name=made.name)
        shown.groups.add(iam_models.Group.objects.get(account_id=account_id, name="secret-group"))
        iam_models.InlinePolicy.objects.filter(user=shown, name=made.name).update(
            document=document({**statement, "Sid": "SecretInlineSid"})
        )
        trust = json.loads(samples.TRUST)
        trust["Statement"][0]["Sid"] = "SecretTrustSid"
        role = iam_models.Role.objects.get(account_id=account_id, name=made.name)
        iam_models.Role.objects.filter(pk=role.pk).update(trust_policy=json.dumps(trust))
        role.pk, role.name, role.unique_id = None, "secret-role", f"AROASECRET{account_id}"
        role.save()
        managed = iam_models.ManagedPolicy.objects.get(account_id=account_id, name=made.name)
        managed.versions.update(document=document({**statement, "Sid": "SecretManagedSid"}))
        now = managed.created
        secret = iam_models.ManagedPolicy.objects.create(
            account_id=account_id,
            name="secret-managed-policy",
            unique_id=f"ANPASECRET{account_id}",
            created=now,
            updated=now,
        )
        secret.versions.create(version_id="v1", document=samples.POLICY, is_default=True, created=now)
        for owner in ({"user": shown}, {"user": user}, {"role": role}):
            iam_models.Attachment.objects.create(**owner, policy_arn=secret.arn, created=now)
        transaction.changed(
            transaction.iam_entity(account_id),
            transaction.aliases_entity(account_id, "us-east-1"),
            *(transaction.key_entity(account_id, "us-east-1", each) for each in (made.symmetric, secret_id, quiet)),
        )
    return secret_id


@pytest.fixture(scope="module")
def telling(world: World) -> dict[str, list[str]]:
    """Word → the pages that show it to who may read everything: those to look at for who may not."""
    world.without()
    found: dict[str, list[str]] = {}
    for word, address in world.seen(ALL_WORDS):
        found.setdefault(word, []).append(address)
    return found


def test_who_may_read_everything_sees_each_of_the_words(telling: dict[str, list[str]]) -> None:
    assert set(telling) == set(ALL_WORDS)


@pytest.mark.parametrize("denied", list(CASES), ids=lambda denied: denied[0])
def test_no_page_shows_what_a_missing_permission_alone_reveals(
    world: World, telling: dict[str, list[str]], denied: tuple[str, ...]
) -> None:
    world.without(*map(deny, denied))
    pages = sorted({page for word in CASES[denied] for page in telling[word]})
    if len(pages) > _FRAME:  # the frame of each page shows it: a few of them tell, and the room that it belongs to
        pages = pages[:: _FRAME // 6] + [each for each in pages if each.startswith("/settings/")]
    assert not world.seen(CASES[denied], pages)


PARTS = [each for each in KEYS if each not in ("kms:ListKeys", "kms:DescribeKey")] + PEOPLE
OF_PARTS = [word for denied, words in CASES.items() if set(denied) <= set(PARTS) for word in words]


@pytest.mark.parametrize(
    ("denied", "hidden"),
    [pytest.param(["*"], ALL_WORDS, id="everything"), pytest.param(PARTS, OF_PARTS, id="all but lists of keys")],
)
def test_no_page_at_all_shows_what_is_denied_together(world: World, denied: list[str], hidden: Iterable[str]) -> None:
    """Every page, also those that show it to nobody who may read it: what stands in for a part that is refused must not tell either.
    Where everything is denied most pages are refused: each fourth is looked at, all by `make walks`."""
    world.without(deny(*denied))
    assert not world.seen(hidden, list(one_in(4, world.addresses)) if denied == ["*"] else world.addresses)


def test_a_key_that_may_not_be_described_is_nowhere_described(world: World, telling: dict[str, list[str]]) -> None:
    world.without({**deny("kms:DescribeKey"), "Resource": world.described})
    words = ("secret-description", "secret-tag-value", "1537 days", "2011-07-13")
    assert not world.seen(words, {page for word in words for page in telling[word]})


def test_a_preview_of_a_change_names_no_alias_to_who_may_not_list_them(world: World) -> None:
    world.without(deny("kms:ListAliases"))
    key_id = world.described.rpartition("/")[2]
    for sent in ({"key": [key_id]}, {"all": "1", "query": "q=description"}):
        answer = world.browser.post("/keys/bulk/", {"action": "disable", **sent})
        page = answer.content.decode()
        assert key_id in page
        assert "secret-alias" not in page


def test_columns_that_nothing_masks_are_not_handed_out() -> None:
    rows = query.VisibleKeys(InventoryKey)
    for take in (lambda: rows.values_list("alias"), lambda: rows.values("tags"), lambda: rows.values_list()):
        with pytest.raises(TypeError, match="take the rows"):
            take()


def deny(*actions: str) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": list(actions), "Resource": "*"}


def test_every_action_that_reads_something_of_the_console_is_walked_without() -> None:
    walked = {permission for permissions in CASES for permission in permissions}
    assert {each.action for each in console_actions.ACTIONS if each.reads} - set(TOLD_ELSEWHERE) <= walked
