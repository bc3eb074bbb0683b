"""The server without its transparency log, for one comparison (bench/log_cost.py): its records are durable and chained, but no tree follows them
and no checkpoint of it is signed. No configuration of a real server reaches this: it is another program."""

from __future__ import annotations

import os

import django


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kmsconsole.settings")
    django.setup()
    from django.core.management import call_command

    from engine.trail.checkpoint_timer import LogTimer

    LogTimer.step = lambda self: None  # type: ignore[method-assign]  # workers are forked from this process
    call_command("serve")


if __name__ == "__main__":
    main()
