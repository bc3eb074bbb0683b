"""Calls that a service makes for a principal, or as itself: decided and recorded as AWS does, and by no means a program's to ask for."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError

from engine import clock, inprocess, service
from engine.iam import credentials, forward
from engine.iam.credentials import TemporaryCredentials
from engine.wire.errors import AWSError
from engine.wire.http import HttpRequest, HttpResponse
from tests.conftest import REGION, TestAccount, TestUser, make_client

S3, EC2, CLOUDTRAIL = "s3.amazonaws.com", "ec2.amazonaws.com", "cloudtrail.amazonaws.com"
DATA_KEY = {"KeySpec": "AES_256", "EncryptionContext": {"aws:s3:arn": "arn:aws:s3:::b/o"}}


def session_of(user: TestUser) -> tuple[str, str, str]:
    given = user.client("sts").get_session_token()["Credentials"]
    return given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]


def client_of(made: TemporaryCredentials, name: str = "kms") -> Any:
    return make_client(name, REGION, made.access_key_id, made.secret_access_key, made.session_token)


def through(user: TestUser, aws_service: str = S3) -> Any:
    return client_of(forward.for_principal(*session_of(user), aws_service))


def refused(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


def user_who_may(account: TestAccount, name: str, condition: dict[str, Any] | None = None) -> TestUser:
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": condition or {}}
    return account.create_user(name, json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def event_of(account: TestAccount, name: str) -> dict[str, Any]:
    wanted = [{"AttributeKey": "EventName", "AttributeValue": name}]
    found = account.client("cloudtrail").lookup_events(LookupAttributes=wanted)["Events"]
    return json.loads(found[0]["CloudTrailEvent"])


def test_the_record_names_the_person_and_the_service_that_called_for_them(account: TestAccount) -> None:
    ann = user_who_may(account, "ann")
    through(ann).generate_data_key(KeyId=account.create_key(), **DATA_KEY)
    event = event_of(account, "GenerateDataKey")
    assert (event["userIdentity"]["arn"], event["userIdentity"]["invokedBy"]) == (ann.arn, S3)
    assert (event["sourceIPAddress"], event["userAgent"]) == (S3, S3)
    assert event["requestParameters"]["encryptionContext"] == DATA_KEY["EncryptionContext"]


def test_what_is_allowed_through_a_service_alone_is_allowed_so(account: TestAccount) -> None:
    ann = user_who_may(account, "ann", {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}})
    key = account.create_key()
    assert through(ann).generate_data_key(KeyId=key, **DATA_KEY)["Plaintext"]
    assert refused(ann.client().generate_data_key, KeyId=key, **DATA_KEY) == "AccessDeniedException"
    assert refused(through(ann, EC2).generate_data_key, KeyId=key, **DATA_KEY) == "AccessDeniedException"


def test_the_aws_managed_key_of_a_service_is_used_through_it_only(account: TestAccount) -> None:
    nobody = account.create_user("nobody")
    arn = through(nobody).describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["Arn"]
    assert through(nobody).generate_data_key(KeyId="alias/aws/s3", **DATA_KEY)["KeyId"] == arn
    assert refused(through(nobody, EC2).generate_data_key, KeyId=arn, **DATA_KEY) == "AccessDeniedException"
    admin = account.administrator
    assert refused(admin.client().generate_data_key, KeyId=arn, **DATA_KEY) == "AccessDeniedException"


def test_a_service_may_no_more_than_the_person_it_calls_for(account: TestAccount) -> None:
    nobody, key = account.create_user("nobody"), account.create_key()
    assert refused(through(nobody).generate_data_key, KeyId=key, **DATA_KEY) == "AccessDeniedException"


def test_the_policy_of_a_roles_session_narrows_it_through_a_service_too(account: TestAccount) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "sts:AssumeRole"}
    iam = account.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="r", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    iam.attach_role_policy(RoleName="r", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    narrow = {"Effect": "Allow", "Action": "kms:DescribeKey", "Resource": "*"}
    given = account.client("sts").assume_role(
        RoleArn=role,
        RoleSessionName="narrow",
        Policy=json.dumps({"Version": "2012-10-17", "Statement": [narrow]}),
    )["Credentials"]
    own = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    kms, key = client_of(forward.for_principal(*own, S3)), account.create_key()
    assert kms.describe_key(KeyId=key)
    assert refused(kms.generate_data_key, KeyId=key, **DATA_KEY) == "AccessDeniedException"


def as_over_a_socket(client: Any) -> Any:
    """The same client, whose requests reach the engine as the HTTP protocol hands them in."""

    def answer(request: HttpRequest) -> HttpResponse:
        return service.handle(replace(request, in_process=False))

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inprocess, "service", type("Door", (), {"handle": staticmethod(answer)}))
            return inprocess.answer(request, "203.0.113.7", "")

    client.meta.events.register_first("before-send", send)
    return client


@pytest.mark.parametrize("aws_service", [S3, "kmsconsole.amazonaws.com"])
def test_such_a_session_is_worth_nothing_outside_its_process(account: TestAccount, aws_service: str) -> None:
    key, own = account.create_key(), session_of(account.administrator)
    outside = as_over_a_socket(client_of(forward.for_principal(*own, aws_service)))
    assert refused(outside.describe_key, KeyId=key) == "UnrecognizedClientException"
    person = as_over_a_socket(make_client("kms", REGION, *own))
    assert person.describe_key(KeyId=key)


def test_such_a_session_is_for_kms_alone(account: TestAccount) -> None:
    made = forward.for_principal(*session_of(account.administrator), S3)
    for name, operation in (("sts", "get_caller_identity"), ("iam", "list_users"), ("cloudtrail", "lookup_events")):
        assert refused(getattr(client_of(made, name), operation)) in (
            "InvalidClientTokenId",
            "UnrecognizedClientException",
        )


def test_a_session_token_cannot_be_made_to_say_that_a_service_calls(account: TestAccount) -> None:
    access_key_id, secret, token = session_of(account.administrator)
    raw = bytearray(base64.b64decode(token))
    for place in (0, 13, 40, len(raw) // 2, len(raw) - 1):
        raw[place] ^= 1
        forged = base64.b64encode(bytes(raw)).decode()
        raw[place] ^= 1
        kms = make_client("kms", REGION, access_key_id, secret, forged)
        assert refused(kms.list_keys) == "UnrecognizedClientException"
    other = forward.for_principal(access_key_id, secret, token, S3)
    kms = make_client("kms", REGION, access_key_id, secret, other.session_token)  # one session's key, another's token
    assert refused(kms.list_keys) == "UnrecognizedClientException"


def test_only_who_holds_a_session_is_called_for(account: TestAccount) -> None:
    access_key_id, secret, token = session_of(account.administrator)
    with pytest.raises(AWSError, match="security token"):
        forward.for_principal(access_key_id, "x" * 40, token, S3)
    made = forward.for_principal(access_key_id, secret, token, S3)
    with pytest.raises(ValueError, match="own temporary credentials"):
        forward.for_principal(made.access_key_id, made.secret_access_key, made.session_token, EC2)
    user = account.administrator
    with pytest.raises(ValueError, match="own temporary credentials"):
        forward.for_principal(user.access_key_id, user.secret_access_key, "", S3)


def test_it_ends_soon_and_not_after_the_session_it_was_made_from(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = session_of(account.administrator)
    made = forward.for_principal(*own, S3)
    assert made.expiration <= clock.real_now() + forward.LIFE
    monkeypatch.setattr(forward, "LIFE", timedelta(days=400))
    longest = credentials.find(own[0], own[2]).expires
    assert forward.for_principal(*own, S3).expiration == longest


def test_it_ends_with_the_person(account: TestAccount) -> None:
    ann = user_who_may(account, "ann")
    kms, iam, key = through(ann), account.client("iam"), account.create_key()
    assert kms.describe_key(KeyId=key)
    iam.delete_access_key(UserName="ann", AccessKeyId=ann.access_key_id)
    iam.delete_user_policy(UserName="ann", PolicyName="test")
    iam.delete_user(UserName="ann")
    assert refused(kms.describe_key, KeyId=key) == "UnrecognizedClientException"


def test_a_service_as_itself_has_what_a_key_policy_gives_it_for_its_resource(account: TestAccount) -> None:
    trail = f"arn:aws:cloudtrail:{REGION}:{account.account_id}:trail/one"
    statements = [
        {"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "kms:*", "Resource": "*"},
        {
            "Effect": "Allow",
            "Principal": {"Service": CLOUDTRAIL},
            "Action": "kms:GenerateDataKey*",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceArn": trail}},
        },
    ]
    key = account.create_key(Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    given = {"KeyId": key, "KeySpec": "AES_256"}
    client_of(forward.as_itself(account.account_id, CLOUDTRAIL, trail)).generate_data_key(**given)
    assert event_of(account, "GenerateDataKey")["userIdentity"] == {"type": "AWSService", "invokedBy": CLOUDTRAIL}
    elsewhere = client_of(forward.as_itself(account.account_id, CLOUDTRAIL, trail + "-two"))
    assert refused(elsewhere.generate_data_key, **given) == "AccessDeniedException"
    other = client_of(forward.as_itself(account.account_id, S3, trail))
    assert refused(other.generate_data_key, **given) == "AccessDeniedException"
