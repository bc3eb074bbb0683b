"""Random histories of keys and principals, replayed from the record: at every instant what it tells is what the API told then.

The model is the API itself: after every action, and after every move of the clock, each key is described and each user tries a call with
each key. Afterwards the inventory and the decisions are worked out for all those instants, from the record alone.
HISTORY_EXAMPLES sets how many histories are made up (make history: 300).
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from engine import clock
from engine.iam import aws_managed
from keys.evaluator import decisions, past_access, principal_directory
from keys.record import iam_base, iam_events, projection, snapshots
from tests.conftest import REGION, TestAccount, TestUser, new_account

EXAMPLES = int(os.environ.get("HISTORY_EXAMPLES", "4"))
KEYS, USERS, GROUPS, POLICIES = 2, ("ann", "ben"), ("staff", "guests"), ("first", "second")
ALIASES, TAGS = ("alias/one", "alias/two"), ("team", "owner")


def document(*actions: str, effect: str = "Allow", **more: Any) -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": list(actions), "Resource": "*", **more}]}
    )


DOCUMENTS = (document("kms:*"), document("kms:Encrypt"), document("kms:DescribeKey", effect="Deny"))


@dataclass
class Instant:
    """What the API told at a moment: keys by ID (None: not found), and who might describe which."""

    moment: datetime
    keys: dict[str, dict[str, Any] | None]
    allowed: dict[tuple[str, str], bool]


@dataclass
class World:
    """An account whose history is made: what there is at the beginning is made before the record tells of it, or by it."""

    account: TestAccount
    kms: Any
    iam: Any
    keys: list[str] = field(default_factory=list)
    grants: list[tuple[str, str]] = field(default_factory=list)
    users: dict[str, TestUser] = field(default_factory=dict)
    instants: list[Instant] = field(default_factory=list)

    def key(self, number: int) -> str:
        return self.keys[number % len(self.keys)]

    def arn(self, user: str) -> str:
        return f"arn:aws:iam::{self.account.account_id}:user/{user}"

    def policy(self, name: str) -> str:
        return f"arn:aws:iam::{self.account.account_id}:policy/{name}"


def create_user(world: World, name: str) -> None:
    world.users[name] = world.account.create_user(name)


def delete_user(world: World, name: str) -> None:
    iam = world.iam
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    for policy in iam.list_user_policies(UserName=name)["PolicyNames"]:
        iam.delete_user_policy(UserName=name, PolicyName=policy)
    for policy in iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]:
        iam.detach_user_policy(UserName=name, PolicyArn=policy["PolicyArn"])
    for group in iam.list_groups_for_user(UserName=name)["Groups"]:
        iam.remove_user_from_group(UserName=name, GroupName=group["GroupName"])
    iam.delete_user(UserName=name)
    world.users.pop(name)


def create_key(world: World, number: int) -> None:
    if len(world.keys) <= KEYS:
        world.keys.append(world.account.create_key(Description=str(number)))


def create_grant(world: World, number: int, user: str) -> None:
    key = world.key(number)
    made = world.kms.create_grant(KeyId=key, GranteePrincipal=world.arn(user), Operations=["DescribeKey", "Encrypt"])
    world.grants.append((key, made["GrantId"]))


def end_grant(world: World, number: int) -> None:
    key, grant = world.grants[number % len(world.grants)]
    world.kms.revoke_grant(KeyId=key, GrantId=grant)


def put_policy(world: World, number: int, user: str, effect: str) -> None:
    root = {"Effect": "Allow", "Principal": {"AWS": world.account.root_arn}, "Action": "kms:*", "Resource": "*"}
    named = {"Effect": effect, "Principal": {"AWS": world.arn(user)}, "Action": "kms:DescribeKey", "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [root, named]})
    world.kms.put_key_policy(KeyId=world.key(number), Policy=text)


def rename_user(world: World, old: str, new: str) -> None:
    world.iam.update_user(UserName=old, NewUserName=new)
    world.users[new] = world.users.pop(old)


def version(world: World, name: str, text: str) -> None:
    made = world.iam.list_policy_versions(PolicyArn=world.policy(name))["Versions"]
    for each in made:
        if len(made) == 5 and not each["IsDefaultVersion"]:
            world.iam.delete_policy_version(PolicyArn=world.policy(name), VersionId=each["VersionId"])
            break
    world.iam.create_policy_version(PolicyArn=world.policy(name), PolicyDocument=text, SetAsDefault=True)


Action = Callable[[World], object]
numbers, users = st.integers(0, KEYS), st.sampled_from(USERS)
groups, policies, texts = st.sampled_from(GROUPS), st.sampled_from(POLICIES), st.sampled_from(DOCUMENTS)


def kms(operation: str, **more: Any) -> Callable[[int], Action]:
    return lambda number: lambda w: getattr(w.kms, operation)(KeyId=w.key(number), **more)


ACTIONS: list[st.SearchStrategy[Action]] = [
    numbers.map(lambda number: lambda w: create_key(w, number)),
    numbers.map(kms("enable_key")),
    numbers.map(kms("disable_key")),
    numbers.map(kms("schedule_key_deletion", PendingWindowInDays=7)),
    numbers.map(kms("cancel_key_deletion")),
    numbers.map(kms("enable_key_rotation", RotationPeriodInDays=90)),
    numbers.map(kms("disable_key_rotation")),
    st.builds(
        lambda number, text: lambda w: w.kms.update_key_description(KeyId=w.key(number), Description=text),
        numbers,
        st.sampled_from(("", "words")),
    ),
    st.builds(
        lambda number, tag, value: lambda w: w.kms.tag_resource(
            KeyId=w.key(number), Tags=[{"TagKey": tag, "TagValue": value}]
        ),
        numbers,
        st.sampled_from(TAGS),
        st.sampled_from(("a", "b")),
    ),
    st.builds(
        lambda number, tag: lambda w: w.kms.untag_resource(KeyId=w.key(number), TagKeys=[tag]),
        numbers,
        st.sampled_from(TAGS),
    ),
    st.builds(
        lambda number, name: lambda w: w.kms.create_alias(AliasName=name, TargetKeyId=w.key(number)),
        numbers,
        st.sampled_from(ALIASES),
    ),
    st.builds(
        lambda number, name: lambda w: w.kms.update_alias(AliasName=name, TargetKeyId=w.key(number)),
        numbers,
        st.sampled_from(ALIASES),
    ),
    st.sampled_from(ALIASES).map(lambda name: lambda w: w.kms.delete_alias(AliasName=name)),
    st.builds(lambda number, user: lambda w: create_grant(w, number, user), numbers, users),
    numbers.map(lambda number: lambda w: end_grant(w, number) if w.grants else None),
    st.builds(
        lambda number, user, effect: lambda w: put_policy(w, number, user, effect),
        numbers,
        users,
        st.sampled_from(("Allow", "Deny")),
    ),
    users.map(lambda name: lambda w: create_user(w, name)),
    users.map(lambda name: lambda w: delete_user(w, name)),
    st.just(lambda w: rename_user(w, "ann", "eve")),
    st.just(lambda w: rename_user(w, "eve", "ann")),
    groups.map(lambda name: lambda w: w.iam.create_group(GroupName=name)),
    st.builds(lambda u, g: lambda w: w.iam.add_user_to_group(UserName=u, GroupName=g), users, groups),
    st.builds(lambda u, g: lambda w: w.iam.remove_user_from_group(UserName=u, GroupName=g), users, groups),
    st.builds(
        lambda u, t: lambda w: w.iam.put_user_policy(UserName=u, PolicyName="own", PolicyDocument=t), users, texts
    ),
    users.map(lambda u: lambda w: w.iam.delete_user_policy(UserName=u, PolicyName="own")),
    st.builds(
        lambda g, t: lambda w: w.iam.put_group_policy(GroupName=g, PolicyName="own", PolicyDocument=t), groups, texts
    ),
    st.builds(lambda p, t: lambda w: w.iam.create_policy(PolicyName=p, PolicyDocument=t), policies, texts),
    st.builds(lambda p, t: lambda w: version(w, p, t), policies, texts),
    policies.map(lambda p: lambda w: w.iam.set_default_policy_version(PolicyArn=w.policy(p), VersionId="v1")),
    st.builds(
        lambda u, p: lambda w: w.iam.attach_user_policy(UserName=u, PolicyArn=w.policy(p)), users, policies
    ),
    st.builds(
        lambda u, p: lambda w: w.iam.detach_user_policy(UserName=u, PolicyArn=w.policy(p)), users, policies
    ),
    st.builds(
        lambda g, p: lambda w: w.iam.attach_group_policy(GroupName=g, PolicyArn=w.policy(p)), groups, policies
    ),
    st.builds(
        lambda u, p: lambda w: w.iam.put_user_permissions_boundary(
            UserName=u, PermissionsBoundary=w.policy(p)
        ),
        users,
        policies,
    ),
    users.map(lambda u: lambda w: w.iam.delete_user_permissions_boundary(UserName=u)),
]  # fmt: skip


def described(world: World, key: str) -> dict[str, Any] | None:
    """What the API tells of a key; None where it is gone."""
    try:
        metadata = world.kms.describe_key(KeyId=key)["KeyMetadata"]
    except ClientError:
        return None
    deletion = metadata.get("DeletionDate")
    aliases = world.kms.list_aliases(KeyId=key)["Aliases"]
    rotates = metadata["KeyState"] in ("Enabled", "Disabled") and world.kms.get_key_rotation_status(KeyId=key)
    return {
        "state": metadata["KeyState"],
        "description": metadata["Description"],
        "deletion": deletion.replace(microsecond=0) if deletion else None,  # as the record has it
        "aliases": sorted(each["AliasName"].removeprefix("alias/") for each in aliases),
        "tags": {tag["TagKey"]: tag["TagValue"] for tag in world.kms.list_resource_tags(KeyId=key)["Tags"]},
        "grants": sorted(each["GrantId"] for each in world.kms.list_grants(KeyId=key)["Grants"]),
        "rotation": rotates.get("RotationPeriodInDays") if rotates and rotates["KeyRotationEnabled"] else None,
    }


def may_describe(user: TestUser, key: str) -> bool:
    try:
        user.client().describe_key(KeyId=key)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        return False
    return True


def look(world: World) -> None:
    keys = {key: described(world, key) for key in world.keys}
    allowed = {
        (world.arn(name), key): may_describe(user, key)
        for name, user in world.users.items()
        for key, told in keys.items()
        if told is not None
    }
    world.instants.append(Instant(clock.now(world.account.account_id), keys, allowed))


def told_of(key: snapshots.KeySnapshot, moment: datetime) -> dict[str, Any] | None:
    """What the record tells of a key, in the same form."""
    state = key.state(moment)
    if state == "Deleted":
        return None
    return {
        "state": state,
        "description": key.description,
        "deletion": key.deletion_date,
        "aliases": key.aliases,
        "tags": dict(key.tags),
        "grants": sorted(each.grant["GrantId"] for each in key.grants),
        "rotation": key.rotation_days if state in ("Enabled", "Disabled") else None,
    }


def details(world: World) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for page in world.iam.get_paginator("get_account_authorization_details").paginate():
        for member in ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"):
            found.setdefault(member, []).extend(page[member])
    return found


def attached_aws_policies(world: World) -> dict[str, str]:
    pages = world.iam.get_paginator("list_policies").paginate(Scope="AWS", OnlyAttached=True)
    found = [aws_managed.find(each["Arn"]) for page in pages for each in page["Policies"]]
    return {each.arn: each.document for each in found if each is not None}


def assert_told(world: World) -> None:
    account_id = world.account.account_id
    assert projection.catch_up(account_id, 60).whole
    key_records = projection.of_kind(account_id, projection.KEY)
    iam_records = projection.of_kind(account_id, projection.IAM)
    today, aws = details(world), attached_aws_policies(world)
    for instant in world.instants:
        moment = instant.moment
        keys = {key.key_id: key for key in snapshots.replay(key_records, REGION, moment)}
        assert {key_id: told_of(key, moment) for key_id, key in keys.items()} == instant.keys
        base = iam_base.before_the_record(account_id, today, iam_records, moment)
        past = iam_events.replay(base, iam_records, moment)
        people = principal_directory.from_details(account_id, past_access.details(past, aws))
        asked = decisions.RequestContext({}, {}, moment)
        for (arn, key_id), allowed in instant.allowed.items():
            subject = people.find(arn)
            assert subject is not None, (arn, moment)
            view = past_access.view(keys[key_id], past)
            decided = decisions.explain(subject, "kms:DescribeKey", view, asked)
            assert decided.allowed == allowed, (arn, key_id, moment, decided.reason, iam_records)


def begun() -> World:
    account = new_account()
    world = World(account, account.client(), account.client("iam"))
    world.keys.append(account.create_key())
    world.users["admin"] = account.administrator  # older than the record
    create_user(world, "ann")
    look(world)
    account.move_clock(minutes=1)
    return world


def happen(world: World, action: Action, hours: int) -> None:
    with contextlib.suppress(
        ClientError, KeyError
    ):  # a refused call changes nothing, which the record has to tell as well
        action(world)
    look(world)
    world.account.move_clock(hours=hours)
    look(world)
    world.account.move_clock(minutes=1)  # the record's times are whole seconds


# Making a failing history smaller takes minutes: only the long form does.
_PHASES = [each for each in Phase if each is not Phase.shrink or EXAMPLES > 50]


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), phases=_PHASES)
@given(st.lists(st.tuples(st.one_of(ACTIONS), st.sampled_from((1, 1, 5, 80))), min_size=8, max_size=25))
def test_the_record_tells_at_every_instant_what_the_api_told_then(
    prepared: object, history: list[tuple[Action, int]]
) -> None:
    world = begun()
    for action, hours in history:
        happen(world, action, hours)
    assert_told(world)
