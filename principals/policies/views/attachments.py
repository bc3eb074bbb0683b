"""What hangs on a user, group or role beside inline policies: managed policies, the permissions boundary, tags. One form a change."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError
from django.http import Http404, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext as _

from console.aws_calls import pages, readable
from console.request import ConsoleRequest
from keys import service
from keys.changes import Change, asked, carry_out
from principals.policies.views.inline import KINDS, Kind

PRACTICE_PATH = ":policy/practice/"  # in the ARN of a policy for a role that people have in practice


OF_AWS = "arn:aws:iam::aws:"  # in front of the ARN of a managed policy of AWS
# AWS has more than 1,500 managed policies: as few calls as IAM allows.
AS_MANY = {"PageSize": 1000}
# (ARN, name) of AWS's managed policies at the embedded engine, in whose data they are: listed once, for that takes longer than the page.
_of_aws: dict[str, list[tuple[str, str]]] = {}


def of_entity(iam: Any, kind: str, name: str) -> dict[str, Any]:
    """For templates/principals/_policies.html: the policies of a user, group or role, or why they may not be read. Raises ClientError for
    any other error."""
    which = {f"{kind.capitalize()}Name": name}
    inline, problem = readable(lambda: pages(iam, f"list_{kind}_policies", "PolicyNames", **which), [])
    attached, other = readable(lambda: pages(iam, f"list_attached_{kind}_policies", "AttachedPolicies", **which), [])
    # Many options, made without the template's loop, which takes longer than the rest of the page.
    options = format_html_join("", '<option value="{}">{}</option>', managed_choices(iam, without=attached))
    return {"inline": inline, "attached": attached, "options": options, "policies_problem": problem or other}


def managed_choices(iam: Any, *, without: Iterable[dict[str, Any]] = ()) -> list[tuple[str, str]]:
    """(ARN, name) of every managed policy, those for roles in practice first; empty if the caller may not list them."""
    try:
        own = _named(pages(iam, "list_policies", "Policies", Scope="Local", PaginationConfig=AS_MANY))
        of_aws = _choices_of_aws(iam)
    except ClientError as error:
        if not service.denied(error):
            raise
        return []
    own.sort(key=lambda each: (PRACTICE_PATH not in each[0], each[1]))
    attached = {each["PolicyArn"] for each in without}
    return [each for each in (*own, *of_aws) if each[0] not in attached]


def _choices_of_aws(iam: Any) -> list[tuple[str, str]]:
    endpoint = iam.meta.endpoint_url
    if endpoint in _of_aws:
        return _of_aws[endpoint]
    listed = _listed_of_aws(iam)
    if endpoint == service.EMBEDDED_URL:
        _of_aws[endpoint] = listed
    return listed


def _listed_of_aws(iam: Any) -> list[tuple[str, str]]:
    listed = _named(pages(iam, "list_policies", "Policies", Scope="AWS", PaginationConfig=AS_MANY))
    return sorted(listed, key=lambda each: each[1])


def _named(policies: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(policy["Arn"], policy["PolicyName"]) for policy in policies]


def _owner(kind: str) -> Kind:
    if kind not in KINDS:
        raise Http404
    return KINDS[kind]


def change(request: ConsoleRequest, kind: str, name: str) -> HttpResponse:
    """`attach` or `detach` a managed policy by ARN."""
    owner = _owner(kind)
    return carry_out(request, _attachment(asked(request), owner, name), reverse(owner.page, args=[name]))


def _attachment(given: QueryDict, owner: Kind, name: str) -> Change | None:
    verb = next((verb for verb in ("attach", "detach") if given.get(verb)), None)
    if verb is None:
        return None
    arn = given.get(verb, "")
    policy = {"policy": arn.rpartition("/")[2], "owner": name}
    call = (f"{verb.title()}{owner.word.title()}Policy", {owner.parameter: name, "PolicyArn": arn})
    if verb == "attach":
        return Change(_("Attach %(policy)s to %(owner)s") % policy, [call], _("%(policy)s is attached.") % policy)
    return Change(_("Detach %(policy)s from %(owner)s") % policy, [call], _("%(policy)s is detached.") % policy)


def boundary(request: ConsoleRequest, kind: str, name: str) -> HttpResponse:
    """Set the permissions boundary to `arn`, or take it away without one."""
    owner = _owner(kind)
    if owner.word == "group":
        raise Http404
    whose = {owner.parameter: name}
    if arn := asked(request).get("arn"):
        policy = {"policy": arn.rpartition("/")[2], "owner": name}
        made = Change(
            _("Make %(policy)s the permissions boundary of %(owner)s") % policy,
            [(f"Put{owner.word.title()}PermissionsBoundary", {**whose, "PermissionsBoundary": arn})],
            _("%(policy)s is the permissions boundary now.") % policy,
        )
    else:
        made = Change(
            _("Remove the permissions boundary of %(owner)s") % {"owner": name},
            [(f"Delete{owner.word.title()}PermissionsBoundary", whose)],
            _("There is no permissions boundary any more."),
        )
    return carry_out(request, made, reverse(owner.page, args=[name]))


def tag(request: ConsoleRequest, kind: str, name: str) -> HttpResponse:
    """Set a tag (`key`, `value`), or take one away (`remove`)."""
    owner = _owner(kind)
    if owner.word == "group":
        raise Http404
    given, whose, made = asked(request), {owner.parameter: name}, None
    if key := given.get("remove"):
        made = Change(
            _("Remove tag %(key)s of %(owner)s") % {"key": key, "owner": name},
            [(f"Untag{owner.word.title()}", {**whose, "TagKeys": [key]})],
            _("The tag is removed."),
        )
    elif "key" in given:
        pair = {"Key": given.get("key", "").strip(), "Value": given.get("value", "").strip()}
        made = Change(
            _("Set tag %(key)s of %(owner)s") % {"key": pair["Key"], "owner": name},
            [(f"Tag{owner.word.title()}", {**whose, "Tags": [pair]})],
            _("The tag is set."),
        )
    return carry_out(request, made, reverse(owner.page, args=[name]))
