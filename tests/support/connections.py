"""A connection to another endpoint, made through its page."""

from __future__ import annotations

import time
from typing import Any

from django.test import Client

from keys.models import Connection


def form(url: str, **changes: str) -> dict[str, str]:
    return {
        "name": "moto",
        "kind": "url",
        "url": url,
        "region": "",
        "method": "keys",
        "access_key_id": "AKIAMOTO",
        "secret": "the/secret/of/moto",
        "token": "",
        "profile": "",
        "role_arn": "",
        "sealing_key": "new",
        **changes,
    }


def connect(browser: Client, url: str, **changes: str) -> Connection:
    """Saved whatever its test finds."""
    answer = browser.post("/settings/endpoints/new/", form(url, anyway="1", **changes))
    assert answer.status_code == 302, answer.context["form"].errors
    return Connection.objects.get(pk=answer["Location"].strip("/").rpartition("/")[2])


def kinds(connection: Connection) -> list[str]:
    return [finding["kind"] for finding in connection.facts["findings"]]


def until_read(browser: Client, address: str = "/keys/") -> Any:
    """The list when the endpoint's keys are read: a page waits a moment only, and a thread goes on with the rest."""
    for _ in range(200):
        page = browser.get(address, follow=True)
        if page.context["progress"] is None:
            return page
        time.sleep(0.3)  # a page costs more than the thread that is waited for
    raise AssertionError("the list is not read")
