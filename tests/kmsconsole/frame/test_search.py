"""The search palette: keys, pages and actions, as a page and as what the palette is given."""

from __future__ import annotations

from django.test import Client

from kmsconsole.frame import context
from tests.conftest import TestAccount
from tests.support.answers import text


def test_search_finds_keys_pages_and_actions(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key(Description="Nightly backups", Tags=[{"TagKey": "team", "TagValue": "blue"}])
    account.client().create_alias(AliasName="alias/vault", TargetKeyId=key_id)
    for typed in ("vault", key_id[:13], "nightly", "blue", "BACK team"):
        assert [row.key_id for row in signed_in.get("/search/", {"q": typed}).context["found"].keys] == [key_id], typed
    found = signed_in.get("/search/", {"q": "key"}).context["found"]
    assert "Create key" in [str(entry.label) for entry in found.actions]
    assert "Customer managed keys" in [str(entry.label) for entry in found.pages]


def test_the_palette_is_given_the_results_alone(signed_in: Client) -> None:
    part = text(signed_in.get("/search/", {"q": "audit"}, headers={"HX-Request": "true"}))
    assert "<html" not in part
    assert 'data-answers="audit"' in part


def test_every_page_and_action_of_the_palette_is_there(signed_in: Client) -> None:
    for entry in [*(entry for group in context.navigation() for entry in group.entries), *context.actions()]:
        assert signed_in.get(entry.url, follow=True).status_code == 200, entry.url
