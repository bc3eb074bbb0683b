"""Pages without the line breaks of their templates: HTML as a test compares it does not depend on how a template is broken into lines."""

from __future__ import annotations

import re
from typing import Any

from django.test import Client

# Without alternatives at their beginning: every page of every test is looked through.
_KEPT = re.compile(r"(<(?:pre|textarea|script)\b.*?</(?:pre|textarea|script)>)", re.DOTALL)
_VALUE = re.compile(r"""(value="[^"\n]*\n[^"]*")""")


def flat(html: str) -> str:
    """The HTML with line breaks beside tags taken out, and others as a space; what a browser shows as it is written stays."""
    parts = [
        part if number % 2 or inner % 2 else _flat(part)
        for number, text in enumerate(_KEPT.split(html))
        for inner, part in enumerate([text] if number % 2 else _VALUE.split(text))
    ]
    return "".join(parts)


def _flat(html: str) -> str:
    first, *lines = html.split("\n")
    if not lines:
        return html
    last = lines.pop().lstrip()
    before = first.rstrip()
    made = [before]
    for line in [*filter(None, map(str.strip, lines)), last]:
        made.append("" if before.endswith(">") or line.startswith(("<", ">", "/>")) else " ")
        made.append(line)
        before = line
    return "".join(made)


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
