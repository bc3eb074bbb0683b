"""The request of a principal without a browser: what the command `compliance` runs the checks by. Its credentials are AWS's, found as any
AWS program finds them, and it may do what they may."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import cast

import boto3
from botocore.exceptions import BotoCoreError
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.http import HttpRequest
from django.utils import timezone

from console.request import ConsoleRequest, SignedIn
from keys import service


class NoCredentialsError(Exception):
    """No credentials were found; the message is one line."""


def request_of(region: str) -> ConsoleRequest:
    """Raises NoCredentialsError, and ClientError for credentials that the engine does not take."""
    try:
        found = boto3.session.Session().get_credentials()
    except BotoCoreError as reason:
        raise NoCredentialsError(str(reason)) from reason
    if found is None:
        raise NoCredentialsError("no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    given = found.get_frozen_credentials()
    request = cast(ConsoleRequest, HttpRequest())
    request.method = "POST"  # what is refused is an attempt, and recorded
    request.META.update(REMOTE_ADDR="127.0.0.1", HTTP_USER_AGENT="kmsconsole compliance")
    request.session = cast(SessionBase, SessionStore())
    ends = timezone.now() + timedelta(hours=1)
    signed_in = SignedIn("", "", "", region, given.access_key, given.secret_key, given.token or "", ends)
    request.signed_in = signed_in
    who = service.embedded(request, "sts").get_caller_identity()
    arn = str(who["Arn"])
    request.signed_in = replace(signed_in, account_id=who["Account"], arn=arn, user_name=arn.rpartition("/")[2])
    return request
