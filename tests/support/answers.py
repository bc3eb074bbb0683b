"""What a test reads from the answer of a page."""

from __future__ import annotations

import re
import time
from html import unescape
from typing import Any

from django.test import Client


def text(answer: Any) -> str:
    """The page's HTML, whitespace as a browser takes it: where its template breaks lines is nobody's concern."""
    return re.sub(r"\s+", " ", answer.content.decode())


def body(answer: Any) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(content.decode())


def joined(answer: Any) -> str:
    """The page's HTML with all white space as single spaces."""
    return " ".join(answer.content.decode().split())


def unavailable(answer: Any) -> dict[str, str]:
    """Words of each button that is shown as unavailable → why."""
    found = re.findall(
        r'<button[^>]*aria-disabled="true"[^>]*>(.*?)</button><span class="why"[^>]*>(.*?)</span>', text(answer)
    )
    return {words.strip(): unescape(why) for words, why in found}


def verified(browser: Client, **values: str) -> str:
    """The page Verify integrity when what was begun there has ended: the trail of all tests of this process may take more than a moment."""
    page, until = text(browser.post("/audit/verify/", values, follow=True)), time.monotonic() + 60
    while 'hx-trigger="every 1s"' in page and time.monotonic() < until:
        time.sleep(0.1)
        page = text(browser.get("/audit/verify/"))
    return page
