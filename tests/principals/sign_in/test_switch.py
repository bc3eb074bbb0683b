"""Acting as a role: bound to its policies until one goes back."""

from __future__ import annotations

import json

from django.test import Client

from tests.conftest import TestAccount
from tests.support.answers import text
from tests.support.principals import LIST_KEYS, make_role


def test_acting_as_a_role_is_bound_to_its_policies_until_one_goes_back(account: TestAccount, signed_in: Client) -> None:
    make_role(signed_in)
    account.client("iam").put_role_policy(RoleName="operators", PolicyName="own", PolicyDocument=LIST_KEYS)
    assert signed_in.post("/principals/switch-role/", {"role": "operators"})["Location"] == "/"
    assert "admin → operators" in text(signed_in.get("/keys/"))
    refused = signed_in.get("/principals/users/")
    assert refused.status_code == 403
    assert "assumed-role/operators/admin is not authorized to perform: iam:ListUsers" in text(refused)
    signed_in.post("/principals/back-to-user/")
    assert signed_in.get("/principals/users/").status_code == 200


def test_a_role_that_does_not_trust_the_user_is_refused_with_awss_error(
    account: TestAccount, signed_in: Client
) -> None:
    make_role(signed_in, trusted="service", aws_service="ec2.amazonaws.com")
    answer = signed_in.post("/principals/switch-role/", {"role": "operators"})
    assert answer.status_code == 422
    assert "is not authorized to perform: sts:AssumeRole" in text(answer)


def test_the_trail_shows_the_role_with_the_users_name(account: TestAccount, signed_in: Client) -> None:
    make_role(signed_in)
    account.client("iam").put_role_policy(RoleName="operators", PolicyName="own", PolicyDocument=LIST_KEYS)
    signed_in.post("/principals/switch-role/", {"role": "operators"})
    signed_in.get("/keys/")
    events = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "Username", "AttributeValue": "admin"}]
    )["Events"]
    arns = {json.loads(event["CloudTrailEvent"])["userIdentity"]["arn"] for event in events}
    assert f"arn:aws:sts::{account.account_id}:assumed-role/operators/admin" in arns


def test_signing_out_as_a_role_signs_the_user_out_too(account: TestAccount, signed_in: Client) -> None:
    make_role(signed_in)
    signed_in.post("/principals/switch-role/", {"role": "operators"})
    signed_in.post("/principals/sign-out/")
    assert signed_in.get("/keys/").status_code == 302
