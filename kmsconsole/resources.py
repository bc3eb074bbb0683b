"""Where templates, static files and translations lie: at the top of a checkout, or inside the installed package. Only the standard library.

An installed console has no checkout to keep data in: its data folder is the user's, as the XDG Base Directory Specification has it.
"""

from __future__ import annotations

import os
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent
_INSTALLED = Path(__file__).resolve().parent / "_resources"


def is_installed() -> bool:
    """Whether this is the package of a wheel, not a checkout."""
    return _INSTALLED.is_dir()


def folder() -> Path:
    """What holds `templates`, `static` and `locale`."""
    return _INSTALLED if is_installed() else _CHECKOUT


def default_data() -> Path:
    """The data folder where KMSCONSOLE_DATA names none: `var/` of a checkout, else `kmsconsole` among the user's data."""
    if not is_installed():
        return _CHECKOUT / "var"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "kmsconsole"
