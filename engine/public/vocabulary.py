"""The actions that policies name, by service. Pure."""

from __future__ import annotations

from engine.iam.vocabulary import CONSOLE, SERVICES, actions

__all__ = [
    "CONSOLE",
    "SERVICES",
    "actions",
]
