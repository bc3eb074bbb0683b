"""The server with its trail switched off, for one comparison of the bench. No configuration of a real server reaches this: it is
another program, which replaces the function that makes records durable and then serves as `manage.py serve` does."""

from __future__ import annotations

import os

import django


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kmsconsole.settings")
    django.setup()
    from django.core.management import call_command

    from engine.trail import recorder

    recorder.record = lambda records: 0  # workers are forked from this process
    call_command("serve")


if __name__ == "__main__":
    main()
