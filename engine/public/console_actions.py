"""Actions of the console's own (`kmsconsole:…`): decided by policies and recorded as calls are."""

from __future__ import annotations

from engine.console_actions import Conditions, authorize, perform

__all__ = [
    "Conditions",
    "authorize",
    "perform",
]
