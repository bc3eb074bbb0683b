"""SoftHSM 2 for training: tokens that are files of the data folder. In earnest a token is a device's.

SoftHSM reads where its tokens are from the file that SOFTHSM2_CONF names, each time it is initialised.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path

from engine.hsm.token import Token, TokenError

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


def make(data: Path, label: str, pin: str) -> str:
    """A new token with this label, whose user has this PIN; the path of its module. Raises SoftHsmError or TokenError.

    A PIN on a command line is everybody's to read, so the token is made with one that is changed at once.
    """
    path = module()
    configuration = _configuration(data)
    tokens = configuration.parent / "tokens"
    if "SOFTHSM2_CONF" not in os.environ:
        tokens.mkdir(mode=0o700, parents=True, exist_ok=True)
        configuration.write_text(
            f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n"
        )
    use(data)
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
