"""Tokens in processes of their own: one that hangs, crashes or is ended touches no other of the same module. Over SoftHSM 2."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.hsm import softhsm as softhsm_of_data
from engine.hsm import token_process
from engine.hsm.token import Reason, TokenError
from engine.hsm.token_process import TokenProcess
from tests.support.softhsm import MODULE, PIN, SoftHsm, hanging

KEY = bytes(range(16))


class Made:
    """A token with a key, and the folder that holds it."""

    def __init__(self, softhsm: SoftHsm, label: str) -> None:
        self.folder: Path = softhsm.make(label)
        self.token = TokenProcess(MODULE, label, PIN)
        self.token.generate(KEY, "a key")

    @property
    def pid(self) -> int:
        process = self.token._process
        assert process is not None
        return process.pid


@pytest.fixture(scope="module")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    made = SoftHsm(tmp_path_factory.mktemp("softhsm"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(made.configuration))
        yield made


@pytest.fixture(scope="module")
def one(softhsm: SoftHsm) -> Iterator[Made]:
    made = Made(softhsm, "one")
    yield made
    made.token.close()


@pytest.fixture(scope="module")
def other(softhsm: SoftHsm) -> Iterator[Made]:
    made = Made(softhsm, "other")
    yield made
    made.token.close()


def refused(reason: Reason) -> Any:
    return pytest.raises(TokenError, check=lambda error: error.reason is reason)


def test_does_what_a_token_does(one: Made) -> None:
    parts = one.token.encrypt(KEY, b"secret", b"context")
    assert one.token.decrypt(KEY, *parts, b"context") == b"secret"
    with refused(Reason.INVALID):
        one.token.decrypt(KEY, *parts, b"another")
    assert one.token.has(KEY)
    assert not one.token.has(bytes(16))
    assert len(one.token.random(32)) == 32
    with refused(Reason.NO_KEY):
        one.token.encrypt(bytes(16), b"", b"")


def test_a_token_that_hangs_holds_up_no_other_of_its_module(one: Made, other: Made) -> None:
    sealed = other.token.encrypt(KEY, b"kept", b"")
    one.token._seconds = 1.0
    with hanging(one.folder):
        told: list[Reason] = []

        def ask() -> None:
            try:
                one.token.check()
            except TokenError as error:
                told.append(error.reason)

        waiting = threading.Thread(target=ask)
        waiting.start()
        began = time.monotonic()
        for _ in range(20):
            assert other.token.decrypt(KEY, *sealed, b"") == b"kept"
        assert waiting.is_alive()
        assert time.monotonic() - began < 1.0
        waiting.join()
    assert told == [Reason.SLOW]
    one.token._seconds = 10.0
    assert one.token.random(1)


def test_a_token_made_apart_begins_while_another_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOFTHSM2_CONF", raising=False)
    tokens = {}
    for label in ("apart", "apart too"):
        softhsm_of_data.make(tmp_path, label, PIN, apart=True)
        assert "SOFTHSM2_CONF" not in os.environ
        configuration = softhsm_of_data.configuration_apart(tmp_path, label)
        tokens[label] = TokenProcess(MODULE, label, PIN, 5.0, configuration=configuration)
    (folder,) = (Path(softhsm_of_data.configuration_apart(tmp_path, "apart")).parent / "tokens").iterdir()
    with hanging(folder):
        tokens["apart too"].generate(KEY, "a key")
        tokens["apart"]._seconds = 0.5
        with refused(Reason.SLOW):
            tokens["apart"].random(1)
    assert softhsm_of_data.configuration_apart(tmp_path, "apa") == ""
    assert len(tokens["apart too"].random(8)) == 8
    for token in tokens.values():
        token._end()


def test_a_training_token_is_its_data_folders_wherever_that_is_moved_and_whatever_the_environment_names(
    softhsm: SoftHsm, tmp_path: Path
) -> None:
    before = sorted(softhsm.tokens.iterdir())
    softhsm_of_data.make(tmp_path / "old", "in its folder", PIN, apart=True)
    assert sorted(softhsm.tokens.iterdir()) == before
    assert os.environ["SOFTHSM2_CONF"] == str(softhsm.configuration)
    (tmp_path / "old").rename(tmp_path / "new")
    configuration = softhsm_of_data.configuration_apart(tmp_path / "new", "in its folder")
    token = TokenProcess(MODULE, "in its folder", PIN, 5.0, configuration=configuration)
    assert len(token.random(8)) == 8
    token._end()


def test_tokens_of_an_older_data_folder_are_found_where_they_all_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOFTHSM2_CONF", raising=False)
    softhsm_of_data.make(tmp_path, "among others", PIN)
    monkeypatch.delenv("SOFTHSM2_CONF")  # as the server's process has it
    softhsm_of_data.use(tmp_path)
    assert softhsm_of_data.configuration_apart(tmp_path, "among others") == ""
    token = TokenProcess(MODULE, "among others", PIN, 5.0)
    assert len(token.random(8)) == 8
    token._end()


def test_an_answer_that_comes_too_late_is_nobody_elses(one: Made) -> None:
    first, second = one.token.encrypt(KEY, b"first", b""), one.token.encrypt(KEY, b"second", b"")
    process = one.pid
    one.token._seconds = 0.2
    os.kill(process, signal.SIGSTOP)
    try:
        for _ in range(2):
            with refused(Reason.SLOW):
                one.token.decrypt(KEY, *first, b"")
    finally:
        os.kill(process, signal.SIGCONT)
    one.token._seconds = 10.0
    assert one.token.decrypt(KEY, *second, b"") == b"second"
    assert one.pid == process


def test_a_process_that_answers_no_more_is_ended_and_another_begun(one: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    process = one.pid
    one.token._seconds = 0.1
    monkeypatch.setattr(token_process, "GIVE_UP", 0.1)
    os.kill(process, signal.SIGSTOP)
    for _ in range(2):
        with refused(Reason.SLOW):
            one.token.random(1)
    one.token._seconds = 10.0
    assert one.token.random(1)
    assert one.pid != process


def test_a_module_that_crashes_takes_nothing_with_it(one: Made, other: Made) -> None:
    os.kill(one.pid, signal.SIGSEGV)
    assert len(other.token.random(8)) == 8
    assert one.token._process is not None
    one.token._process.wait()
    assert len(one.token.random(8)) == 8


def test_what_rests_longest_makes_room_and_comes_again(one: Made, other: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    one.token.random(1)
    other.token.random(1)
    monkeypatch.setattr(token_process, "_MOST", 1)
    one.token.close()
    one.token.random(1)
    assert other.token._process is None
    assert other.token.random(1)


def test_it_ends_with_whoever_began_it(softhsm: SoftHsm, one: Made) -> None:
    """Also while the token hangs."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        token = TokenProcess(MODULE, one.token.label, PIN, 5.0)
        token.random(1)
        assert token._process is not None
        os.write(write, str(token._process.pid).encode())
        os._exit(0)
    os.waitpid(child, 0)
    pid = int(os.read(read, 20))
    os.close(read)
    os.close(write)
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_pin_is_on_no_command_line_and_in_no_environment(one: Made) -> None:
    one.token.random(1)
    for name in ("cmdline", "environ"):
        assert PIN.encode() not in Path(f"/proc/{one.pid}/{name}").read_bytes()
    assert PIN not in repr(one.token)
