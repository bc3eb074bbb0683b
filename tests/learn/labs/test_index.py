"""The labs: one card each, with words and the way in."""

from __future__ import annotations

from django.test import Client

from learn.labs.views.index import LABS
from tests.support.answers import text


def test_every_lab_is_named_and_led_to(signed_in: Client) -> None:
    page = signed_in.get("/lab/")
    for address, (_name, title, words) in zip(("envelope", "direct", "ciphertext", "services"), LABS, strict=True):
        assert str(title) in text(page)
        assert str(words) in text(page)
        assert f'href="/lab/{address}/"' in text(page)
        assert signed_in.get(f"/lab/{address}/").status_code == 200
