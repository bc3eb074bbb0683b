"""When keys were last used, for all keys of a Region at once: what kms:GetKeyLastUsage tells of one. The inventory shows a key's last use
to who may ask that of it, and to nobody else (keys.inventory.visibility)."""

from __future__ import annotations

from engine.trail.query import uses_since

__all__ = ["uses_since"]
