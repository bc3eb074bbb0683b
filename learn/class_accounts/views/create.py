"""Making a class whose students have an account each, and more accounts for one. The answer shows their credentials, once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from console.request import ConsoleRequest
from keys import service
from keys.common import problem_page
from learn.class_accounts import class_accounts, join_links, roster
from learn.class_accounts.cards import Card
from learn.class_accounts.class_accounts import Outcome
from learn.class_accounts.forms import NewClassForm, RosterForm
from learn.models import AccountClass, JoinLink


@never_cache
def new(request: ConsoleRequest) -> HttpResponse:
    if refused := service.refusal(request, class_accounts.MANAGE):
        return problem_page(request, _("Create class"), refused)
    posted = request.method == "POST"
    form = NewClassForm(request.POST if posted else None, request.FILES if posted else None)
    if posted and form.is_valid():
        given = form.cleaned_data
        made = AccountClass(
            account_id=request.signed_in.account_id,
            slug=given["slug"],
            name=given["name"],
            created=timezone.now(),
            ends=timezone.now() + timedelta(days=given["days"]),
            key_quota=given["key_quota"],
            call_quota=given["call_quota"],
        )
        if class_accounts.find(request, made.slug) is not None:
            form.add_error("name", _("There is a class of this name already."))
        else:
            return _made(request, form, made)
    return render(request, "learn/class_accounts/new.html", {"form": form}, status=422 if form.errors else 200)


def _made(request: ConsoleRequest, form: NewClassForm, made: AccountClass) -> HttpResponse:
    given = form.cleaned_data
    join = (given["minutes"], given["places"]) if given["with_link"] else None
    try:
        link = class_accounts.create(request, made, join)
    except ClientError as error:
        return problem_page(request, made.name, error)
    outcome = class_accounts.add(request, made, form.people, shared=given["shared"] or 0)
    if not outcome.cards and not outcome.error:
        messages.success(request, _("The class %(name)s is created.") % {"name": made.name})
        return redirect("class-manage", made.slug)
    return cards_page(request, made, outcome.cards, outcome=outcome, link=link)


@never_cache
def add(request: ConsoleRequest, slug: str) -> HttpResponse:
    found = class_accounts.find(request, slug)
    if found is None:
        raise Http404
    if refused := service.refusal(request, class_accounts.MANAGE):
        return problem_page(request, found.name, refused)
    if over := over_page(request, found):
        return over
    posted = request.method == "POST"
    form = RosterForm(request.POST if posted else None, request.FILES if posted else None)
    if posted and form.is_valid():
        outcome = class_accounts.add(request, found, form.people, shared=form.cleaned_data["shared"] or 0)
        return cards_page(request, found, outcome.cards, outcome=outcome)
    context = {"form": form, "class": found}
    return render(request, "learn/class_accounts/new.html", context, status=422 if form.errors else 200)


def over_page(request: ConsoleRequest, of_class: AccountClass) -> HttpResponse | None:
    """For what a class that is over cannot do any more: back to its board, which says why. None for one that goes on."""
    if not (why := class_accounts.why_over(of_class)):
        return None
    messages.error(request, why)
    return redirect("class-board", of_class.slug)


def cards_page(
    request: ConsoleRequest,
    of_class: AccountClass,
    cards: Sequence[Card],
    *,
    outcome: Outcome | None = None,
    link: JoinLink | None = None,
) -> HttpResponse:
    """The one page that shows passwords and secrets."""
    context: dict[str, Any] = {
        "class": of_class,
        "cards": cards,
        "outcome": outcome,
        "problem": service.sentence(outcome.error) if outcome and outcome.error else "",
        "again": roster.written(outcome.left) if outcome else "",
        "text": "\n".join(card.text for card in cards),
        "link": link,
        "link_address": join_links.address(request, link) if link else "",
    }
    return render(request, "learn/class_accounts/cards.html", context)


@require_POST
@never_cache
@sensitive_post_parameters()
def cards_file(request: ConsoleRequest) -> HttpResponse:
    """The cards that a page holds, as a file. They come with the form: nothing of them was kept here."""
    answer = HttpResponse(request.POST.get("text", ""), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="credentials.txt"'
    return answer
