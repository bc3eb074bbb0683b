"""botocore's descriptions of AWS's services, each read once in a process: looking for one and reading it takes tens of milliseconds."""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.session import Session, get_session

LOADER = Loader()  # it keeps what it has read


def description(service: str) -> dict[str, Any]:
    """A service's description (service-2.json), not to be changed. Raises botocore's UnknownServiceError."""
    found: dict[str, Any] = LOADER.load_service_model(service, "service-2")
    return found


@cache
def service_model(service: str) -> ServiceModel:
    """As `description`, read by its names."""
    return ServiceModel(description(service), service)


@cache
def regions(service: str, partition: str = "aws") -> frozenset[str]:
    """The Regions of a partition in which AWS offers a service."""
    return frozenset(session().get_available_regions(service, partition_name=partition))


def session() -> Session:
    """A session of botocore that reads with the others what is not its own."""
    made = get_session()
    made.register_component("data_loader", LOADER)
    return made
