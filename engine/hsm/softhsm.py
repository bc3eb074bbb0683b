"""SoftHSM 2 for training: tokens that are files of the data folder. In earnest a token is a device's.

SoftHSM reads where its tokens are from the file that SOFTHSM2_CONF names, each time it is initialised, and then all tokens that are
there: one that hangs holds up whoever begins. So a token may be made `apart`, in a folder of its own that its process alone is told of.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
from pathlib import Path

from engine.hsm.token import Token, TokenError

_LABEL = 32  # bytes of a token's label, filled up with spaces
MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


class SoftHsmError(Exception):
    """SoftHSM is not there, or made no token; the message is one line."""


def module() -> str:
    """The path of SoftHSM's PKCS#11 module. Raises SoftHsmError."""
    for path in MODULES:
        if os.path.exists(path):
            return path
    raise SoftHsmError("SoftHSM 2 is not installed: the Debian package is softhsm2")


def use(data: Path) -> None:
    """Have this process find the training tokens of a data folder, if it has some and the environment names no other place."""
    configuration = _configuration(data)
    if "SOFTHSM2_CONF" not in os.environ and configuration.exists():
        os.environ["SOFTHSM2_CONF"] = str(configuration)


def _configuration(data: Path) -> Path:
    return data / "softhsm" / "softhsm2.conf"


def configuration_apart(data: Path, label: str) -> str:
    """The configuration of a training token that was made apart; "" where there is none, or the environment names another place."""
    if "SOFTHSM2_CONF" in os.environ and Path(os.environ["SOFTHSM2_CONF"]) != _configuration(data):
        return ""
    name = label.encode().ljust(_LABEL)  # as PKCS#11 has it, and as the file has it
    for path in sorted((data / "softhsm").glob("apart-*/tokens/*/token.object")):
        with contextlib.suppress(FileNotFoundError):  # a token that is taken away just now
            if name in path.read_bytes():
                return str(path.parents[2] / "softhsm2.conf")
    return ""


def make(data: Path, label: str, pin: str, *, apart: bool = False) -> str:
    """A new token with this label, whose user has this PIN; the path of its module. Raises SoftHsmError or TokenError.

    `apart`: in a folder of its own, unless the environment names a place. A PIN on a command line is everybody's to read, so the token
    is made with one that is changed at once.
    """
    path = module()
    configuration = _configuration(data)
    if "SOFTHSM2_CONF" not in os.environ:
        if apart:
            configuration = configuration.parent / f"apart-{secrets.token_hex(8)}" / configuration.name
        tokens = configuration.parent / "tokens"
        tokens.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration.write_text(
            f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n"
        )
        os.environ["SOFTHSM2_CONF"] = str(configuration)
    first = secrets.token_hex(16)
    command = [
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label",
        label,
        "--pin",
        first,
        "--so-pin",
        secrets.token_hex(16),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=60)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as reason:
        raise SoftHsmError(
            f"softhsm2-util made no token ({type(reason).__name__})"
        ) from None  # its text has the command
    try:
        Token(path, label, first).change_pin(pin)
    except TokenError as reason:
        raise SoftHsmError(f"the token has no PIN of yours: {reason}") from reason
    return path
