"""The stand-alone verifier in an interpreter that has the standard library and `cryptography`, and nothing else: no package of ours, no other
of the environment."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import _cffi_backend
import cryptography

from audit.proof import VERIFIER

# Each list of arguments that comes in is one run of the program; what it answers goes out, in JSON.
_DRIVER = """
import contextlib, io, json, runpy, sys
sys.path.append(sys.argv[1])
main = runpy.run_path(sys.argv[2])["main"]
found = []
for arguments in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    found.append([code, out.getvalue(), err.getvalue()])
assert not any(name in sys.modules for name in ("django", "engine", "audit", "kmsconsole"))
print(json.dumps(found))
"""


class Verified(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def verifier(*arguments: Any) -> Verified:
    return verifier_runs([arguments])[0]


def verifier_runs(runs: Sequence[Sequence[Any]]) -> list[Verified]:
    """Many runs in one interpreter: starting it is what takes time."""
    given = json.dumps([list(map(str, run)) for run in runs])
    command = [sys.executable, "-I", "-S", "-W", "ignore", "-c", _DRIVER, str(_packages()), str(VERIFIER)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return [Verified(*each) for each in json.loads(done.stdout)]


@functools.cache
def _packages() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="kmsconsole-bare-"))
    for path in (Path(cryptography.__file__).parent, Path(_cffi_backend.__file__)):
        (folder / path.name).symlink_to(path)
    return folder
