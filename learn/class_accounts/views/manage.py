"""A class's settings: join links, limits, message, clocks, closing; and a student's account: new credentials, reset, read-only look, end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError
from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from console import session
from console.aws_calls import sentence
from console.request import ConsoleRequest
from engine.public import drills
from keys import service
from keys.common import problem_page
from learn.class_accounts import class_accounts, join_links, standings
from learn.class_accounts.forms import ClockForm, LimitsForm, LinkForm, MessageForm
from learn.class_accounts.views.create import cards_page, over_page
from learn.drills.forms import WORDS, DrillForm
from learn.lessons import lessons
from learn.models import AccountClass, ClassAccount


def found_class(request: ConsoleRequest, slug: str) -> AccountClass:
    """Raises Http404, also for the class of another account."""
    found = class_accounts.find(request, slug)
    if found is None:
        raise Http404
    return found


def found_account(request: ConsoleRequest, slug: str, user_name: str) -> ClassAccount:
    """Raises Http404."""
    of_class = found_class(request, slug)
    found = of_class.accounts.select_related("of_class").filter(user_name=user_name, ended=None).first()
    if found is None:
        raise Http404
    return found


Action = Callable[[ConsoleRequest, AccountClass, dict[str, Any]], str]


def _link(request: ConsoleRequest, of_class: AccountClass, given: dict[str, Any]) -> str:
    class_accounts.open_link(request, of_class, given["minutes"], given["places"])
    return _("The link is open.")


def _limits(request: ConsoleRequest, of_class: AccountClass, given: dict[str, Any]) -> str:
    of_class.ends = timezone.now() + timedelta(days=given["days"])
    of_class.key_quota, of_class.call_quota = given["key_quota"], given["call_quota"]
    class_accounts.set_limits(request, of_class)
    return _("The limits hold from now on.")


def _message(request: ConsoleRequest, of_class: AccountClass, given: dict[str, Any]) -> str:
    of_class.message = given["message"]
    save = lambda: of_class.save(update_fields=["message"])  # noqa: E731
    class_accounts.manage(request, of_class, save, change="WriteMessage")
    return _("The message is on the students' pages.") if of_class.message else _("The message is taken away.")


def _clock(request: ConsoleRequest, of_class: AccountClass, given: dict[str, Any]) -> str:
    moved = class_accounts.move_clocks(request, of_class, given["by"] * int(given["unit"]))
    return ngettext("%(number)d clock was moved.", "%(number)d clocks were moved.", moved) % {"number": moved}


def _drill(request: ConsoleRequest, of_class: AccountClass, given: dict[str, Any]) -> str:
    begun = class_accounts.begin_drill(request, of_class, given["kind"], share=given["share"], minutes=given["minutes"])
    return ngettext(
        "The drill runs in %(number)d account. It ends by itself.",
        "The drill runs in %(number)d accounts. It ends by itself.",
        begun,
    ) % {"number": begun}


def _end_drill(request: ConsoleRequest, of_class: AccountClass, _given: dict[str, Any]) -> str:
    class_accounts.end_drill(request, of_class)
    return _("The drill has ended.")


_FORMS: dict[str, tuple[type[forms.Form], Action]] = {
    "link": (LinkForm, _link),
    "limits": (LimitsForm, _limits),
    "message": (MessageForm, _message),
    "clock": (ClockForm, _clock),
    "drill": (DrillForm, _drill),
    "end_drill": (forms.Form, _end_drill),
}


def manage(request: ConsoleRequest, slug: str) -> HttpResponse:
    of_class = found_class(request, slug)
    if refused := service.refusal(request, class_accounts.MANAGE):
        return problem_page(request, of_class.name, refused)
    chosen = request.POST.get("form", "") if request.method == "POST" else ""
    if request.method == "POST" and chosen not in _FORMS:
        raise Http404
    if chosen and of_class.closed is not None and (over := over_page(request, of_class)):
        return over
    shown: dict[str, forms.Form] = {}
    for name, (kind, action) in _FORMS.items():
        form = kind(request.POST) if name == chosen else kind(initial=_initial(of_class), auto_id=f"id_{name}_%s")
        if name == chosen and (why := _why_not(name, of_class)):
            form.add_error(None, why)
        if name == chosen and form.is_valid():
            try:
                messages.success(request, action(request, of_class, form.cleaned_data))
            except ClientError as error:
                form.add_error(None, sentence(error))
            else:
                return redirect("class-manage", slug)
        shown[name] = form
    links = [
        (link, join_links.is_open(link), join_links.address(request, link))
        for link in of_class.links.select_related("of_class").order_by("-created")[:5]
    ]
    drill = class_accounts.running_drill(of_class)
    context = {
        "class": of_class,
        "forms": shown,
        "links": links,
        "why_over": class_accounts.why_over(of_class),
        "drill": drill,
        "drill_words": WORDS[drill.kind] if drill is not None else "",
        "no_drill": _no_drill(drill),
    }
    return render(request, "learn/class_accounts/manage.html", context, status=422 if chosen else 200)


def _why_not(form: str, of_class: AccountClass) -> str:
    """Why what a form asks for cannot be done, known before it is tried."""
    if form == "link":
        return class_accounts.why_over(of_class)
    return _no_drill(class_accounts.running_drill(of_class)) if form == "end_drill" else ""


def _no_drill(running: drills.Running | None) -> str:
    return "" if running is not None else _("No drill is running.")


def _initial(of_class: AccountClass) -> dict[str, Any]:
    found: dict[str, Any] = {
        "message": of_class.message,
        "key_quota": of_class.key_quota,
        "call_quota": int(of_class.call_quota) if of_class.call_quota else None,
    }
    if of_class.ends is not None:
        found["days"] = max(1, -(-int((of_class.ends - timezone.now()).total_seconds()) // 86_400))
    return found


def qr(request: ConsoleRequest, slug: str, pk: int) -> HttpResponse:
    of_class = found_class(request, slug)
    if refused := service.refusal(request, class_accounts.MANAGE):
        return problem_page(request, of_class.name, refused)
    link = of_class.links.filter(pk=pk).first()
    if link is None:
        raise Http404
    return HttpResponse(join_links.qr_code(join_links.address(request, link)), content_type="image/svg+xml")


@require_POST
def revoke(request: ConsoleRequest, slug: str, pk: int) -> HttpResponse:
    of_class = found_class(request, slug)
    link = of_class.links.filter(pk=pk).first()
    if link is None:
        raise Http404

    def what() -> None:
        link.revoked = timezone.now()
        link.save(update_fields=["revoked"])

    try:
        class_accounts.manage(request, of_class, what, change="RevokeJoinLink")
    except ClientError as error:
        return problem_page(request, of_class.name, error)
    messages.success(request, _("The link is closed: nobody joins by it any more."))
    return redirect("class-manage", slug)


def close(request: ConsoleRequest, slug: str) -> HttpResponse:
    """Its accounts end; their record and the results stay."""
    of_class = found_class(request, slug)
    if of_class.closed is not None and (over := over_page(request, of_class)):
        return over
    if request.method != "POST":
        if refused := service.refusal(request, class_accounts.MANAGE):
            return problem_page(request, of_class.name, refused)
        context = {"class": of_class, "accounts": class_accounts.accounts(of_class)}
        return render(request, "learn/class_accounts/close.html", context)
    try:
        class_accounts.close(request, of_class)
    except ClientError as error:
        return problem_page(request, of_class.name, error)
    messages.success(request, _("The class %(name)s is closed.") % {"name": of_class.name})
    return redirect("class-board", slug)


@never_cache
def student(request: ConsoleRequest, slug: str, user_name: str) -> HttpResponse:
    """What a teacher does with one account. `do`: credentials, reset, open or end."""
    row = found_account(request, slug, user_name)
    if request.method == "POST":
        try:
            return _done(request, row, request.POST.get("do", ""))
        except ClientError as error:
            return problem_page(request, row.name, error)
    if refused := service.refusal(request, class_accounts.MANAGE):
        return problem_page(request, row.name, refused)
    context = {"class": row.of_class, "row": row, "lessons": lessons.every()}
    context["why_over"] = class_accounts.why_over(row.of_class)
    return render(request, "learn/class_accounts/student.html", context)


def _done(request: ConsoleRequest, row: ClassAccount, do: str) -> HttpResponse:
    """Raises ClientError, Http404."""
    of_class = row.of_class
    # An account that has ended knows no session: who "opened" it would go on in their own account, told that nothing can be changed there.
    if (do != "end" or of_class.closed is not None) and (over := over_page(request, of_class)):
        return over
    if do == "open":
        return _opened(request, row)
    if do == "credentials":
        return cards_page(request, of_class, [class_accounts.new_credentials(request, row)])
    if do == "reset":
        made = class_accounts.reset(request, row, standings.kept_before(row, request.POST.get("lesson", "")))
        if made.password:
            return cards_page(request, of_class, [made])
        messages.success(
            request, _("%(name)s has a fresh account, with the same sign-in as before.") % {"name": row.name}
        )
    elif do == "end":
        class_accounts.end(request, of_class, [row])
        messages.success(request, _("The account of %(name)s has ended.") % {"name": row.name})
        return redirect("class-board", of_class.slug)
    else:
        raise Http404
    return redirect("class-student", of_class.slug, row.user_name)


def _opened(request: ConsoleRequest, row: ClassAccount) -> HttpResponse:
    """Sign as a read-only session in the student's account, until one goes back."""
    opened = class_accounts.open_read_only(request, row)
    made = opened.credentials
    session.act_as(
        request,
        replace(
            request.signed_in,
            account_id=row.account_id,
            arn=opened.arn,
            access_key_id=made.access_key_id,
            secret_access_key=made.secret_access_key,
            session_token=made.session_token,
            expires=made.expiration,
            role_name=opened.role_name,
        ),
    )
    words = _("You look at the account of %(name)s: nothing can be changed. The student's record shows it.")
    messages.success(request, words % {"name": row.name})
    return redirect("keys")
