"""STS through boto3: who may assume a role, for how long, with which tags, policies and identity; and what each refusal says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.wire.services import SERVICES
from tests.conftest import TestAccount, make_client
from tests.support import members, raw


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*actions: str, **more: Any) -> str:
    return document({"Effect": "Allow", "Action": list(actions), "Resource": "*", **more})


def trust(principal: Any, *actions: str, **more: Any) -> str:
    named = {"AWS": principal} if isinstance(principal, str) and principal != "*" else principal
    return document({"Effect": "Allow", "Principal": named, "Action": list(actions) or ["sts:AssumeRole"], **more})


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as reason:
        call(**parameters)
    error = reason.value.response["Error"]
    return error["Code"], error["Message"]


def role(account: TestAccount, name: str = "app", policy: str = "", **more: Any) -> str:
    iam = account.client("iam")
    wanted = {"AssumeRolePolicyDocument": trust(account.root_arn, "sts:*"), **more}
    arn: str = iam.create_role(RoleName=name, **wanted)["Role"]["Arn"]
    if policy:
        iam.put_role_policy(RoleName=name, PolicyName="test", PolicyDocument=policy)
    return arn


def session(made: dict[str, Any], service: str = "sts") -> Any:
    given = made["Credentials"]
    return make_client(service, "us-east-1", given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def assume(client: Any, arn: str, **more: Any) -> Any:
    return client.assume_role(**{"RoleArn": arn, "RoleSessionName": "one", **more})


def test_who_calls_is_told_without_permission(account: TestAccount) -> None:
    ann = account.create_user("ann")
    identity = ann.client("sts").get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (account.account_id, ann.arn)
    arn = role(account)
    made = assume(account.client("sts"), arn)
    identity = session(made).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{account.account_id}:assumed-role/app/one"
    assert identity["UserId"] == made["AssumedRoleUser"]["AssumedRoleId"]


@pytest.mark.parametrize(
    "arn", ["nothing-valid-in-here", "arn:aws:iam::111122223333:user/ann", "arn:aws:s3::: role/app"]
)
def test_what_is_no_role_is_refused(account: TestAccount, arn: str) -> None:
    assert refused(account.client("sts").assume_role, RoleArn=arn, RoleSessionName="one") == (
        "ValidationError",
        f"{arn} is invalid",
    )


def test_a_session_name_is_held_to_its_pattern(account: TestAccount) -> None:
    code, words = refused(assume, client=account.client("sts"), arn=role(account), RoleSessionName="a:b")
    assert code == "ValidationError"
    assert "at 'roleSessionName' failed to satisfy constraint" in words


def test_a_role_that_is_not_there_is_denied_as_one_that_may_not_be_assumed(account: TestAccount) -> None:
    arn = f"arn:aws:iam::{account.account_id}:role/nothing"
    assert refused(assume, client=account.client("sts"), arn=arn) == (
        "AccessDenied",
        f"User: {account.administrator.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}",
    )


@pytest.mark.parametrize(
    ("trusted", "policy", "words"),
    [
        ("ACCOUNT", "", "because no identity-based policy allows the sts:AssumeRole action"),
        ("ACCOUNT", allow("sts:AssumeRole"), None),
        ("USER", "", None),
        ("*", "", None),
        (
            {"Service": "ec2.amazonaws.com"},
            allow("sts:AssumeRole"),
            "because no role trust policy allows the sts:AssumeRole action",
        ),
        (
            "USER",
            document({"Effect": "Deny", "Action": "sts:*", "Resource": "*"}),
            "with an explicit deny in an identity-based policy",
        ),
    ],
)
def test_the_trust_policy_decides_as_a_resource_policy_does(
    account: TestAccount, trusted: Any, policy: str, words: str | None
) -> None:
    ann = account.create_user("ann", policy or None)
    named = (
        {"ACCOUNT": account.root_arn, "USER": ann.arn}.get(trusted, trusted) if isinstance(trusted, str) else trusted
    )
    arn = role(account, AssumeRolePolicyDocument=trust(named))
    if words is None:
        assert assume(ann.client("sts"), arn)
        return
    start = f"User: {ann.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    assert refused(assume, client=ann.client("sts"), arn=arn) == ("AccessDenied", f"{start} {words}")


def test_a_trust_policy_that_denies_says_so(account: TestAccount) -> None:
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "sts:AssumeRole"},
        {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"},
    ]
    arn = role(account, AssumeRolePolicyDocument=document(*statements))
    code, words = refused(assume, client=account.client("sts"), arn=arn)
    assert (code, words.endswith("with an explicit deny in the role trust policy")) == ("AccessDenied", True)


def test_across_accounts_both_must_allow(account: TestAccount, other_account: TestAccount) -> None:
    arn = role(account, AssumeRolePolicyDocument=trust(other_account.root_arn))
    assert assume(other_account.client("sts"), arn)
    bob = other_account.create_user("bob")
    code, words = refused(assume, client=bob.client("sts"), arn=arn)
    assert (code, words.endswith("because no identity-based policy allows the sts:AssumeRole action")) == (
        "AccessDenied",
        True,
    )
    assert refused(assume, client=account.client("sts"), arn=arn)[0] == "AccessDenied"


@pytest.mark.parametrize("policy", [allow("*"), allow("iam:GetUser")])
def test_nobody_learns_whether_another_account_has_a_role(
    account: TestAccount, other_account: TestAccount, policy: str
) -> None:
    statements = [
        {"Effect": effect, "Principal": {"AWS": other_account.root_arn}, "Action": "sts:AssumeRole"}
        for effect in ("Allow", "Deny")
    ]
    there = [role(account), role(account, "closed", AssumeRolePolicyDocument=document(*statements))]
    sts = other_account.create_user("bob", policy).client("sts")
    answers = []
    for arn in (*there, f"arn:aws:iam::{account.account_id}:role/nothing", "arn:aws:iam::000011112222:role/nothing"):
        code, words = refused(assume, client=sts, arn=arn)
        answers.append((code, words.replace(arn, "it")))
    assert len(set(answers)) == 1
    assert answers[0][0] == "AccessDenied"


@pytest.mark.parametrize(
    ("condition", "right", "wrong"),
    [
        ({"StringEquals": {"sts:ExternalId": "42"}}, {"ExternalId": "42"}, {"ExternalId": "43"}),
        ({"StringEquals": {"sts:ExternalId": "42"}}, {"ExternalId": "42"}, {}),
        (
            {"StringLike": {"sts:RoleSessionName": "${aws:username}"}},
            {"RoleSessionName": "admin"},
            {"RoleSessionName": "ann"},
        ),
        ({"StringEquals": {"sts:SourceIdentity": "ann"}}, {"SourceIdentity": "ann"}, {"SourceIdentity": "bob"}),
        (
            {"StringEquals": {"aws:RequestTag/team": "blue"}},
            {"Tags": [{"Key": "team", "Value": "blue"}]},
            {"Tags": [{"Key": "team", "Value": "red"}]},
        ),
        (
            {"ForAllValues:StringEquals": {"sts:TransitiveTagKeys": ["team"]}},
            {"Tags": [{"Key": "team", "Value": "x"}], "TransitiveTagKeys": ["team"]},
            {"Tags": [{"Key": "a", "Value": "x"}], "TransitiveTagKeys": ["a"]},
        ),
    ],
)
def test_conditions_of_a_trust_policy(
    account: TestAccount, condition: dict[str, Any], right: dict[str, Any], wrong: dict[str, Any]
) -> None:
    arn = role(account, AssumeRolePolicyDocument=trust(account.root_arn, "sts:*", Condition=condition))
    assert assume(account.client("sts"), arn, **right)
    assert refused(assume, client=account.client("sts"), arn=arn, **wrong)[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("action", "more"),
    [
        ("sts:TagSession", {"Tags": [{"Key": "team", "Value": "blue"}]}),
        ("sts:SetSourceIdentity", {"SourceIdentity": "ann"}),
    ],
)
def test_what_is_done_to_the_session_needs_its_own_permission(account: TestAccount, action: str, more: Any) -> None:
    arn = role(account, AssumeRolePolicyDocument=trust(account.root_arn))
    code, words = refused(assume, client=account.client("sts"), arn=arn, **more)
    assert (code, f"perform: {action} on resource" in words) == ("AccessDenied", True)
    assert assume(account.client("sts"), arn)


def test_how_long_a_session_lasts(account: TestAccount) -> None:
    sts, arn = account.client("sts"), role(account, MaxSessionDuration=7200, policy=allow("sts:AssumeRole"))
    now = datetime.now(UTC)
    usual = assume(sts, arn)["Credentials"]["Expiration"]
    assert timedelta(minutes=59) < usual - now < timedelta(minutes=61)
    longest = assume(sts, arn, DurationSeconds=7200)
    assert longest["Credentials"]["Expiration"] - now > timedelta(minutes=119)
    assert refused(assume, client=sts, arn=arn, DurationSeconds=7201) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )
    assert refused(assume, client=session(longest), arn=arn, DurationSeconds=3601) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
    )
    assert assume(session(longest), arn, DurationSeconds=3600)
    assert refused(assume, client=sts, arn=arn, DurationSeconds=43_201)[0] == "ValidationError"


def test_session_policies_narrow_what_the_role_may(account: TestAccount) -> None:
    sts, arn = account.client("sts"), role(account, policy=allow("kms:ListKeys", "kms:ListAliases"))
    made = assume(sts, arn, Policy=allow("kms:ListKeys", "kms:CreateKey"))
    kms = session(made, "kms")
    assert kms.list_keys()["Keys"] == []
    denied = refused(kms.list_aliases)[1]
    assert denied.endswith("because no session policy allows the kms:ListAliases action")
    assert refused(kms.create_key)[1].endswith("because no identity-based policy allows the kms:CreateKey action")
    assert 0 < made["PackedPolicySize"] < 100
    assert "PackedPolicySize" not in assume(sts, arn)


def test_managed_session_policies_narrow_too_and_any_of_them_allows(account: TestAccount) -> None:
    arn = role(account, policy=allow("kms:ListKeys", "kms:ListAliases"))
    managed = account.client("iam").create_policy(PolicyName="list", PolicyDocument=allow("kms:ListAliases"))["Policy"][
        "Arn"
    ]
    made = assume(account.client("sts"), arn, Policy=allow("kms:ListKeys"), PolicyArns=[{"arn": managed}])
    kms = session(made, "kms")
    assert kms.list_keys()
    assert kms.list_aliases()


def test_a_token_names_managed_session_policies_however_long_they_are(account: TestAccount) -> None:
    """ "managed policy ARNs" are what is packed (API Reference, AssumeRole, PolicyArns): a header takes no document of 100 KB."""
    arn = role(account, policy=allow("kms:*"))
    made = assume(account.client("sts"), arn, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}])
    assert len(made["Credentials"]["SessionToken"]) < 1_500
    kms = session(made, "kms")
    assert kms.list_keys()["Keys"] == []
    code, words = refused(kms.create_key)
    assert (code, "because no session policy allows" in words) == ("AccessDeniedException", True)


def test_a_long_session_policy_that_packs_well_fits_into_a_header(account: TestAccount) -> None:
    many = [{"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*"}] * 500
    made = assume(account.client("sts"), role(account, policy=allow("kms:*")), Policy=document(*many))
    assert len(made["Credentials"]["SessionToken"]) < 2_000
    kms = session(made, "kms")
    assert kms.list_keys()["Keys"] == []
    assert refused(kms.list_aliases)[0] == "AccessDeniedException"


def test_a_managed_session_policy_is_the_one_of_today(account: TestAccount) -> None:
    iam, arn = account.client("iam"), role(account, policy=allow("kms:*"))
    managed = iam.create_policy(PolicyName="list", PolicyDocument=allow("kms:ListAliases"))["Policy"]["Arn"]
    kms = session(assume(account.client("sts"), arn, PolicyArns=[{"arn": managed}]), "kms")
    assert kms.list_aliases()
    iam.create_policy_version(PolicyArn=managed, PolicyDocument=allow("kms:ListKeys"), SetAsDefault=True)
    assert refused(kms.list_aliases)[0] == "AccessDeniedException"
    assert kms.list_keys()["Keys"] == []
    iam.delete_policy_version(PolicyArn=managed, VersionId="v1")
    iam.delete_policy(PolicyArn=managed)
    assert refused(kms.list_keys)[0] == "AccessDeniedException"


def test_bad_session_policies_are_refused(account: TestAccount) -> None:
    sts, arn = account.client("sts"), role(account)
    assert refused(assume, client=sts, arn=arn, Policy="{}") == ("MalformedPolicyDocument", "Syntax errors in policy.")
    missing = "arn:aws:iam::aws:policy/Nothing"
    assert refused(assume, client=sts, arn=arn, PolicyArns=[{"arn": missing}])[0] == "MalformedPolicyDocument"
    own = account.client("iam").create_policy(PolicyName="own", PolicyDocument=allow("kms:*"))["Policy"]["Arn"]
    theirs = own.replace(account.account_id, "111122223333")
    assert refused(assume, client=sts, arn=arn, PolicyArns=[{"arn": theirs}])[0] == "MalformedPolicyDocument"
    many = [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}] * 11
    assert refused(assume, client=sts, arn=arn, PolicyArns=many)[0] == "ValidationError"
    wide = allow(*(f"kms:{number:x}{number * 7919:x}" for number in range(10**6, 10**6 + 700)))
    code, words = refused(assume, client=sts, arn=arn, Policy=wide)
    assert (code, words.endswith("of allotted space, please use smaller policy.")) == ("PackedPolicyTooLarge", True)


def test_session_tags_are_the_principals(account: TestAccount) -> None:
    blue = allow("kms:ListKeys", Condition={"StringEquals": {"aws:PrincipalTag/team": "blue"}})
    arn = role(account, policy=blue, Tags=[{"Key": "team", "Value": "red"}])
    sts = account.client("sts")
    assert refused(session(assume(sts, arn), "kms").list_keys)[0] == "AccessDeniedException"
    made = assume(sts, arn, Tags=[{"Key": "team", "Value": "blue"}])
    assert session(made, "kms").list_keys()["Keys"] == []
    assert made["PackedPolicySize"] > 0


def test_only_transitive_tags_go_along_a_chain_of_roles(account: TestAccount) -> None:
    tagged = allow("kms:ListKeys", Condition={"StringEquals": {"aws:PrincipalTag/team": "blue"}})
    staged = allow("kms:ListAliases", Condition={"StringEquals": {"aws:PrincipalTag/stage": "one"}})
    first = role(account, "first", allow("sts:*"))
    second = role(account, "second", document(*(json.loads(each)["Statement"][0] for each in (tagged, staged))))
    tags = [{"Key": "team", "Value": "blue"}, {"Key": "stage", "Value": "one"}]
    made = assume(account.client("sts"), first, Tags=tags, TransitiveTagKeys=["team"])
    chained = session(assume(session(made), second), "kms")
    assert chained.list_keys()["Keys"] == []
    assert refused(chained.list_aliases)[0] == "AccessDeniedException"
    for name in ("team", "TEAM"):
        assert refused(assume, client=session(made), arn=second, Tags=[{"Key": name, "Value": "red"}]) == (
            "InvalidParameterValue",
            "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
        )


@pytest.mark.parametrize("key", ["team", "TEAM"])
def test_who_hands_tags_on_to_a_role_needs_what_tags_its_sessions(account: TestAccount, key: str) -> None:
    first = role(account, "first", allow("sts:*"))
    tags = [{"Key": "team", "Value": "blue"}]
    sts = account.client("sts")
    made = assume(sts, first, Tags=tags, TransitiveTagKeys=[key])
    only_assumed = role(account, "second", AssumeRolePolicyDocument=trust(account.root_arn, "sts:AssumeRole"))
    assert "sts:TagSession" in refused(assume, client=session(made), arn=only_assumed)[1]
    assert assume(session(assume(sts, first, Tags=tags)), only_assumed)
    assert assume(session(made), role(account, "third"))


def test_a_session_policy_without_an_arn_is_refused(account: TestAccount) -> None:
    sent = [("RoleArn", role(account)), ("RoleSessionName", "s1"), ("PolicyArns.member.1.name", "x")]
    body = members.form("AssumeRole", SERVICES["sts"].version, sent)
    answer = raw.send(account.administrator, "sts", "AssumeRole", body)
    assert (answer.status, answer.code) == (400, "ValidationError")
    assert "Value null at 'policyArns.1.member.arn'" in answer.message


def test_bad_session_tags_are_refused(account: TestAccount) -> None:
    sts, arn = account.client("sts"), role(account)
    twice = [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]
    assert refused(assume, client=sts, arn=arn, Tags=twice) == (
        "InvalidParameterValue",
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    )
    assert refused(assume, client=sts, arn=arn, Tags=twice[:1], TransitiveTagKeys=["b"]) == (
        "InvalidParameterValue",
        "The specified transitive tag key must be included in the requested tags.",
    )
    reserved = [{"Key": "AWS:team", "Value": "1"}]
    assert refused(assume, client=sts, arn=arn, Tags=reserved)[0] == "InvalidParameterValue"


def test_a_source_identity_stays_along_a_chain_of_roles(account: TestAccount) -> None:
    only_ann = allow("kms:ListKeys", Condition={"StringEquals": {"aws:SourceIdentity": "ann"}})
    first, second = role(account, "first", allow("sts:*")), role(account, "second", only_ann)
    made = assume(account.client("sts"), first, SourceIdentity="ann")
    assert made["SourceIdentity"] == "ann"
    chained = assume(session(made), second)
    assert chained["SourceIdentity"] == "ann"
    assert session(chained, "kms").list_keys()["Keys"] == []
    assert refused(assume, client=session(made), arn=second, SourceIdentity="bob")[0] == "AccessDenied"


def test_a_session_token_is_of_the_user_and_lasts_as_long_as_asked(account: TestAccount) -> None:
    ann = account.create_user("ann", allow("kms:ListKeys"))
    sts, now = ann.client("sts"), datetime.now(UTC)
    made = sts.get_session_token()
    assert timedelta(hours=11) < made["Credentials"]["Expiration"] - now < timedelta(hours=13)
    assert session(made).get_caller_identity()["Arn"] == ann.arn
    assert session(made, "kms").list_keys()["Keys"] == []
    day = sts.get_session_token(DurationSeconds=129_600)["Credentials"]["Expiration"]
    assert day - now > timedelta(hours=35)
    assert refused(sts.get_session_token, DurationSeconds=129_601)[0] == "ValidationError"
    assert refused(session(made).get_session_token) == (
        "AccessDenied",
        "Cannot call GetSessionToken with session credentials",
    )
    device = {"SerialNumber": "arn:aws:iam::1:mfa/ann", "TokenCode": "123456"}
    assert refused(sts.get_session_token, **device) == (
        "AccessDenied",
        "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is valid and "
        "associated with this user.",
    )


def test_the_record_of_a_session_names_its_access_key_and_no_secret(account: TestAccount) -> None:
    trusting = trust(account.root_arn, "sts:AssumeRole", "sts:SetSourceIdentity")
    role = account.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=trusting)["Role"]
    sts = account.client("sts")
    calls: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
    made = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="run", SourceIdentity="ann")
    whose = {"assumedRoleId": f"{role['RoleId']}:run", "arn": made["AssumedRoleUser"]["Arn"]}
    calls.append(("AssumeRole", made, {"assumedRoleUser": whose, "sourceIdentity": "ann"}))
    calls.append(("GetSessionToken", sts.get_session_token(), {}))
    made = sts.get_federation_token(Name="bob")
    whose = {"federatedUserId": f"{account.account_id}:bob", "arn": made["FederatedUser"]["Arn"]}
    calls.append(("GetFederationToken", made, {"federatedUser": whose}))
    for name, answer, beside in calls:
        named = [{"AttributeKey": "EventName", "AttributeValue": name}]
        (event,) = account.client("cloudtrail").lookup_events(LookupAttributes=named)["Events"]
        told = json.loads(event["CloudTrailEvent"])["responseElements"]
        given, shown = answer["Credentials"], told.pop("credentials")
        assert told == beside
        assert shown["accessKeyId"] == given["AccessKeyId"]
        assert datetime.strptime(shown["expiration"], "%b %d, %Y, %I:%M:%S %p") == given["Expiration"].replace(
            tzinfo=None, microsecond=0
        )
        assert given["SecretAccessKey"] not in event["CloudTrailEvent"]
        assert given["SessionToken"] not in event["CloudTrailEvent"]


def test_whose_an_access_key_is(account: TestAccount, other_account: TestAccount) -> None:
    sts = account.client("sts")
    found = sts.get_access_key_info(AccessKeyId=other_account.administrator.access_key_id)
    assert found["Account"] == other_account.account_id
    assert refused(sts.get_access_key_info, AccessKeyId="AKIANOTHINGNOTHING00")[0] == "ValidationError"
    ann = account.create_user("ann")
    assert refused(ann.client("sts").get_access_key_info, AccessKeyId=ann.access_key_id)[0] == "AccessDenied"


def test_whose_a_temporary_or_deleted_access_key_was(account: TestAccount, other_account: TestAccount) -> None:
    sts = account.client("sts")
    temporary = other_account.client("sts").get_session_token()["Credentials"]["AccessKeyId"]
    assert sts.get_access_key_info(AccessKeyId=temporary)["Account"] == other_account.account_id
    ann = other_account.create_user("ann")
    other_account.client("iam").delete_access_key(UserName="ann", AccessKeyId=ann.access_key_id)
    assert sts.get_access_key_info(AccessKeyId=ann.access_key_id)["Account"] == other_account.account_id
    assert refused(sts.get_access_key_info, AccessKeyId="ASIA7777777777777777")[0] == "ValidationError"


def test_a_session_that_was_issued_before_a_moment_can_be_revoked(account: TestAccount) -> None:
    """What the console's "revoke active sessions" attaches: a deny for tokens of before now."""
    arn = role(account, policy=allow("kms:ListKeys"))
    old = session(assume(account.client("sts"), arn), "kms")
    assert old.list_keys()["Keys"] == []
    account.move_clock(minutes=5)
    moment = datetime.now(UTC) + timedelta(minutes=4)
    condition = {"DateLessThan": {"aws:TokenIssueTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}}
    deny = document({"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": condition})
    account.client("iam").put_role_policy(RoleName="app", PolicyName="revoke", PolicyDocument=deny)
    assert refused(old.list_keys)[0] == "AccessDeniedException"
    assert session(assume(account.client("sts"), arn), "kms").list_keys()["Keys"] == []
