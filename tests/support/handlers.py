"""One chain of middleware for all of Django's test clients: each would make its own, which looks at every static file anew."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.test.client import ClientHandler

_PARTS = ("_middleware_chain", "_view_middleware", "_template_response_middleware", "_exception_middleware")


def share_middleware_of_test_clients() -> None:
    """From now on a test client's handler takes the chain that was made before, under the same settings. A chain keeps nothing of a client."""
    load = ClientHandler.load_middleware
    made: dict[str, Any] = {}

    def load_middleware(self: ClientHandler, is_async: bool = False) -> None:
        if made.get("settings") is not settings._wrapped:  # a test that overrides a setting puts another object there
            load(self, is_async)
            if made:
                return
            made.update({name: getattr(self, name) for name in _PARTS}, settings=settings._wrapped)
        for name in _PARTS:
            setattr(self, name, made[name])

    ClientHandler.load_middleware = load_middleware  # type: ignore[method-assign]
