"""The database that the engine and the pages share: whether it was only busy."""

from __future__ import annotations

from engine.store.transaction import busy

__all__ = ["busy"]
