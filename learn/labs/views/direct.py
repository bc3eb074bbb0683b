"""Directly or as an envelope: the page that measures both with the person's key, as charts and as the same numbers in a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from console import charts, error_help
from console.addresses import chosen_key, key_search, searches_keys
from console.request import ConsoleRequest
from keys import call, service
from keys.inventory import inventory
from learn.labs import direct
from learn.labs.direct import DIRECT, SIZES, Measured

_WIDTH = 300  # of a chart: three stand side by side
_FILES = 1000  # for how many files the quota is reckoned


@never_cache
def page(request: ConsoleRequest) -> HttpResponse:
    shown: dict[str, Any] = {"key": chosen_key(request, "key"), "size": _size(request)}
    try:
        text = key_search(request).text
        shown["choices"] = inventory.keys_for_picker(
            request, "ENCRYPT_DECRYPT", symmetric_only=True, text=text, chosen=[shown["key"]]
        )
    except ClientError as error:
        shown["picker_problem"] = service.sentence(error)
    if request.method == "POST" and not searches_keys(request):
        try:
            measured = direct.measure(service.client(request), shown["key"], shown["size"])
        except ClientError as error:
            shown["problem"] = error_help.explained(error)
        else:
            shown.update(measured=measured, charts=_charts(measured), files=_FILES, quota=_quota(measured))
    key = shown["key"] or next((each for each, _words in shown.get("choices", ())), "alias/my-key")
    shown["call"] = call.show_all(request, direct.examples(key), "kms")
    return render(
        request,
        "learn/labs/direct.html",
        {"sizes": [(size, size // 1024) for size in SIZES], "find": key_search(request), **shown},
        status=422 if "problem" in shown else 200,
    )


def _size(request: ConsoleRequest) -> int:
    asked = request.POST.get("size", "")
    return int(asked) if asked in map(str, SIZES) else SIZES[1]


def _quota(measured: tuple[Measured, Measured]) -> list[str]:
    """Seconds of the whole quota, each way."""
    return [f"{each.quota_seconds(_FILES):g}" for each in measured]


def _charts(measured: tuple[Measured, Measured]) -> list[tuple[str, charts.Bars]]:
    """(what it shows, its columns): one chart a quantity, since their numbers have nothing in common."""
    quantities: list[tuple[str, Callable[[Measured], float]]] = [
        (_("Calls"), lambda each: each.calls),
        (_("Bytes over the wire"), lambda each: each.wire),
        (_("Milliseconds"), lambda each: each.milliseconds),
    ]
    return [(title, _chart(title, measured, number)) for title, number in quantities]


def _chart(title: str, measured: tuple[Measured, Measured], number: Callable[[Measured], float]) -> charts.Bars:
    columns = []
    for each in measured:
        way = _("directly") if each.way == DIRECT else _("envelope")
        value = max(1, round(number(each)))
        columns.append((way, f"{title}, {way}: {value:,}", [("notice" if each.way == DIRECT else "good", value)]))
    return charts.bars(columns, width=_WIDTH)
