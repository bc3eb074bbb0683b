"""The server with a switch for its transparency log, for one comparison (bench/log_cost.py): while the file `unlogged` is in its data folder,
records are durable and chained, but no tree follows them and no checkpoint of it is signed; while the file `settling` is, the tree follows whatever
waits, so that a block of calls is charged with all of its records. The file `log-thread` names the thread that does it. No configuration of a real server reaches this: it
is another program."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import django

SWITCH, SETTLING, THREAD = "unlogged", "settling", "log-thread"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kmsconsole.settings")
    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from engine.trail import checkpoint_timer

    step, waiting = checkpoint_timer.LogTimer.step, checkpoint_timer.WAITING
    switch, settling = (os.path.join(settings.DATA, name) for name in (SWITCH, SETTLING))

    def switched(self: checkpoint_timer.LogTimer) -> None:
        Path(settings.DATA, THREAD).write_text(f"/proc/{os.getpid()}/task/{threading.get_native_id()}")
        checkpoint_timer.WAITING = 1 if os.path.exists(settling) else waiting
        if not os.path.exists(switch):
            step(self)

    checkpoint_timer.LogTimer.step = switched  # type: ignore[method-assign]  # workers are forked from this process
    call_command("serve")


if __name__ == "__main__":
    main()
