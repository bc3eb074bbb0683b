"""Every page of the URLconf with things to show: one object of each kind in an account, and for each pattern an address of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.support import identity_providers

TRUST = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
)
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:List*", "Resource": "*"}]}
)


@dataclass(frozen=True)
class Samples:
    """What `make` made: key IDs, the names of IAM's entities (all the same) and ARNs."""

    symmetric: str
    primary: str
    external: str
    doomed: str
    grant: str
    name: str
    access_key: str
    policy_arn: str
    event: str
    symmetric_arn: str
    provider_arn: str
    saml_arn: str


def make(client: Callable[[str], Any], name: str = "sample") -> Samples:
    """One object of each kind. `client` gives the boto3 client of a service for the account's administrator."""
    kms, iam = client("kms"), client("iam")
    key = kms.create_key(Description="pages", Tags=[{"TagKey": "team", "TagValue": "blue"}])["KeyMetadata"]
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=key["KeyId"])
    kms.enable_key_rotation(KeyId=key["KeyId"])
    root = ":".join([*key["Arn"].split(":")[:2], "iam", "", key["AWSAccountId"], "root"])
    grant = kms.create_grant(KeyId=key["KeyId"], GranteePrincipal=root, Operations=["Encrypt"])["GrantId"]
    primary = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", MultiRegion=True)["KeyMetadata"]["KeyId"]
    kms.replicate_key(KeyId=primary, ReplicaRegion="eu-west-1")
    external = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    doomed = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.schedule_key_deletion(KeyId=doomed)
    iam.create_group(GroupName=name)
    iam.create_user(UserName=name, Tags=[{"Key": "team", "Value": "blue"}])
    access_key = iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"]
    iam.add_user_to_group(GroupName=name, UserName=name)
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    arn = iam.create_policy(PolicyName=name, PolicyDocument=POLICY)["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=POLICY, SetAsDefault=True)
    iam.attach_user_policy(UserName=name, PolicyArn=arn)
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=POLICY)
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=arn)
    url = f"https://{name}.example.com"
    provider = iam.create_open_id_connect_provider(Url=url, ClientIDList=[name])["OpenIDConnectProviderArn"]
    given = {"SAMLMetadataDocument": identity_providers.metadata(), "AddPrivateKey": identity_providers.private_key()}
    saml = iam.create_saml_provider(Name=name, **given)["SAMLProviderArn"]
    event = client("cloudtrail").lookup_events(MaxResults=1)["Events"][0]["EventId"]
    iam.create_group(GroupName=f"{name}-class", Path=f"/students/{name}/")
    iam.create_user(UserName=f"{name}-student", Path=f"/students/{name}/")
    iam.add_user_to_group(GroupName=f"{name}-class", UserName=f"{name}-student")
    return Samples(
        key["KeyId"], primary, external, doomed, grant, name, access_key, arn, event, key["Arn"], provider, saml
    )


def patterns() -> Iterator[tuple[str, URLPattern]]:
    """(route, pattern) of every address of the console."""
    yield from _walk(get_resolver(), "")


def _walk(resolver: URLResolver, before: str) -> Iterator[tuple[str, URLPattern]]:
    for each in resolver.url_patterns:
        if isinstance(each, URLPattern):
            yield before + str(each.pattern), each
        else:
            yield from _walk(each, before + str(each.pattern))


TABS = ("policy", "crypto", "aliases", "tags", "material", "grants", "access", "use", "timeline", "impact")
PLAYS = ("encrypt", "decrypt", "generate-data-key", "sign", "verify", "derive-shared-secret", "generate-random")
STORE = "/stores/cloudhsm/cks-1234567890abcdef0"
STORE_ACTIONS = ("connect", "disconnect", "delete")
CLASS_ACCOUNTS = (
    "<slug:slug>/",
    "<slug:slug>/present/",
    "<slug:slug>/bring/",
    "<slug:slug>/results.csv",
    "<slug:slug>/archive.zip",
    "<slug:slug>/add/",
    "<slug:slug>/manage/",
    "<slug:slug>/links/<int:pk>.svg",
    "<slug:slug>/links/<int:pk>/revoke/",
    "<slug:slug>/close/",
    "<slug:slug>/students/<str:user_name>/",
)
ACTIONS = ("enable", "disable", "describe", "rotation-on", "alias-add", "tag-add")


def addresses(made: Samples) -> dict[str, list[str]]:
    """Route → addresses to look at, by GET, of every pattern. Raises NoReverseMatch for a new pattern that wants arguments: give it
    an object here."""
    key, name = made.symmetric, made.name
    keys = f"/keys/{key}"
    chosen = f"principal={name}&action=kms:Decrypt&key={key}"
    arn = quote(made.policy_arn)
    wanted: dict[str, list[str]] = {
        "keys/": ["/keys/", "/keys/?q=sample&sort=-created&cols=alias&cols=tags&cols=rotation", "/keys/?q=no-such-key"],
        "keys/bulk/<int:pk>/": [],
        "keys/values/": ["/keys/values/?within=team", "/keys/values/?facet=spec"],
        "keys/new/<slug:step>/": ["/keys/new/configure/?w=sample"],
        "keys/<str:key_id>/": [f"{keys}/", f"/keys/{made.doomed}/"],
        "keys/<str:key_id>/tab/<slug:tab>/": [
            *(f"{keys}/tab/{tab}/" for tab in TABS),
            f"{keys}/tab/policy/?view=json",
            f"{keys}/tab/access/?all=1",
            f"/keys/{made.primary}/tab/public-key/",
            f"/keys/{made.primary}/tab/regions/",
            f"/keys/{made.external}/tab/material/",
        ],
        "keys/<str:key_id>/policy/diff/": [],  # these two lead to pages that are here already
        "keys/<str:key_id>/<slug:name>/": [],
        "keys/<str:key_id>/policy/change/": [f"{keys}/policy/change/?deletion=no"],
        "keys/<str:key_id>/import/": [f"/keys/{made.external}/import/"],
        "keys/<str:key_id>/import/parameters/": [],
        "keys/<str:key_id>/public-key.pem": [f"/keys/{made.primary}/public-key.pem"],
        "keys/<str:key_id>/public-key.der": [f"/keys/{made.primary}/public-key.der"],
        "keys/<str:key_id>/do/delete/": [f"{keys}/do/delete/"],
        "keys/<str:key_id>/do/<slug:action>/": [
            *(f"{keys}/do/{action}/" for action in ACTIONS),
            f"{keys}/do/alias-delete/?alias={name}",
            f"{keys}/do/grant-revoke/?grant={made.grant}",
            f"/keys/{made.primary}/do/replicate/",
        ],
        "access/": [
            "/access/",
            f"/access/?{chosen}",
            f"/access/?principal={name}",
            f"/access/?action=kms:Decrypt&key={key}",
        ],
        "access/check/<slug:kind>/": [],
        "lab/services/<slug:slug>/": ["/lab/services/s3/", "/lab/services/lambda/"],
        "learn/<slug:lesson>/": ["/learn/rotation/", "/learn/what-is-kms/"],
        "learn/<slug:lesson>/lesson.zip": [],  # a file
        "stores/<slug:kind>/": ["/stores/cloudhsm/", "/stores/xks/"],
        "stores/<slug:kind>/new/": ["/stores/cloudhsm/new/", "/stores/xks/new/"],
        # A store takes a token: these two pages have tests of their own (tests/keys/stores).
        "stores/<slug:kind>/<str:store_id>/": [],
        "stores/<slug:kind>/<str:store_id>/edit/": [],
        **{f"stores/<slug:kind>/<str:store_id>/{each}/": [f"{STORE}/{each}/"] for each in STORE_ACTIONS},
        "play/<slug:operation>/": [f"/play/{play}/" for play in PLAYS],
        "principals/sign-in/saml/<slug:provider_id>/": ["/principals/sign-in/saml/none/"],
        "principals/sign-in/by/<int:provider>/": [],  # it leads to a provider (tests/principals/sign_in/test_provider.py)
        "principals/users/<str:name>/groups/": [f"/principals/users/{name}/groups/?remove={name}"],
        "principals/users/<str:name>/access-keys/<str:key_id>/": [
            f"/principals/users/{name}/access-keys/{made.access_key}/?do=deactivate"
        ],
        "principals/groups/<str:name>/users/": [f"/principals/groups/{name}/users/?remove={name}"],
        "principals/policies/one/": [
            f"/principals/policies/one/?arn={arn}",
            f"/principals/policies/one/?arn={arn}&version=v1",
        ],
        "principals/policies/one/version/": [f"/principals/policies/one/version/?arn={arn}&default=v1"],
        "principals/policies/one/edit/": [f"/principals/policies/one/edit/?arn={arn}"],
        "principals/policies/one/delete/": [f"/principals/policies/one/delete/?arn={arn}"],
        **{
            f"principals/identity-providers/one/{page}": [
                f"/principals/identity-providers/one/{page}?arn={quote(each)}" for each in arns
            ]
            for page, arns in {
                **dict.fromkeys(("", "edit/", "delete/"), (made.provider_arn, made.saml_arn)),
                **dict.fromkeys(("sign-in/", "keys/", "preview/"), (made.provider_arn,)),
                "private-key/": (made.saml_arn,),
            }.items()
        },
        "principals/<str:kind>/<str:name>/attached/": [f"/principals/users/{name}/attached/?detach={arn}"],
        "principals/<str:kind>/<str:name>/boundary/": [f"/principals/users/{name}/boundary/?arn={arn}"],
        "principals/<str:kind>/<str:name>/tags/": [f"/principals/users/{name}/tags/?{urlencode({'remove': 'team'})}"],
        "audit/compliance/<slug:check_id>/": ["/audit/compliance/key-rotation/", "/audit/compliance/policy-kms-all/"],
        "audit/compliance/<slug:check_id>/except/": [
            f"/audit/compliance/key-owner-tag/except/?resource={quote(made.symmetric_arn)}"
        ],
        "audit/compliance/exceptions/<int:number>/end/": [],
        "classes/new/hand-out.csv": [],
        # Classes with an account for each student have tests of their own (tests/learn/class_accounts).
        "classes/accounts/credentials.txt": [],
        **{f"classes/accounts/{each}": [] for each in CLASS_ACCOUNTS},
        "join/<slug:code>/": [f"/join/{name}/"],
        "audit/keys/compare/": ["/audit/keys/compare/", "/audit/keys/compare/?before=2026-01-01"],
        "audit/keys/compare/<str:key_id>/": [
            f"/audit/keys/compare/{key}/",
            f"/audit/keys/compare/{key}/?before=2026-01-01",
        ],
        # A rule has tests of its own (tests/audit/alerts).
        "audit/alerts/<int:pk>/": [],
        "audit/alerts/<int:pk>/delete/": [],
        "console.<str:version>.css": [],  # the style sheet
        "settings/clock/": ["/settings/clock/", "/settings/clock/?by=90&unit=days"],
        "settings/endpoints/<int:pk>/": [],
        "settings/endpoints/<int:pk>/edit/": [],
        "settings/endpoints/<int:pk>/delete/": [],
        "search/": [f"/search/?q={name}"],
    }
    given = {
        "lesson": "rotation",
        "slug": name,
        "student": f"{name}-student",
        "key_id": key,
        "name": name,
        "kind": "users",
        "policy": name,
        "event_id": made.event,
    }
    for route, pattern in patterns():
        if route not in wanted:
            names = {each for each in pattern.pattern.converters if each not in pattern.default_args}
            wanted[route] = [reverse(pattern.name, kwargs={each: given[each] for each in names})]
    return wanted
