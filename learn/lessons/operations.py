"""The operations that a lesson's checks may name: AWS's of the services that the engine answers for, and the console's own."""

from __future__ import annotations

from functools import cache

from console.awsmodel import service_model

SERVICES = ("kms", "iam", "sts", "cloudtrail")
CONSOLE = frozenset({"AnswerQuestion", "MoveClock", "ReadRecord"})


@cache
def _known() -> frozenset[str]:
    return CONSOLE.union(*(service_model(service).operation_names for service in SERVICES))


def is_operation(name: str) -> bool:
    return name in _known()
