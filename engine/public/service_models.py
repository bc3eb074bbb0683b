"""AWS's services as botocore describes them."""

from __future__ import annotations

from engine.service_models import LOADER, regions, service_model, session

__all__ = [
    "LOADER",
    "regions",
    "service_model",
    "session",
]
