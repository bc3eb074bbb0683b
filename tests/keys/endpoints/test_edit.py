"""A connection whose test fails is saved only if that is asked for; it can be changed, and its secret stays and is never shown."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from keys.endpoints import backends
from keys.models import Connection
from tests.conftest import TestAccount, sign_in_browser
from tests.support.answering import Answers
from tests.support.answers import text
from tests.support.connections import connect, form, kinds
from tests.support.policies import allow, document, person
from tests.support.principals import second_person
from tests.support.server import free_port

NEW = "/settings/endpoints/new/"
SECRET = "the/secret/of/moto"


def nowhere() -> str:
    return f"http://127.0.0.1:{free_port()}"


def carried(answer: Any) -> str:
    found = re.search(r'name="kept" value="([^"]+)"', answer.content.decode())
    assert found is not None
    return found[1]


def secret_of(account: TestAccount, connection: Connection) -> str:
    return backends.unseal(account.client(), connection)["secret_access_key"]


def test_a_failed_test_saves_nothing_and_says_why(account: TestAccount, signed_in: Client) -> None:
    answer = signed_in.post(NEW, form(nowhere()))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "The test failed, and nothing is saved." in page
    assert "Save anyway" in page
    assert SECRET not in page
    assert not Connection.objects.filter(account_id=account.account_id).exists()
    assert account.client().list_keys()["Keys"] == []


def test_what_failed_stands_beside_its_field_and_the_secret_is_said_to_stay(signed_in: Client) -> None:
    page = text(signed_in.post(NEW, form(nowhere())))
    assert re.search('<input[^>]*name="url"[^>]*aria-invalid="true"', page)
    assert 'id="id_url-error">The connection is refused' in page
    assert 'id="id_secret-help">Empty: the secret that was entered stays' in page


def test_it_is_saved_anyway_without_entering_the_secret_again(account: TestAccount, signed_in: Client) -> None:
    url = nowhere()
    failed = signed_in.post(NEW, form(url))
    answer = signed_in.post(NEW, form(url, secret="", kept=carried(failed), anyway="1"), follow=True)
    assert "is saved, although its test failed." in text(answer)
    assert "A new key" in text(failed)
    assert "A new key" not in text(signed_in.get(NEW))  # it was made to save this one
    connection = Connection.objects.get(account_id=account.account_id)
    assert secret_of(account, connection) == SECRET
    assert not connection.facts["good"]


def test_a_good_test_saves_at_once(account: TestAccount, signed_in: Client, answering: Callable[..., Answers]) -> None:
    answer = signed_in.post(NEW, form(f"http://127.0.0.1:{answering().port}"))
    assert answer.status_code == 302


def test_a_connection_is_changed_and_its_secret_stays(
    account: TestAccount, signed_in: Client, answering: Callable[..., Answers]
) -> None:
    connection = connect(signed_in, nowhere())
    address = f"/settings/endpoints/{connection.pk}/edit/"
    shown = signed_in.get(address).content.decode()
    assert 'value="AKIAMOTO"' in shown
    assert SECRET not in shown
    url = f"http://127.0.0.1:{answering().port}"
    answer = signed_in.post(address, form(url, name="renamed", region="eu-west-1", secret=""))
    assert answer.status_code == 302
    changed = Connection.objects.get(pk=connection.pk)
    assert (changed.name, changed.url, changed.region) == ("renamed", url, "eu-west-1")
    assert set(kinds(changed)) == {"ok"}
    assert secret_of(account, changed) == SECRET


def test_a_change_whose_test_fails_leaves_the_connection_as_it_was(signed_in: Client) -> None:
    connection = connect(signed_in, nowhere())
    answer = signed_in.post(f"/settings/endpoints/{connection.pk}/edit/", form(nowhere(), name="other", secret=""))
    assert answer.status_code == 422
    assert Connection.objects.get(pk=connection.pk).name == "moto"


def test_a_new_secret_takes_the_place_of_the_old(account: TestAccount, signed_in: Client) -> None:
    connection = connect(signed_in, nowhere())
    address = f"/settings/endpoints/{connection.pk}/edit/"
    signed_in.post(address, form(connection.url, access_key_id="AKIAOTHER", secret="another", anyway="1"))
    changed = Connection.objects.get(pk=connection.pk)
    assert (changed.access_key_id, secret_of(account, changed)) == ("AKIAOTHER", "another")


def test_another_access_key_needs_its_own_secret(signed_in: Client) -> None:
    connection = connect(signed_in, nowhere())
    address = f"/settings/endpoints/{connection.pk}/edit/"
    answer = signed_in.post(address, form(connection.url, access_key_id="AKIAOTHER", secret="", anyway="1"))
    assert list(answer.context["form"].errors) == ["secret"]


def test_who_may_not_decrypt_the_secret_takes_it_to_no_other_address(account: TestAccount, signed_in: Client) -> None:
    connection = connect(signed_in, nowhere())
    deny = {"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"}
    other = sign_in_browser(person(account, "manager", document(allow("*"), deny)))
    answer = other.post(f"/settings/endpoints/{connection.pk}/edit/", form(nowhere(), secret="", anyway="1"))
    assert list(answer.context["form"].errors) == ["secret"]
    assert Connection.objects.get(pk=connection.pk).url == connection.url


def test_what_no_form_of_ours_carried_is_no_secret(signed_in: Client) -> None:
    for kept in ("x", "bm8=", "WzEsMiwzLDQsNV0=", "[" * 50):
        answer = signed_in.post(NEW, form(nowhere(), secret="", kept=kept, anyway="1"))
        assert list(answer.context["form"].errors) == ["secret"], kept


def test_who_may_not_manage_connections_changes_none(account: TestAccount, signed_in: Client) -> None:
    connection = connect(signed_in, nowhere())
    reader = sign_in_browser(person(account, "reader", document(allow("kmsconsole:ListConnections"))))
    page = reader.get(f"/settings/endpoints/{connection.pk}/").content.decode()
    assert re.search(r'aria-disabled="true"[^>]*>\s*Edit\s*<', page)
    assert "is not authorized to perform: kmsconsole:ManageConnections on resource: *" in page
    assert reader.post(f"/settings/endpoints/{connection.pk}/edit/", form(nowhere())).status_code == 403


def test_a_failed_test_leaves_nothing_behind(account: TestAccount, signed_in: Client) -> None:
    """Whatever the form says: no key, alias or connection, and nothing in the record but the permission that was asked for."""
    for changes in ({}, {"role_arn": f"arn:aws:iam::{account.account_id}:role/none"}, {"sealing_key": "new"}):
        failed = signed_in.post(NEW, form(nowhere(), **changes))
        assert failed.status_code == 422
        assert SECRET not in failed.content.decode()
        signed_in.post(NEW, form(nowhere(), secret="", kept=carried(failed)))
    events = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "ReadOnly", "AttributeValue": "false"}]
    )["Events"]
    assert {each["EventName"] for each in events} <= {"ConsoleLogin", "CreateUser", "ManageConnections"}


def test_a_secret_that_no_key_seals_yet_is_for_who_entered_it(account: TestAccount, signed_in: Client) -> None:
    url, kept = nowhere(), carried(signed_in.post(NEW, form(nowhere())))
    answer = second_person(account).post(NEW, form(url, secret="", kept=kept, anyway="1"))
    assert "Enter the secret again" in text(answer)
    assert not Connection.objects.filter(account_id=account.account_id).exists()
    forged = base64.b64encode(json.dumps(["AKIAMOTO", "moto", "bm8=", "", ""]).encode()).decode()
    assert signed_in.post(NEW, form(url, secret="", kept=forged, anyway="1")).status_code == 422


def test_a_refused_sealing_key_is_said_beside_its_field(
    account: TestAccount, signed_in: Client, answering: Callable[..., Answers]
) -> None:
    deny = {"Effect": "Deny", "Action": "kms:CreateKey", "Resource": "*"}
    account.client("iam").put_user_policy(UserName="admin", PolicyName="no", PolicyDocument=document(deny))
    answer = signed_in.post(NEW, form(f"http://127.0.0.1:{answering().port}"))
    assert answer.status_code == 422
    assert "AccessDeniedException" in text(answer)
    assert "The test failed" not in text(answer)
    assert "secret that was entered stays" in text(answer)


@pytest.mark.parametrize(("resource", "left"), [("*", 0), ("arn:aws:kms:*:*:key/*", 1)])
def test_no_key_is_left_behind_unsaid_where_its_alias_is_refused(
    account: TestAccount, signed_in: Client, answering: Callable[..., Answers], resource: str, left: int
) -> None:
    """Of a refusal that only the call tells, the page names the key that was made."""
    deny = {"Effect": "Deny", "Action": "kms:CreateAlias", "Resource": resource}
    account.client("iam").put_user_policy(UserName="admin", PolicyName="no", PolicyDocument=document(deny))
    answer = signed_in.post(NEW, form(f"http://127.0.0.1:{answering().port}"))
    assert answer.status_code == 422
    assert "kms:CreateAlias" in text(answer)
    made = [each["KeyId"] for each in account.client().list_keys()["Keys"]]
    assert len(made) == left
    assert all(each in text(answer) for each in made)
