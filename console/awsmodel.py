"""botocore's service models for the pages: shapes, enums and limits are read from here, never listed a second time."""

from __future__ import annotations

from engine.public import service_models
from engine.public.service_models import service_model as service_model  # of "kms", "iam", "sts" or another service


def regions(service: str) -> tuple[str, ...]:
    """The Regions of the public partition in which a service is offered, sorted."""
    return tuple(sorted(service_models.regions(service)))
