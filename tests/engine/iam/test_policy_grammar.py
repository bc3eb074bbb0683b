"""What IAM refuses when a policy is saved, and in which words; the first of several faults is the one AWS names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine.iam import grammar, quotas
from engine.wire.errors import AWSError
from tests.conftest import TestAccount

SYNTAX, LEGACY = "Syntax errors in policy.", "The policy failed legacy parsing"
VERSION = "Policy document must be version 2012-10-17 or greater."
VENDOR = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
QUALIFIED = "Resource vendor must be fully qualified and cannot contain regexes."
PATHS = (
    'IAM resource path must either be "*" or start with user/, federated-user/, role/, group/, instance-profile/, mfa/, '
    "server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/."
)


def document(*statements: Any, **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **more})


def statement(**members: Any) -> dict[str, Any]:
    """A good statement but for `members`; None takes one away."""
    made = {"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*", **members}
    return {name: value for name, value in made.items() if value is not None}


def one(**members: Any) -> str:
    return document(statement(**members))


DATES = (
    *("2026-01", "2026-01-01", "-2026", "2026-1-1", "2026-01-01T10", "2026-01-01T10:30", "2026-01-01T10:30Z"),
    *("2026-01-01T10:30:15", "2026-01-01T10:30:15Z", "2026-01-01t10:30:15.123456789z", "2026-01-01T10:30:15+01:00"),
    *("2026-01-01T10:30:15.5-0530", "20260-01-01", "0", "1767225600", "9223372036854775807"),
)

# fmt: off
REFUSED: list[tuple[str, str, str]] = [
    ("no JSON", "{", SYNTAX),
    ("no object", "[]", SYNTAX),
    ("no statement", '{"Version": "2012-10-17"}', SYNTAX),
    ("an empty list of statements", document(), SYNTAX),
    ("a statement that is a text", document("x"), SYNTAX),
    ("an unknown element", document(statement(), Extra=1), SYNTAX),
    ("an unknown element of a statement", one(Extra=1), SYNTAX),
    ("an unknown version", document(statement(), Version="2013-10-17"), SYNTAX),
    ("an Id that is no text", document(statement(), Id=["x"]), SYNTAX),
    ("a Sid that is no text", one(Sid={}), SYNTAX),
    ("an old version", document(statement(), Version="2008-10-17"), VERSION),
    ("an old version and a second fault", document(statement(Action="x"), Version="2008-10-17"), VERSION),
    ("no effect", one(Effect=None), SYNTAX),
    ("an unknown effect", one(Effect="Maybe"), SYNTAX),
    ("an effect in small letters", one(Effect="allow"), LEGACY),
    ("a principal", one(Principal="*"), "Policy document should not specify a principal."),
    ("Action and NotAction", one(NotAction="kms:Decrypt"), SYNTAX),
    ("Resource and NotResource", one(NotResource="*"), SYNTAX),
    ("an action that is an object", one(Action={}), SYNTAX),
    ("an action that is a number", one(Action=[7]), SYNTAX),
    ("a resource that is an object", one(Resource=["*", {}]), SYNTAX),
    ("no action", one(Action=None), "Policy statement must contain actions."),
    ("an empty list of actions", one(Action=[]), "Policy statement must contain actions."),
    ("no resource", one(Resource=None), "Policy statement must contain resources."),
    ("an empty list of resources", one(Resource=[]), "Policy statement must contain resources."),
    ("neither action nor resource", one(Action=None, Resource=None), "Policy statement must contain actions."),
    ("an action without a service", one(Action="Encrypt"), VENDOR),
    ("an empty action", one(Action=None, NotAction=""), VENDOR),
    ("an action without a service and no resource", one(Action="Encrypt", Resource=None), VENDOR),
    ("an action with two colons", one(Action="kms:Encrypt:x"), "Actions/Condition can contain only one colon."),
    ("a service with a space", one(Action="k ms:Encrypt"), "Vendor k ms is not valid"),
    ("a service with a wildcard", one(Action="*:Encrypt"), "Vendor * is not valid"),
    ("a resource that is no ARN", one(Resource="key"), 'Resource key must be in ARN format or "*".'),
    ("an empty resource", one(Resource=""), 'Resource  must be in ARN format or "*".'),
    ("a resource that is no ARN comes before a bad action", one(Resource="key", Action="Encrypt"), 'Resource key must be in ARN format or "*".'),
    ("an unknown partition", one(Resource="arn:gcp:kms:::x"), 'Partition "gcp" is not valid for resource "arn:gcp:kms:::x".'),
    ("an ARN without its beginning", one(Resource="kms:us-east-1:1:key/x"), 'Partition "us-east-1" is not valid for resource "arn:us-east-1:1:key/x:*:*".'),
    ("an ARN of four colons", one(Resource="arn:aws:s3::bucket"), LEGACY),
    ("an ARN of four colons comes before a missing action", one(Resource="arn:aws:s3::bucket", Action=None), LEGACY),
    ("an ARN without a service", one(Resource="arn:aws::::x"), LEGACY),
    ("an ARN that ends at its partition", one(Resource="arn:aws"), QUALIFIED),
    ("an ARN of any service", one(Resource="arn:aws:*:us-east-1:1:x"), QUALIFIED),
    ("an IAM ARN with a Region", one(Resource="arn:aws:iam:us-east-1:1:user/a"), "IAM resource arn:aws:iam:us-east-1:1:user/a cannot contain region information."),
    ("an IAM ARN of nothing in IAM", one(Resource="arn:aws:iam::1:bucket"), PATHS),
    ("an S3 ARN with a Region", one(Resource="arn:aws:s3:us-east-1::b"), "Resource arn:aws:s3:us-east-1::b can not contain region information."),
    ("a Sid with a space", one(Sid="a b"), "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"),
    ("a Sid twice", document(statement(Sid="a"), statement(Sid="a")), "Statement IDs (SID) in a single policy must be unique."),
    ("a Sid twice and a missing action", document(statement(Sid="a"), statement(Sid="a", Action=None)), "Statement IDs (SID) in a single policy must be unique."),
    ("a condition that is a list", one(Condition=[]), SYNTAX),
    ("an operator that is a text", one(Condition={"StringEquals": "x"}), SYNTAX),
    ("an unknown operator", one(Condition={"Equals": {"a:b": "c"}}), SYNTAX),
    ("an unknown set operator", one(Condition={"ForAnyValue::StringEquals": {"a:b": "c"}}), SYNTAX),
    ("a condition value that is an object", one(Condition={"StringEquals": {"a:b": {}}}), SYNTAX),
    ("a date that is none", one(Condition={"DateLessThan": {"aws:CurrentTime": "soon"}}), LEGACY),
    ("a date by a variable", one(Condition={"DateLessThan": {"aws:CurrentTime": "${aws:PrincipalTag/until}"}}), LEGACY),
    ("a date that is none comes before an unknown partition", one(Resource="arn:x:s3:::b", Condition={"DateLessThan": {"aws:CurrentTime": "soon"}}), LEGACY),
    ("Null with a text", one(Condition={"Null": {"a:b": "x"}}), "Invalid value for Condition type Null"),
]

TAKEN: list[tuple[str, str]] = [
    ("one statement without a list", json.dumps({"Version": "2012-10-17", "Statement": statement()})),
    ("an Id", document(statement(), Id="x")),
    ("every action", one(Action="*")),
    ("an action of a service with a dash or a dot", one(Action=["service-prefix:Get", "a.b:Get"])),
    ("an action with any name", one(Action="iam: as you like")),
    ("NotAction and NotResource", one(Action=None, Resource=None, NotAction="kms:*", NotResource="*")),
    ("any partition", one(Resource="arn:*:kms:*:*:key/*")),
    ("an ARN of three parts", one(Resource="arn:aws:anything")),
    ("an IAM ARN", one(Resource="arn:aws:iam::*:user/${aws:username}")),
    ("all of IAM", one(Resource="arn:aws:iam::1:*")),
    ("an account's root", one(Resource="arn:aws:iam::1:root")),
    ("an empty condition", one(Condition={})),
    ("an operator without keys", one(Condition={"Whatever": {}})),
    ("a key without values", one(Condition={"StringEquals": {"a:b": []}})),
    ("numbers and booleans", one(Condition={"Bool": {"a:b": True}, "NumericLessThan": {"a:c": 7}})),
    ("a Region of a service", one(Resource="arn:aws:kms:eu-west-1:*")),
    ("all of a service", one(Resource=["arn:aws:logs:*:*", "arn:aws:sqs"])),
    ("an access point of S3", one(Resource="arn:aws:s3:eu-west-1:111122223333:accesspoint/a/object/*")),
    ("a job of S3", one(Resource="arn:aws:s3:eu-west-1:111122223333:job/0123")),
    ("a storage lens", one(Resource="arn:aws:s3:*:111122223333:storage-lens/*")),
    ("whatever of S3 is in a Region", one(Resource="arn:aws:s3:eu-west-1:111122223333:*")),
    *((f"the date {date}", one(Condition={"DateLessThan": {"aws:CurrentTime": date}})) for date in DATES),
    ("a date in seconds", one(Condition={"DateLessThan": {"aws:CurrentTime": "1767225600"}})),
    ("an operator with IfExists and a set", one(Condition={"ForAnyValue:StringLikeIfExists": {"a:b": "c*"}})),
]


def trusting(**members: Any) -> str:
    made = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole", **members}
    return document({name: value for name, value in made.items() if value is not None})


TRUST_REFUSED: list[tuple[str, str, str]] = [
    ("no JSON", "{", "This policy contains invalid Json"),
    ("a statement that is a text", document("x"), SYNTAX),
    ("a resource", trusting(Resource="*"), "Has prohibited field Resource"),
    ("NotResource", trusting(NotResource="*"), "Has prohibited field NotResource"),
    ("NotPrincipal", trusting(NotPrincipal="*"), "Has prohibited field NotPrincipal"),
    ("no principal", trusting(Principal=None), "Missing required field Principal cannot be empty!"),
    ("an action of another service", trusting(Action="kms:Encrypt"), "AssumeRole policy may only specify STS AssumeRole actions."),
    ("every action", trusting(Action="*"), "AssumeRole policy may only specify STS AssumeRole actions."),
    ("another action of STS", trusting(Action="sts:GetCallerIdentity"), "AssumeRole policy may only specify STS AssumeRole actions."),
    ("a principal that is none", trusting(Principal={"AWS": "ann"}), 'Invalid principal in policy: "AWS":"ann"'),
    ("a group", trusting(Principal={"AWS": "arn:aws:iam::111122223333:group/g"}), 'Invalid principal in policy: "AWS":"arn:aws:iam::111122223333:group/g"'),
    ("what is no service", trusting(Principal={"Service": "amazonaws.com"}), 'Invalid principal in policy: "SERVICE":"amazonaws.com"'),
    ("the ID of nobody", trusting(Principal={"AWS": "AIDANOBODYNOBODYNOBOD"}), 'Invalid principal in policy: "AWS":"AIDANOBODYNOBODYNOBOD"'),
    ("no effect", trusting(Effect=None), "Policy statement must have an Effect of Allow or Deny."),
]
# fmt: on


@pytest.mark.parametrize(("text", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_policy_is_refused_in_iams_words(text: str, words: str) -> None:
    with pytest.raises(AWSError) as reason:
        grammar.check_managed(text)
    assert (reason.value.code, reason.value.message) == ("MalformedPolicyDocument", words)


@pytest.mark.parametrize(
    "text", ["9" * 5000, '{"Version": "2012-10-17", "Statement": ' + "9" * 5000 + "}", "[" * 100_000]
)
def test_a_policy_that_no_reader_of_json_takes_is_malformed(account: TestAccount, text: str) -> None:
    with pytest.raises(ClientError) as reason:
        account.client("iam").create_policy(PolicyName="odd", PolicyDocument=text)
    assert reason.value.response["Error"]["Code"] in ("MalformedPolicyDocument", "LimitExceeded")
    key_id = account.create_key()
    with pytest.raises(ClientError) as reason:
        account.client().put_key_policy(KeyId=key_id, PolicyName="default", Policy=text[:32_000])
    assert reason.value.response["Error"]["Code"] == "MalformedPolicyDocumentException"


@pytest.mark.parametrize("text", [row[1] for row in TAKEN], ids=[row[0] for row in TAKEN])
def test_a_policy_is_taken(text: str) -> None:
    grammar.check_managed(text)


@pytest.mark.parametrize(("text", "words"), [row[1:] for row in TRUST_REFUSED], ids=[row[0] for row in TRUST_REFUSED])
def test_a_trust_policy_is_refused_in_iams_words(prepared: Any, text: str, words: str) -> None:
    with pytest.raises(AWSError) as reason:
        grammar.check_trust(text)
    assert (reason.value.code, reason.value.message) == ("MalformedPolicyDocument", words)


@pytest.mark.parametrize("action", ["sts:AssumeRole", "sts:*", "STS:assumerole", ["sts:AssumeRole", "sts:TagSession"]])
def test_a_trust_policy_is_taken(prepared: Any, action: Any) -> None:
    assert grammar.check_trust(trusting(Action=action)) == {}


def test_inline_policies_may_be_of_the_old_version_as_managed_ones_may_not(account: TestAccount) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="ann")
    old = document(statement(), Version="2008-10-17")
    iam.put_user_policy(UserName="ann", PolicyName="old", PolicyDocument=old)
    with pytest.raises(ClientError, match=VERSION):
        iam.create_policy(PolicyName="old", PolicyDocument=old)


def test_white_space_does_not_count(account: TestAccount) -> None:
    arns = [f"arn:aws:kms:us-east-1:111122223333:key/{number:036}" for number in range(75)]
    text = json.dumps(json.loads(one(Resource=arns)), indent=8)
    assert len(text) > quotas.QUOTAS["PolicySize"] > quotas.size(text)
    grammar.check_managed(text)
    with pytest.raises(AWSError, match="Cannot exceed quota for PolicySize: 6144"):
        grammar.check_managed(one(Resource=arns * 2))
    with pytest.raises(AWSError, match="Cannot exceed quota for ACLSizePerRole: 2048"):
        grammar.check_trust(trusting(Condition={"ArnLike": {"aws:SourceArn": arns}}))


@pytest.mark.parametrize("resource", ["arn:aws:kms", "arn:aws:kms:us-east-1:*"])
def test_a_session_policy_has_complete_arns(resource: str) -> None:
    grammar.check_session(one())
    with pytest.raises(AWSError, match=LEGACY):
        grammar.check_session(one(Resource=resource))


def test_a_simulation_is_of_a_thousand_calls(account: TestAccount) -> None:
    iam = account.client("iam")
    actions = [f"kms:Action{number}" for number in range(101)]
    keys = [f"arn:aws:kms:us-east-1:1:key/{number}" for number in range(10)]
    with pytest.raises(ClientError) as refused:
        iam.simulate_custom_policy(PolicyInputList=[one()], ActionNames=actions, ResourceArns=keys)
    assert refused.value.response["Error"]["Code"] == "InvalidInput"
    assert (
        len(
            iam.simulate_custom_policy(PolicyInputList=[one()], ActionNames=actions[:100], ResourceArns=keys)[
                "EvaluationResults"
            ]
        )
        == 100
    )
