"""Switching the Region: where one comes to."""

from __future__ import annotations

from django.test import Client

from tests.conftest import TestAccount


def test_a_keys_page_of_one_region_is_left_for_the_list_of_the_other(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    answer = signed_in.post("/region/", {"region": "eu-west-1", "next": f"/keys/{key_id}/"})
    assert answer["Location"] == "/keys/"


def test_any_other_page_is_shown_for_the_other_region(signed_in: Client) -> None:
    answer = signed_in.post("/region/", {"region": "eu-west-1", "next": "/audit/"})
    assert answer["Location"] == "/audit/"
    assert signed_in.get("/audit/").context["signed_in"].region == "eu-west-1"


def test_a_replica_is_opened_from_its_primary(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key(MultiRegion=True)
    account.client().replicate_key(KeyId=key_id, ReplicaRegion="eu-west-1")
    page = signed_in.get(f"/keys/{key_id}/tab/regions/").content.decode()
    assert f'name="next" value="/keys/{key_id}/tab/regions/"' in page
    answer = signed_in.post(
        "/region/", {"region": "eu-west-1", "next": f"/keys/{key_id}/tab/regions/", "same": "1"}, follow=True
    )
    assert answer.status_code == 200
    assert answer.context["key"]["Arn"].startswith("arn:aws:kms:eu-west-1:")
