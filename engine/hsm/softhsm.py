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


def use(data: Path, *, before_environment: bool = False) -> None:
    """Have this process find the training tokens of a data folder, if it has some and the environment names no other place, or before that."""
    configuration = _configuration(data)
    if configuration.exists() and (before_environment or "SOFTHSM2_CONF" not in os.environ):
        os.environ["SOFTHSM2_CONF"] = _written(configuration)


def _configuration(data: Path) -> Path:
    return data / "softhsm" / "softhsm2.conf"


def _written(configuration: Path) -> str:
    """The path of a configuration that names the tokens beside it, also after its folder was moved or copied."""
    tokens = configuration.parent.absolute() / "tokens"
    text = f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n"
    if not configuration.exists() or configuration.read_text() != text:
        part = configuration.with_name(f"{configuration.name}.{secrets.token_hex(8)}")
        part.write_text(text)
        part.replace(configuration)
    return str(configuration)


def configuration_apart(data: Path, label: str) -> str:
    """The configuration of a training token that was made apart; "" where there is none."""
    name = label.encode().ljust(_LABEL)  # as PKCS#11 has it, and as the file has it
    for path in sorted((data / "softhsm").glob("apart-*/tokens/*/token.object")):
        with contextlib.suppress(FileNotFoundError):  # a token that is taken away just now
            if name in path.read_bytes():
                return _written(path.parents[2] / "softhsm2.conf")
    return ""


def make(data: Path, label: str, pin: str, *, apart: bool = False) -> str:
    """A new token in a data folder, with this label, whose user has this PIN; the path of its module. Raises SoftHsmError or TokenError.

    `apart`: in a folder of its own, which nobody needs to be told of; else where the environment says, or all of the folder that are not
    apart are, which this process uses from then on.
    """
    path = module()
    configuration = _configuration(data)
    if apart:
        configuration = configuration.parent / f"apart-{secrets.token_hex(8)}" / configuration.name
    elif "SOFTHSM2_CONF" in os.environ:
        configuration = Path(os.environ["SOFTHSM2_CONF"])
    if apart or "SOFTHSM2_CONF" not in os.environ:
        (configuration.parent / "tokens").mkdir(mode=0o700, parents=True, exist_ok=True)
        _written(configuration)
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    try:
        _make(path, label, pin)
    finally:
        if apart:
            os.environ.pop("SOFTHSM2_CONF")
            os.environ.update({} if before is None else {"SOFTHSM2_CONF": before})
    return path


def _make(path: str, label: str, pin: str) -> None:
    """A PIN on a command line is everybody's to read, so the token is made with one that is changed at once."""
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
