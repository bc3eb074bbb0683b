"""What every page shows around its content: navigation, endpoint, account, Region, theme."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, get_script_prefix, reverse
from django.utils.translation import gettext_lazy as _

from console import public_address, session
from console.awsmodel import regions
from console.request import ConsoleRequest, when_signed_in
from keys import permissions
from keys.clock import durations
from keys.endpoints import backends
from kmsconsole.frame.speaks_of import speaks_of
from learn.class_accounts import notices


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the navigation. An entry whose page does not exist is left out, so no link is ever dead. `asks`: what the page cannot
    do without, as policies say it: to who may not do all of that, the entry is not shown."""

    label: Any
    url_name: str
    icon: str
    arguments: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return _address(self.url_name, self.arguments, get_script_prefix())


@cache  # each page asks for all of them, more than once
def _address(url_name: str, arguments: tuple[str, ...], prefix: str) -> str:
    return reverse(url_name, args=arguments)


@dataclass(frozen=True, slots=True)
class Group:
    label: Any
    entries: tuple[Entry, ...]


_NAVIGATION = (
    Group(
        _("Keys"),
        (
            Entry(_("Overview"), "home", "squares-2x2", asks=("kms:ListKeys",)),
            Entry(_("Customer managed keys"), "keys", "key", asks=("kms:ListKeys",)),
            Entry(_("AWS managed keys"), "aws-keys", "building-office-2", asks=("kms:ListKeys",)),
            Entry(_("Custom key stores"), "stores", "server-stack", asks=("kms:DescribeCustomKeyStores",)),
            Entry(_("Deletion approvals"), "key-approvals", "user-plus", asks=("kmsconsole:ListKeyDeletionRequests",)),
            Entry(_("Playground"), "playground", "beaker"),
        ),
    ),
    Group(
        _("Access"),
        (
            Entry(_("Users"), "users", "user", asks=("iam:ListUsers",)),
            Entry(_("Groups"), "groups", "user-group", asks=("iam:ListGroups",)),
            Entry(_("Roles"), "roles", "identification", asks=("iam:ListRoles",)),
            Entry(_("Policies"), "policies", "document-text", asks=("iam:ListPolicies",)),
            Entry(
                _("Identity providers"),
                "identity-providers",
                "globe-europe-africa",
                asks=("iam:ListOpenIDConnectProviders", "iam:ListSAMLProviders"),
            ),
            Entry(_("Access explorer"), "access", "shield-check", asks=("iam:GetAccountAuthorizationDetails",)),
        ),
    ),
    Group(
        _("Record"),
        (
            Entry(_("Audit"), "audit", "clipboard-document-list", asks=("cloudtrail:LookupEvents",)),
            Entry(_("Alerts"), "audit-alerts", "bell-alert", asks=("kmsconsole:ListAlerts",)),
            Entry(_("Sinks"), "audit-sinks", "arrow-up-tray", asks=("kmsconsole:ListSinks",)),
            Entry(_("Key states at a date"), "audit-keys", "calendar-days", asks=("kmsconsole:ReadRecord",)),
            Entry(_("Compliance"), "compliance", "check-badge", asks=("kmsconsole:ListComplianceResults",)),
        ),
    ),
    Group(
        _("Learn"),
        (
            Entry(_("Lessons"), "learn", "academic-cap", asks=("kmsconsole:ReadRecord",)),
            Entry(_("Classes"), "classes", "users", asks=("iam:ListGroups", "iam:ListUsers")),
            Entry(_("Labs"), "labs", "beaker"),
            Entry(_("Drills"), "drills", "bolt"),
        ),
    ),
    Group(
        _("Settings"),
        (
            Entry(_("Endpoints"), "endpoints", "globe-alt", asks=("kmsconsole:ListConnections",)),
            Entry(_("Clock"), "clock", "clock"),
            Entry(_("Your profile"), "profile", "user-circle"),
        ),
    ),
)

# What the palette offers to do, besides going to a page of the navigation.
_ACTIONS = (
    Entry(_("Create key"), "wizard", "plus", asks=("kms:CreateKey",)),
    Entry(
        _("Create AWS CloudHSM key store"), "store-new", "server-stack", ("cloudhsm",), ("kms:CreateCustomKeyStore",)
    ),
    Entry(_("Create external key store"), "store-new", "server-stack", ("xks",), ("kms:CreateCustomKeyStore",)),
    Entry(_("Encrypt"), "play", "lock-closed", ("encrypt",)),
    Entry(_("Decrypt"), "play", "lock-open", ("decrypt",)),
    Entry(_("Generate data key"), "play", "sparkles", ("generate-data-key",)),
    Entry(_("Sign a message"), "play", "pencil", ("sign",)),
    Entry(_("Verify a signature"), "play", "check-badge", ("verify",)),
    Entry(_("Encrypt a file under a data key"), "lab-envelope", "academic-cap"),
    Entry(_("Directly or as an envelope"), "lab-direct", "academic-cap"),
    Entry(_("What a ciphertext tells"), "lab-ciphertext", "academic-cap"),
    Entry(_("Integrated services"), "lab-services", "academic-cap"),
    Entry(_("Create class"), "class-new", "user-group", asks=("iam:CreateUser", "iam:CreateGroup")),
    Entry(_("Create user"), "user-new", "user-plus", asks=("iam:CreateUser", "iam:ListGroups")),
    Entry(_("Create group"), "group-new", "user-plus", asks=("iam:CreateGroup",)),
    Entry(_("Check the audit record"), "audit-verify", "shield-check", asks=("kmsconsole:ReadRecord",)),
    Entry(_("Export keys"), "keys-export", "arrow-down-tray", asks=("kms:ListKeys",)),
    Entry(_("Connect another endpoint"), "endpoint-new", "plus", asks=("kmsconsole:ManageConnections",)),
    Entry(_("Begin a drill"), "drills", "bolt", asks=("kmsconsole:ManageDrills",)),
    Entry(_("Move the clock forward"), "clock", "clock", asks=("kmsconsole:MoveClock",)),
)


@cache
def navigation() -> tuple[Group, ...]:
    groups = []
    for group in _NAVIGATION:
        entries = tuple(entry for entry in group.entries if _exists(entry.url_name, entry.arguments))
        if entries:
            groups.append(Group(group.label, entries))
    return tuple(groups)


@cache
def actions() -> tuple[Entry, ...]:
    return tuple(entry for entry in _ACTIONS if _exists(entry.url_name, entry.arguments))


def navigation_of(request: ConsoleRequest) -> tuple[Group, ...]:
    """What this reader may open: the decision says so before anything is asked for."""
    shown = ((group.label, tuple(entry for entry in group.entries if opens(request, entry))) for group in navigation())
    return tuple(Group(label, entries) for label, entries in shown if entries)


# What is to be made has no name yet: its permission is asked for any.
_NEW = {"iam:CreateUser": "user", "iam:CreateGroup": "group"}


def opens(request: ConsoleRequest, entry: Entry) -> bool:
    def refused(action: str) -> str:
        arn = permissions.new_arn(request, _NEW[action]) if action in _NEW else "*"
        return permissions.refusal(request, action, arn)

    return not any(map(refused, entry.asks))


def _exists(url_name: str, arguments: tuple[str, ...] = ()) -> bool:
    try:
        reverse(url_name, args=arguments)
    except NoReverseMatch:
        return False
    return True


def _within(path: str, url: str) -> bool:
    return path == url if url == "/" else path.startswith(url)


def frame(request: HttpRequest) -> dict[str, Any]:
    own = when_signed_in(request)
    choices = backends.choices(own) if own else []
    backend = backends.current(own) if own else backends.default()
    path = request.path
    current = max(
        (url for group in navigation() for url in (entry.url for entry in group.entries) if _within(path, url)),
        key=len,
        default="",
    )
    return {
        "navigation": navigation_of(own) if own else (),
        "current_entry": current,
        "backends": choices,
        "endpoint": backend.name or {"embedded": _("Embedded"), "aws": _("Real AWS")}[backend.kind],
        "endpoint_kind": backend.kind,
        "signed_in": own and own.signed_in,
        "local_address": own and public_address.of_this_machine(own),
        "speaks_of": own and speaks_of(own),
        "other_sessions": session.others(request) if hasattr(request, "session") else (),
        "class_notice": own and notices.of_account(own.signed_in.account_id),
        "clock_ahead": durations.ahead(own) if own else "",
        "regions": regions("kms") if own else (),
        "theme": request.COOKIES.get("theme", "system"),
    }
