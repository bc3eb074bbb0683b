"""Joining a class by its link: open to all who have the link while it is open. The answer shows the credentials, once."""

from __future__ import annotations

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from console import session
from engine.public import signin
from learn.class_accounts import class_accounts, join_links
from learn.class_accounts.cards import Card
from learn.class_accounts.forms import JoinForm
from learn.class_accounts.roster import Person


@never_cache
def join(request: HttpRequest, code: str) -> HttpResponse:
    link = join_links.find(code)
    if link is None or not class_accounts.join_is_open(link):
        return render(request, "learn/class_accounts/join.html", {"closed": True}, status=410 if link else 404)
    form = JoinForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            _row, card = class_accounts.join(request, link, Person(given["name"], given["email"]))
        except class_accounts.LinkClosed:
            return render(request, "learn/class_accounts/join.html", {"closed": True}, status=410)
        except OperationalError:  # nothing was made: the database takes one change after the other
            form.add_error(None, _("Too many join at this moment. Try again in a few seconds."))
        else:
            context = {"class": link.of_class, "card": card, "entered": _sign_in(request, card)}
            return render(request, "learn/class_accounts/joined.html", context)
    context = {"class": link.of_class, "form": form, "title": _("Join %(name)s") % {"name": link.of_class.name}}
    return render(request, "learn/class_accounts/join.html", context, status=422 if form.errors else 200)


def _sign_in(request: HttpRequest, card: Card) -> bool:
    """Sign the student in with the new password; a browser that holds sign-ins already keeps them. False where it holds too many, too
    many others sign in, or more than a password is asked for."""
    if session.full(request):
        return False
    try:
        found = signin.sign_in(
            card.account_id,
            card.user_name,
            card.password,
            source_ip=request.META.get("REMOTE_ADDR", ""),
            user_agent=request.headers.get("User-Agent", ""),
        )
    except (OperationalError, signin.Unfinished):  # the account is made: its credentials are what matters now
        return False
    session.enter(request, found, beside=True)
    return True
