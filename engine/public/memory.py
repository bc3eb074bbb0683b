"""What a process may remember: texts of callers in bounded memory, and caches that a committed change empties in every worker."""

from __future__ import annotations

from engine.remembered import Remembered, texts
from engine.store.cache import Cache
from engine.store.models import Change
from engine.store.transaction import iam_entity

__all__ = [
    "Cache",
    "Change",
    "Remembered",
    "iam_entity",
    "texts",
]
