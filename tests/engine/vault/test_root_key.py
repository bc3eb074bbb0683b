"""The root key and its rotation: nothing notices, nothing is lost wherever it is interrupted, another root opens nothing."""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from engine.store import transaction
from engine.vault import domain_keys, hierarchy, root_files
from engine.vault.models import DomainKey
from kmsconsole.installation import bootstrap
from tests.conftest import TestAccount
from tests.support.server import Server


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Each test and what follows it opens domain keys anew, as a worker does that has just begun."""
    forget()
    yield
    domain_keys.finish_root_rotation()
    forget()


def forget() -> None:
    domain_keys._domains.clear()
    domain_keys._roots.clear()
    domain_keys.root.cache_clear()


def root_key_ids() -> set[str]:
    return set(DomainKey.objects.values_list("root_key_id", flat=True))


def test_after_a_rotation_old_ciphertexts_open_and_the_old_root_is_retired(account: TestAccount, capsys: Any) -> None:
    kms, key_id = account.client(), account.create_key()
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
    old = root_files.read(root_files.root_path()).root_key_id
    call_command("rotate_root")
    new = root_files.read(root_files.root_path()).root_key_id
    assert new != old
    assert root_key_ids() == {new}
    assert root_files.read(root_files.retired_root_path(old)).root_key_id == old
    assert not root_files.next_root_path().exists()
    assert str(root_files.retired_root_path(old)) in capsys.readouterr().out
    forget()
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
    events = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "RootKeyRotated"}]
    )["Events"]
    assert len(events) == 1


def test_a_rotation_that_stopped_before_its_transaction_has_changed_nothing(account: TestAccount) -> None:
    kms, key_id = account.client(), account.create_key()
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
    old = root_key_ids()
    prepared = domain_keys.prepare_rotation()[0].root_key_id
    forget()
    bootstrap.prepare()  # the next start
    assert root_key_ids() == old
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
    call_command("rotate_root")  # takes the one that was prepared
    assert root_key_ids() == {prepared}


def test_a_rotation_that_stopped_after_its_transaction_works_on_and_is_finished_at_the_next_start(
    account: TestAccount,
) -> None:
    kms, key_id = account.client(), account.create_key()
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
    new, _ = domain_keys.prepare_rotation()
    with transaction.write():
        domain_keys.rotate(new)
    forget()
    assert root_files.next_root_path().exists()
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
    elsewhere = account.client(region="eu-north-1")
    elsewhere.create_key()  # a domain key that is made meanwhile is under the new root too
    assert root_key_ids() == {new.root_key_id}
    bootstrap.prepare()
    assert not root_files.next_root_path().exists()
    assert root_files.read(root_files.root_path()).root_key_id == new.root_key_id
    forget()
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"


def test_a_rotation_that_stopped_is_finished_by_the_command(account: TestAccount, capsys: Any) -> None:
    new, _ = domain_keys.prepare_rotation()
    with transaction.write():
        domain_keys.rotate(new)
    call_command("rotate_root")
    assert "finished" in capsys.readouterr().out
    assert root_key_ids() == {new.root_key_id}


def test_preparing_makes_the_next_root_and_rotates_nothing(account: TestAccount, capsys: Any) -> None:
    old = root_key_ids()
    call_command("rotate_root", "--prepare")
    assert root_key_ids() == old
    assert root_files.next_root_path().stat().st_mode & 0o777 == 0o600
    root_files.next_root_path().unlink()


def test_a_second_rotation_at_the_same_time_is_refused(account: TestAccount) -> None:
    old = root_key_ids()
    with open(root_files.root_path().with_name("root.lock"), "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(CommandError, match="another rotation or change of provider is under way"):
            call_command("rotate_root")
    assert root_key_ids() == old


def test_a_start_in_the_midst_of_a_rotation_leaves_the_handover_to_the_workers(account: TestAccount) -> None:
    domain_keys.prepare_rotation()
    bootstrap.prepare()
    assert root_files.handover_path().exists()
    call_command("rotate_root")
    bootstrap.prepare()
    assert not root_files.handover_path().exists()


def test_a_domain_key_under_a_root_that_is_not_here_opens_nothing(account: TestAccount) -> None:
    account.create_key()
    own = DomainKey.objects.filter(account_id=account.account_id)
    root_key_id = own.values_list("root_key_id", flat=True)[0]
    own.update(root_key_id="0" * 32)
    with pytest.raises(hierarchy.RootKeyError, match="is not the one that this data was made with"):
        domain_keys.domain_key(account.account_id, "us-east-1", make=True)
    own.update(root_key_id=root_key_id)  # the tests of this process share one database


@pytest.mark.parametrize(
    "content", ["", "kmsconsole-root-key-1\n", "kmsconsole-root-key-1\nzz\n\n", "other\n" + "00" * 32 + "\n\n", "é"]
)
def test_a_damaged_root_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "root.key"
    path.write_text(content, "latin-1")
    with pytest.raises(hierarchy.RootKeyError):
        root_files.read(path)


def test_nothing_is_rotated_when_the_next_root_cannot_be_read(account: TestAccount) -> None:
    old = root_key_ids()
    root_files.next_root_path().write_text("broken")
    with pytest.raises(CommandError, match="was not rotated"):
        call_command("rotate_root")
    assert root_key_ids() == old
    root_files.next_root_path().unlink()


@pytest.mark.parametrize("changed", range(5))
def test_a_wrap_opens_only_as_what_it_is(changed: int) -> None:
    key, binding = bytes(32), ["material", "111122223333", "us-east-1", "key", "item"]
    wrapped = hierarchy.wrap(key, *binding, b"secret")
    assert hierarchy.unwrap(key, *binding, wrapped) == b"secret"
    binding[changed] += "x"
    with pytest.raises(hierarchy.UnwrapError):
        hierarchy.unwrap(key, *binding, wrapped)
    with pytest.raises(hierarchy.UnwrapError):
        hierarchy.unwrap(key, *binding, wrapped[:20])


@pytest.mark.slow
def test_a_running_server_answers_every_request_during_rotations(tmp_path: Path) -> None:
    regions = ["us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2", "eu-north-1", "sa-east-1"]
    with Server(tmp_path / "data") as server:
        kms = server.client()
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
        stop, done = threading.Event(), []

        def work(number: int) -> None:
            client = server.client()
            for turn in range(10_000):
                if stop.is_set():
                    return
                assert client.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
                if turn % 20 == number:  # a Region's first key needs a new domain key, whatever is going on
                    server.client(region=regions[(turn // 20) % len(regions)]).create_key()
                done.append(turn)

        failed: list[BaseException] = []

        def guarded(number: int) -> None:
            try:
                work(number)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=guarded, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        for _ in range(3):
            assert server.manage("rotate_root").returncode == 0
        stop.set()
        for thread in threads:
            thread.join(timeout=30)
        assert failed == []
        assert len(done) > 20
    with server:  # with the new root alone
        assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
        assert len(list((tmp_path / "data").glob("root.key.retired-*"))) == 3
