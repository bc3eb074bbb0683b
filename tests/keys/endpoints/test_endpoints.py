"""The pages of endpoints: connect, test, switch, forget; a form keeps all but the secret. What goes on over them is tested in the modules beside."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from keys.models import Connection
from tests.conftest import TestAccount, sign_in_browser
from tests.support.answers import text
from tests.support.connections import connect, form, kinds
from tests.support.policies import allow, document, person
from tests.support.server import free_port


def test_an_endpoint_that_is_away_is_a_page_that_says_so(signed_in: Client) -> None:
    connection = connect(signed_in, f"http://127.0.0.1:{free_port()}")
    assert kinds(connection) == ["refused"]
    signed_in.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk), "next": "/"})
    page = signed_in.get("/keys/")
    assert page.status_code == 502
    assert "The connection is refused" in page.content.decode()
    assert signed_in.get("/settings/endpoints/").status_code == 200, "there must be a way back"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": ""}, "url"),
        ({"url": "ftp://host"}, "url"),
        ({"url": "http://user:password@host"}, "url"),
        ({"secret": ""}, "secret"),
        ({"method": "profile"}, "profile"),
        ({"name": ""}, "name"),
        ({"sealing_key": "alias/none"}, "sealing_key"),
    ],
)
def test_a_form_with_a_mistake_says_where_and_keeps_what_was_typed(
    signed_in: Client, changes: dict[str, str], field: str
) -> None:
    answer = signed_in.post("/settings/endpoints/new/", {**form("http://127.0.0.1:1", role_arn="arn:kept"), **changes})
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    page = answer.content.decode()
    assert "arn:kept" in page
    assert "the/secret/of/moto" not in page


def test_the_embedded_engine_is_listed_and_used(account: TestAccount, signed_in: Client) -> None:
    account.create_key()
    signed_in.get("/keys/")
    page = text(signed_in.get("/settings/endpoints/"))
    assert "Embedded" in page
    assert 'href="/settings/endpoints/new/"' in page


def test_a_connection_is_tested_again_and_forgotten(signed_in: Client) -> None:
    connection = connect(signed_in, f"http://127.0.0.1:{free_port()}")
    address = f"/settings/endpoints/{connection.pk}/"
    assert "The connection is refused" in text(signed_in.get(address))
    assert signed_in.post(address)["Location"] == address
    assert "Forget moto?" in text(signed_in.get(f"{address}delete/"))  # asks, and does nothing yet
    assert signed_in.get(address).status_code == 200
    signed_in.post(f"{address}delete/")
    assert signed_in.get(address).status_code == 404
    assert not Connection.objects.filter(pk=connection.pk).exists()


def test_who_may_not_manage_connections_sees_them_and_is_refused(account: TestAccount, signed_in: Client) -> None:
    connection = connect(signed_in, f"http://127.0.0.1:{free_port()}")
    ann = sign_in_browser(person(account, "ann", document(allow("kmsconsole:ListConnections"))))
    assert "moto" in text(ann.get("/settings/endpoints/"))
    assert ann.get(f"/settings/endpoints/{connection.pk}/").status_code == 200
    for refused in (
        ann.get("/settings/endpoints/new/"),
        ann.post("/settings/endpoints/new/", form("http://127.0.0.1:1")),
        ann.post(f"/settings/endpoints/{connection.pk}/"),
        ann.post(f"/settings/endpoints/{connection.pk}/delete/"),
    ):
        assert refused.status_code == 403
        assert "kmsconsole:ManageConnections" in text(refused)
    assert Connection.objects.filter(pk=connection.pk).exists()


def test_who_may_not_list_connections_learns_of_none(account: TestAccount, signed_in: Client) -> None:
    connection = connect(signed_in, f"http://127.0.0.1:{free_port()}")
    ann = sign_in_browser(person(account, "ann", document(allow("kms:*"))))
    for address in ("/settings/endpoints/", f"/settings/endpoints/{connection.pk}/"):
        refused = ann.get(address)
        assert refused.status_code == 403
        assert "kmsconsole:ListConnections" in text(refused)
    assert "moto" not in text(ann.get("/keys/"))
    answer = ann.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk)}, follow=True)
    assert "moto" not in text(answer)


def test_a_session_goes_back_to_the_embedded_engine_when_it_may_not_list_connections(
    account: TestAccount, signed_in: Client
) -> None:
    connection = connect(signed_in, f"http://127.0.0.1:{free_port()}")
    ann = sign_in_browser(person(account, "ann", document(allow("*"))))
    ann.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk)})
    assert ann.get("/play/").context["endpoint"] == "moto"
    denied = {"Effect": "Deny", "Action": "kmsconsole:ListConnections", "Resource": "*"}
    account.client("iam").put_user_policy(UserName="ann", PolicyName="no", PolicyDocument=document(denied))
    page = ann.get("/play/")
    assert page.context["endpoint_kind"] == "embedded"
    assert "moto" not in text(page)


def test_looking_and_managing_are_recorded(account: TestAccount, signed_in: Client) -> None:
    connection = connect(signed_in, f"http://127.0.0.1:{free_port()}")
    signed_in.get("/settings/endpoints/")
    signed_in.post(f"/settings/endpoints/{connection.pk}/delete/")
    found = [
        json.loads(event["CloudTrailEvent"])
        for name in ("ManageConnections", "ListConnections")
        for event in account.client("cloudtrail").lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}]
        )["Events"]
    ]
    asked = [(each["eventName"], each["requestParameters"]) for each in found]
    deleted = {"address": f"/settings/endpoints/{connection.pk}/delete/", "name": ""}
    assert ("ManageConnections", deleted) in asked
    assert ("ManageConnections", {"address": "/settings/endpoints/new/", "name": "moto"}) in asked
    assert ("ListConnections", None) in asked
