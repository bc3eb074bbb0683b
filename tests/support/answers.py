"""What a test reads from the answer of a page."""

from __future__ import annotations

import re
from typing import Any


def text(answer: Any) -> str:
    """The page's HTML, whitespace as a browser takes it: where its template breaks lines is nobody's concern."""
    return re.sub(r"\s+", " ", answer.content.decode())


def body(answer: Any) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(content.decode())


def joined(answer: Any) -> str:
    """The page's HTML with all white space as single spaces."""
    return " ".join(answer.content.decode().split())
