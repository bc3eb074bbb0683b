"""The list as a file: the same filter and order, as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json

from django.test import Client

from tests.conftest import TestAccount
from tests.support.answers import body


def test_an_export_has_the_lists_filter_and_order(sample_keys: dict[str, str], signed_in: Client) -> None:
    answer = signed_in.get("/keys/export/?kind=Symmetric&sort=-alias")
    assert answer["Content-Disposition"] == 'attachment; filename="keys.csv"'
    listed = list(csv.DictReader(io.StringIO(body(answer))))
    assert [line["key_id"] for line in listed] == [sample_keys["blue"], sample_keys["red"]]
    assert listed[0]["tags"] == "team=blue"
    as_json = json.loads(body(signed_in.get("/keys/export/?format=json&q=payments")))
    assert [(each["aliases"], each["tags"]) for each in as_json] == [(["payments"], {"team": "blue"})]


def test_an_export_holds_no_formula(account: TestAccount, signed_in: Client) -> None:
    account.create_key(Description="=HYPERLINK(1)")
    (line,) = csv.DictReader(io.StringIO(body(signed_in.get("/keys/export/"))))
    assert line["description"] == "'=HYPERLINK(1)"
