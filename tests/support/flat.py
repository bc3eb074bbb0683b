"""Pages without the line breaks of their templates: HTML as a test compares it does not depend on how a template is broken into lines."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client

_KEPT = re.compile(
    r"""(<(?:pre|textarea|script)\b.*?</(?:pre|textarea|script)>|\bvalue="[^"]*")""", re.DOTALL | re.IGNORECASE
)


def flat(html: str) -> str:
    """The HTML with line breaks beside tags taken out, and others as a space; what a browser shows as it is written stays."""
    parts = _KEPT.split(html)
    return "".join(part if number % 2 else _flat(part) for number, part in enumerate(parts))


def _flat(html: str) -> str:
    html = re.sub(r"\s*\n\s*", "\n", html)
    html = re.sub(r"\n(?=[<>]|/>)|(?<=>)\n", "", html)
    return html.replace("\n", " ")


def flatten_pages_of_test_clients() -> None:
    """From now on Django's test client answers pages so. The answer is otherwise as the view made it."""
    request = Client.request

    def flat_request(self: Client, **environ: Any) -> Any:
        answer = request(self, **environ)
        if (
            answer.get("Content-Type", "").startswith("text/html")
            and not answer.streaming
            and not answer.has_header("Content-Encoding")
        ):
            answer.content = flat(answer.content.decode()).encode()
        return answer

    Client.request = flat_request  # type: ignore[method-assign]
