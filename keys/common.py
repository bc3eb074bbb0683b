"""What the pages share that needs to know the endpoint: AWS's refusals as pages, and how a key is called."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from botocore.exceptions import ClientError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from console import aws_calls, error_help
from console.aws_calls import optional
from console.request import ConsoleRequest
from keys import service
from keys.endpoints import connections


def problem_page(request: ConsoleRequest, title: Any, error: ClientError, *, key_id: str = "") -> HttpResponse:
    """A page that could not be filled: AWS's error whole, with what would mend it. `key_id`: the key that it is about, which may have been
    there before; where it is not found, the page leads to its past."""
    if aws_calls.failed(error):
        return unreachable_page(request, error)
    problem = error_help.explained(error)
    missing = problem["Code"] in ("NotFoundException", "NoSuchEntity")
    # A refusal of the console's own has no status.
    answered = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    return render(
        request,
        "keys/problem.html",
        {
            "title": title,
            "code": problem["Code"],
            "message": problem["Message"],
            "remedy": problem["remedy"],
            "gone": key_id if missing else "",
        },
        status=403 if service.denied(error) else 404 if missing else max(answered, 400),
    )


def unreachable_page(request: ConsoleRequest, error: Exception) -> HttpResponse:
    """The endpoint could not be asked: why, to who manages connections; the same for all reasons to anybody else."""
    finding = connections.failure(request, error)
    context = {
        "title": finding.title_in_readers_language,
        "code": "",
        "message": finding.detail,
        "remedy": finding.remedy_in_readers_language,
    }
    return render(request, "keys/problem.html", context, status=502)


def only_present(request: HttpRequest) -> HttpResponse:
    """For an address that asks for the past of a page which shows the present alone: that instead."""
    return render(request, "errors/only_present.html", status=400)


def requires(action: str, title: Any) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """For a view that shows what an action of the console's own reads: decided and recorded first, AWS's refusal as a page instead."""

    def guarded(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def answer(request: ConsoleRequest, *args: Any, **arguments: Any) -> HttpResponse:
            try:
                service.console_action(request, action, lambda: None, parameters=dict(arguments) or None)
            except ClientError as error:
                return problem_page(request, title, error)
            return view(request, *args, **arguments)

        return answer

    return guarded


def name_of(kms: Any, key: dict[str, Any]) -> str:
    """What people call a key: its first alias, or its ID where it has none or the principal may not list aliases."""
    found, _problem = optional(lambda: kms.list_aliases(KeyId=key["KeyId"], Limit=1)["Aliases"])
    return found[0]["AliasName"].removeprefix("alias/") if found else str(key["KeyId"])
