"""Work that is killed (SIGKILL) at one of its steps, in a process of its own.

A step is whatever it does to files of a folder: opening one to write, renaming, deleting, freeing a part. Python tells an audit hook of each.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import connections

_STEPS = ("os.rename", "os.remove", "os.mkdir", "os.truncate", "ctypes.dlsym")


def at_step(number: int, folder: Path, work: Callable[[], Any]) -> bool:
    """Do `work` in a fork of this process, which is killed before its step of that number; whether it came so far."""
    process = os.fork()
    if not process:
        _child(number, str(folder), work)
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.waitstatus_to_exitcode(status) == 0, "the work failed by itself"
    return False


def _child(number: int, folder: str, work: Callable[[], Any]) -> None:
    for each in connections.all(initialized_only=True):
        each.connection = None  # the parent's: this process makes one of its own
    left = number

    def step(event: str, args: tuple[Any, ...]) -> None:
        nonlocal left
        writes = event == "open" and len(args) > 2 and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
        if not (writes or event in _STEPS):
            return
        if event == "ctypes.dlsym" or folder in str(args[0]):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(step)
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
