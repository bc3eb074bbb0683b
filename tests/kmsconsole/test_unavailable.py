"""What a reader may not do is shown as unavailable, in AWS's words, on every page; and looking around records no denial."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from engine import inprocess
from tests.conftest import TestAccount, TestUser, new_account, sign_in_browser
from tests.support import clients, samples
from tests.support.answers import unavailable
from tests.support.long_form import one_in
from tests.support.policies import allow, document, person
from tests.support.samples import POLICY

READS = allow(
    ["kms:List*", "kms:Describe*", "kms:Get*", "iam:List*", "iam:Get*", "cloudtrail:LookupEvents", "kmsconsole:*List*"]
)
POLICIES = {
    "nothing": document(allow("kms:NoSuchAction")),
    "reads": document(
        READS, allow(["kmsconsole:ListConnections", "kmsconsole:ListKeyDeletionRequests", "kmsconsole:ReadRecord"])
    ),
}
_POST_FORM = re.compile(r"<form\b[^>]*method=\"post\".*?</form>", re.S)
_BUTTON = re.compile(r"<button\b([^>]*)>(.*?)</button>", re.S)
_WHY = re.compile(r'<span class="why" id="[^"]+">(.*?)</span>', re.S)
_TAG = re.compile(r"<[^>]+>")
_EMPTY = re.compile(r'<p class="empty-next">(.*?)</p>', re.S)
_LINK = re.compile(r"<a\b[^>]*>(.*?)</a>", re.S)
_CHANGES = ("Create ", "Add ", "Set ", "Import ", "Connect")

# What needs no permission (it is the reader's own, or changes nothing), and what only the call can tell.
OWN = {
    "Set", "Sign in", "Sign out", "Sign out of all", "End", "End all others", "Save", "Delete the view of this name", "Show the call",
    "Copy", "Add a row", "Show this key's algorithms", "Next", "Preview", "Check every record", "Check what is new", "Compare", "Download", "Search",
    "Forget it", "Forget them", "Look at it", "Use this", "Clear ticks", "Skip to review", "Show the commands for these",
    "Download wrapping public key and import token", "Try it",
}  # fmt: skip
ONLY_THE_CALL_TELLS = {
    "Retire",  # the grant's retiring principal may
    "Switch to this role",  # the role's trust policy says
    "Apply", "Read it back",  # what a service does for the principal
    "Decrypt", "Verify", "Encrypt the file", "Open and download", "Encrypt", "Open with it", "Derive shared secret",
    "Encrypt and download", "Generate data key", "Measure both ways",  # which key is chosen in the form
}  # fmt: skip


@dataclass(frozen=True)
class World:
    account: TestAccount
    made: samples.Samples
    addresses: list[str]
    people: dict[str, TestUser]

    def denials(self) -> int:
        found = self.account.client("cloudtrail").get_paginator("lookup_events").paginate()
        events = [json.loads(event["CloudTrailEvent"]) for page in found for event in page["Events"]]
        return sum(event.get("errorCode", "").startswith("AccessDenied") for event in events)


@pytest.fixture(scope="module")
def world(prepared: object) -> World:
    account = new_account()
    made = samples.make(account.client)
    people = {name: person(account, name, policy) for name, policy in POLICIES.items()}
    addresses = [address for each in samples.addresses(made).values() for address in each]
    skipped = ("/principals/sign-out", "/styleguide/", "/theme/", "/language/", "/region/")
    return World(account, made, [each for each in addresses if not each.startswith(skipped)], people)


@dataclass(frozen=True)
class Walk:
    pages: dict[str, str]
    denied: int


@pytest.fixture(scope="module")
def walks(world: World) -> dict[str, Walk]:
    found = {}
    for name, user in world.people.items():
        browser, before = sign_in_browser(user), world.denials()
        # Who may do nothing is refused by most pages before anything is asked: each fourth of them, all by `make walks`.
        addresses = world.addresses if name == "reads" else list(one_in(4, world.addresses))
        pages = {address: main(browser, address) for address in addresses}
        found[name] = Walk(pages, world.denials() - before)
    return found


def main(browser: Client, address: str) -> str:
    answer: Any = browser.get(address)
    assert answer.status_code < 500, address
    if answer.streaming or not answer["Content-Type"].startswith("text/html"):
        return ""
    page = str(answer.content.decode())
    return page[page.find("<main") : page.find("</main>")]


@pytest.mark.parametrize("name", POLICIES)
def test_looking_at_every_page_records_no_denial(walks: dict[str, Walk], name: str) -> None:
    assert walks[name].denied == 0


def test_an_attempt_is_recorded(world: World) -> None:
    before = world.denials()
    sign_in_browser(world.people["reads"]).post(f"/keys/{world.made.symmetric}/do/enable/")
    assert world.denials() == before + 1


@pytest.mark.parametrize("name", POLICIES)
def test_navigation_leads_only_to_pages_that_open(world: World, name: str) -> None:
    browser = sign_in_browser(world.people[name])
    home = browser.get("/labs/").content.decode()
    links = set(re.findall(r'href="(/[^"]*)"', home[home.find('class="side-list"') : home.find("<main")]))
    assert "/play/" in links
    assert ("/principals/users/" in links) == (name == "reads")
    for address in links:
        answer: Any = browser.get(address)
        assert answer.status_code == 200, address


def test_no_action_is_offered_to_who_only_reads(walks: dict[str, Walk]) -> None:
    offered = {(words, address) for address, page in walks["reads"].pages.items() for words in _offered(page)}
    wrong = {each for each in offered if each[0] not in OWN | ONLY_THE_CALL_TELLS}
    assert not {each for each in wrong if not each[0].startswith(("End ", "Open in "))}


def _offered(page: str) -> Iterator[str]:
    for form in _POST_FORM.findall(page):
        for attributes, shown in _BUTTON.findall(form):
            words = " ".join(html.unescape(_TAG.sub(" ", shown)).split())
            if not any(each in attributes for each in ("aria-disabled", "visually-hidden", 'name="preview"')):
                yield words


def test_no_empty_list_leads_who_only_reads_to_what_changes_something(walks: dict[str, Walk]) -> None:
    found = {(words, address) for address, page in walks["reads"].pages.items() for words in _next_steps(page)}
    steps = {words for words, _address in found}
    assert steps & {"Events of this key", "Look at 90 days", "Clear the filter"}  # those that only show something
    assert not {each for each in found if each[0].startswith(_CHANGES)}


def _next_steps(page: str) -> Iterator[str]:
    """What the links of empty states say."""
    for step in _EMPTY.findall(page):
        for shown in _LINK.findall(step):
            yield " ".join(html.unescape(_TAG.sub(" ", shown)).split())


# Action → the call that the engine refuses in the very words that the pages show.
def _calls(world: World, client: Callable[[str], Any]) -> dict[str, Callable[[], Any]]:
    kms, iam, made = client("kms"), client("iam"), world.made
    name, arn, key = made.name, made.policy_arn, made.symmetric
    return {
        "kms:DisableKey": lambda: kms.disable_key(KeyId=key),
        "kms:ScheduleKeyDeletion": lambda: kms.schedule_key_deletion(KeyId=key),
        "kms:CancelKeyDeletion": lambda: kms.cancel_key_deletion(KeyId=made.doomed),
        "kms:PutKeyPolicy": lambda: kms.put_key_policy(KeyId=key, Policy="{}"),
        "kms:UpdateKeyDescription": lambda: kms.update_key_description(KeyId=key, Description="x"),
        "kms:DeleteAlias": lambda: kms.delete_alias(AliasName=f"alias/{name}"),
        "kms:TagResource": lambda: kms.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": "b"}]),
        "kms:RevokeGrant": lambda: kms.revoke_grant(KeyId=key, GrantId=made.grant),
        "kms:ReplicateKey": lambda: kms.replicate_key(KeyId=made.primary, ReplicaRegion="eu-west-3"),
        "kms:CreateKey": lambda: kms.create_key(),
        "kms:GenerateRandom": lambda: kms.generate_random(NumberOfBytes=1),
        "iam:DeleteUser": lambda: iam.delete_user(UserName=name),
        "iam:CreateAccessKey": lambda: iam.create_access_key(UserName=name),
        "iam:DeleteGroup": lambda: iam.delete_group(GroupName=name),
        "iam:DeleteRole": lambda: iam.delete_role(RoleName=name),
        "iam:UpdateAssumeRolePolicy": lambda: iam.update_assume_role_policy(RoleName=name, PolicyDocument="{}"),
        "iam:DetachUserPolicy": lambda: iam.detach_user_policy(UserName=name, PolicyArn=arn),
        "iam:DeletePolicy": lambda: iam.delete_policy(PolicyArn=arn),
        "iam:TagUser": lambda: iam.tag_user(UserName=name, Tags=[{"Key": "a", "Value": "b"}]),
    }


def test_what_is_unavailable_says_the_engines_own_words(world: World, walks: dict[str, Walk]) -> None:
    pages = walks["reads"].pages.values()
    shown = {html.unescape(why) for page in pages for why in _WHY.findall(page)}
    calls = _calls(world, lambda service: world.people["reads"].client(service))
    for action, call in calls.items():
        with pytest.raises(ClientError) as refused:
            call()
        error = refused.value.response["Error"]
        assert f"{error['Code']}: {error['Message']}" in shown, (
            action,
            sorted(each for each in shown if action in each),
        )


def test_an_unavailable_action_can_be_reached_and_tells_why(walks: dict[str, Walk], world: World) -> None:
    page = walks["reads"].pages[f"/principals/users/{world.made.name}/"]
    button = re.search(
        r'<button[^>]*aria-disabled="true"[^>]*aria-describedby="([^"]+)"[^>]*>\s*Delete\s*</button>', page
    )
    assert button is not None
    assert "disabled " not in button[0].replace('aria-disabled="true"', "")
    described = re.search(rf'id="{button[1]}">(.*?)</span>', page, re.S)
    assert described is not None
    assert "iam:DeleteUser on resource: arn:aws:iam::" in described[1]


def test_a_part_that_may_not_be_read_is_said_to_be_left_out(world: World) -> None:
    name = world.made.name
    seer = person(world.account, "seer", document(allow(["iam:GetUser", "iam:GetGroup", "iam:GetRole"])))
    browser, before = sign_in_browser(seer), world.denials()
    for address, missing in (
        (f"/principals/users/{name}/", ("ListAccessKeys", "ListGroupsForUser", "ListUserPolicies")),
        (f"/principals/groups/{name}/", ("ListGroupPolicies",)),
        (f"/principals/roles/{name}/", ("ListRolePolicies",)),
    ):
        page = main(browser, address)
        for action in missing:
            assert re.search(
                rf"Not shown:\s*AccessDenied: User: \S+ is not authorized to perform: iam:{action} on", page
            )
        assert "No policy:" not in page
        assert "No access key:" not in page
    assert world.denials() == before


def test_a_refused_use_of_a_key_is_recorded_also_where_a_page_is_looked_at(account: TestAccount) -> None:
    """What looks around records no denial; Decrypt, by which a connection's credentials are opened, is a use."""
    nobody = person(account, "nobody", POLICIES["nothing"])
    kms = clients.make(
        "kms",
        region_name="us-east-1",
        aws_access_key_id=nobody.access_key_id,
        aws_secret_access_key=nobody.secret_access_key,
        endpoint_url="http://engine.local",
    )
    inprocess.attach(kms, source_ip="127.0.0.1", asks_first=True)
    key_id = account.create_key()
    for call in (kms.list_keys, lambda: kms.encrypt(KeyId=key_id, Plaintext=b"x")):
        with pytest.raises(ClientError, match="AccessDenied"):
            call()
    user = [{"AttributeKey": "Username", "AttributeValue": "nobody"}]
    events = account.client("cloudtrail").lookup_events(LookupAttributes=user)["Events"]
    assert [event["EventName"] for event in events] == ["Encrypt"]


def test_what_a_state_forbids_stays_on_the_page_with_the_reason(account: TestAccount, signed_in: Client) -> None:
    """As what a permission forbids does: an action that was gone would be looked for elsewhere."""
    kms, iam = account.client(), account.client("iam")
    key = account.create_key(MultiRegion=True)
    page = f"/keys/{key}/"
    alone = unavailable(signed_in.get(f"{page}tab/regions/"))
    assert alone["Change primary Region"] == "There is no replica key that could become the primary."
    kms.disable_key(KeyId=key)
    with pytest.raises(ClientError) as refused:
        kms.encrypt(KeyId=key, Plaintext=b"x")
    message = refused.value.response["Error"]["Message"]
    for use in ("Encrypt with this key", "Decrypt", "Generate data key"):
        assert unavailable(signed_in.get(page))[use] == f"DisabledException: {message}"

    iam.create_user(UserName="ann")
    iam.create_access_key(UserName="ann")
    assert "Deactivate the access key first" in unavailable(signed_in.get("/principals/users/ann/"))["Delete"]
    arn = iam.create_policy(PolicyName="one", PolicyDocument=POLICY)["Policy"]["Arn"]
    with pytest.raises(ClientError) as default:
        iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    message = default.value.response["Error"]["Message"]
    policy = unavailable(signed_in.get("/principals/policies/one/", {"arn": arn}))
    assert policy["Delete"] == f"DeleteConflict: {message}"

    signed_in.post("/keys/approvals/", {"do": "on"})
    signed_in.post(f"{page}delete/", {"days": "7", "confirmed": "on", "reason": "old"})
    assert "someone else approves it" in unavailable(signed_in.get("/keys/approvals/"))["Approve"]
