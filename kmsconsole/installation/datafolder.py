"""The data folder: what lives in it and how it is first made. Nothing that needs settings, since they are built on it."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import time
from pathlib import Path

from engine import durable_files

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


def secure(folder: Path) -> None:
    """Make the data folder and all that lies in it its owner's alone: folders 0700, files 0600, also what is made from now on.

    Raises DataFolderError where that cannot be done, and for a folder that is everybody's (/tmp), which is nobody's data folder.
    """
    os.umask(0o077)
    if folder.stat().st_mode & stat.S_ISVTX:
        raise DataFolderError(
            f"the data folder {folder} is one that all users share: give the data a folder of its own"
        )
    for path in open_to_others(folder):
        try:
            path.chmod(stat.S_IMODE(path.stat().st_mode) & 0o700)
        except FileNotFoundError:
            continue  # of a worker that is just ending
        except OSError as reason:
            raise DataFolderError(
                f"{path} is open to other users and cannot be closed to them: {reason.strerror}"
            ) from reason


# What a data folder holds; other files in it are not ours to change.
_NAMES = (
    "root.key",
    "root.json",
    "root.handover",
    "root.lock",
    "console.secret",
    "kmsconsole.sqlite3",
    "serve.lock",
    "trail",
    "metrics",
)


def open_to_others(folder: Path) -> list[Path]:
    """The data folder and what is ours in it, as far as others than its owner may read, write or enter it."""
    ours = [path for path in sorted(folder.iterdir()) if path.name.startswith(_NAMES)]
    every = [folder, *ours, *(path for each in ours if each.is_dir() for path in sorted(each.rglob("*")))]
    return [path for path in every if not path.is_symlink() and path.stat().st_mode & 0o077]


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


def console_secret(folder: Path) -> str:
    """Django's SECRET_KEY: signs cookies and forms, protects no key. Made on first use."""
    make(folder)
    path = folder / "console.secret"
    try:
        with durable_files.new_file(path) as file:
            file.write(secrets.token_urlsafe(48).encode())
    except FileExistsError:
        pass
    except OSError as reason:
        raise DataFolderError(f"the data folder {folder} is not writable: {reason.strerror}") from reason
    return path.read_text()
