"""The Access tab of a key: principals × what they may do, each cell leading to its explanation."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from console import paging
from console.addresses import filter_text
from console.request import ConsoleRequest
from engine.public.decision import MalformedPolicy
from keys import service
from keys.evaluator import decisions, key_view, operations, principal_directory
from keys.evaluator.key_view import KeyView
from keys.evaluator.principal_directory import PrincipalDirectory
from keys.evaluator.question import Question

_PAGE = 50


def load(request: ConsoleRequest, kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    """Raises ClientError if the caller may not read the key's policy or the account's IAM, or the policy is not understood."""
    people = principal_directory.of(request)
    try:
        side = key_view.of(kms, key)
    except MalformedPolicy as reason:  # of another endpoint, which takes what this version does not know
        raise ClientError(
            {"Error": {"Code": "MalformedPolicyDocumentException", "Message": str(reason)}}, "GetKeyPolicy"
        ) from reason
    return shown(request, people, side, Question("", "", side.key_id, {}, {}, service.now(request)))


def shown(request: ConsoleRequest, people: PrincipalDirectory, side: KeyView, question: Question) -> dict[str, Any]:
    """For the template: the principals and the key of now, or of the moment of the question."""
    columns = operations.columns(side.spec, side.usage)
    rows = decisions.matrix(people, side, [column.action for column in columns], question.request_context())
    everyone = request.GET.get("all") == "1"
    wanted = filter_text(request.GET)
    text = wanted.typed.lower()
    chosen = [row for row in rows if (everyone or row.any) and text in row.subject.arn.lower()]
    page = paging.page_of(chosen, _PAGE, request.GET)
    return {
        "columns": [
            (column, sum(row.cells[number] != decisions.NO for row in rows)) for number, column in enumerate(columns)
        ],
        "people": len(rows),
        "page": page,
        "rows": [
            (
                row.subject,
                [
                    (column, cell, question.address(principal=row.subject.arn, action=column.action))
                    for column, cell in zip(columns, row.cells, strict=True)
                ],
            )
            for row in page
        ],
        "filter": wanted,
        "everyone": everyone,
        "grants_known": side.grants_known,
        "key_unread": side.unread,
        "unread": people.problems,
        "explore": question.address(),
    }
