"""The passphrase, PIN or shares that open the root key: read at the start, once, from where the operator gave them, and forgotten then.

The first of these that is there is taken: a file descriptor, a variable (of systemd's EnvironmentFile, say), a systemd credential, the
terminal. Nothing of it is in a log, an error, a command line or a file that we write.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.vault.hierarchy import RootKeyError
from kmsconsole.installation import environment

_LARGEST = 64 << 10  # bytes


@dataclass(frozen=True, slots=True)
class _Purpose:
    """`current` opens the root key that is there; `new` protects one that is made."""

    variable: str
    credential: str
    prompt: str
    twice: bool


_PURPOSES: Mapping[str, _Purpose] = {
    "current": _Purpose("root_secret", "kmsconsole-root-secret", "Root key: {what}: ", False),
    "new": _Purpose("new_root_secret", "kmsconsole-new-root-secret", "New root key: {what}: ", True),
}
_given: dict[str, str] = {}  # what was read, until the workers start
_over = False


def ask(what: str, count: int = 1) -> list[str]:
    """Secrets that open the root key. Raises RootKeyError if nobody gives them."""
    return _ask("current", what, count)


def ask_new(what: str, count: int = 1) -> list[str]:
    """Those that are to protect a new one."""
    return _ask("new", what, count)


def is_given(purpose: str = "current") -> bool:
    """Whether it can be had without asking at a terminal."""
    return purpose in _given or any(source(_PURPOSES[purpose]) is not None for source in (_fd, _variable, _credential))


def forget() -> None:
    """Before workers start: they inherit no secret, and never ask."""
    global _over
    _over = True
    _given.clear()
    environment.forget_root_secrets()


def _ask(purpose: str, what: str, count: int) -> list[str]:
    if _over:
        raise RootKeyError(f"the {what} of the root key is asked for at the start only")
    text = _given.get(purpose)
    if text is None:
        text = _read(_PURPOSES[purpose], what, count)
        _given[purpose] = text
    lines = [line for line in text.splitlines() if line]
    if len(lines) < count:
        raise RootKeyError(f"{count} lines are needed for the {what} of the root key, {len(lines)} were given")
    return lines[:count]


def _read(purpose: _Purpose, what: str, count: int) -> str:
    if (number := _fd(purpose)) is not None:
        try:
            with os.fdopen(int(number), "rb") as file:
                return _text(file.read(_LARGEST))
        except OSError as reason:
            name = environment.PREFIX + purpose.variable.upper() + "_FD"
            raise RootKeyError(f"the file descriptor of {name} cannot be read: {reason.strerror}") from reason
    if (text := _variable(purpose)) is not None:
        return text
    if (path := _credential(purpose)) is not None:
        try:
            return _text(Path(path).read_bytes()[:_LARGEST])
        except OSError as reason:
            raise RootKeyError(f"the credential {purpose.credential} cannot be read: {reason.strerror}") from reason
    if not sys.stdin.isatty():
        names = environment.PREFIX + purpose.variable.upper()
        raise RootKeyError(
            f"the {what} of the root key is needed: give it by {names}_FD, {names}, the systemd credential "
            f"{purpose.credential}, or start it at a terminal"
        )
    return "\n".join(_prompt(purpose, what, number, count) for number in range(1, count + 1))


def _prompt(purpose: _Purpose, what: str, number: int, count: int) -> str:
    said = purpose.prompt.format(what=what if count == 1 else f"{what} {number} of {count}")
    found = getpass.getpass(said)
    if purpose.twice and getpass.getpass("Again: ") != found:
        raise RootKeyError(f"the {what} was not the same twice")
    return found


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise RootKeyError("the secret of the root key is not UTF-8 text") from None


_Source = Callable[[_Purpose], str | None]


def _fd(purpose: _Purpose) -> str | None:
    number = getattr(environment.read_root_secrets(), purpose.variable + "_fd")
    return None if number is None else str(number)


def _variable(purpose: _Purpose) -> str | None:
    return getattr(environment.read_root_secrets(), purpose.variable) or None


def _credential(purpose: _Purpose) -> str | None:
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")  # systemd's
    path = Path(folder) / purpose.credential
    return str(path) if folder and path.is_file() else None
