"""botocore's service models for the pages: shapes, enums and limits are read from here, never listed a second time."""

from __future__ import annotations

from functools import cache

from botocore.model import ServiceModel

from engine.public import service_models


@cache  # reading one takes tens of milliseconds
def service_model(service: str) -> ServiceModel:
    """The model of "kms", "iam", "sts" or another service as botocore knows it."""
    return service_models.service_model(service)


@cache
def regions(service: str) -> tuple[str, ...]:
    """The Regions of the public partition in which a service is offered, sorted."""
    return tuple(sorted(service_models.session().get_available_regions(service)))
