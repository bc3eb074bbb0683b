"""SoftHSM 2 tokens of a test's own, from Debian's package (tests/install_system_packages.sh)."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from engine.hsm.softhsm import MODULES

MODULE = next(filter(os.path.exists, MODULES), "")
PIN = "user-pin-1234"


class SoftHsm:
    """Tokens below a folder. A process finds them by SOFTHSM2_CONF (`configuration`), which it reads when it loads the module."""

    def __init__(self, folder: Path) -> None:
        assert MODULE, "SoftHSM is not installed: make system"
        self.tokens = folder / "tokens"
        self.tokens.mkdir(parents=True)
        self.configuration = folder / "softhsm2.conf"
        self.configuration.write_text(
            f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )

    def make(self, label: str, pin: str = PIN) -> Path:
        """A new token; the folder that holds it."""
        before = set(self.tokens.iterdir())
        self._util("--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "so-pin-12345678")
        (made,) = set(self.tokens.iterdir()) - before
        return made

    def _util(self, *arguments: str) -> None:
        environment = {**os.environ, "SOFTHSM2_CONF": str(self.configuration)}
        subprocess.run(["softhsm2-util", *arguments], env=environment, check=True, capture_output=True)


@contextmanager
def hanging(folder: Path) -> Iterator[None]:
    """SoftHSM locks a token's files while it reads them, and waits for whoever else has locked them."""
    with ExitStack() as stack:
        for path in folder.iterdir():
            fcntl.lockf(stack.enter_context(path.open("r+b")), fcntl.LOCK_EX)
        yield
