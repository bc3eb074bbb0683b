"""OpenID Connect providers and AssumeRoleWithWebIdentity through boto3: what is kept, which tokens are taken, who they become."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization

from engine import https_client, inprocess, throttling
from engine.iam import provider_keys
from tests.conftest import TestAccount, make_client
from tests.support import clients
from tests.support import identity_providers as idp
from tests.support.dripping import dripping

PROVIDER = idp.ISSUER.removeprefix("https://")
KEY = PROVIDER.lower()


def unsigned_sts() -> Any:
    client = clients.make(
        "sts",
        region_name="us-east-1",
        endpoint_url="http://engine.local",
        config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
    )
    inprocess.attach(client, source_ip="127.0.0.1")
    return client


def refused(call: Any, **parameters: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as reason:
        call(**parameters)
    answer = reason.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def create_provider(account: TestAccount, **more: Any) -> str:
    wanted = {"Url": idp.ISSUER, "ClientIDList": [idp.CLIENT], "ThumbprintList": ["A" * 40], **more}
    return str(account.client("iam").create_open_id_connect_provider(**wanted)["OpenIDConnectProviderArn"])


def trusting(account: TestAccount, condition: Any = None, *actions: str, name: str = "deploy", policy: str = "") -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{account.account_id}:oidc-provider/{PROVIDER}"},
        "Action": ["sts:AssumeRoleWithWebIdentity", *actions],
        **({"Condition": condition} if condition else {}),
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = account.client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    if policy:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    return str(arn)


def assume(arn: str, token: str, **more: Any) -> Any:
    given = {"RoleArn": arn, "RoleSessionName": "run1", "WebIdentityToken": token, **more}
    return unsigned_sts().assume_role_with_web_identity(**given)


def test_a_provider_is_created_shown_changed_and_deleted(account: TestAccount) -> None:
    iam = account.client("iam")
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
    made = iam.create_open_id_connect_provider(
        Url=idp.ISSUER, ClientIDList=["a", "b"], ThumbprintList=["A" * 40], Tags=[{"Key": "z", "Value": "1"}]
    )
    arn = f"arn:aws:iam::{account.account_id}:oidc-provider/{PROVIDER}"
    assert (made["OpenIDConnectProviderArn"], made["Tags"]) == (arn, [{"Key": "z", "Value": "1"}])
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == [{"Arn": arn}]
    shown = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (shown["Url"], shown["ClientIDList"], shown["ThumbprintList"]) == (PROVIDER, ["a", "b"], ["a" * 40])
    iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="c")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="a")
    iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="nobody")
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=["b" * 40])
    iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=[{"Key": "team", "Value": "one"}])
    iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=arn, TagKeys=["z"])
    shown = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert (shown["ClientIDList"], shown["ThumbprintList"]) == (["b", "c"], ["b" * 40])
    tags = iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=arn)["Tags"]
    assert tags == shown["Tags"] == [{"Key": "team", "Value": "one"}]
    assert iam.get_account_summary()["SummaryMap"]["Providers"] == 1
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    assert refused(iam.delete_open_id_connect_provider, OpenIDConnectProviderArn=arn) == (
        404,
        "NoSuchEntity",
        f"OpenId connect Provider {arn} cannot be found.",
    )
    assert refused(iam.get_open_id_connect_provider, OpenIDConnectProviderArn=arn) == (
        404,
        "NoSuchEntity",
        f"OpenIDConnect Provider not found for arn {arn}",
    )


def test_what_cannot_be_a_provider_is_refused(account: TestAccount) -> None:
    iam = account.client("iam")
    create_provider(account)
    call = iam.create_open_id_connect_provider
    assert refused(call, Url=idp.ISSUER) == (
        409,
        "EntityAlreadyExists",
        f"Provider with url {idp.ISSUER} already exists.",
    )
    for url in (
        "http://a.example.com",
        "a.example.com",
        "https://",
        "https://a.example.com?x=1",
        "https://u@a.example",
    ):
        assert refused(call, Url=url)[1:] == ("ValidationError", "Invalid Open ID Connect Provider URL")
    assert (
        refused(call, Url="https://b.example.com", ThumbprintList=[each * 40 for each in "abcdef"])[1] == "InvalidInput"
    )
    assert refused(call, Url="https://b.example.com", ThumbprintList=["x" * 40])[1] == "InvalidInput"
    code = refused(call, Url="https://b.example.com", ClientIDList=[f"c{n}" for n in range(101)])
    assert code[1:] == ("LimitExceeded", "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100")
    ann = account.create_user("ann").client("iam")
    assert refused(ann.create_open_id_connect_provider, Url="https://c.example.com")[1] == "AccessDenied"


def test_a_token_becomes_the_role_that_trusts_it(account: TestAccount) -> None:
    provider = create_provider(account)
    idp.give_keys(account.account_id)
    allow = {"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*"}
    only = {"StringLike": {f"{KEY}:sub": "repo:acme/*"}, "StringEquals": {"aws:FederatedProvider": provider}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**allow, "Condition": only}]})
    arn = trusting(
        account,
        {"StringEquals": {f"{PROVIDER}:aud": idp.CLIENT}, "StringLike": {f"{PROVIDER}:sub": "repo:acme/*"}},
        policy=policy,
    )
    made = assume(arn, idp.token(), DurationSeconds=900)
    assert made["SubjectFromWebIdentityToken"] == "repo:acme/app"
    assert (made["Provider"], made["Audience"]) == (provider, idp.CLIENT)
    session = f"arn:aws:sts::{account.account_id}:assumed-role/deploy/run1"
    assert made["AssumedRoleUser"]["Arn"] == session
    given = made["Credentials"]
    keys = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    assert make_client("sts", "us-east-1", *keys).get_caller_identity()["Arn"] == session
    assert make_client("kms", "us-east-1", *keys).list_keys()["Keys"] == []  # by conditions on what the provider said
    for kid, alg, key in (("two", "RS384", None), ("four", "ES256", idp.ec_key())):
        assert assume(arn, idp.token(key, kid, alg))["Credentials"]
    lookup = account.client("cloudtrail").lookup_events
    named = [{"AttributeKey": "EventName", "AttributeValue": "AssumeRoleWithWebIdentity"}]
    event = json.loads(lookup(LookupAttributes=named)["Events"][-1]["CloudTrailEvent"])
    assert event["userIdentity"] == {
        "type": "WebIdentityUser",
        "principalId": f"{provider}:{idp.CLIENT}:repo:acme/app",
        "userName": "repo:acme/app",
        "identityProvider": provider,
    }
    assert "eyJ" not in json.dumps(event)


@pytest.mark.parametrize("condition", [{f"{KEY}:sub": "repo:other/*"}, {f"{KEY}:aud": "another"}])
def test_the_trust_policy_decides(account: TestAccount, condition: dict[str, str]) -> None:
    create_provider(account)
    idp.give_keys(account.account_id)
    arn = trusting(account, {"StringLike": condition})
    words = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
    assert refused(assume, arn=arn, token=idp.token()) == (403, "AccessDenied", words)
    gone = arn.replace("deploy", "nobody")
    assert refused(assume, arn=gone, token=idp.token()) == (403, "AccessDenied", words)
    elsewhere = gone.replace(account.account_id, "999999999999")
    assert refused(assume, arn=elsewhere, token=idp.token()) == (403, "AccessDenied", words)


def test_everybody_is_no_identity_provider(account: TestAccount) -> None:
    create_provider(account)
    idp.give_keys(account.account_id)
    document = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRoleWithWebIdentity"}
    arn = account.client("iam").create_role(
        RoleName="open", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [document]})
    )["Role"]["Arn"]
    assert refused(assume, arn=arn, token=idp.token())[1] == "AccessDenied"


def hmac_with_the_public_key() -> str:
    """The classic confusion: the public key's text as the secret of an HMAC."""
    public = idp.rsa_key("one").public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    import base64
    import hashlib
    import hmac

    head, body, _ = idp.token().split(".")
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one","typ":"JWT"}').rstrip(b"=").decode()
    mac = hmac.new(pem, f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


NO_KEY = "Couldn't retrieve verification key from your identity provider"


@pytest.mark.parametrize(
    ("made", "code", "words"),
    [
        (lambda: "an access token", "InvalidIdentityToken", "is not a valid JWT"),
        (lambda: idp.token(iss="https://other.example.com"), "InvalidIdentityToken", "No OpenIDConnect provider found"),
        (lambda: idp.token(iss=f"{idp.ISSUER}/"), "InvalidIdentityToken", "No OpenIDConnect provider found"),
        (lambda: idp.token(aud="another"), "InvalidIdentityToken", "Incorrect token audience"),
        (lambda: idp.token(aud=None), "InvalidIdentityToken", "Missing a required claim: aud"),
        (lambda: idp.token(sub=None), "InvalidIdentityToken", "Missing a required claim: sub"),
        (lambda: idp.token(exp=None), "InvalidIdentityToken", "Missing a required claim: exp"),
        (lambda: idp.token(exp=int(time.time()) - 1), "ExpiredTokenException", "must be before the expiration"),
        (lambda: idp.token(nbf=int(time.time()) + 60), "InvalidIdentityToken", "not valid yet"),
        (lambda: idp.token(sub="\ud800"), "InvalidIdentityToken", "is not a valid JWT"),
        (lambda: idp.token(number=10**30), "InvalidIdentityToken", "is not a valid JWT"),
        (lambda: idp.token(kid="nobody"), "InvalidIdentityToken", NO_KEY),
        (lambda: idp.token(kid=None), "InvalidIdentityToken", NO_KEY),  # several could have signed it
        (lambda: idp.token(kid="three"), "InvalidIdentityToken", NO_KEY),  # a key that encrypts
        (lambda: idp.token(idp.rsa_key("forged"), "one"), "InvalidIdentityToken", "Invalid signature"),
        (lambda: idp.token(idp.ec_key(), "one", "ES256"), "InvalidIdentityToken", NO_KEY),
        (lambda: idp.token("x" * 64, "one", "HS256"), "InvalidIdentityToken", "not supported: HS256"),
        (hmac_with_the_public_key, "InvalidIdentityToken", "not supported: HS256"),
        (lambda: jwt.encode({"iss": idp.ISSUER}, None, "none"), "InvalidIdentityToken", "not supported: none"),
    ],
)
def test_a_token_that_is_not_sound_is_refused(account: TestAccount, made: Any, code: str, words: str) -> None:
    create_provider(account)
    idp.give_keys(account.account_id)
    arn = trusting(account)
    status, found, message = refused(assume, arn=arn, token=made())
    assert (status, found) == (400, code)
    assert words in message


def test_keys_that_cannot_be_fetched_are_told(account: TestAccount) -> None:
    """Nothing answers at that name: it is one that never exists (RFC 6761)."""
    issuer = "https://issuer.invalid"
    create_provider(account, Url=issuer)
    arn = trusting(account)
    assert NO_KEY in refused(assume, arn=arn, token=idp.token(iss=issuer))[2]


def test_a_provider_that_does_not_answer_is_not_asked_again_at_once(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = "https://silent.example.com"
    create_provider(account, Url=issuer)
    arn = trusting(account)
    asked: list[str] = []

    def request(method: str, url: str, **_: Any) -> tuple[int, bytes]:
        asked.append(url)
        raise provider_keys.HttpsError("no answer")

    monkeypatch.setattr(provider_keys.https_client, "request", request)
    for _ in range(3):
        assert NO_KEY in refused(assume, arn=arn, token=idp.token(iss=issuer))[2]
    assert len(asked) == 1


def test_an_answer_that_drips_ends_with_its_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(https_client, "SECONDS", 0.5)
    tls, thumbprint = idp.server_context(tmp_path)
    for begun in (b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n"):
        at = time.monotonic()
        with dripping(begun, tls) as url, pytest.raises(https_client.HttpsError):
            https_client.request("GET", url, thumbprints=[thumbprint])
        assert time.monotonic() - at < 5


def test_a_silent_provider_holds_up_no_other_account(
    account: TestAccount, other_account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = "https://slow.example.com"
    monkeypatch.setattr(provider_keys, "_WAIT", 0.01)
    answers = {"keys": idp.jwks()["keys"], "issuer": issuer, "jwks_uri": f"{issuer}/keys"}
    monkeypatch.setattr(https_client, "request", lambda *_args, **_more: (200, json.dumps(answers).encode()))
    with provider_keys._fetching[account.account_id]:  # a question that takes long
        for asking, told in ((account, NO_KEY), (other_account, "Not authorized")):  # whose role trusts another
            create_provider(asking, Url=issuer)
            assert told in refused(assume, arn=trusting(asking), token=idp.token(iss=issuer))[2]


def test_what_nobody_signed_uses_up_no_quota_of_the_account(account: TestAccount) -> None:
    arn = trusting(account)
    throttling.configure("sts=3")
    try:
        codes = {refused(assume, arn=arn, token="no token")[1] for _ in range(5)}
        assert "Throttling" in codes
        assert account.client("sts").get_caller_identity()
    finally:
        throttling.configure("")


def test_a_refusal_is_recorded_only_of_whom_a_provider_vouches_for(account: TestAccount) -> None:
    """Else anybody could fill an account's record, and raise its alerts, knowing no more than its number."""
    create_provider(account)
    idp.give_keys(account.account_id)
    arn = trusting(account, {"StringEquals": {f"{PROVIDER}:sub": "nobody"}})
    for token in ("no token", idp.token(idp.rsa_key("forged"), "one"), idp.token(aud="another")):
        assert refused(assume, arn=arn, token=token)[1] == "InvalidIdentityToken"
    assert refused(assume, arn=arn, token=idp.token(), DurationSeconds=90_000)[1] == "ValidationError"

    def recorded() -> list[str]:
        named = [{"AttributeKey": "EventName", "AttributeValue": "AssumeRoleWithWebIdentity"}]
        return [
            each["Username"] for each in account.client("cloudtrail").lookup_events(LookupAttributes=named)["Events"]
        ]

    assert recorded() == []
    assert refused(assume, arn=arn, token=idp.token())[1] == "AccessDenied"
    assert recorded() == ["repo:acme/app"]


def test_a_key_that_is_new_is_fetched_again(account: TestAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer = "https://rotating.example.com"
    create_provider(account, Url=issuer)
    published = {"keys": [each for each in idp.jwks()["keys"] if each["kid"] == "one"]}
    asked: list[str] = []

    def request(method: str, url: str, **_: Any) -> tuple[int, bytes]:
        asked.append(url)
        if url.endswith("openid-configuration"):
            return 200, json.dumps({"issuer": issuer, "jwks_uri": f"{issuer}/keys"}).encode()
        return 200, json.dumps(published).encode()

    monkeypatch.setattr(provider_keys.https_client, "request", request)
    monkeypatch.setattr(provider_keys, "_AGAIN", 0.0)
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{account.account_id}:oidc-provider/rotating.example.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
    }
    arn = account.client("iam").create_role(
        RoleName="r", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )["Role"]["Arn"]
    for _ in range(2):
        assert assume(arn, idp.token(iss=issuer))
    assert len(asked) == 2  # kept
    assert NO_KEY in refused(assume, arn=arn, token=idp.token(iss=issuer, kid="two"))[2]
    published["keys"] = idp.jwks()["keys"]
    assert assume(arn, idp.token(iss=issuer, kid="two"))


def test_the_request_itself_is_looked_at_first(account: TestAccount) -> None:
    create_provider(account)
    assert refused(assume, arn="arn:aws:iam::111122223333:user/ann", token="x" * 20)[1] in (
        "AccessDenied",
        "ValidationError",
    )
    user = f"arn:aws:iam::{account.account_id}:user/ann"
    assert refused(assume, arn=user, token=idp.token())[1:] == ("ValidationError", "Request ARN is invalid")
    arn = trusting(account)
    assert refused(assume, arn=arn, token=idp.token(), RoleSessionName="a b")[1] == "ValidationError"
    idp.give_keys(account.account_id)
    message = refused(assume, arn=arn, token=idp.token(), DurationSeconds=7200)[2]
    assert message == "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."


def test_a_token_brings_session_tags_and_a_source_identity(account: TestAccount) -> None:
    create_provider(account)
    idp.give_keys(account.account_id)
    said = {
        "https://aws.amazon.com/tags": {"principal_tags": {"team": ["one"]}, "transitive_tag_keys": ["team"]},
        "https://aws.amazon.com/source_identity": "ann",
    }
    without = trusting(account, name="without")
    assert refused(assume, arn=without, token=idp.token(**said))[1] == "AccessDenied"
    tagged = {
        "StringEquals": {"aws:RequestTag/team": "one"},
        "ForAllValues:StringEquals": {"sts:TransitiveTagKeys": ["team"]},
    }
    arn = trusting(account, tagged, "sts:TagSession", "sts:SetSourceIdentity")
    made = assume(arn, idp.token(**said))
    assert made["SourceIdentity"] == "ann"
    assert 0 < made["PackedPolicySize"] < 100
    assert refused(assume, arn=arn, token=idp.token())[1] == "AccessDenied"
    wrong = {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["one", "two"]}}}
    assert refused(assume, arn=arn, token=idp.token(**wrong))[1] == "InvalidIdentityToken"
