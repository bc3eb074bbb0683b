"""The teacher's board: a class's accounts and how far their students are."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from console.request import ConsoleRequest
from keys import service
from keys.common import problem_page
from learn.class_accounts import class_accounts, join_links
from learn.class_accounts.views.manage import found_class


def board(request: ConsoleRequest, slug: str) -> HttpResponse:
    of_class = found_class(request, slug)
    if refused := service.refusal(request, class_accounts.READ):
        return problem_page(request, of_class.name, refused)
    open_links = [link for link in of_class.links.select_related("of_class") if join_links.is_open(link)]
    context = {"class": of_class, "accounts": class_accounts.accounts(of_class), "open_links": open_links}
    return render(request, "learn/class_accounts/board.html", context)
