"""Browser sessions: what is answered when one cannot be saved."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.db import OperationalError, connection, connections

from engine.store import transaction
from kmsconsole.frame.sessions import SessionStore
from tests.conftest import TestAccount, sign_in_browser
from tests.support.answers import text


@pytest.mark.skipif(connection.vendor != "sqlite", reason="of SQLite's locks")
def test_a_session_that_had_no_turn_to_be_saved_is_asked_for_again(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not answered as a request that was not right."""
    browser = sign_in_browser(account.administrator)
    browser.raise_request_exception = False
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.write():
            held.set()
            done.wait(10)
        connections.close_all()

    def save(store: Any, must_create: bool = False) -> None:
        monkeypatch.setattr(settings, "DATABASE_TIMEOUT", 0.05)
        own_save(store, must_create)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    own_save = SessionStore.save
    monkeypatch.setattr(SessionStore, "save", save)
    store = SessionStore(browser.cookies[settings.SESSION_COOKIE_NAME].value)
    store["changed"] = True
    try:
        with pytest.raises(OperationalError) as refused:
            store.save()
        answer = browser.post("/region/", {"region": "eu-central-1"})
    finally:
        done.set()
        thread.join()
    assert transaction.busy(refused.value)
    assert (answer.status_code, answer["Retry-After"]) == (503, "3")
    assert "The server is busy" in text(answer)


def test_a_session_that_was_deleted_meanwhile_is_still_found_out(account: TestAccount) -> None:
    browser = sign_in_browser(account.administrator)
    store = SessionStore(browser.cookies[settings.SESSION_COOKIE_NAME].value)
    store["changed"] = True
    store.delete(store.session_key)
    with pytest.raises(UpdateError):
        store.save()
