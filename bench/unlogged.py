"""The server with a switch for its transparency log, for one comparison (bench/log_cost.py): while the file `unlogged` is in its data folder,
records are durable and chained, but no tree follows them and no checkpoint of it is signed. The tree follows whatever waits ten times a second,
so that the calls of half a second are charged with all of their records. What the file `asked` says is written into `followed`, with the number
of records that the tree has followed (or would have); `log-thread` names the thread that does it. No configuration of a real server reaches
this: it is another program."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import django

SWITCH, ASKED, FOLLOWED, THREAD = "unlogged", "asked", "followed", "log-thread"
_SECONDS = 0.1


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kmsconsole.settings")
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from engine import durable_files
    from engine.trail import checkpoint_timer, log_records

    step = checkpoint_timer.LogTimer.step
    data = Path(settings.DATA)
    checkpoint_timer.SECONDS, checkpoint_timer.WAITING = _SECONDS, 1

    def switched(self: checkpoint_timer.LogTimer) -> None:
        (data / THREAD).write_text(f"/proc/{os.getpid()}/task/{threading.get_native_id()}")
        asked = (data / ASKED).read_text() if (data / ASKED).exists() else ""
        records = sum(end for _records, end in log_records.ends())
        if not (data / SWITCH).exists():
            step(self)
        if asked:
            durable_files.replace_file(data / FOLLOWED, f"{asked} {records}".encode())

    checkpoint_timer.LogTimer.step = switched  # type: ignore[method-assign]  # workers are forked from this process
    call_command("serve")


if __name__ == "__main__":
    main()
