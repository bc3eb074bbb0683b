"""The data folder: what lives in it and how it is first made. Only the standard library, since settings are built on it."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from pathlib import Path

LOCK_SECONDS = 3  # workers of a killed server let go of the folder within this


class DataFolderError(Exception):
    """The data folder cannot be used; the message is one line for the person who starts the server."""


def make(folder: Path) -> None:
    """Create the data folder, readable by its owner only. Raises DataFolderError if it cannot be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as reason:
        raise DataFolderError(f"the data folder {folder} cannot be made: {reason.strerror}") from reason
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DataFolderError(f"the data folder {folder} is not writable")


def hold(folder: Path) -> int:
    """Hold the data folder for this server alone: a second one would take over its trail while it writes.

    Returns a descriptor that holds it until it is closed. Raises DataFolderError.
    """
    try:
        descriptor = os.open(folder / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as reason:
        raise DataFolderError(f"the data folder {folder} is not writable: {reason.strerror}") from reason
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError as reason:
            if time.monotonic() > deadline:
                raise DataFolderError(f"another server is running on the data folder {folder}") from reason
            time.sleep(0.05)


def write_secret(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600 durably; raises FileExistsError rather than ever replacing one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def console_secret(folder: Path) -> str:
    """Django's SECRET_KEY: signs cookies and forms, protects no key. Made on first use."""
    make(folder)
    path = folder / "console.secret"
    try:
        write_secret(path, secrets.token_urlsafe(48).encode())
    except FileExistsError:
        pass
    except OSError as reason:
        raise DataFolderError(f"the data folder {folder} is not writable: {reason.strerror}") from reason
    return path.read_text()
