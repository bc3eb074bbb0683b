"""Whose account, Region and endpoint a page speaks of: one line on every page, for another endpoint's keys are not the account's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from console.request import ConsoleRequest
from keys import service
from keys.inventory import inventory

# Pages of the account that is signed in to, whichever endpoint the keys are at: the packages of their views.
_CONSOLE = ("principals.sign_in", "principals.profile", "learn.classes", "learn.drills", "keys.clock", "keys.lifecycle.views.approvals", "keys.endpoints", "kmsconsole.frame")  # fmt: skip
# Finds the endpoint's keys; its users, groups and roles are named for themselves.
_SEARCH = ("kmsconsole.frame.search",)
# Of IAM: the endpoint's where that is AWS.
_IAM = ("principals", "access")


@dataclass(frozen=True, slots=True)
class SpeaksOf:
    """`account` is "" where it is not known yet. `elsewhere`: the endpoint whose keys other pages show, if this page is not about it."""

    endpoint: str
    account: str
    region: str
    elsewhere: str = ""


def speaks_of(request: ConsoleRequest) -> SpeaksOf:
    signed_in = request.signed_in
    chosen = service.backend(request)
    embedded = SpeaksOf(_("Embedded"), signed_in.account_id, signed_in.region)
    if chosen.embedded:
        return embedded
    name = chosen.name or _("Real AWS")
    of_console = _is_of(request, _CONSOLE) and not _is_of(request, _SEARCH)
    if of_console or (chosen.kind != service.AWS and _is_of(request, _IAM)):
        return SpeaksOf(embedded.endpoint, embedded.account, embedded.region, elsewhere=name)
    region = (chosen.connection and chosen.connection.region) or signed_in.region
    return SpeaksOf(name, inventory.endpoint_account(request), region)


def _is_of(request: ConsoleRequest, packages: tuple[str, ...]) -> bool:
    view: Any = request.resolver_match.func if request.resolver_match else None
    module = getattr(view, "__module__", "")
    return any(module == each or module.startswith(f"{each}.") for each in packages)
