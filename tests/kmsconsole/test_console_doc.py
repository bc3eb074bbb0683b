"""docs/console.md and its pictures: it shows every one that `make screenshots` takes, and none that is not there."""

from __future__ import annotations

import re
from collections import defaultdict

from tests.support.screenshots import pictures
from tests.support.server import ROOT


def test_the_pages_description_shows_every_picture_that_is_taken() -> None:
    shown = set(re.findall(r"screenshots/([\w-]+)\.png", (ROOT / "docs" / "console.md").read_text()))
    taken = {picture.name + ending for picture in pictures(defaultdict(str)) for ending in picture.kept}
    there = {file.stem for file in (ROOT / "docs" / "screenshots").glob("*.png")}
    assert shown == taken == there
