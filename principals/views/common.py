"""What the principals' pages share: whole lists from a paged API, and AWS's refusals put where the person looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from console.request import ConsoleRequest
from keys import service
from keys.common import unreachable_page
from keys.endpoints import diagnosis


def all_pages(client: Any, operation: str, member: str, **parameters: Any) -> list[Any]:
    """Every item of a paged list operation."""
    return list(client.get_paginator(operation).paginate(**parameters).search(member))


def attempt(request: ConsoleRequest, call: Callable[[], Any], success: str) -> bool:
    """Do it and say so, or show AWS's error as a message. Whether it was done."""
    try:
        call()
    except ClientError as error:
        messages.error(request, service.sentence(error))
        return False
    messages.success(request, success)
    return True


def attempt_on_form(form: forms.Form, call: Callable[[], Any], field: str | None = None) -> bool:
    """Do it, or put AWS's error beside `field` (the whole form without one), keeping what was typed."""
    try:
        call()
    except ClientError as error:
        form.add_error(field, service.sentence(error))
        return False
    return True


def problem_page(request: ConsoleRequest, title: str, error: ClientError) -> HttpResponse:
    """A page that could not be filled: AWS's error, whole."""
    if diagnosis.failed(error):
        return unreachable_page(request, error)
    details = error.response["Error"]
    status = error.response.get("ResponseMetadata", {}).get(
        "HTTPStatusCode", 400
    )  # a refusal of the console's own has none
    denied = details["Code"].startswith("AccessDenied")
    return render(
        request,
        "principals/problem.html",
        {"title": title, "code": details["Code"], "message": details["Message"]},
        status=403 if denied else 404 if details["Code"] == "NoSuchEntity" else max(status, 400),
    )
