"""docs/security.md says of each promise which tests hold it: they are there."""

from __future__ import annotations

import re

import pytest

from tests.support.server import ROOT

NAMED = sorted(set(re.findall(r"`((?:tests/|bench/|test_)[\w/.]+)`", (ROOT / "docs" / "security.md").read_text())))


@pytest.mark.parametrize("name", NAMED)
def test_what_the_security_guide_names_is_there(name: str) -> None:
    assert (ROOT / name).exists() or ("/" not in name and list((ROOT / "tests").rglob(name)))
