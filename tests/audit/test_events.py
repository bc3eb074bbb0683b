"""The list of events: every filter, errors beside their fields, links that hold, related and new events, saved searches, exports."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from audit import exports, ocsf
from audit.exports import FORMATS, Asked
from engine import clock
from engine.trail import recorder
from tests.conftest import TestAccount, sign_in_browser
from tests.support.answers import body, text
from tests.support.policies import allow, document, person, trusting
from tests.support.server import ROOT
from tests.support.trail_events import REGION, Chance

OCSF = json.loads((ROOT / "tests" / "audit" / "ocsf_api_activity.json").read_text())


@pytest.fixture
def made(account: TestAccount) -> list[dict[str, Any]]:
    """Sixty records of calls, oldest first."""
    chance = Chance(account.account_id, keys=5, sessions=4)
    now = int(clock.now(account.account_id).timestamp())
    records = [chance.record(now - 600 + number) for number in range(60)]
    records[7]["requestParameters"]["keyId"] = "alias/payments"
    records[8] |= {"eventName": "CreateGrant", "errorCode": "LimitExceededException", "errorMessage": "too many grants"}
    records[8]["responseElements"] = {"grantId": "ab" * 32}
    for each in records:
        each.pop("sessionCredentialFromConsole", None)
    recorder.record([json.dumps(each).encode() for each in records])
    return records


def ids(answer: Any) -> list[str]:
    return [event["id"] for event in answer.context["events"]]


def test_each_field_finds_the_events_that_have_it(signed_in: Client, made: list[dict[str, Any]]) -> None:
    session = next(each for each in made if each["userIdentity"]["type"] == "AssumedRole")["userIdentity"]
    material = next(each for each in made if "additionalEventData" in each)["additionalEventData"]["keyMaterialId"]
    filters = {
        "alias=payments": lambda each: each is made[7],
        "grant=" + "ab" * 32: lambda each: each is made[8],
        "error=Limit": lambda each: each is made[8],
        f"request={made[3]['requestID']}": lambda each: each is made[3],
        f"event={made[3]['eventID']}": lambda each: each is made[3],
        "text=many+grants": lambda each: each is made[8],
        "principal=batch": lambda each: each["userIdentity"].get("userName") == "batch",
        f"session={session['arn']}": lambda each: each["userIdentity"]["arn"] == session["arn"],
        f"session={session['accessKeyId']}": lambda each: each["userIdentity"]["arn"] == session["arn"],
        f"source={made[0]['sourceIPAddress']}": lambda each: each["sourceIPAddress"] == made[0]["sourceIPAddress"],
        f"material={material}": lambda each: material in json.dumps(each),
        "context=purpose%3Dpayroll": lambda each: '"purpose": "payroll"' in json.dumps(each),
        "context=document": lambda each: '"document": ' in json.dumps(each),
        "principal=batch&operation=Decrypt": lambda each: (
            each["userIdentity"].get("userName") == "batch" and each["eventName"] == "Decrypt"
        ),
        "principal=batch&operation=ReEncrypt": lambda each: False,
    }
    for query, matches in filters.items():
        answer = signed_in.get(f"/audit/?{query}")
        expected = [each["eventID"] for each in reversed(made) if matches(each)]
        assert ids(answer)[:50] == expected[:50], query
        assert answer.context["found"].total == len(expected), query


@pytest.mark.parametrize(
    ("query", "name"),
    [("request=1234", "request"), ("event=x", "event"), ("context=%3Dpayroll", "context"), ("start=never", "start")],
)
def test_what_is_wrong_is_said_beside_its_field(signed_in: Client, query: str, name: str) -> None:
    answer = signed_in.get(f"/audit/?{query}")
    assert answer.status_code == 422
    (label,) = re.findall(rf'<label for="id_{name}">.*?</label>', text(answer))
    assert answer.context["form"].errors[name][0] in label


def test_a_link_shows_the_same_events_in_every_zone_and_tomorrow(
    account: TestAccount, signed_in: Client, made: list[dict[str, Any]]
) -> None:
    signed_in.cookies["tz"] = "Asia/Tokyo"
    moved = signed_in.get("/audit/?operation=Decrypt&start=2026-01-02T09:00")
    assert (moved.status_code, moved["Location"]) == (302, "/audit/?operation=Decrypt&start=2026-01-02T00%3A00%3A00Z")
    now = signed_in.get(moved["Location"])
    holding = now.context["holding"]
    recorder.record([json.dumps(Chance(account.account_id, 5).record(1_800_000_000, eventName="Decrypt")).encode()])
    assert len(ids(signed_in.get(moved["Location"]))) == len(ids(now)) + 1
    again = signed_in.get(f"/audit/{holding}")
    assert ids(again) == ids(now)
    assert again.context["found"].total == now.context["found"].total


def test_a_bar_of_the_histogram_leads_to_its_events(signed_in: Client, made: list[dict[str, Any]]) -> None:
    answer = signed_in.get("/audit/?principal=batch")
    columns = [each for each in answer.context["histogram"]["columns"] if each.number]
    assert sum(each.number for each in columns) == answer.context["found"].total
    links = [
        each.replace("&amp;", "&") for each in re.findall(r'<a href="(\?[^"]*start=[^"]*)" aria-label', text(answer))
    ]
    assert len(links) == len(columns)
    for link, column in zip(links, columns, strict=True):
        assert signed_in.get(f"/audit/{link}").context["found"].total == column.number


def test_an_event_leads_to_its_session_request_grant_key_material_and_context(
    account: TestAccount, signed_in: Client
) -> None:
    key = account.create_key()
    sealed = account.client().encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"purpose": "payroll"})
    account.client().decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext={"purpose": "payroll"})
    account.client().generate_data_key(KeyId=key, KeySpec="AES_256")
    (event_id,) = ids(signed_in.get("/audit/?operation=Encrypt"))
    page = signed_in.get(f"/audit/{event_id}/")
    related = {value: query for _words, value, query in page.context["related"]}
    assert "purpose=payroll" in related
    material = account.client().describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"]
    found = signed_in.get(f"/audit/?{related[material]}").context["events"]
    assert [each["name"] for each in found] == ["GenerateDataKey", "Decrypt", "Encrypt"]


def test_new_events_come_by_themselves_and_nothing_new_is_no_reading(account: TestAccount, signed_in: Client) -> None:
    page = signed_in.get("/audit/?operation=CreateKey&live=on")
    address = re.search(r'hx-get="([^"]+)"', text(page)[text(page).index('id="newer"') :])
    assert address is not None
    newer = address[1].replace("&amp;", "&")
    assert signed_in.get(newer).status_code == 204
    asked = signed_in.get("/audit/?operation=ReadRecord").context["found"].total
    assert signed_in.get(newer).status_code == 204
    assert signed_in.get("/audit/?operation=ReadRecord").context["found"].total == asked + 1, "by this page alone"
    key = account.create_key()
    answer = signed_in.get(newer)
    assert [each["keys"] for each in answer.context["events"]] == [[key]]
    assert "hx-swap-oob" in text(answer)
    assert signed_in.get(re.sub(r"since=\d+", f"since={answer.context['found'].newest}", newer)).status_code == 204
    assert "Pause" in text(page)
    assert signed_in.get("/audit/newer/?since=x").status_code == 404


def test_a_search_is_saved_for_its_principal_alone_and_deleted(account: TestAccount, signed_in: Client) -> None:
    signed_in.post("/audit/searches/", {"name": "Pay", "query": "context=purpose%3Dpayroll&after=7&live=on"})
    assert 'href="/audit/?context=purpose%3Dpayroll"' in text(signed_in.get("/audit/"))
    ann = sign_in_browser(person(account, "ann", document(allow(["kms:*", "cloudtrail:*", "kmsconsole:*"]))))
    assert "purpose%3Dpayroll" not in text(ann.get("/audit/"))
    signed_in.post("/audit/searches/", {"name": "Pay", "delete": "1"})
    assert "purpose%3Dpayroll" not in text(signed_in.get("/audit/"))


def test_who_may_only_look_events_up_is_told_what_lookup_events_cannot_filter_by(
    account: TestAccount, made: list[dict[str, Any]]
) -> None:
    ben = sign_in_browser(person(account, "ben", document(allow(["kms:*", "cloudtrail:LookupEvents"]))))
    answer = ben.get("/audit/?principal=batch&source=192.0.2.7&operation=Decrypt")
    assert "LookupEvents cannot filter by these" in text(answer)
    assert [str(each) for each in answer.context["filtered_here"]] == ["Principal (name or ARN)", "Source address"]
    found = ben.get("/audit/?text=many+grants")
    assert ids(found) == [made[8]["eventID"]]


def test_every_format_has_all_events_of_the_filter(
    account: TestAccount, signed_in: Client, made: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "LOG_FILE_RECORDS", 10)
    expected = [each["eventID"] for each in made if each["userIdentity"].get("userName") == "batch"]
    query = "/audit/export/?principal=batch"
    lines = [json.loads(line) for line in body(signed_in.get(f"{query}&format=json")).splitlines()]
    assert [each["eventID"] for each in lines] == expected[::-1]
    events = [json.loads(line) for line in body(signed_in.get(f"{query}&format=ocsf")).splitlines()]
    assert [each["metadata"]["uid"] for each in events] == expected
    assert events[0]["unmapped"]["exportFilter"] == {"principal": "batch"}
    answer = signed_in.get(f"{query}&format=cloudtrail")
    assert answer["Content-Disposition"] == (
        f'attachment; filename="events-{account.account_id}-{REGION}.cloudtrail.zip"'
    )
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    assert archive.testzip() is None
    about, *names = archive.namelist()
    assert json.loads(archive.read(about))["filter"] == {"principal": "batch"}
    pattern = rf"AWSLogs/(\d{{12}})/CloudTrail/{REGION}/\d{{4}}/\d\d/\d\d/\1_CloudTrail_{REGION}_\d{{8}}T\d{{4}}Z_\w{{16}}\.json\.gz"
    assert all(re.fullmatch(pattern, name) for name in names)
    assert len(names) == len(set(names)) > 1
    files = [json.loads(gzip.decompress(archive.read(name)))["Records"] for name in names]
    assert [each["eventID"] for records in files for each in records] == expected


@pytest.mark.parametrize("name", list(FORMATS))
def test_an_export_reads_as_far_as_it_is_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "LOG_FILE_RECORDS", 10)
    read = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal read
        chance = Chance("111122223333")
        while True:
            read += 1
            record = chance.record(1_790_000_000 + read)
            yield {"record": record, "user": "", "keys": []}

    pieces = iter(FORMATS[name].write(rows(), Asked("111122223333", REGION, {})))
    for _ in range(3):
        next(pieces)
    assert read <= 31


def test_events_have_what_the_ocsf_schema_requires() -> None:
    chance = Chance("111122223333")
    records = [chance.record(1_790_000_000 + number) for number in range(300)]
    service = {"eventName": "RotateKey", "userIdentity": {"accountId": "1", "invokedBy": "AWS Internal"}}
    records.append({**records[0], **service, "sourceIPAddress": "AWS Internal"})
    for record in records:
        event = ocsf.api_activity(record)
        assert set(OCSF["class"]) <= set(event)
        assert event["type_uid"] == 600300 + event["activity_id"]
        for place, rules in OCSF["objects"].items():
            found: Any = event
            for step in place.split("."):
                found = found.get(step, {}) if found else {}
            if found:
                assert set(rules["required"]) <= set(found), place
                assert set(found) <= set(rules["attributes"]), place
                assert not rules.get("at_least_one") or set(found) & set(rules["at_least_one"]), place


def test_an_event_names_its_key_by_the_alias_where_the_reader_may_list_aliases(
    account: TestAccount, signed_in: Client
) -> None:
    kms, key, bare = account.client(), account.create_key(), account.create_key()
    kms.create_alias(AliasName="alias/payments", TargetKeyId=key)
    for each in (key, bare):
        kms.encrypt(KeyId=each, Plaintext=b"x")
    looked = {"operation": "Encrypt"}
    (of_bare, of_key) = signed_in.get("/audit/", looked).context["events"]
    assert [(each.id, each.alias) for each in of_key["named_keys"]] == [(key, "payments")]
    assert [(each.id, each.alias) for each in of_bare["named_keys"]] == [(bare, "")]
    assert re.search(rf'href="/keys/{key}/">payments</a><span', text(signed_in.get("/audit/", looked)))
    facet = next(each for each in signed_in.get("/audit/", looked).context["facets"] if each.name == "key")
    assert f"payments · {key}" in [each.words for each in facet.values]
    assert "payments ·</span><a" in text(signed_in.get(f"/audit/{of_key['id']}/"))
    assert "payments" not in text(
        signed_in.get("/audit/", {**looked, "as_of": clock.now(account.account_id).isoformat()})
    )

    no_aliases = document(
        allow(["cloudtrail:LookupEvents", "kmsconsole:ReadRecord", "kms:ListKeys", "kms:DescribeKey"])
    )
    ann = sign_in_browser(person(account, "ann", no_aliases))
    assert "payments" not in text(ann.get("/audit/", looked))
    assert key in text(ann.get("/audit/", looked))
    kms.update_alias(AliasName="alias/payments", TargetKeyId=bare)
    (again,) = signed_in.get("/audit/", looked).context["events"][1]["named_keys"]
    assert (again.id, again.alias) == (key, "")


def test_a_key_of_another_region_or_account_has_no_alias_of_this_ones(
    account: TestAccount, other_account: TestAccount, signed_in: Client
) -> None:
    """A multi-Region key has the same ID in each Region, and aliases of its own there: rows, facets and the event's page name the Region."""
    kms, key = account.client(), account.create_key(MultiRegion=True)
    kms.create_alias(AliasName="alias/primary", TargetKeyId=key)
    kms.replicate_key(KeyId=key, ReplicaRegion="eu-west-1")
    page = signed_in.get("/audit/?operation=ReplicateKey")
    (event,) = page.context["events"]
    assert [(each.place, each.alias) for each in event["named_keys"]] == [("", "primary"), ("eu-west-1", "")]
    (facet,) = (each for each in page.context["facets"] if each.name == "key")
    assert {value.words for value in facet.values} == {f"primary · {key}", f"{key} · eu-west-1"}
    assert text(page).count(f'href="/keys/{key}/"') == 1
    assert text(signed_in.get(f"/audit/{event['id']}/")).count("primary ·") == 1
    theirs = other_account.create_key(
        Policy=trusting(other_account, allow("kms:Encrypt", Principal={"AWS": account.root_arn}))
    )
    kms.encrypt(KeyId=f"arn:aws:kms:us-east-1:{other_account.account_id}:key/{theirs}", Plaintext=b"x")
    (event,) = signed_in.get("/audit/?operation=Encrypt").context["events"]
    assert [(each.id, each.place) for each in event["named_keys"]] == [(theirs, other_account.account_id)]
