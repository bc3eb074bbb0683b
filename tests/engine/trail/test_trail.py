"""The audit trail: recorded before answered, chained, searchable, honest about crashes."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session
from django.db import connection

from engine import clock
from engine.store import transaction
from engine.trail import record, recorder, verify
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.journal import Journal
from engine.trail.journal_lines import GENESIS
from engine.trail.journal_reader import position_after, read
from engine.trail.models import Event
from engine.trail.record import ServiceEvent, service_event
from tests.conftest import TestAccount

of_the_file_journal = pytest.mark.skipif(
    connection.vendor == "postgresql", reason="in a database a record is part of its change"
)


def events(account: TestAccount, **attribute: str) -> list[dict[str, Any]]:
    trail = account.client("cloudtrail")
    attributes = [{"AttributeKey": name, "AttributeValue": value} for name, value in attribute.items()]
    pages = trail.get_paginator("lookup_events").paginate(LookupAttributes=attributes)
    return [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]


def test_a_call_is_recorded_in_cloudtrails_shape(account: TestAccount) -> None:
    key = account.client().create_key(Description="d")["KeyMetadata"]
    account.client().encrypt(KeyId=key["KeyId"], Plaintext=b"top secret", EncryptionContext={"a": "b"})
    record = events(account, EventName="Encrypt")[0]
    assert record["eventSource"] == "kms.amazonaws.com"
    assert record["userIdentity"]["arn"] == account.administrator.arn
    assert record["requestParameters"] == {
        "keyId": key["KeyId"],
        "encryptionContext": {"a": "b"},
        "encryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }
    assert record["responseElements"] is None
    assert record["resources"] == [{"accountId": account.account_id, "type": "AWS::KMS::Key", "ARN": key["Arn"]}]
    assert record["readOnly"] is True


def test_the_algorithm_of_what_is_encrypted_is_recorded_though_it_was_not_given(account: TestAccount) -> None:
    kms, symmetric = account.client(), account.create_key()
    asymmetric = account.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    blob = kms.encrypt(KeyId=symmetric, Plaintext=b"x")["CiphertextBlob"]
    kms.decrypt(CiphertextBlob=blob)
    kms.re_encrypt(
        CiphertextBlob=blob, DestinationKeyId=asymmetric, DestinationEncryptionAlgorithm="RSAES_OAEP_SHA_256"
    )
    (decrypted,), (again,) = events(account, EventName="Decrypt"), events(account, EventName="ReEncrypt")
    assert decrypted["requestParameters"] == {"encryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    assert again["requestParameters"] == {
        "sourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "destinationEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        "destinationKeyId": asymmetric,
    }


def test_a_change_tells_the_key_though_it_does_not_answer_it(account: TestAccount) -> None:
    kms = account.client()
    first, second = (kms.create_key()["KeyMetadata"] for _ in range(2))
    kms.create_alias(AliasName="alias/one", TargetKeyId=first["KeyId"])
    kms.update_alias(AliasName="alias/one", TargetKeyId=second["KeyId"])
    kms.delete_alias(AliasName="alias/one")
    kms.disable_key(KeyId=first["KeyId"])
    grant = {"GranteePrincipal": account.administrator.arn, "Operations": ["Encrypt"]}
    made = kms.create_grant(KeyId=second["KeyId"], **grant)
    kms.revoke_grant(KeyId=second["KeyId"], GrantId=made["GrantId"])
    told = {each["eventName"]: (each["responseElements"] or {}).get("keyId") for each in events(account)}
    assert told == {
        **dict.fromkeys(("CreateAlias", "DisableKey"), first["Arn"]),
        **dict.fromkeys(("UpdateAlias", "DeleteAlias", "CreateGrant", "RevokeGrant"), second["Arn"]),
        "CreateKey": None,
    }


def test_no_plaintext_password_or_secret_is_recorded(account: TestAccount, prepared: Path) -> None:
    user = account.create_user("somebody")
    account.client("iam").create_login_profile(UserName="somebody", Password="a very secret password")
    account.client().encrypt(KeyId=account.create_key(), Plaintext=b"a very secret text")
    if connection.vendor == "postgresql":
        journal = b"".join(record.encode() for record in Event.objects.values_list("record", flat=True))
    else:
        journal = (prepared / "trail" / "journal").read_bytes()
    assert b"CreateLoginProfile" in journal
    assert b"a very secret" not in journal
    assert user.secret_access_key.encode() not in journal
    assert b"YSB2ZXJ5IHNlY3JldCB0ZXh0" not in journal


def test_a_refused_call_is_recorded_with_its_error(account: TestAccount) -> None:
    key_id, user = account.create_key(), account.create_user("stranger")
    with pytest.raises(ClientError):
        user.client().encrypt(KeyId=key_id, Plaintext=b"x")
    record = events(account, Username="stranger")[0]
    assert record["errorCode"] == "AccessDenied"
    assert record["errorMessage"].startswith(f"User: {user.arn} is not authorized to perform: kms:Encrypt")


def test_events_are_found_by_key_user_name_and_paged(account: TestAccount) -> None:
    kms, key = account.client(), account.client().create_key()["KeyMetadata"]
    for _ in range(60):
        kms.describe_key(KeyId=key["KeyId"])
    found = events(account, ResourceName=key["Arn"])
    assert [each["eventName"] for each in found] == ["DescribeKey"] * 60 + ["CreateKey"]
    assert len({each["eventID"] for each in found}) == 61
    with pytest.raises(ClientError) as refused:
        account.client("cloudtrail").lookup_events(NextToken="nonsense")
    assert refused.value.response["Error"]["Code"] == "InvalidNextTokenException"


@of_the_file_journal
def test_nothing_is_answered_or_changed_when_the_trail_cannot_be_written(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    kms, key_id = account.client(), account.create_key()

    def broken(record: bytes) -> int:
        raise TrailUnavailable("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(recorder.journal(), "append_all", broken)
        for call, parameters in (
            (kms.encrypt, {"KeyId": key_id, "Plaintext": b"x"}),
            (kms.disable_key, {"KeyId": key_id}),
            (kms.create_key, {}),
        ):
            with pytest.raises(ClientError) as refused:
                call(**parameters)
            assert refused.value.response["Error"]["Code"] == "KMSInternalException"
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"] is True
    assert len(kms.list_keys()["Keys"]) == 1


# --- the journal itself


def lines(path: Path) -> list[bytes]:
    return [entry.record for entry in read(path)]


def test_each_record_is_chained_to_the_one_before(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(3):
        assert journal.append(b'{"n":%d}' % number) == number + 1
    previous = GENESIS
    for entry in read(journal.path):
        previous = sha256(previous + entry.record).digest()
        assert entry.digest == previous
    assert verify.verify(journal.path).whole


def test_many_threads_and_journals_make_one_chain(tmp_path: Path) -> None:
    journals = [Journal(tmp_path), Journal(tmp_path)]
    threads = [
        threading.Thread(target=lambda j=journal, t=n: [j.append(b'{"t":%d,"n":%d}' % (t, i)) for i in range(50)])
        for n in range(4)
        for journal in journals
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    verdict = verify.verify(tmp_path / "journal")
    assert (verdict.whole, verdict.records) == (True, 400)


@pytest.mark.parametrize("cut", [1, 10, 70])
def test_a_torn_last_record_is_cut_off_and_the_chain_goes_on(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path)
    journal.append(b'{"n":1}')
    journal.append(b'{"n":2}')
    journal.close()
    path = tmp_path / "journal"
    path.write_bytes(path.read_bytes()[:-cut])
    again = Journal(tmp_path)
    assert again.recover() == 1
    assert again.append(b'{"n":3}') == 2
    assert lines(path) == [b'{"n":1}', b'{"n":3}']
    assert verify.verify(path).whole


def test_a_changed_record_breaks_the_chain_where_it_stands(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(5):
        journal.append(b'{"n":%d}' % number)
    path = tmp_path / "journal"
    path.write_bytes(path.read_bytes().replace(b'{"n":2}', b'{"n":9}'))
    verdict = verify.verify(path)
    assert (verdict.whole, verdict.broken_at) == (False, 3)


def test_a_start_that_has_to_read_the_chain_refuses_a_broken_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(5):
        journal.append(b'{"n":%d}' % number)
    journal.close()
    path = tmp_path / "journal"
    path.write_bytes(path.read_bytes().replace(b'{"n":2}', b'{"n":9}'))
    (tmp_path / "lock").unlink()
    with pytest.raises(TrailUnavailable):
        Journal(tmp_path).recover()


def test_a_start_reads_only_what_was_written_after_the_end_it_knows(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append(b'{"n":1}')
    stale = (tmp_path / "lock").read_bytes()
    journal.append(b'{"n":2}')
    journal.append(b'{"n":3}')
    (tmp_path / "lock").write_bytes(
        stale
    )  # as after a power failure: the journal is durable, the lock file's content is not
    again = Journal(tmp_path)
    assert again.append(b'{"n":4}') == 4
    assert lines(tmp_path / "journal") == [b'{"n":1}', b'{"n":2}', b'{"n":3}', b'{"n":4}']
    assert verify.verify(tmp_path / "journal").whole


def test_a_write_that_left_a_hole_is_cut_off_from_the_hole_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(4):
        journal.append(b'{"n":%d}' % number)
    path = tmp_path / "journal"
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    path.write_bytes(whole[:first] + bytes(20) + whole[first + 20 :])
    (tmp_path / "lock").unlink()
    again = Journal(tmp_path)
    assert again.recover() == 1
    assert again.append(b'{"n":9}') == 2
    assert verify.verify(path).whole


@pytest.mark.parametrize("after", range(8))
def test_the_place_behind_a_record_is_found_by_its_number(tmp_path: Path, after: int) -> None:
    journal = Journal(tmp_path)
    for number in range(6):
        journal.append(b'{"n":"%s"}' % (b"x" * number * 37))
    found = [entry.sequence for entry in read(journal.path, position_after(journal.path, after))]
    assert found == list(range(after + 1, 7))


def test_a_dropped_record_breaks_the_chain(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(5):
        journal.append(b'{"n":%d}' % number)
    path = tmp_path / "journal"
    kept = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(kept[:2] + kept[3:]))
    assert verify.verify(path).broken_at == 3


@of_the_file_journal
def test_a_change_whose_worker_died_before_its_commit_is_voided_by_the_next_change(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key()

    class Died(BaseException):
        """What no handler sees, as when the process is gone."""

    record = service_event(
        ServiceEvent(
            account_id=account.account_id,
            region="us-east-1",
            source="kms.amazonaws.com",
            name="DisableKey",
            now=clock.now(account.account_id),
            event_type="AwsApiCall",
        )
    )

    def die_before_the_commit() -> None:
        with transaction.write():
            recorder.record_change([record])
            raise Died

    with pytest.raises(Died):
        die_before_the_commit()
    assert not any(event["eventName"] == "EventVoided" for event in events(account))
    kms.update_key_description(KeyId=key_id, Description="the next change")
    kms.update_key_description(KeyId=key_id, Description="and one more")
    found = events(account)
    voided = [event["serviceEventDetails"]["voidedEventID"] for event in found if event["eventName"] == "EventVoided"]
    assert voided == [json.loads(record)["eventID"]]
    assert [event["eventName"] for event in found if event.get("voided")] == ["DisableKey"]
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"] is True


def test_threads_that_record_an_operation_for_the_first_time_together_all_leave_secrets_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def slowly(shape: Any, *within: Any) -> Any:
        time.sleep(0.002)
        return compile_(shape, *within)

    compile_ = record._compile
    monkeypatch.setattr(record, "_compile", slowly)
    monkeypatch.setattr(record, "_views", {})
    shape = get_session().get_service_model("kms").operation_model("Encrypt").input_shape
    together, shown = threading.Barrier(8), []

    def show() -> None:
        together.wait()
        shown.append(record._show(shape, {"KeyId": "k", "Plaintext": b"secret"}))

    threads = [threading.Thread(target=show) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shown == [{"keyId": "k"}] * 8


def test_what_is_shown_of_a_call_is_told_by_its_own_shape_whatever_was_in_memory_before() -> None:
    """Threads that ask for an operation's model first at the same time each get one, and all but one of these are gone after the call."""
    model = get_session().get_service_model("kms")
    for _ in range(100):
        record._show(model.shape_for("EncryptRequest"), {"KeyId": "k"})  # a shape of this moment
        mine = model.shape_for("CreateKeyRequest")
        assert record._show(mine, {"Description": "mine"}) == {"description": "mine"}


# --- a disk that fails


@pytest.fixture
def broken_sync(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Syncs fail as long as `.broken` is set, and count."""

    class Disk:
        broken = False
        syncs = 0

        def sync(self, file: int) -> None:
            self.syncs += 1
            if self.broken:
                raise OSError(errno.EIO, "Input/output error")

    disk = Disk()
    monkeypatch.setattr(os, "fdatasync", disk.sync)
    monkeypatch.setattr(os, "fsync", disk.sync)
    return disk


def test_after_a_failed_sync_nothing_is_appended_until_what_may_be_lost_was_written_again(
    tmp_path: Path, broken_sync: Any
) -> None:
    journal, neighbour = Journal(tmp_path), Journal(tmp_path)
    journal.append(b'{"n":1}')
    broken_sync.broken = True
    with pytest.raises(TrailUnavailable):
        journal.append(b'{"n":2}')
    size = neighbour.position()
    for each in (journal, neighbour):  # no worker goes on, and the file does not grow by what is refused
        with pytest.raises(TrailUnavailable):
            each.append(b'{"n":3}')
    assert neighbour.position() == size
    broken_sync.broken = False
    before = broken_sync.syncs
    assert neighbour.append(b'{"n":4}') == 3
    assert broken_sync.syncs == before + 2  # of what was written again, then of the record
    assert journal.append(b'{"n":5}') == 4
    assert lines(journal.path) == [b'{"n":1}', b'{"n":2}', b'{"n":4}', b'{"n":5}']
    assert verify.verify(journal.path).whole


def test_a_failed_sync_before_a_restart_is_remembered_at_the_start(tmp_path: Path, broken_sync: Any) -> None:
    journal = Journal(tmp_path)
    broken_sync.broken = True
    with pytest.raises(TrailUnavailable):
        journal.append(b'{"n":1}')
    again = Journal(tmp_path)
    with pytest.raises(OSError, match="Input/output"):
        again.recover()
    broken_sync.broken = False
    assert again.recover() == 1
    assert again.append(b'{"n":2}') == 2


def test_what_the_kernel_dropped_after_a_failed_sync_is_cut_off_and_acknowledged_records_stay(
    tmp_path: Path, broken_sync: Any
) -> None:
    journal = Journal(tmp_path)
    journal.append(b'{"n":1}')
    end = journal.position()[0]
    broken_sync.broken = True
    with pytest.raises(TrailUnavailable):
        journal.append(b'{"n":2}')
    with open(journal.path, "r+b") as file:  # the page is what it was before the write
        file.seek(end)
        file.write(bytes(100))
    broken_sync.broken = False
    assert journal.append(b'{"n":3}') == 2
    assert lines(journal.path) == [b'{"n":1}', b'{"n":3}']


def test_a_write_that_finds_no_room_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    journal.append(b'{"n":1}')
    write = os.pwrite

    def half(file: int, data: bytes, offset: int) -> int:
        if len(data) > 5:
            return write(file, data[: len(data) // 2], offset)
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", half)
        for _ in range(2):
            with pytest.raises(TrailUnavailable, match="No space left"):
                journal.append(b'{"n":2,"longer":"than five bytes"}' * 3)
    assert lines(journal.path) == [b'{"n":1}']
    assert journal.append(b'{"n":3}') == 2
    assert verify.verify(journal.path).whole


@of_the_file_journal
def test_a_change_whose_sync_failed_is_not_made_and_its_record_is_voided(
    account: TestAccount, broken_sync: Any
) -> None:
    kms, key_id = account.client(), account.create_key()
    broken_sync.broken = True
    with pytest.raises(ClientError) as refused:
        kms.disable_key(KeyId=key_id)
    assert refused.value.response["Error"]["Code"] == "KMSInternalException"
    with pytest.raises(ClientError):
        kms.encrypt(KeyId=key_id, Plaintext=b"x")
    broken_sync.broken = False
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["Enabled"] is True
    kms.update_key_description(KeyId=key_id, Description="goes on")
    found = {event["eventName"]: event for event in events(account)}
    assert found["DisableKey"].get("voided") is True
    assert found["EventVoided"]["serviceEventDetails"]["voidedEventID"] == found["DisableKey"]["eventID"]
    assert found["UpdateKeyDescription"].get("voided") is None
