"""Calls of AWS services from a page: AWS's refusals put where the person looks, and whole lists from paged operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.model import OperationModel
from botocore.parsers import ResponseParserError
from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_noop

UNREACHABLE = gettext_noop("The endpoint cannot be reached.")
FAILURES = (BotoCoreError, ResponseParserError)
MOST_LISTED = 200_000  # items of a list that is read page by page
_SERVICES = {"kms": "AWS KMS", "sts": "AWS STS", "iam": "AWS IAM", "cloudtrail": "AWS CloudTrail"}


class UnexpectedAnswerError(BotoCoreError):  # type: ignore[misc]
    """An answer that is none of the API's. `member`: the first that does not fit, as a path; botocore does not ask again."""

    fmt = "The endpoint's answer to {operation} is not what {service} answers: {member}"


def unexpected(model: OperationModel, member: str) -> UnexpectedAnswerError:
    name = model.service_model.service_name
    return UnexpectedAnswerError(operation=model.name, service=_SERVICES.get(name, name), member=member)


def failed(error: Exception) -> bool:
    """Whether an error says that an endpoint could not be asked, or that what answered is no AWS API: no refusal of AWS's."""
    if isinstance(error, ClientError):
        return str(error.response["Error"]["Code"]).isdigit()  # an HTTP status: the answer named no error
    return isinstance(error, FAILURES)


def sentence(error: ClientError) -> str:
    """AWS's error as one line: code and message. An answer that is none of AWS's tells no more than that."""
    if failed(error):
        return gettext(UNREACHABLE)
    details = error.response["Error"]
    return f"{details['Code']}: {details['Message']}" if details.get("Message") else str(details["Code"])


def denied(error: ClientError) -> bool:
    return is_denial(str(error.response["Error"]["Code"]))


def is_denial(sentence: str) -> bool:
    """Whether an error's code, or its `sentence`, says that a permission is missing."""
    return sentence.startswith("AccessDenied")


def unknown_operation(error: ClientError) -> bool:
    """Whether an endpoint does not know an operation at all: by AWS's codes, or by a bare HTTP error page."""
    code = str(error.response["Error"]["Code"])
    known = ("UnknownOperationException", "InvalidAction", "NotImplemented", "UnknownOperation")
    return code in known or code in ("404", "405", "500", "501")


def attempt(request: HttpRequest, call: Callable[[], Any], success: str) -> bool:
    """Do it and say so, or show AWS's error as a message. Whether it was done."""
    try:
        call()
    except ClientError as error:
        messages.error(request, sentence(error))
        return False
    messages.success(request, success)
    return True


def attempt_on_form(form: forms.BaseForm, call: Callable[[], Any], field: str | None = None) -> bool:
    """Do it, or put AWS's error beside `field` (the whole form without one), keeping what was typed. Whether it was done."""
    try:
        call()
    except ClientError as error:
        form.add_error(field, sentence(error))
        return False
    return True


def optional(call: Callable[[], Any]) -> tuple[Any, str]:
    """(answer, "") or (None, AWS's error): for a part of a page that may be refused while the rest is shown."""
    try:
        return call(), ""
    except ClientError as error:
        return None, sentence(error)


def readable(call: Callable[[], Any], otherwise: Any) -> tuple[Any, str]:
    """(answer, "") or (`otherwise`, AWS's refusal): for a part of a page that its reader may not read. Any other error is raised."""
    try:
        return call(), ""
    except ClientError as error:
        if not denied(error):
            raise
        return otherwise, sentence(error)


def pages(client: Any, operation: str, member: str, **parameters: Any) -> list[Any]:
    """Every item of a paged list operation. botocore ends a list that names one marker twice; one without an end is ended here: raises
    UnexpectedAnswerError."""
    found: list[Any] = []
    for number, page in enumerate(client.get_paginator(operation).paginate(**parameters)):
        found += page.get(member) or ()
        if max(len(found), number) > MOST_LISTED:
            model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])
            raise unexpected(model, "NextMarker")
    return found
