"""Password hashing takes turns, so that pages go on while many sign in."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.contrib.auth.hashers import ScryptPasswordHasher, check_password, get_hashers, make_password

from engine.iam import password_hasher
from engine.iam.password_hasher import Scrypt
from kmsconsole import settings as installed


def test_hashes_of_many_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[int] = []
    most: list[int] = []
    met = threading.Event()

    def encode(*_given: Any) -> str:
        inside.append(1)
        most.append(len(inside))
        met.wait(0.01)
        inside.pop()
        return ""

    turns = threading.Semaphore(2)
    monkeypatch.setattr(password_hasher, "turns", lambda: turns)
    monkeypatch.setattr(ScryptPasswordHasher, "encode", encode)
    threads = [threading.Thread(target=Scrypt().encode, args=("password", "salt")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 8
    assert max(most) == 2


def test_it_is_the_installations_and_reads_hashes_made_before(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
    before = make_password("open sesame")
    settings.PASSWORD_HASHERS = installed.PASSWORD_HASHERS
    assert [type(each) for each in get_hashers()] == [Scrypt]
    assert check_password("open sesame", before)
    assert not check_password("open barley", before)
