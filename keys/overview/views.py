"""The overview: what an administrator needs this morning, each number leading to its list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console import aws_calls
from console.request import ConsoleRequest
from keys import service
from keys.common import problem_page
from keys.endpoints import connections
from keys.inventory import inventory
from keys.inventory.lists import synced_listing
from keys.record import events
from keys.stores import stores

if TYPE_CHECKING:
    from keys.inventory.inventory import Row

SHOWN = 5
CHARTS = (
    ("state", gettext_lazy("By status")),
    ("kind", gettext_lazy("By key type")),
    ("origin", gettext_lazy("By origin")),
)


@dataclass(frozen=True, slots=True)
class OverviewPanel:
    """Something to look at: its list's query, how many keys, the most urgent of them, and the column that says why.

    `unread`: what this principal may not read of every key, so that there may be more.
    """

    slug: str
    title: Any
    nothing: Any
    query: str
    number: int
    rows: list[tuple[Row, int | None]]
    column: str
    unread: list[str]

    @property
    def url(self) -> str:
        return f"{reverse('keys')}?{self.query}"


# Slug, title, what is said when there is none, the list's query, the column that is shown.
_PANELS = (
    ("deletion", gettext_lazy("Pending deletion"), gettext_lazy("Nothing is about to be deleted."), "due=deletion&sort=deletion_date", "deletion_date"),
    ("expiry", gettext_lazy("Material expires within 30 days"), gettext_lazy("No imported material expires soon."), "due=expiry&sort=valid_to", "valid_to"),
    ("rotation", gettext_lazy("Rotates within 30 days"), gettext_lazy("No rotation is due."), "due=rotation&sort=next_rotation", "next_rotation"),
    ("unused", gettext_lazy("Not used for 90 days"), gettext_lazy("Every enabled key is used, or new."), "due=unused&sort=created", "last_used"),
    ("public", gettext_lazy("Public access"), gettext_lazy("No key policy allows public access."), "public=yes&sort=alias", ""),
)  # fmt: skip


def home(request: ConsoleRequest) -> HttpResponse:
    try:
        listing = synced_listing(request, "CUSTOMER", QueryDict())
        matters = [_panel(request, *each) for each in _PANELS]
    except ClientError as error:
        return problem_page(request, _("Overview"), error)
    since = (service.record_now(request) - _DAY).replace(
        second=0, microsecond=0
    )  # a link to the list names it to the minute
    refused, whole, refused_problem = _refused_calls(request, since)
    return render(
        request,
        "keys/overview/overview.html",
        {
            "total": listing.matching,
            "hidden": listing.hidden_total,
            "charts": [(name, words, listing.counts(name)) for name, words in CHARTS],
            "matters": matters,
            "refused": refused,
            "refused_whole": whole,
            "refused_problem": refused_problem,
            "refused_query": urlencode(
                {"error": events.DENIED, "start": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
            ),
            "progress": inventory.progress(request),
            "stores": stores.trouble(request),
        },
    )


def _panel(request: ConsoleRequest, slug: str, title: Any, nothing: Any, query: str, column: str) -> OverviewPanel:
    listing = synced_listing(request, "CUSTOMER", QueryDict(query))
    number = listing.number()
    rows = inventory.describe_rows(request, listing.between(0, SHOWN)) if number else []
    urgent = [(row, _days(row, column, listing.now)) for row in rows]
    return OverviewPanel(slug, title, nothing, query, number, urgent, column, listing.unread)


def _days(row: Row, column: str, now: datetime) -> int | None:
    """Days from now to the moment in a column (negative: ago)."""
    moment = getattr(row, column) if column else None
    return (moment - now).days if moment else None


_DAY = timedelta(days=1)
_LOOKED_AT = 200  # of another trail's events, which cannot be asked for refusals alone


def _refused_calls(request: ConsoleRequest, start: datetime) -> tuple[list[dict[str, Any]], bool, str]:
    """The calls that were denied since `start`, newest first, and whether these are all; or why the record may not be read."""
    try:
        found = events.refused_since(request, start, _LOOKED_AT)
    except (ClientError, *aws_calls.FAILURES) as error:
        return (
            [],
            True,
            connections.failure(request, error).title_in_readers_language
            if aws_calls.failed(error)
            else service.sentence(error),
        )
    denied = [record for record in found.records if str(record.get("errorCode", "")).startswith(events.DENIED)]
    return (
        [
            {
                "id": record["eventID"],
                "when": datetime.fromisoformat(record["eventTime"]),
                "name": record["eventName"],
                "who": record["userIdentity"]
                .get("arn", record["userIdentity"].get("invokedBy", ""))
                .rpartition("/")[2],
                "keys": [arn.rpartition("/")[2] for arn in events.keys(record)],
            }
            for record in denied
        ],
        found.whole,
        "",
    )
