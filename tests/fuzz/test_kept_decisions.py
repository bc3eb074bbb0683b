"""What lists leave out is what calls are refused, whatever the policies: decided for all keys together, kept, and followed as they change."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.public import visibility
from keys.inventory import deciding, reads
from keys.inventory.models import InventoryKey
from tests.conftest import TestAccount, make_client, new_account, sign_in_browser
from tests.support.policies import asks, document

REGION = "us-east-1"
ROLE, SESSION = "reader", "session"


@dataclass(frozen=True)
class World:
    """An account with keys of several kinds, a user and a role that the user may be; `administrator` has the list of keys read."""

    account: TestAccount
    administrator: Client
    key_ids: tuple[str, ...]
    access_key_id: str
    secret: str
    user_arn: str
    role_arn: str

    def role_session(self, policy: dict[str, Any] | None) -> tuple[str, str, str]:
        """Its access key ID, secret and token."""
        more = {"Policy": json.dumps(policy)} if policy is not None else {}
        found = self.account.client("sts").assume_role(RoleArn=self.role_arn, RoleSessionName=SESSION, **more)
        made = found["Credentials"]
        return made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]


@pytest.fixture(scope="module")
def world(prepared: object) -> World:
    account = new_account()
    kms, iam = account.client(), account.client("iam")
    key_ids = []
    for number in range(8):
        tags = [{"TagKey": "team", "TagValue": ("blue", "red")[number % 2]}] if number % 4 else []
        tags += [{"TagKey": "owner", "TagValue": ("reader", "blue")[number % 3 == 0]}] if number % 3 != 1 else []
        more = {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"} if number % 3 == 2 else {}
        key_ids.append(account.create_key(Tags=tags, MultiRegion=number == 3, **more))
        for name in ("a", "b")[: number % 3]:
            kms.create_alias(AliasName=f"alias/{name}{number}", TargetKeyId=key_ids[-1])
    user = account.create_user("reader")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": account.administrator.arn}}
    role = iam.create_role(
        RoleName=ROLE,
        AssumeRolePolicyDocument=document(trust),
        Tags=[{"Key": "team", "Value": "red"}],
    )["Role"]["Arn"]
    iam.tag_user(UserName="reader", Tags=[{"Key": "team", "Value": "blue"}])
    kms.create_grant(KeyId=key_ids[1], GranteePrincipal=user.arn, Operations=["DescribeKey"])
    kms.create_grant(KeyId=key_ids[4], GranteePrincipal=role, Operations=["DescribeKey", "Decrypt"])
    return World(
        account,
        sign_in_browser(account.administrator),
        tuple(key_ids),
        user.access_key_id,
        user.secret_access_key,
        user.arn,
        role,
    )


CONDITIONS = (
    asks("aws:ResourceTag/team", "StringEquals", "blue"),
    asks("aws:ResourceTag/team", "StringNotEquals", "blue"),
    asks("aws:ResourceTag/team", "StringEquals", "${aws:PrincipalTag/team}"),
    asks("aws:ResourceTag/owner", "StringEqualsIfExists", "${aws:username}"),
    asks("aws:ResourceTag/team", "Null", "true"),
    asks("kms:ResourceAliases", "ForAnyValue:StringLike", "alias/a*"),
    asks("kms:ResourceAliases", "ForAllValues:StringEquals", "alias/a1", "alias/a4"),
    asks("kms:KeySpec", "StringEquals", "HMAC_256"),
    asks("kms:MultiRegion", "Bool", "true"),
    asks("kms:CallerAccount", "StringLike", "*"),
    asks("aws:SourceIp", "NotIpAddress", "10.0.0.0/8"),
    asks("aws:MultiFactorAuthPresent", "BoolIfExists", "false"),
    asks("aws:PrincipalArn", "ArnLike", "arn:aws:iam::*:role/*"),
    asks("aws:CurrentTime", "DateGreaterThan", "2020-01-01T00:00:00Z"),
)
ACTIONS = [f"kms:{each}" for each in reads.READS] + ["kms:*", "kms:Get*", "kms:List*", "*"]
# A denial by a key's own policy is of reads alone: the administrator has to be able to write the next one.
DENIED_BY_KEY = [f"kms:{each}" for each in reads.READS]


def conditions() -> st.SearchStrategy[dict[str, Any]]:
    merged = st.lists(st.sampled_from(CONDITIONS), max_size=2, unique_by=lambda each: next(iter(each)))
    return merged.map(
        lambda each: {"Condition": {name: value for one in each for name, value in one.items()}} if each else {}
    )


def statements(resources: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=3, unique=True)
    action = names.map(lambda each: {"Action": each}) | st.just({"NotAction": ["kms:DescribeKey", "iam:*"]})
    effect = st.sampled_from(("Allow", "Allow", "Deny"))
    parts = st.tuples(effect, action, resources, conditions())
    return parts.map(lambda each: {"Effect": each[0], **each[1], **each[2], **each[3]})


def policies(account_id: str, key_ids: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Of users, roles, boundaries and sessions."""
    arns = [f"arn:aws:kms:{REGION}:{account_id}:key/{each}" for each in key_ids]
    named = st.lists(st.sampled_from([*arns, f"arn:aws:kms:*:{account_id}:key/*"]), min_size=1, max_size=3, unique=True)
    resources = (
        st.just({"Resource": "*"})
        | named.map(lambda each: {"Resource": each})
        | st.sampled_from(arns).map(lambda each: {"NotResource": each})
    )
    listed = st.lists(statements(resources), min_size=1, max_size=3)
    return listed.map(lambda each: {"Version": "2012-10-17", "Statement": each})


def key_policies(world: World) -> st.SearchStrategy[dict[str, Any]]:
    account_id = world.account.account_id
    session = f"arn:aws:sts::{account_id}:assumed-role/{ROLE}/{SESSION}"
    principals = st.sampled_from([f"arn:aws:iam::{account_id}:root", world.user_arn, world.role_arn, session, "*"]).map(
        lambda each: {"Principal": {"AWS": each}, "Resource": "*"}
    )
    allowed = st.tuples(st.sampled_from(["kms:*", *DENIED_BY_KEY]), principals, conditions()).map(
        lambda each: {"Effect": "Allow", "Action": each[0], **each[1], **each[2]}
    )
    denied = st.tuples(st.sampled_from(DENIED_BY_KEY), principals, conditions()).map(
        lambda each: {"Effect": "Deny", "Action": each[0], **each[1], **each[2]}
    )
    own = {
        "Effect": "Allow",
        "Action": ["kms:PutKeyPolicy", "kms:DescribeKey"],
        "Resource": "*",
        "Principal": {"AWS": world.account.administrator.arn},
    }
    listed = st.lists(allowed | denied, min_size=1, max_size=3)
    return listed.map(lambda each: {"Version": "2012-10-17", "Statement": [own, *each]})


@settings(max_examples=settings.default.max_examples // 4)  # of eighty calls each
@given(data=st.data())
def test_of_each_key_is_left_out_what_its_calls_are_refused(world: World, data: st.DataObject) -> None:
    iam, kms = world.account.client("iam"), world.account.client()
    drawn = policies(world.account.account_id, world.key_ids)
    for key_id in data.draw(st.lists(st.sampled_from(world.key_ids), max_size=2, unique=True), label="keys"):
        policy = json.dumps(data.draw(key_policies(world), label="key policy"))
        kms.put_key_policy(KeyId=key_id, Policy=policy, BypassPolicyLockoutSafetyCheck=True)
    iam.put_user_policy(
        UserName="reader", PolicyName="own", PolicyDocument=json.dumps(data.draw(drawn, label="user's policy"))
    )
    iam.put_role_policy(
        RoleName=ROLE, PolicyName="own", PolicyDocument=json.dumps(data.draw(drawn, label="role's policy"))
    )
    session = world.role_session(data.draw(st.none() | drawn, label="session's policy"))
    world.administrator.get("/keys/")  # reads what has changed
    for access_key_id, secret, token in ((world.access_key_id, world.secret, ""), session):
        who = visibility.viewer(access_key_id, token, REGION, "127.0.0.1", secure=False)
        assert left_out(who) == refused(world, access_key_id, secret, token)


def left_out(who: visibility.Viewer) -> dict[str, int]:
    """Key ID → what lists leave out of it, as bits."""
    row = deciding.whole(who)
    others = dict(row.hidden_keys.values_list("row", "denied_mask"))
    rows = InventoryKey.objects.filter(account_id=row.account_id, region=row.region, manager="CUSTOMER")
    return {each.key_id: others.get(each.pk, row.usual_mask) for each in rows}


def refused(world: World, access_key_id: str, secret: str, token: str) -> dict[str, int]:
    """Key ID → what its calls are refused."""
    kms = make_client("kms", REGION, access_key_id, secret, token)
    found = {}
    for key_id in world.key_ids:
        names = []
        for operation in reads.READS:
            try:
                getattr(kms, xform_name(operation))(KeyId=key_id)
            except ClientError as error:
                if error.response["Error"]["Code"] == "AccessDeniedException":
                    names.append(operation)
        found[key_id] = reads.mask(names)
    return found
