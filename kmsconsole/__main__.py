"""The command line: `kmsconsole serve` and every other command of `manage.py`; `kmsconsole --version`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from django.core.management import execute_from_command_line

from engine import data_stack
from kmsconsole import __version__
from kmsconsole.installation.datafolder import DataFolderError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. A data folder that cannot be used is told in one line."""
    given = list(sys.argv if arguments is None else arguments)
    if given[1:] == ["--version"]:
        print(f"kmsconsole {__version__}")
        return
    if Path(given[0]).name == "__main__.py":
        given[0] = "kmsconsole"  # as Django's help is to name it under `python -m kmsconsole`
    given[1:2] = [name if name.startswith("-") else name.replace("-", "_") for name in given[1:2]]  # `xks-proxy`
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kmsconsole.settings")
    try:
        data_stack.run(execute_from_command_line, given)
    except DataFolderError as reason:
        sys.exit(f"kmsconsole: {reason}")


if __name__ == "__main__":
    main()
