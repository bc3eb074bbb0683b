"""How AWS spells its Regions."""

from __future__ import annotations

from engine.region_names import is_region_name

__all__ = [
    "is_region_name",
]
