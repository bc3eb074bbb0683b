"""What a test reads from the answer of a page."""

from __future__ import annotations

from typing import Any


def text(answer: Any) -> str:
    """The page's HTML."""
    return str(answer.content.decode())


def body(answer: Any) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return str(content.decode())


def joined(answer: Any) -> str:
    """The page's HTML with all white space as single spaces."""
    return " ".join(answer.content.decode().split())
