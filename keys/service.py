"""The key-management service module: the only way from a page to keys. AWS clients (boto3) signed as the signed-in principal.

The endpoint is the embedded engine (in-process transport), real AWS, or another KMS endpoint; pages cannot tell which.
"""

from __future__ import annotations

import os
import threading
from functools import cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from django.conf import settings
from django.http import HttpRequest

from engine import inprocess
from principals import session

EMBEDDED, AWS = "embedded", "aws"
_lock = threading.Lock()
_CLIENTS_KEPT = 256
_clients: dict[tuple[str, ...], Any] = {}


@cache
def _session() -> boto3.session.Session:
    return boto3.session.Session()


def client(request: HttpRequest, service: str = "kms", region: str | None = None) -> Any:
    """A client of `service` for this request's principal. IAM, STS and CloudTrail are the embedded engine's unless on real AWS."""
    region = region or request.signed_in.region  # type: ignore[attr-defined]
    if settings.BACKEND == EMBEDDED or (settings.BACKEND != AWS and service != "kms"):
        return _embedded(request, service, region)
    return _remote(service, region)


def _embedded(request: HttpRequest, service: str, region: str) -> Any:
    access_key_id, secret, token = session.credentials(request)
    source_ip = request.META.get("REMOTE_ADDR", "")
    user_agent = request.headers.get("User-Agent", "")[:512]
    key = (service, region, access_key_id, source_ip, user_agent)
    found = _clients.get(key)
    if found is None:
        with _lock:
            found = _session().client(
                service,
                region_name=region,
                aws_access_key_id=access_key_id,
                aws_secret_access_key=secret,
                aws_session_token=token,
                endpoint_url="http://embedded.invalid",
                config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
            )
            inprocess.attach(found, source_ip=source_ip, user_agent=user_agent)
            while len(_clients) >= _CLIENTS_KEPT:
                _clients.pop(next(iter(_clients)))
            _clients[key] = found
    return found


def _remote(service: str, region: str) -> Any:
    """Another endpoint is spoken to with the server's own AWS credentials (environment, profile or role), as the AWS CLI would."""
    key = (service, region, settings.BACKEND)
    found = _clients.get(key)
    if found is None:
        with _lock:
            found = _session().client(
                service,
                region_name=region,
                endpoint_url=None if settings.BACKEND == AWS else settings.BACKEND,
                config=Config(
                    retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=5, read_timeout=20
                ),
            )
            _clients[key] = found
    return found


def endpoint_url(request: HttpRequest) -> str:
    """The endpoint a program would name to make the same call; empty for real AWS."""
    if settings.BACKEND == EMBEDDED:
        return os.environ.get("KMSCONSOLE_PUBLIC_URL") or f"{request.scheme}://{request.get_host()}"
    return "" if settings.BACKEND == AWS else str(settings.BACKEND)


def account_id(request: HttpRequest) -> str:
    """The account whose IAM these pages read: the one signed in to, or on real AWS that of the server's credentials."""
    if settings.BACKEND != AWS:
        return str(request.signed_in.account_id)  # type: ignore[attr-defined]
    return _caller_account()


@cache
def _caller_account() -> str:
    return str(_remote("sts", settings.DEFAULT_REGION).get_caller_identity()["Account"])


def sentence(error: ClientError) -> str:
    """AWS's error as one line: code and message."""
    details = error.response["Error"]
    return f"{details['Code']}: {details['Message']}" if details.get("Message") else str(details["Code"])


def denied(error: ClientError) -> bool:
    return str(error.response["Error"]["Code"]).startswith("AccessDenied")


def pages(api: Any, operation: str, member: str, **parameters: Any) -> list[Any]:
    """Every item of a paged list operation."""
    return list(api.get_paginator(operation).paginate(**parameters).search(f"{member}[]"))


def aliases_by_key(api: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for alias in pages(api, "list_aliases", "Aliases"):
        if alias and "TargetKeyId" in alias:
            found.setdefault(alias["TargetKeyId"], []).append(alias["AliasName"])
    return found


def keys_for_picker(request: HttpRequest, usage: str) -> list[tuple[str, str]]:
    """(key ID, label) of the keys of a usage, those with an alias first. Asks the inventory, so it is quick with many keys."""
    from keys import inventory

    rows = inventory.refreshed(request).filter(usage=usage).order_by("-has_alias", "alias", "key_id")[:500]
    return [(row.key_id, f"{row.alias or row.key_id} — {row.spec}, {row.state}") for row in rows]
