"""docs/architecture.md follows one Decrypt and the key list from file to file: each once, and none is left out."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from tests.conftest import TestAccount, sign_in_browser
from tests.support.server import ROOT

# Reached on the way by whatever uses a database, a bounded dictionary, or the in-process transport.
GENERAL = {
    "engine/inprocess.py",
    "engine/remembered.py",
    "engine/store/sqlite/base.py",
    "engine/store/sqlite/turn.py",
    "engine/store/transaction.py",
    "engine/store/postgresql/base.py",
}
DECRYPT, KEY_LIST = "One Decrypt, file by file", "The key list, file by file"


def named(walk: str) -> list[str]:
    text = (ROOT / "docs/architecture.md").read_text()
    section = re.search(rf"^## {walk}\n(.*?)^## ", text, re.DOTALL | re.MULTILINE)
    assert section is not None
    return re.findall(r"`([a-z_]+(?:/\w+)+\.(?:py|html))`", section[1])


def reached(act: Callable[[], Any]) -> set[str]:
    """The files of the project whose functions `act` calls in this thread."""
    folder, files = f"{ROOT}/", set()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            files.add(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(before)
    ours = {name.removeprefix(folder) for name in files if name.startswith(folder)}
    return {name for name in ours if not name.startswith((".venv/", "tests/")) and not name.endswith("__init__.py")}


@pytest.mark.parametrize("walk", [DECRYPT, KEY_LIST])
def test_a_walk_names_each_file_once(walk: str) -> None:
    found = named(walk)
    assert sorted({name for name in found if found.count(name) > 1}) == []


def test_the_walk_of_a_decrypt_names_each_file_that_it_runs(kms: Any) -> None:
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    ciphertext = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.update_key_description(KeyId=key, Description="A change: what was kept of the key is read anew.")
    ran = reached(lambda: kms.decrypt(CiphertextBlob=ciphertext))
    assert "engine/kms/encryption.py" in ran
    assert sorted(ran - set(named(DECRYPT)) - GENERAL) == []


def test_the_walk_of_the_key_list_names_each_file_of_the_pages_that_only_it_runs(account: TestAccount) -> None:
    account.client().create_key()
    browser = sign_in_browser(account.administrator)
    around_every_page = reached(lambda: browser.get("/play/"))
    ran = {name for name in reached(lambda: browser.get("/keys/?state=Enabled")) if not name.startswith("engine/")}
    assert "keys/templatetags/key_cells.py" in ran
    assert sorted(ran - set(named(KEY_LIST)) - around_every_page) == []
