"""`manage.py rotate_root`: a new root key for this installation, while it runs. Keys, ciphertexts and programs notice nothing.

With several nodes: `--prepare` first, copy the next root key and `root.handover` to the data folder of each other node, then without it;
afterwards on each other node once more, which only puts the file in its place (their next start does the same).
"""

from __future__ import annotations

from typing import Any

from kmsconsole.installation.root_rotation import Wanted
from kmsconsole.management.root_command import RootCommand


class Command(RootCommand):
    help = (
        "Make a new root key, protected as the old one is, and rewrap all domain keys with it, while the server runs."
    )

    def wanted(self, options: dict[str, Any]) -> Wanted | None:
        return None
