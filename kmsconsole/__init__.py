"""The Django project and the process."""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def _version() -> str:
    try:
        return version("kmsconsole")
    except PackageNotFoundError:  # a checkout that was not installed
        project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
        return f"{project['version']}+checkout"


__version__ = _version()
