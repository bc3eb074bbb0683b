"""Work in a process of its own: its answer, its error, its crash and its silence each come back as what they are."""

from __future__ import annotations

import os
import time

import pytest

from engine.vault.hierarchy import RootKeyError
from engine.vault.process import in_a_process


def test_what_it_returns_comes_back() -> None:
    assert in_a_process(lambda: str(os.getpid()).encode(), seconds=10) != str(os.getpid()).encode()
    assert in_a_process(lambda: b"", seconds=10) == b""


def test_what_it_refuses_comes_back_as_one_sentence() -> None:
    def refuse() -> bytes:
        raise RootKeyError("no such token")

    with pytest.raises(RootKeyError, match=r"^no such token$"):
        in_a_process(refuse, seconds=10)


def test_a_crash_is_told() -> None:
    with pytest.raises(RootKeyError, match="exit code 7"):
        in_a_process(lambda: os._exit(7), seconds=10)


def test_one_that_does_not_answer_is_given_up() -> None:
    began = time.monotonic()
    with pytest.raises(RootKeyError, match="did not answer within 0 seconds"):
        in_a_process(lambda: bytes(int(time.sleep(60) or 0)), seconds=0.2)
    assert time.monotonic() - began < 10
