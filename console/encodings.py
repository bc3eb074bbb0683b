"""Bytes as people type and read them: text (UTF-8), hexadecimal, base64."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from django.utils.translation import gettext as _


class NotEncoded(ValueError):
    """What was typed is not in the encoding that was chosen; the message is for the person who typed it."""


def decode(typed: str, encoding: str) -> bytes:
    """The bytes that were typed. Raises NotEncoded."""
    if encoding == "text":
        return typed.replace("\r\n", "\n").encode()
    if encoding == "hex":
        try:
            return bytes.fromhex(typed.replace(":", " "))
        except ValueError as reason:
            raise NotEncoded(_("This is not hexadecimal: two digits 0-9 a-f for each byte.")) from reason
    try:
        return base64.b64decode("".join(typed.split()), validate=True)
    except ValueError as reason:  # binascii.Error is one, and a character that is not ASCII raises the bare one
        raise NotEncoded(_("This is not base64: groups of four of A-Z a-z 0-9 + /, padded with =.")) from reason


@dataclass(frozen=True, slots=True)
class Shown:
    """Bytes in every encoding; `text` is None when they are no printable UTF-8."""

    size: int
    text: str | None
    hex: str
    base64: str


def show(data: bytes) -> Shown:
    return Shown(
        len(data), _as_text(data), data.hex(" ") if len(data) <= 8192 else data.hex(), base64.b64encode(data).decode()
    )


def _as_text(data: bytes) -> str | None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return text if all(character.isprintable() or character in "\n\t\r" for character in text) else None
