"""`make docs`: the reference pages that are tables of the code. `python -m kmsconsole.reference` writes them to docs/reference/."""

from __future__ import annotations

import os
from pathlib import Path

import django

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"


def pages() -> dict[str, str]:
    """File name → text of each reference page."""
    return {"settings.md": _settings(), "errors.md": _errors(), "metrics.md": _metrics()}


def _settings() -> str:
    from kmsconsole.installation.environment import VARIABLES

    rows = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in VARIABLES.items())
    head = "# Settings\n\nEnvironment variables, read at the start. `kmsconsole check` tells of names that are none.\n"
    return f"{head}\n| name | meaning |\n|---|---|\n{rows}\n"


def _errors() -> str:
    from console import error_help

    rows = "\n".join(f"| `{code}` | {text} |" for code, text in sorted(error_help.by_code().items()))
    head = "# Errors\n\nAWS's error codes, with what the console says would mend them.\n"
    return f"{head}\n| code | what to do |\n|---|---|\n{rows}\n"


def _metrics() -> str:
    operations = (Path(__file__).resolve().parent.parent / "docs" / "operations.md").read_text()
    section = operations.partition("\n## Metrics\n")[2].partition("\n## ")[0]
    return f"# Metrics\n{section}"


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kmsconsole.settings")
    django.setup()
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
