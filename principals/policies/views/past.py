"""Users, groups, roles and policies as they were at a moment: lists and one of them, told by the record (keys.evaluator.past_principals)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from console import paging
from console.addresses import filter_text
from console.aws_calls import optional
from console.request import ConsoleRequest
from keys import service
from keys.common import problem_page
from keys.evaluator import past_principals
from keys.record import iam_events
from keys.record.as_of import PARAMETER, AsOf
from keys.record.iam_events import PastAccount, PastEntity

_PAGE = 100


@dataclass(frozen=True, slots=True)
class Kind:
    """`page` is the name of the pattern of one of them; `none` what an empty list says."""

    title: Any
    page: str
    none: Any


KINDS = {
    iam_events.USER: Kind(_("Users"), "user", _("No users then.")),
    iam_events.GROUP: Kind(_("Groups"), "group", _("No groups then.")),
    iam_events.ROLE: Kind(_("Roles"), "role", _("No roles then.")),
    iam_events.POLICY: Kind(_("Policies"), "policy", _("No customer managed policies then.")),
}


def address(kind: str, name: str, typed: str) -> str:
    """The page of one of them as it was: a policy is known by its ARN."""
    if kind == iam_events.POLICY:
        return f"{reverse('policy')}?{urlencode({'arn': name, PARAMETER: typed})}"
    return f"{reverse(KINDS[kind].page, args=[name])}?{urlencode({PARAMETER: typed})}"


def _named(each: PastEntity, typed: str) -> str:
    return address(each.kind, each.arn if each.kind == iam_events.POLICY else each.name, typed)


def listing(request: ConsoleRequest, kind: str, asked: AsOf) -> HttpResponse:
    of = KINDS[kind]
    context: dict[str, Any] = {"title": of.title, "none": of.none, "as_of": asked}
    if asked.moment is None:
        return render(request, "principals/past_list.html", context, status=asked.status)
    try:
        found = past_principals.read(request, asked.moment)
    except ClientError as error:
        return problem_page(request, of.title, error)
    wanted = filter_text(request.GET)
    entities = found.account.of(kind)
    shown = [each for each in entities if wanted.typed.lower() in each.name.lower()]
    page = paging.page_of(shown, _PAGE, request.GET)
    context |= {
        "as_of": asked.of_record(found.begins),
        "filter": wanted,
        "total": len(entities),
        "page": page,
        "rows": [(each, _named(each, asked.typed)) for each in page],
        "found": found,
    }
    return render(request, "principals/past_list.html", context)


def entity(request: ConsoleRequest, kind: str, name: str, asked: AsOf) -> HttpResponse:
    title = name.rpartition("/")[2] or KINDS[kind].title
    context: dict[str, Any] = {"title": title, "as_of": asked}
    if asked.moment is None:
        return render(request, "principals/past_entity.html", context, status=asked.status)
    try:
        found = past_principals.read(request, asked.moment)
        each = found.account.find(kind, name)
        if each is None and ":iam::aws:" in name:
            each = PastEntity(
                kind, title, name, versions={"": past_principals.policy_document(request, name, asked.moment)}
            )
    except ClientError as error:
        return problem_page(request, title, error)
    context |= {"as_of": asked.of_record(found.begins), "found": found}
    if each is None:
        return render(request, "principals/past_entity.html", {**context, "unknown": True}, status=404)
    return render(request, "principals/past_entity.html", {**context, **_shown(request, found.account, each, asked)})


def _shown(request: ConsoleRequest, account: PastAccount, each: PastEntity, asked: AsOf) -> dict[str, Any]:
    typed = asked.typed
    members = [user for user in account.of(iam_events.USER) if each.name.lower() in {g.lower() for g in user.groups}]
    return {
        "entity": each,
        "kind": each.kind,
        "attached": [(arn.rpartition("/")[2], address(iam_events.POLICY, arn, typed)) for arn in sorted(each.attached)],
        "boundary": address(iam_events.POLICY, each.boundary, typed) if each.boundary else "",
        "groups": [(group, address(iam_events.GROUP, group, typed)) for group in sorted(each.groups)],
        "members": [(user.name, _named(user, typed)) for user in members] if each.kind == iam_events.GROUP else [],
        "attached_to": [
            (other.kind, other.name, _named(other, typed))
            for kind in iam_events.OWNERS
            for other in account.of(kind)
            if each.kind == iam_events.POLICY and each.arn in other.attached
        ],
        "access_keys": _access_keys(request, each, asked) if each.kind == iam_events.USER else [],
    }


def _access_keys(request: ConsoleRequest, each: PastEntity, asked: AsOf) -> list[tuple[str, str]]:
    """(ID, status) of those that the record tells of, and of today's that are older than it, whose status then is not told."""
    known = sorted(each.access_keys.items())
    if each.recorded:
        return known
    iam = service.client(request, "iam")
    today, _problem = optional(lambda: service.pages(iam, "list_access_keys", "AccessKeyMetadata", UserName=each.name))
    older = [key for key in today or [] if asked.moment is not None and key["CreateDate"] <= asked.moment]
    return known + [(key["AccessKeyId"], key["Status"]) for key in older if key["AccessKeyId"] not in each.access_keys]
