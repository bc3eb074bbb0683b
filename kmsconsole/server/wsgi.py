"""The WSGI application of pages, health and metrics. Runs in threads, behind kmsconsole.server.http_protocol, which has answered AWS requests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kmsconsole.settings")

pages = get_wsgi_application()

from kmsconsole.server import health, metrics, public_log  # noqa: E402  (models need Django's registry)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """WSGI entry."""
    if environ["PATH_INFO"] == "/healthz":
        return health.answer(start_response)
    if environ["PATH_INFO"] == "/metrics":
        return metrics.answer(environ, start_response)
    if environ["PATH_INFO"].startswith(public_log.PREFIX) and public_log.is_served():
        return public_log.answer(environ, start_response)
    return pages(environ, start_response)
