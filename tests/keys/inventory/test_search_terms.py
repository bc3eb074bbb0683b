"""The search for keys understands what pages show: tags, states, specs and the other facts, by themselves or by name."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from keys.inventory import query, search_terms
from keys.inventory.search_terms import Fact
from tests.conftest import TestAccount, sign_in_browser
from tests.support.answers import body, text
from tests.support.policies import allow, document, person, trusting


@pytest.fixture
def keys(account: TestAccount) -> dict[str, str]:
    """Key IDs by a name each has as alias."""
    kms = account.client()
    made = {
        "payments": account.create_key(Tags=[{"TagKey": "owner", "TagValue": "payments"}]),
        "cards": account.create_key(Tags=[{"TagKey": "owner", "TagValue": "card data"}]),
        "rsa": account.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY", Description="not external"),
        "brought": account.create_key(Origin="EXTERNAL"),
        "disabled-no-more": account.create_key(),
        "off": account.create_key(),
        "doomed": account.create_key(),
    }
    for alias, key_id in made.items():
        kms.create_alias(AliasName=f"alias/{alias}", TargetKeyId=key_id)
    kms.disable_key(KeyId=made["off"])
    kms.schedule_key_deletion(KeyId=made["doomed"])
    return made


def found(client: Client, typed: str, keys: dict[str, str]) -> set[str]:
    """What the list has; its number and facets must say the same."""
    page = client.get("/keys/", {"q": typed}).context
    names = {alias for alias, key_id in keys.items() if key_id in {row.key_id for row in page["rows"]}}
    assert page["listing"].total == len(page["rows"]) == len(names)
    return names


FOUND = [
    ("owner=payments", {"payments"}),
    ("tag:owner=payments", {"payments"}),
    ("tag:owner", {"payments", "cards"}),
    ('owner="card data"', {"cards"}),
    ("owner=nobody", set()),
    ("RSA_2048", {"rsa"}),
    ("spec:rsa_2048 usage:sign_verify", {"rsa"}),
    ("sign and verify", {"rsa"}),
    ("asymmetric", {"rsa"}),
    ("symmetric tag:owner", {"payments", "cards"}),
    ("disabled", {"off", "disabled-no-more"}),
    ("state:disabled", {"off"}),
    ("status:Disabled", {"off"}),
    ("pending deletion", {"doomed"}),
    ('state:"pending deletion"', {"doomed"}),
    ("PendingImport", {"brought"}),
    ("external", {"brought", "rsa"}),
    ("origin:external", {"brought"}),
    ('"external"', {"rsa"}),
    ('"owner=payments"', set()),
    ("payments enabled", {"payments"}),
]


@pytest.mark.parametrize("few", [500, 0])
def test_keys_are_found_by_what_pages_show(
    signed_in: Client, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(query, "_FEW", few)
    monkeypatch.setattr("keys.inventory.lists._BROAD", 5_000 if few else 0)
    assert {typed: found(signed_in, typed, keys) for typed, _names in FOUND} == dict(FOUND)


PROBLEMS = [
    ('"payments', "A quotation mark is not closed."),
    ("tag:", "A tag is searched as tag:key, or as key=value."),
    ("=payments", "A tag is searched as tag:key, or as key=value."),
    ("state:sleepy", "“sleepy” is no value of state:."),
    ("a " * 17, "Search for at most 16 words."),
]


def test_what_cannot_be_understood_is_said_beside_the_field(account: TestAccount, signed_in: Client) -> None:
    account.create_key(Description="a")
    for typed, problem in PROBLEMS:
        page = signed_in.get("/keys/", {"q": typed})
        assert problem in text(page)
        assert 'aria-describedby="q-problem"' in text(page)
        assert page.context["rows"] == []
        assert "Nothing was searched" in text(page)
        assert 'id="heading-count">(not known)' in text(page)
        assert "No key matches." not in text(page)
        assert problem in text(signed_in.get("/search/", {"q": typed}))
        assert problem in text(signed_in.get("/search/", {"q": typed}, headers={"HX-Request": "true"}))


def test_facts_that_may_not_be_read_are_not_found_by(account: TestAccount) -> None:
    ann = person(account, "ann", document(allow(["kms:ListKeys", "kms:DescribeKey", "kms:ListAliases"])))
    account.create_key(Policy=trusting(account), Tags=[{"TagKey": "owner", "TagValue": "payments"}])
    client = sign_in_browser(ann)
    assert len(client.get("/keys/", {"q": "enabled"}).context["rows"]) == 1
    for typed in ("tag:owner", "owner=payments", "payments", "rotation:off", "public:no"):
        assert client.get("/keys/", {"q": typed}).context["rows"] == [], typed


@pytest.mark.parametrize("lists_aliases", [True, False])
@pytest.mark.parametrize("few", [query._FEW, 0], ids=["found by the index", "looked for in each row"])
def test_keys_that_may_be_listed_and_not_described_are_found_by_what_the_list_shows_of_them(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch, few: int, lists_aliases: bool
) -> None:
    """By key ID, and by alias for who may list these; not by what only describing them tells. The heading counts the keys of both."""
    monkeypatch.setattr(query, "_FEW", few)
    ann = person(account, "ann", document(allow(["kms:ListKeys", *["kms:ListAliases"] * lists_aliases])))
    made = account.create_key(Description="Payroll", Tags=[{"TagKey": "owner", "TagValue": "finance"}])
    for name in ("alias/disabled-cards", "alias/second"):
        account.client().create_alias(AliasName=name, TargetKeyId=made)
    account.create_key()
    client = sign_in_browser(ann)
    by_alias = {"cards", "second", "disabled", f"cards {made[:8]}"}
    for typed in (
        made,
        made[4:20].upper(),
        *by_alias,
        "payroll",
        "finance",
        "enabled",
        "state:enabled",
        "owner=finance",
    ):
        expected = [made] if typed.lower() in made or (lists_aliases and typed in by_alias) else []
        page = client.get("/keys/", {"q": typed})
        assert [row.key_id for row in page.context["rows"]] == expected, typed
        assert (page.context["listing"].total, page.context["listing"].unfiltered_total) == (len(expected), 2), typed
        palette = text(client.get("/search/", {"q": typed}, headers={"HX-Request": "true"}))
        assert (made in palette) == bool(expected), typed
        assert "it takes kms:DescribeKey" in palette, typed
        assert (made in body(client.get("/keys/export/", {"q": typed}))) == bool(expected), typed


def test_who_may_not_read_tags_finds_keys_by_all_that_it_may_read(account: TestAccount) -> None:
    """A user of keys, as the wizard makes it, may describe them, and not list their tags."""
    rest = allow(["kms:ListKeys", "kms:DescribeKey", "kms:ListAliases"])
    blue = {**allow(["kms:ListResourceTags"]), "Condition": {"StringEquals": {"aws:ResourceTag/team": "blue"}}}
    ann = person(account, "ann", document(rest, blue))
    made = {}
    for team in ("blue", "red"):
        tags = [{"TagKey": "team", "TagValue": team}, {"TagKey": "payments", "TagValue": "yes"}]
        made[team] = account.create_key(Description=f"Cards of {team}", Policy=trusting(account), Tags=tags)
        for alias in (f"alias/first-{team}", f"alias/second-{team}"):
            account.client().create_alias(AliasName=alias, TargetKeyId=made[team])
    client = sign_in_browser(ann)
    both = [made["blue"], made["red"]]
    for typed, found in (
        ("second-red", [made["red"]]),
        ("first-blue", [made["blue"]]),
        (made["red"][:13], [made["red"]]),
        ("cards", both),
        ("cards second", both),
        ("CARDS red", [made["red"]]),
        ("payments", [made["blue"]]),
        ("red yes", []),
        ("nothing of it", []),
    ):
        rows = client.get("/keys/", {"q": typed}).context["rows"]
        assert sorted(row.key_id for row in rows) == sorted(found), typed
        chosen = client.get("/keys/options/", {"find": typed}).context["choices"]
        assert sorted(key_id for key_id, _words in chosen) == sorted(found), typed


@given(st.text(max_size=80))
def test_whatever_is_typed_is_understood_or_a_problem(typed: str) -> None:
    terms = search_terms.parse(typed)
    assert (
        terms.problem or terms.words or terms.tags or terms.facts or terms.perhaps or not typed.replace('"', "").strip()
    )


@given(st.lists(st.from_regex(r"[a-z]{3,8}[0-9]{3}", fullmatch=True), min_size=1, max_size=8))
def test_plain_words_stay_words(words: list[str]) -> None:
    assert search_terms.parse(" ".join(words)).words == words


def test_words_of_a_fact_are_known_in_the_readers_language_and_in_english(signed_in: Client) -> None:
    from django.utils import translation

    for language, typed in (("en", "Pending deletion"), ("de", "pending deletion"), ("de", "Löschung ausstehend")):
        with translation.override(language):
            known: Any = search_terms.parse(typed)
        assert [each.value for each in known.perhaps] == ["PendingDeletion"] or language == "de", typed
    assert search_terms.parse("pending deletion").perhaps == [Fact("state", "PendingDeletion", ("pending", "deletion"))]
