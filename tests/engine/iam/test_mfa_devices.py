"""MFA devices as the CLI and Terraform make them, and STS with their codes. Messages are those recorded of AWS."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from engine.iam import mfa
from engine.iam.models import MFADevice
from tests.conftest import TestAccount, TestUser, make_client
from tests.engine.iam.test_iam_limits import refused
from tests.support import totp

ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
WITH_MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}


def only_with_mfa(action: str) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": "*", "Condition": WITH_MFA}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def iam(account: TestAccount) -> Any:
    return account.client("iam")


@pytest.fixture
def ann(account: TestAccount) -> TestUser:
    return account.create_user("ann", only_with_mfa("kms:ListKeys"))


def test_a_virtual_device_is_made_assigned_listed_and_deleted(iam: Any, account: TestAccount, ann: TestUser) -> None:
    tags = [{"Key": "b", "Value": "1"}, {"Key": "a", "Value": "2"}]
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone", Path="/staff/", Tags=tags)["VirtualMFADevice"]
    serial = f"arn:aws:iam::{account.account_id}:mfa/staff/phone"
    assert (made["SerialNumber"], made["Tags"]) == (serial, tags)
    assert len(base64.b32decode(made["Base32StringSeed"])) == 40
    assert made["QRCodePNG"].startswith(b"\x89PNG\r\n\x1a\n")
    assert iam.list_virtual_mfa_devices(AssignmentStatus="Unassigned")["VirtualMFADevices"] == [
        {"SerialNumber": serial}
    ]
    assert iam.list_mfa_devices(UserName="ann")["MFADevices"] == []
    seed = made["Base32StringSeed"]
    codes = {"AuthenticationCode1": totp.code(seed, -1), "AuthenticationCode2": totp.code(seed)}
    iam.enable_mfa_device(UserName="ann", SerialNumber=serial, **codes)
    (listed,) = iam.list_mfa_devices(UserName="ann")["MFADevices"]
    assert (listed["UserName"], listed["SerialNumber"]) == ("ann", serial)
    got = iam.get_mfa_device(UserName="ann", SerialNumber=serial)
    assert got["EnableDate"] == listed["EnableDate"]
    (assigned,) = iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]
    assert (assigned["User"]["Arn"], assigned["EnableDate"]) == (ann.arn, listed["EnableDate"])
    summary = iam.get_account_summary()["SummaryMap"]
    assert (summary["MFADevices"], summary["MFADevicesInUse"]) == (1, 1)
    iam.generate_credential_report()
    report = iam.get_credential_report()["Content"].decode().splitlines()
    assert [line.split(",")[7] for line in report if line.startswith("ann,")] == ["true"]
    assert refused(iam.delete_virtual_mfa_device, SerialNumber=serial)[0] == "DeleteConflict"
    for key in iam.list_access_keys(UserName="ann")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"])
    assert refused(iam.delete_user, UserName="ann") == (
        "DeleteConflict",
        "Cannot delete entity, must delete MFA device first.",
    )
    iam.deactivate_mfa_device(UserName="ann", SerialNumber=serial)
    iam.tag_mfa_device(SerialNumber=serial, Tags=[{"Key": "c", "Value": "3"}])
    iam.untag_mfa_device(SerialNumber=serial, TagKeys=["b"])
    assert [each["Key"] for each in iam.list_mfa_device_tags(SerialNumber=serial)["Tags"]] == ["a", "c"]
    iam.delete_virtual_mfa_device(SerialNumber=serial)
    assert iam.list_virtual_mfa_devices()["VirtualMFADevices"] == []


def test_its_refusals_are_those_of_aws(iam: Any, account: TestAccount, ann: TestUser) -> None:
    serial, _seed = totp.assign(iam, "ann")
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="other")["VirtualMFADevice"]
    absent = f"arn:aws:iam::{account.account_id}:mfa/absent"
    codes = {"AuthenticationCode1": "123456", "AuthenticationCode2": "654321"}
    does_not_exist = ("NoSuchEntity", f"MFA Device with serial number {absent} does not exist.")
    assert refused(iam.create_virtual_mfa_device, VirtualMFADeviceName="phone") == (
        "EntityAlreadyExists",
        "MFADevice entity at the same path and name already exists.",
    )
    assert refused(iam.create_virtual_mfa_device, VirtualMFADeviceName="x", Path="x/") == (
        "ValidationError",
        "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters "
        "and/or / characters.",
    )
    assert refused(iam.delete_virtual_mfa_device, SerialNumber=absent) == does_not_exist
    assert refused(iam.deactivate_mfa_device, UserName="ann", SerialNumber=absent) == does_not_exist
    assert refused(iam.enable_mfa_device, UserName="ann", SerialNumber=absent, **codes) == does_not_exist
    assert refused(iam.enable_mfa_device, UserName="bob", SerialNumber=serial, **codes) == (
        "NoSuchEntity",
        "The user with name bob cannot be found.",
    )
    assert refused(iam.enable_mfa_device, UserName="ann", SerialNumber=serial, **codes) == (
        "EntityAlreadyExists",
        "MFA Device is already in use.",
    )
    assert refused(iam.enable_mfa_device, UserName="ann", SerialNumber=made["SerialNumber"], **codes) == (
        "InvalidAuthenticationCode",
        "Authentication code for device is not valid.",
    )
    assert refused(iam.list_virtual_mfa_devices, Marker="nonsense") == ("ValidationError", "Invalid Marker.")


def test_two_codes_in_a_row_synchronise_a_device_whose_clock_is_wrong(iam: Any, ann: TestUser) -> None:
    serial, seed = totp.assign(iam, "ann")
    sts = ann.client("sts")
    late = totp.code(seed, 20)  # the telephone is ten minutes ahead
    assert refused(sts.get_session_token, SerialNumber=serial, TokenCode=late)[0] == "AccessDenied"
    codes = {"AuthenticationCode1": totp.code(seed, 18), "AuthenticationCode2": totp.code(seed, 19)}
    iam.resync_mfa_device(UserName="ann", SerialNumber=serial, **codes)
    assert sts.get_session_token(SerialNumber=serial, TokenCode=late)["Credentials"]
    assert (
        refused(iam.resync_mfa_device, UserName="ann", SerialNumber=serial, **codes)[0] == "InvalidAuthenticationCode"
    )


def test_a_session_with_a_code_may_what_policies_allow_with_a_second_factor(iam: Any, ann: TestUser) -> None:
    serial, seed = totp.assign(iam, "ann")
    sts = ann.client("sts")

    def lists_keys(**given: str) -> bool:
        made = sts.get_session_token(**given)["Credentials"]
        kms = make_client("kms", "us-east-1", made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
        try:
            return "Keys" in kms.list_keys()
        except kms.exceptions.ClientError:
            return False

    assert not lists_keys()
    token = totp.code(seed)
    assert lists_keys(SerialNumber=serial, TokenCode=token)
    failed = "MultiFactorAuthentication failed"
    assert refused(sts.get_session_token, SerialNumber=serial, TokenCode=token) == (  # it was used
        "AccessDenied",
        f"{failed} with invalid MFA one time pass code.",
    )
    assert refused(sts.get_session_token, SerialNumber=serial) == (
        "AccessDenied",
        f"{failed}, must provide both MFA serial number and one time pass code.",
    )
    assert refused(sts.get_session_token, SerialNumber=serial + "x", TokenCode=totp.code(seed, 1))[1].startswith(
        f"{failed}, unable to validate MFA code."
    )


def test_a_role_that_asks_for_a_second_factor_is_assumed_with_a_code(
    iam: Any, account: TestAccount, ann: TestUser
) -> None:
    serial, seed = totp.assign(iam, "ann")
    statement = {"Effect": "Allow", "Principal": {"AWS": ann.arn}, "Action": "sts:AssumeRole", "Condition": WITH_MFA}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    arn = iam.create_role(RoleName="ops", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="ops", PolicyName="test", PolicyDocument=only_with_mfa("kms:ListKeys"))
    sts, wanted = ann.client("sts"), {"RoleArn": arn, "RoleSessionName": "one"}
    assert refused(sts.assume_role, **wanted)[0] == "AccessDenied"
    made = sts.assume_role(**wanted, SerialNumber=serial, TokenCode=totp.code(seed))["Credentials"]
    kms = make_client("kms", "us-east-1", made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    assert "Keys" in kms.list_keys()


def test_after_many_wrong_codes_a_right_one_is_refused_too(iam: Any, ann: TestUser) -> None:
    serial, seed = totp.assign(iam, "ann")
    sts, right = ann.client("sts"), totp.code(seed)
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    for _ in range(10):
        assert refused(sts.get_session_token, SerialNumber=serial, TokenCode=wrong)[0] == "AccessDenied"
    assert refused(sts.get_session_token, SerialNumber=serial, TokenCode=right)[0] == "AccessDenied"


def test_neither_secrets_nor_codes_are_in_the_record_or_plain_in_the_database(
    iam: Any, account: TestAccount, ann: TestUser
) -> None:
    serial, seed = totp.assign(iam, "ann")
    token = totp.code(seed)
    ann.client("sts").get_session_token(SerialNumber=serial, TokenCode=token)
    events = account.client("cloudtrail").lookup_events()["Events"]
    of_device = [json.loads(each["CloudTrailEvent"]) for each in events if serial in each["CloudTrailEvent"]]
    assert {each["eventName"] for each in of_device} >= {"CreateVirtualMFADevice", "EnableMFADevice", "GetSessionToken"}
    for event in of_device:
        assert not {"tokenCode", "authenticationCode1", "authenticationCode2"} & set(event["requestParameters"])
        assert seed.decode() not in json.dumps(event)
    kept = bytes(MFADevice.objects.get(serial_number=serial).wrapped_seed)
    assert base64.b32decode(seed) not in kept
    assert seed not in kept


def test_codes_tried_at_the_same_moment_count_each_other(
    iam: Any, ann: TestUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one code is being looked at, others are tried: no more are looked at than one after another would be."""
    device = MFADevice.objects.get(serial_number=totp.assign(iam, "ann")[0])
    looked_at = 0

    def slow_match(*_: Any) -> None:
        nonlocal looked_at
        looked_at += 1
        mfa.verify(device, "000000")  # another comes in before this one has its answer

    monkeypatch.setattr(mfa, "_match", slow_match)
    assert not mfa.verify(device, "000000")
    assert looked_at == mfa.ATTEMPTS


def test_a_code_that_is_none_is_repeated_in_no_answer_and_no_record(account: TestAccount, iam: Any) -> None:
    mark, serial = "my-password", f"arn:aws:iam::{account.account_id}:mfa/phone"
    sts = account.client("sts")
    asked = [
        (sts.get_session_token, {"TokenCode": mark}),
        (sts.assume_role, {"RoleArn": f"{account.root_arn[:-4]}role/r", "RoleSessionName": "one", "TokenCode": mark}),
        (iam.enable_mfa_device, {"UserName": "admin", "AuthenticationCode1": mark, "AuthenticationCode2": mark}),
    ]
    for call, parameters in asked:
        assert mark not in refused(call, SerialNumber=serial, **parameters)[1]
    events = account.client("cloudtrail").lookup_events()["Events"]
    assert {each["EventName"] for each in events} >= {"GetSessionToken", "AssumeRole", "EnableMFADevice"}
    assert mark not in json.dumps([each["CloudTrailEvent"] for each in events])
