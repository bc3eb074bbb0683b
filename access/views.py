"""The access explorer: who, what and which key, and whatever of the three is left open is answered for all.

Nothing is decided here that the caller could not work out: policies are read as the signed-in principal (see keys/evaluator).
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from access import past
from access.past import Past
from console import paging
from console.aws_calls import optional
from console.request import ConsoleRequest
from engine.public.decision import MalformedPolicy
from keys import service
from keys.common import problem_page
from keys.evaluator import (
    condition_context,
    decisions,
    explanation,
    key_policy_cache,
    key_view,
    operations,
    principal_directory,
)
from keys.evaluator.principal_directory import PrincipalDirectory, Subject
from keys.evaluator.question import Question
from keys.inventory import inventory
from keys.record import as_of
from keys.record.as_of import AsOf

_SPARE_ROWS = 2
_PAGE = 50


def read_question(request: ConsoleRequest, then: AsOf | None = None) -> Question:
    given = request.GET
    action = given.get("action", "").strip()
    return Question(
        principal=given.get("principal", "").strip(),
        action=f"kms:{action}" if action and ":" not in action else action,
        key=given.get("key", "").strip(),
        pairs=_mapping(given.getlist("ec_name"), given.getlist("ec_value")),
        conditions=_mapping(given.getlist("ck_name"), given.getlist("ck_value")),
        now=then.moment if then is not None and then.moment is not None else service.now(request),
        as_of=then.typed if then is not None else "",
    )


def _mapping(names: list[str], values: list[str]) -> dict[str, str]:
    return {name.strip(): value for name, value in zip(names, values, strict=False) if name.strip()}


@as_of.shows_past
def explore(request: ConsoleRequest) -> HttpResponse:
    begun = time.monotonic()
    asked = as_of.asked(request)
    question = read_question(request, asked)
    shown: dict[str, Any] = {"question": question, "as_of": asked}
    then = None
    if asked is not None:
        if asked.moment is None:
            shown |= _form(request, question, None)
            return render(request, "access/explorer.html", shown, status=asked.status)
        try:
            then = past.read(request, asked.moment)
        except ClientError as error:
            return problem_page(request, _("Access explorer"), error)
        shown |= {"as_of": asked.of_record(then.access.principals.begins), "principals": then.access.principals}
    shown |= _form(request, question, then)
    if not _is_named(question.key) and shown["keys"]:
        meant = [key_id for key_id, label in shown["keys"] if label == question.key] or [
            key_id for key_id, _label in shown["keys"]
        ]
        if len(meant) > 1:
            links = [(label, question.address(key=key_id)) for key_id, label in shown["keys"]]
            return render(request, "access/explorer.html", {**shown, "keys_meant": links})
        question = replace(question, key=meant[0])
        shown["question"] = question
    try:
        people = then.access.people if then is not None else principal_directory.of(request)
    except ClientError as error:
        status = 403 if service.denied(error) else 400
        return render(request, "access/explorer.html", {**shown, "problem": service.sentence(error)}, status=status)
    shown |= {"subjects": people.subjects, "unread": people.problems}
    try:
        answer = _answer(request, question, people, begun, then)
    except ClientError as error:
        status = 403 if service.denied(error) else 404 if "NotFound" in error.response["Error"]["Code"] else 400
        return render(request, "access/explorer.html", {**shown, "problem": service.sentence(error)}, status=status)
    except MalformedPolicy as reason:
        return render(request, "access/explorer.html", {**shown, "problem": reason.reason}, status=400)
    return render(request, "access/explorer.html", {**shown, **answer})


def _form(request: ConsoleRequest, question: Question, then: Past | None) -> dict[str, Any]:
    spare = [("", "")] * _SPARE_ROWS
    return {
        "actions": operations.key_actions(),
        "keys": _keys(request, "" if _is_named(question.key) else question.key, then)
        if then or not question.as_of
        else [],
        "pair_rows": [*question.pairs.items(), *spare],
        "condition_rows": [*question.conditions.items(), *spare],
    }


_NAMED = re.compile(r"\*|arn:.*|alias/.*|(mrk-)?[0-9a-f-]{32,36}")


def _is_named(text: str) -> bool:
    """Whether it names a key or another resource as AWS does, and is not something to search keys by."""
    return not text or bool(_NAMED.fullmatch(text))


def _keys(request: ConsoleRequest, text: str, then: Past | None) -> list[tuple[str, str]]:
    """(key ID, label) to choose from, of those that what is typed finds; none for who may not list keys and so has to know the key's ID."""
    if then is not None:
        return then.matching(text)
    try:
        rows = inventory.synced_keys(request).matching(text).by_name()[: inventory.PICKED]
    except ClientError as error:
        if not service.denied(error):
            raise
        return []
    return [(row.key_id, row.alias or row.key_id) for row in rows]


def resolve(people: PrincipalDirectory, text: str) -> Subject | None:
    """A principal by its ARN, or by its name where only one user or role has it."""
    found = people.find(text)
    if found is not None:
        return found
    named = _named(people, text)
    return named[0] if len(named) == 1 else None


def _named(people: PrincipalDirectory, name: str) -> list[Subject]:
    return [subject for subject in people.subjects if subject.name == name and subject.kind in ("user", "role")]


def _key(request: ConsoleRequest, name: str, then: Past | None) -> key_view.KeyView:
    return key_view.read(request, name) if then is None else then.key_view(name)


def _answer(
    request: ConsoleRequest, question: Question, people: PrincipalDirectory, begun: float, then: Past | None
) -> dict[str, Any]:
    subject = resolve(people, question.principal) if question.principal else None
    if question.principal and subject is None:
        meant = _named(people, question.principal)
        if meant:
            arns = " · ".join(each.arn for each in meant)
            words = _("A user and a role have this name. Say which by its ARN: %(arns)s")
            if then is not None:
                words = _("A user and a role had this name then. Say which by its ARN: %(arns)s")
            return {"unknown": words % {"arns": arns}}
        words = _("There is no principal “%(name)s” in this account.")
        if then is not None:
            words = _("The record tells of no principal “%(name)s” then in this account.")
        return {"unknown": words % {"name": question.principal}}
    if subject is not None and question.action and question.key:
        return _decision(request, question, people, subject, then)
    if question.key and _is_key(question):
        key = _key(request, question.key, then)
        if subject is not None:
            return _everything(question, subject, key)
        actions = [question.action] if question.action else [c.action for c in operations.columns(key.spec, key.usage)]
        return who_can(question, people, key, actions, request.GET)
    if subject is not None:
        return _which_keys(request, question, people, subject, begun, then)
    return {}


def _is_key(question: Question) -> bool:
    """Whether the resource is a KMS key, and not an alias, an IAM entity or everything."""
    if question.key == "*" or (question.key.startswith("arn:") and ":kms:" not in question.key):
        return False
    if question.action and question.action not in operations.key_actions():
        return False
    return not (":alias/" in question.key and question.action.endswith("Alias"))


def _decision(
    request: ConsoleRequest, question: Question, people: PrincipalDirectory, subject: Subject, then: Past | None
) -> dict[str, Any]:
    asked = question.request_context()
    shown: dict[str, Any] = {}
    if _is_key(question):
        key = _key(request, question.key, then)
        decision = decisions.explain(subject, question.action, key, asked)
        shown = {"key": key, "certainty": decisions.AccessEvaluator(subject, key, asked).cell(question.action)}
    else:
        role = people.find(question.key) if question.action == "sts:AssumeRole" else None
        decision = decisions.explain_other(
            subject,
            question.action,
            question.key,
            role.trust if role is not None else None,
            asked,
            people.account_id,
            request.signed_in.region,
            _key_of_console_action(request, question, then),
        )
    policies = decision.policies
    taking_part = [p for p in (policies.resource, policies.boundary, *policies.identity) if p is not None]
    given = decisions.context_of(subject, shown.get("key"), asked, "")
    return {
        **shown,
        "subject": subject,
        "decision": decision,
        "headline": explanation.headline(decision),
        "lines": explanation.lines(decision),
        "suggestions": explanation.smallest(decision, subject),
        "asked_for": condition_context.asked_for(taking_part, question.action.lower(), given),
        "editor": editor_of(subject) if then is None else "",
    }


def _key_of_console_action(request: ConsoleRequest, question: Question, then: Past | None) -> key_view.KeyView | None:
    """The key that an action of the console's own is about; None where it is about none, or the reader may not read the key."""
    if not (question.action.startswith("kmsconsole:") and ":kms:" in question.key and ":key/" in question.key):
        return None
    found: tuple[key_view.KeyView | None, str] = optional(lambda: _key(request, question.key, then))
    return found[0]


def editor_of(subject: Subject) -> str:
    """Where a policy of this user or role is written; empty for who is not of this account."""
    if not subject.visible or subject.kind not in ("user", "role"):
        return ""
    return reverse("inline-policy-new", args=[f"{subject.kind}s", subject.name])


def _everything(question: Question, subject: Subject, key: key_view.KeyView) -> dict[str, Any]:
    evaluator = decisions.AccessEvaluator(subject, key, question.request_context())
    answers = [
        (action, evaluator.cell(action), question.address(action=action))
        for action in operations.actions_for(key.spec, key.usage)
    ]
    return {"subject": subject, "key": key, "answers": answers}


def who_can(
    question: Question, people: PrincipalDirectory, key: key_view.KeyView, actions: list[str], query: QueryDict
) -> dict[str, Any]:
    """The matrix of everyone who may do, or may in some requests do, one of the actions."""
    rows = [row for row in decisions.matrix(people, key, actions, question.request_context()) if row.any]
    shown = paging.page_of(rows, _PAGE, query)
    return {
        "key": key,
        "columns": actions,
        "page": shown,
        "rows": [
            (
                row.subject,
                [
                    (cell, question.address(principal=row.subject.arn, action=action, key=key.key_id))
                    for action, cell in zip(actions, row.cells, strict=True)
                ],
            )
            for row in shown
        ],
    }


def _which_keys(
    request: ConsoleRequest,
    question: Question,
    people: PrincipalDirectory,
    subject: Subject,
    begun: float,
    then: Past | None,
) -> dict[str, Any]:
    # Where the principals had to be read anew there is less time for keys: the page goes on with the rest by itself.
    budget = max(0.0, key_policy_cache.BUDGET - (time.monotonic() - begun))
    held = then.readable_keys() if then is not None else key_policy_cache.readable_keys(request, people, budget)
    found = decisions.keys_for(
        subject,
        held.keys,
        lambda key: [question.action] if question.action else operations.main_actions(key.spec, key.usage),
        question.request_context(),
    )
    page = paging.page_of(sorted(found, key=lambda each: each[0].label), _PAGE, request.GET)
    return {
        "subject": subject,
        "held": held,
        "page": page,
        "key_rows": [
            (key, [(action, cell, question.address(action=action, key=key.key_id)) for action, cell in cells])
            for key, cells in page
        ],
    }
