"""Where templates, static files and translations lie: at the top of a checkout, or inside the installed package. Only the standard library.

An installed console has no checkout to keep data in: its data folder is the user's, as the XDG Base Directory Specification has it.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from importlib import metadata
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent
_INSTALLED = Path(__file__).resolve().parent / "_resources"


def is_installed() -> bool:
    """Whether this is the package of a wheel, not a checkout."""
    return _INSTALLED.is_dir()


def folder() -> Path:
    """What holds `templates`, `static` and `locale`."""
    return _INSTALLED if is_installed() else _CHECKOUT


@cache
def static_version() -> str:
    """Another one whenever a static file, or htmx that comes with its package, is another: part of their addresses."""
    digest = hashlib.sha256(metadata.version("django-htmx").encode())
    static = folder() / "static"
    for path in sorted(path for path in static.rglob("*") if path.is_file()):
        digest.update(f"\0{path.relative_to(static).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def default_data() -> Path:
    """The data folder where KMSCONSOLE_DATA names none: `var/` of a checkout, else `kmsconsole` among the user's data."""
    if not is_installed():
        return _CHECKOUT / "var"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "kmsconsole"
