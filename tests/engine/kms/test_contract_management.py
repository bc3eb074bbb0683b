"""Rotation, dry runs, aliases, tags, policies, grants, lists: what AWS KMS was recorded to answer.

The facts are AWS's: recordings that LocalStack and floci publish, moto's tests that are verified against AWS, the API Reference. Each
test runs in this process and over a socket.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import TestAccount
from tests.engine.kms.contract import METHODS, MODEL, invalid, refusal

# --- rotation


@pytest.mark.parametrize("kind", ["hmac", "rsa encryption", "p256", "ml-dsa"])
def test_what_does_not_rotate_may_still_be_told_not_to(aws: Any, keys: dict[str, Any], kind: str) -> None:
    key_id = keys[kind]["KeyId"]
    for call in (aws.enable_key_rotation, aws.rotate_key_on_demand):
        assert refusal(call, KeyId=key_id) == ("UnsupportedOperationException", "")
    aws.disable_key_rotation(KeyId=key_id)
    assert aws.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"] is False


def test_an_external_key_rotates_neither_by_the_clock_nor_without_material(aws: Any, keys: dict[str, Any]) -> None:
    key = keys["external"]
    for call in (aws.enable_key_rotation, aws.disable_key_rotation):
        assert refusal(call, KeyId=key["KeyId"]) == (
            "UnsupportedOperationException",
            f"{key['Arn']} origin is EXTERNAL which is not valid for this operation.",
        )
    assert refusal(aws.rotate_key_on_demand, KeyId=key["KeyId"]) == (
        "KMSInvalidStateException",
        f"{key['Arn']} is pending import.",
    )


def test_rotation_on_demand_leaves_the_schedule_alone(aws: Any) -> None:
    key = aws.create_key()["KeyMetadata"]
    aws.enable_key_rotation(KeyId=key["KeyId"], RotationPeriodInDays=180)
    before = aws.get_key_rotation_status(KeyId=key["KeyId"])
    assert aws.rotate_key_on_demand(KeyId=key["KeyId"])["KeyId"] == key["Arn"]
    after = aws.get_key_rotation_status(KeyId=key["KeyId"])
    before.pop("ResponseMetadata")
    after.pop("ResponseMetadata")
    assert after == before
    assert set(after) == {"KeyId", "KeyRotationEnabled", "RotationPeriodInDays", "NextRotationDate"}


def test_a_key_that_does_not_rotate_has_no_schedule(aws: Any, keys: dict[str, Any]) -> None:
    status = aws.get_key_rotation_status(KeyId=keys["symmetric"]["KeyId"])
    status.pop("ResponseMetadata")
    assert status == {"KeyId": keys["symmetric"]["Arn"], "KeyRotationEnabled": False}


def test_the_26th_rotation_on_demand_is_one_too_many(aws: Any) -> None:
    key = aws.create_key()["KeyMetadata"]
    for _ in range(25):
        aws.rotate_key_on_demand(KeyId=key["KeyId"])
    assert refusal(aws.rotate_key_on_demand, KeyId=key["KeyId"]) == (
        "LimitExceededException",
        "The on-demand rotations limit has been reached for the given keyId. "
        f"No more on-demand rotations can be performed for this key: {key['Arn']}",
    )


# --- dry runs

DRY = sorted(
    name
    for name in MODEL.operation_names
    if (shape := MODEL.operation_model(name).input_shape) and "DryRun" in shape.members
)


@pytest.mark.parametrize("operation", DRY)
def test_a_dry_run_checks_everything_and_does_nothing(
    contract: TestAccount, aws: Any, keys: dict[str, Any], uses: dict[str, Any], operation: str
) -> None:
    key_id = keys["symmetric"]["KeyId"]
    grant = {"GranteePrincipal": contract.root_arn, "Operations": ["Encrypt"]}
    made = aws.create_grant(KeyId=key_id, **grant)["GrantId"]
    calls = {
        **{name: {member: keys[kind]["KeyId"], **rest} for name, (kind, member, rest) in uses.items()},
        "CreateGrant": {"KeyId": key_id, **grant},
        "RetireGrant": {"KeyId": key_id, "GrantId": made},
        "RevokeGrant": {"KeyId": key_id, "GrantId": made},
    }
    call, parameters = getattr(aws, METHODS[operation]), calls[operation]
    before = aws.list_grants(KeyId=key_id)["Grants"]
    assert refusal(call, DryRun=True, **parameters) == (
        "DryRunOperationException",
        "The request would have succeeded, but the DryRun option is set.",
    )
    assert aws.list_grants(KeyId=key_id)["Grants"] == before
    call(DryRun=False, **parameters)


# --- aliases, tags, policies, deletion


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "app",
            (
                "ValidationException",
                'Alias must start with the prefix "alias/". Please see '
                "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
            ),
        ),
        ("alias/my:app", ("ValidationException", "alias/my:app contains invalid characters for an alias")),
        (
            "alias/my@app",
            invalid(
                "Value 'alias/my@app' at 'aliasName' failed to satisfy constraint: "
                "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"
            ),
        ),
        (
            "alias/" + "a" * 251,
            invalid(
                f"Value 'alias/{'a' * 251}' at 'aliasName' failed to satisfy constraint: "
                "Member must have length less than or equal to 256"
            ),
        ),
        ("alias/aws/app", ("NotAuthorizedException", "")),
    ],
)
def test_an_alias_name_that_cannot_be_is_refused(
    aws: Any, keys: dict[str, Any], name: str, expected: tuple[str, str]
) -> None:
    assert refusal(aws.create_alias, AliasName=name, TargetKeyId=keys["symmetric"]["KeyId"]) == expected


def test_an_alias_is_there_once(contract: TestAccount, aws: Any) -> None:
    key_id = contract.create_key()
    name = f"alias/once-{key_id}"
    arn = f"arn:aws:kms:us-east-1:{contract.account_id}:{name}"
    for call in (aws.delete_alias, aws.update_alias):
        more = {"TargetKeyId": key_id} if call == aws.update_alias else {}
        assert refusal(call, AliasName=name, **more) == ("NotFoundException", f"Alias {arn} is not found.")
    aws.create_alias(AliasName=name, TargetKeyId=key_id)
    assert refusal(aws.create_alias, AliasName=name, TargetKeyId=key_id) == (
        "AlreadyExistsException",
        f"An alias with the name {arn} already exists",
    )
    listed = aws.list_aliases(KeyId=key_id)["Aliases"]
    assert [set(alias) for alias in listed] == [
        {"AliasName", "AliasArn", "TargetKeyId", "CreationDate", "LastUpdatedDate"}
    ]
    assert (listed[0]["AliasArn"], listed[0]["TargetKeyId"]) == (arn, key_id)


def test_an_alias_moves_between_keys_of_one_type_and_usage(contract: TestAccount, aws: Any) -> None:
    signing = [
        contract.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY") for spec in ("ECC_NIST_P256", "ECC_SECG_P256K1")
    ]
    name = f"alias/moves-{signing[0]}"
    aws.create_alias(AliasName=name, TargetKeyId=signing[0])
    aws.update_alias(AliasName=name, TargetKeyId=signing[1])
    assert aws.describe_key(KeyId=name)["KeyMetadata"]["KeyId"] == signing[1]
    others = (
        contract.create_key(),
        contract.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC"),
        contract.create_key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT"),
    )
    for other in others:
        assert refusal(aws.update_alias, AliasName=name, TargetKeyId=other) == (
            "ValidationException",
            "The current CMK and the new CMK must be the same type and have the same key usage.",
        )


def test_an_alias_leaves_a_key_that_is_pending_deletion(contract: TestAccount, aws: Any) -> None:
    old, new = contract.create_key(), contract.create_key()
    name = f"alias/leaves-{old}"
    aws.create_alias(AliasName=name, TargetKeyId=old)
    aws.schedule_key_deletion(KeyId=old, PendingWindowInDays=7)
    aws.update_alias(AliasName=name, TargetKeyId=new)
    assert aws.describe_key(KeyId=name)["KeyMetadata"]["KeyId"] == new


def test_aliases_that_no_service_has_used_yet_are_listed_without_a_target(contract: TestAccount, aws: Any) -> None:
    pages = aws.get_paginator("list_aliases").paginate(PaginationConfig={"PageSize": 3})
    listed = [alias for page in pages for alias in page["Aliases"]]
    names = [alias["AliasName"] for alias in listed]
    assert len(names) == len(set(names))
    unused = [alias for alias in listed if "TargetKeyId" not in alias]
    assert unused
    for alias in unused:
        name = alias["AliasName"]
        assert name.startswith("alias/aws/")
        assert alias == {"AliasName": name, "AliasArn": f"arn:aws:kms:us-east-1:{contract.account_id}:{name}"}


def test_duplicate_tag_keys_are_refused(aws: Any, keys: dict[str, Any]) -> None:
    twice = [{"TagKey": "tag", "TagValue": "one"}, {"TagKey": "tag", "TagValue": "two"}]
    assert refusal(aws.tag_resource, KeyId=keys["symmetric"]["KeyId"], Tags=twice) == (
        "TagException",
        "Duplicate tag keys",
    )


def test_tags_are_added_changed_and_removed(contract: TestAccount, aws: Any) -> None:
    key_id = contract.create_key(Tags=[{"TagKey": name, "TagValue": "1"} for name in "abc"])
    aws.tag_resource(KeyId=key_id, Tags=[{"TagKey": "b", "TagValue": "2"}, {"TagKey": "d", "TagValue": ""}])
    aws.untag_resource(KeyId=key_id, TagKeys=["a", "never there"])
    pages = aws.get_paginator("list_resource_tags").paginate(KeyId=key_id, PaginationConfig={"PageSize": 2})
    assert {tag["TagKey"]: tag["TagValue"] for page in pages for tag in page["Tags"]} == {"b": "2", "c": "1", "d": ""}


def test_a_key_has_one_policy(aws: Any, keys: dict[str, Any]) -> None:
    key_id = keys["symmetric"]["KeyId"]
    listed = aws.list_key_policies(KeyId=key_id)
    assert (listed["PolicyNames"], listed["Truncated"]) == (["default"], False)
    assert aws.get_key_policy(KeyId=key_id)["PolicyName"] == "default"
    assert refusal(aws.get_key_policy, KeyId=key_id, PolicyName="other") == (
        "NotFoundException",
        "No such policy exists",
    )


@pytest.mark.parametrize("days", [1, 6, 31, 365])
def test_deletion_waits_for_7_to_30_days(aws: Any, days: int) -> None:
    key_id = aws.create_key()["KeyMetadata"]["KeyId"]
    assert refusal(aws.schedule_key_deletion, KeyId=key_id, PendingWindowInDays=days) == (
        "ValidationException",
        "PendingWindowInDays must be between 7 and 30",
    )
    assert aws.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled"


def test_deletion_is_scheduled_once_and_cancelled(aws: Any) -> None:
    key = aws.create_key()["KeyMetadata"]
    answer = aws.schedule_key_deletion(KeyId=key["KeyId"])
    assert (answer["KeyId"], answer["KeyState"], answer["PendingWindowInDays"]) == (key["Arn"], "PendingDeletion", 30)
    described = aws.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    assert (described["Enabled"], described["DeletionDate"]) == (False, answer["DeletionDate"])
    assert refusal(aws.schedule_key_deletion, KeyId=key["KeyId"]) == (
        "KMSInvalidStateException",
        f"{key['Arn']} is pending deletion.",
    )
    aws.cancel_key_deletion(KeyId=key["KeyId"])
    described = aws.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    assert (described["KeyState"], described["Enabled"], "DeletionDate" in described) == ("Disabled", False, False)


# --- grants


def test_a_grant_that_only_makes_grants_is_refused(contract: TestAccount, aws: Any, keys: dict[str, Any]) -> None:
    assert refusal(
        aws.create_grant,
        KeyId=keys["symmetric"]["KeyId"],
        GranteePrincipal=contract.root_arn,
        Operations=["CreateGrant"],
    ) == ("ValidationException", "Grants must not contain only the CreateGrant operation.")


def test_a_grant_that_is_not_there_is_not_revoked(aws: Any, keys: dict[str, Any]) -> None:
    assert refusal(aws.revoke_grant, KeyId=keys["symmetric"]["KeyId"], GrantId="aabbccdd") == (
        "NotFoundException",
        "Grant ID aabbccdd not found",
    )


def test_grants_of_one_name_belong_to_their_keys(contract: TestAccount, aws: Any) -> None:
    wanted = {"GranteePrincipal": contract.root_arn, "Operations": ["Decrypt", "DescribeKey"], "Name": "same"}
    made = [aws.create_grant(KeyId=contract.create_key(), **wanted) for _ in range(2)]
    assert made[0]["GrantId"] != made[1]["GrantId"]


def test_each_answer_to_a_named_grant_has_a_token_of_its_own(contract: TestAccount, aws: Any) -> None:
    wanted = {"GranteePrincipal": contract.root_arn, "Operations": ["Decrypt"], "Name": "one"}
    key_id = contract.create_key()
    first, again = aws.create_grant(KeyId=key_id, **wanted), aws.create_grant(KeyId=key_id, **wanted)
    assert first["GrantId"] == again["GrantId"]
    assert first["GrantToken"] != again["GrantToken"]
    aws.retire_grant(GrantToken=first["GrantToken"])
    assert aws.list_grants(KeyId=key_id)["Grants"] == []


@pytest.mark.parametrize("token", ["x", "AAAA", "kmsconsole"])
def test_what_is_no_grant_token_is_refused(aws: Any, keys: dict[str, Any], token: str) -> None:
    for call, rest in ((aws.describe_key, {}), (aws.encrypt, {"Plaintext": b"x"})):
        code, _ = refusal(call, KeyId=keys["symmetric"]["KeyId"], GrantTokens=[token], **rest)
        assert code == "InvalidGrantTokenException"


# --- markers


@pytest.mark.parametrize(
    ("operation", "rest"),
    [
        ("list_keys", {}),
        ("list_aliases", {}),
        ("list_grants", {"KeyId": ""}),
        ("list_resource_tags", {"KeyId": ""}),
        ("list_key_rotations", {"KeyId": ""}),
        ("list_retirable_grants", {"RetiringPrincipal": ""}),
        ("describe_custom_key_stores", {}),
    ],
)
@pytest.mark.parametrize("marker", ["junk", "Z3JhbnRzfGp1bms=", "a2V5c3wA", "%%%%"])
def test_a_marker_that_no_list_gave_is_refused(
    contract: TestAccount, aws: Any, keys: dict[str, Any], operation: str, rest: dict[str, Any], marker: str
) -> None:
    filled = {"KeyId": keys["symmetric"]["KeyId"], "RetiringPrincipal": contract.root_arn}
    code, _ = refusal(getattr(aws, operation), Marker=marker, **{name: filled[name] for name in rest})
    assert code == "InvalidMarkerException"
