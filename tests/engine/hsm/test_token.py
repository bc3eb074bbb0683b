"""A PKCS#11 token: keys that stay in it, and what each of its failures is told as. Over SoftHSM 2."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pkcs11
import pytest

from engine.hsm import token as token_module
from engine.hsm.token import Reason, Token, TokenError
from tests.support.softhsm import MODULE, PIN, SoftHsm

KEY = bytes(range(16))


@pytest.fixture(scope="module")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    """One for the module: a process reads SoftHSM's configuration once."""
    made = SoftHsm(tmp_path_factory.mktemp("softhsm"))
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(made.configuration)
    yield made
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture
def token(softhsm: SoftHsm, request: pytest.FixtureRequest) -> Token:
    label = request.node.name[:32]
    softhsm.make(label)
    made = Token(MODULE, label, PIN)
    made.generate(KEY, "a key")
    return made


def refused(reason: Reason) -> pytest.RaisesExc[TokenError]:
    return pytest.raises(TokenError, check=lambda error: error.reason is reason)


@pytest.mark.parametrize("length", [0, 1, 4096])
def test_opens_what_it_encrypted(token: Token, length: int) -> None:
    plaintext = os.urandom(length)
    nonce, ciphertext, tag = token.encrypt(KEY, plaintext, b"context")
    assert (len(nonce), len(ciphertext), len(tag)) == (12, length, 16)
    assert token.decrypt(KEY, nonce, ciphertext, tag, b"context") == plaintext


@pytest.mark.parametrize("changed", range(4), ids=["nonce", "ciphertext", "tag", "context"])
def test_a_changed_bit_is_found(token: Token, changed: int) -> None:
    parts = [*token.encrypt(KEY, b"secret", b"context"), b"context"]
    parts[changed] = bytes([parts[changed][0] ^ 1]) + parts[changed][1:]
    with refused(Reason.INVALID):
        token.decrypt(KEY, *parts)


def test_random_bytes_come_from_the_token(token: Token) -> None:
    assert len({token.random(32) for _ in range(10)}) == 10


def test_many_threads_use_it_at_once(token: Token) -> None:
    def round_trip(number: int) -> bool:
        return token.decrypt(KEY, *token.encrypt(KEY, b"%d" % number, b""), b"") == b"%d" % number

    with ThreadPoolExecutor(16) as threads:
        assert all(threads.map(round_trip, range(300)))


def test_a_key_that_is_not_there_or_was_destroyed_is_told(token: Token) -> None:
    with refused(Reason.NO_KEY):
        token.encrypt(bytes(16), b"", b"")
    token.encrypt(KEY, b"", b"")
    token.destroy(KEY)
    assert not token.has(KEY)
    with refused(Reason.NO_KEY):
        token.encrypt(KEY, b"", b"")


def test_a_wrong_pin_is_told_also_where_another_login_stands(softhsm: SoftHsm, token: Token) -> None:
    with refused(Reason.PIN_INCORRECT):
        Token(MODULE, token.label, "another-pin").check()
    assert token.random(1)  # what was logged in goes on


def test_a_token_that_is_not_there_is_told_and_found_once_it_is(softhsm: SoftHsm, token: Token) -> None:
    later = Token(MODULE, "made later", PIN)
    with refused(Reason.GONE):
        later.check()
    softhsm.make("made later")
    later.check()
    assert token.decrypt(KEY, *token.encrypt(KEY, b"of the other token", b""), b"") == b"of the other token"


def test_a_token_that_was_taken_away_is_told_and_used_again_once_it_is_back(softhsm: SoftHsm, tmp_path: Path) -> None:
    folder = softhsm.make("taken away")
    token = Token(MODULE, "taken away", PIN)
    token.generate(KEY, "a key")
    sealed = token.encrypt(KEY, b"kept", b"")
    shutil.move(folder, tmp_path / "away")
    with pytest.raises(TokenError):
        token.check()
    shutil.move(tmp_path / "away", folder)
    assert token.decrypt(KEY, *sealed, b"") == b"kept"


def test_a_folder_of_tokens_that_is_gone_spoils_no_other(
    softhsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process turns to tokens of another folder, after the one that it used was deleted under it."""
    elsewhere = SoftHsm(tmp_path / "elsewhere")
    elsewhere.make("gone with its folder")
    with monkeypatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(elsewhere.configuration))
        Token(MODULE, "gone with its folder", PIN).check()
        shutil.rmtree(tmp_path / "elsewhere")
    softhsm.make("still there")
    Token(MODULE, "still there", "").find()
    Token(MODULE, "still there", PIN).check()


def test_a_module_that_cannot_be_initialised_is_told_and_used_again_once_it_can(
    token: Token, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(tmp_path / "nothing"))
        with refused(Reason.FAILED):
            token.check()
    assert token.decrypt(KEY, *token.encrypt(KEY, b"again", b""), b"") == b"again"


def test_a_token_that_another_process_writes_just_now_is_not_taken_for_one_that_is_away(
    token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SoftHSM, asked while a file of the token is being written, says that there is none, or that its user has no PIN."""
    library = token_module._library(MODULE)
    failures: list[type[Exception]] = []

    class Written:
        reinitialize = library.reinitialize

        def get_token(self, **wanted: str) -> Any:
            if failures:
                raise failures.pop()
            return library.get_token(**wanted)

    monkeypatch.setattr(token_module, "_library", lambda module: Written())
    for failure, reason in ((pkcs11.NoSuchToken, Reason.GONE), (pkcs11.UserPinNotInitialized, Reason.NO_USER)):
        failures[:] = [failure] * 4
        token.check()
        failures[:] = [failure] * 4
        token.find()
        failures[:] = [failure] * 100
        with refused(reason):
            token.check()


def test_a_module_that_cannot_be_loaded_is_told(tmp_path: Path) -> None:
    with refused(Reason.MODULE):
        Token(str(tmp_path / "nothing.so"), "any", PIN).check()


def test_a_token_that_hangs_is_waited_for_a_bounded_time(token: Token) -> None:
    hanging = Token(MODULE, token.label, PIN, seconds=0.2)
    begin = time.monotonic()
    with refused(Reason.SLOW):
        hanging._call(lambda session: time.sleep(1))
    assert time.monotonic() - begin < 0.9
    assert token.random(1)  # after it


def test_no_text_has_the_pin(token: Token) -> None:
    assert PIN not in repr(token)


def test_a_keys_value_cannot_be_read(token: Token) -> None:
    with refused(Reason.FAILED) as told:
        token._call(lambda session: session.key(KEY)[pkcs11.Attribute.VALUE])
    assert "AttributeSensitive" in str(told.value)


def test_a_session_that_is_closed_leaves_the_others_logged_in(token: Token) -> None:
    """A refused ciphertext closes its session; a store that changes closes those that nobody uses."""
    other = Token(MODULE, token.label, PIN)
    assert other.has(KEY)
    parts = token.encrypt(KEY, b"secret", b"")
    with refused(Reason.INVALID):
        token.decrypt(KEY, *parts, b"another")
    assert other.has(KEY)
    other._close_in_turn()
    token._close_in_turn()
    assert other.has(KEY)
    assert token.decrypt(KEY, *parts, b"") == b"secret"
