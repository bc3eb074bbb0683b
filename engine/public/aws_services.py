"""Calls that an AWS service makes for a principal. Of all pages' modules keys.service alone may ask for them."""

from __future__ import annotations

from engine.iam.forward import as_itself, for_principal

__all__ = [
    "as_itself",
    "for_principal",
]
