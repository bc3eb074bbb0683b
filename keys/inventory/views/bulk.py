"""Actions on many keys: what each will answer, then, confirmed, a job with its progress."""

from __future__ import annotations

from collections import Counter
from typing import Any

from botocore.exceptions import ClientError
from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from console.request import ConsoleRequest
from keys import call, viewer
from keys.common import problem_page
from keys.endpoints import connections
from keys.inventory import bulk, bulk_impact, inventory, ticks
from keys.inventory.bulk import BULK_ACTIONS, BulkAction
from keys.inventory.bulk_impact import Impact
from keys.inventory.lists import synced_listing
from keys.models import BulkJob

SHOWN = 100
CALLS_SHOWN = 20
MOST = 10_000  # keys of one job


class DeletionForm(forms.Form):
    days = forms.IntegerField(
        label=gettext_lazy("Waiting period in days"),
        min_value=7,
        max_value=30,
        initial=30,
        help_text=gettext_lazy("7 to 30."),
    )
    typed = forms.CharField(label="", widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, phrase: str, used: list[Impact], *args: Any, **options: Any) -> None:
        """`used`: the keys that were used lately, or of which that is not known. Each is named, as in the deletion of one key."""
        super().__init__(*args, **options)
        self.phrase = phrase
        self.used = used
        self.fields["typed"].label = _("To confirm, type “%(phrase)s”") % {"phrase": phrase}
        if used:
            self.fields["names"] = forms.CharField(
                label=_("Type the names of the keys that were used in the last 30 days, one a line"),
                widget=forms.Textarea(attrs={"rows": min(len(used), 6), "autocomplete": "off", "spellcheck": "false"}),
                help_text=_("%(names)s. What uses them will stop working. A key whose use is not known counts as used.")
                % {"names": ", ".join(each.name for each in used[: bulk_impact.MOST_RECENT])},
            )

    def clean(self) -> dict[str, Any]:
        if len(self.used) > bulk_impact.MOST_RECENT:
            raise forms.ValidationError(
                _(
                    "%(number)d of these keys were used in the last 30 days. At most %(most)d such keys are deleted at once."
                ),
                params={"number": len(self.used), "most": bulk_impact.MOST_RECENT},
            )
        return super().clean() or {}

    def clean_names(self) -> str:
        text = str(self.cleaned_data["names"])
        typed = {line.strip().removeprefix("alias/") for line in text.splitlines()}
        missing = [each.name for each in self.used if each.name not in typed]
        if missing:
            raise forms.ValidationError(_("Not typed: %(names)s"), params={"names": ", ".join(missing)})
        return text

    def clean_typed(self) -> str:
        typed = str(self.cleaned_data["typed"]).strip()
        if typed != self.phrase:
            raise forms.ValidationError(_("Type “%(phrase)s” to confirm.") % {"phrase": self.phrase})
        return typed

    def parameters(self) -> dict[str, Any]:
        return {"PendingWindowInDays": self.cleaned_data["days"]}


class TagForm(forms.Form):
    tag_key = forms.CharField(label=gettext_lazy("Tag key"), max_length=128)
    tag_value = forms.CharField(label=gettext_lazy("Tag value"), max_length=256, required=False)

    def __init__(self, phrase: str, used: list[Impact], *args: Any, **options: Any) -> None:
        del phrase, used
        super().__init__(*args, **options)

    def parameters(self) -> dict[str, Any]:
        given = self.cleaned_data
        return {"Tags": [{"TagKey": given["tag_key"], "TagValue": given["tag_value"]}]}


_FORMS: dict[str, type[DeletionForm] | type[TagForm]] = {"delete": DeletionForm, "tag": TagForm}


@require_POST
def confirm(request: ConsoleRequest) -> HttpResponse:
    """The preview; sent again with `confirmed`, the job. Keys are named one by one, or as all that match a list's query."""
    if "page" in request.POST or "untick" in request.POST:
        return _other_page(request)
    slug = request.POST.get("action", "")
    action = BULK_ACTIONS.get(slug)
    try:
        chosen = _chosen(request)
        if action is None or not chosen:
            messages.error(request, _("Choose keys and an action first."))
            return redirect("keys")
        expected = bulk.preview(request, action, chosen)
    except ClientError as error:
        return problem_page(request, _("Key actions"), error)
    willing = [each.key_id for each in expected if not each.problem]
    confirmed = bool(request.POST.get("confirmed"))
    previewed = "preview" in request.POST
    impacts = bulk_impact.of_keys(request, willing) if action.danger else {}
    used = [each for each in impacts.values() if each.recent]
    form = _FORMS[slug](f"delete {len(willing)}", used, request.POST if confirmed else None) if slug in _FORMS else None
    # The button said how many keys would do it: others than these are neither done nor left out unsaid.
    changed = confirmed and request.POST.get("willing", str(len(willing))) != str(len(willing))
    if confirmed and willing and not previewed and not changed and (form is None or form.is_valid()):
        ticks.clear(request)
        job = bulk.start(request, slug, willing, form.parameters() if form is not None else {})
        return redirect("keys-bulk-job", job.pk)
    in_use = {each.key_id for each in used}
    answers = Counter(each.problem.partition(":")[0] for each in expected if each.problem)
    return render(
        request,
        "keys/inventory/bulk.html",
        {
            "multi_region": any(key_id.startswith("mrk-") for key_id in willing),
            "action": action,
            "slug": slug,
            "form": form,
            "expected": sorted(expected, key=lambda each: (not each.problem, each.key_id not in in_use))[:SHOWN],
            "impacts": impacts,
            "all": bool(request.POST.get("all")),
            "query": request.POST.get("query", ""),
            "chosen": chosen,
            "willing": len(willing),
            "changed": changed,
            "answers": answers.most_common(),
            "call": _shown(request, action, willing[:CALLS_SHOWN], form) if previewed or form is None else None,
            "previewed": previewed,
            "more_calls": max(0, len(willing) - CALLS_SHOWN),
        },
        status=422 if form is not None and form.errors else 200,
    )


def _other_page(request: ConsoleRequest) -> HttpResponse:
    """Without scripts: to another page of the list, with the ticks of this one kept; or without any."""
    query = QueryDict(request.POST.get("query", "")[:4000], mutable=True)
    if "untick" in request.POST:
        ticks.clear(request)
    else:
        if not ticks.keep(request, request.POST.getlist("shown"), request.POST.getlist("key")):
            messages.warning(request, _("At most 900 are ticked; for more, choose all that match."))
        query["page"] = request.POST["page"]
    return redirect(f"{reverse('keys')}?{query.urlencode()}")


def _shown(
    request: ConsoleRequest, action: BulkAction, key_ids: list[str], form: DeletionForm | TagForm | None
) -> call.CallExample | None:
    """The calls for these keys; none where the form does not say yet what to send."""
    if not key_ids:
        return None
    parameters: dict[str, Any] = {}
    if form is not None:
        form.is_valid()
        for confirmation in ("typed", "names"):
            form.errors.pop(confirmation, None)  # what is only looked at need not be confirmed
        if form.errors:
            return None
        parameters = form.parameters()
    return call.show_all(request, [(action.operation, {"KeyId": each, **parameters}) for each in key_ids])


def _chosen(request: ConsoleRequest) -> list[str]:
    if not request.POST.get("all"):
        return list(dict.fromkeys(request.POST.getlist("key")))[:MOST]
    listing = synced_listing(request, "CUSTOMER", QueryDict(request.POST.get("query", "")[:4000]), whole=True)
    return listing.key_ids(MOST)


def job(request: ConsoleRequest, pk: int) -> HttpResponse:
    """A job's progress, for its owner: looking at it takes it up again if nobody is at it."""
    found = BulkJob.objects.filter(pk=pk, owner=viewer.owner(request)).first()
    if found is None:
        raise Http404
    stopped = None
    elsewhere = inventory.place(request) != {"account_id": found.account_id, "region": found.region}
    try:
        if not elsewhere:
            stopped = bulk.work(request, found)
    except ClientError as error:
        return problem_page(request, _("Key actions"), error)
    found.refresh_from_db()
    outcomes = Counter(found.items.values_list("outcome", flat=True))
    number = sum(outcomes.values())
    return render(
        request,
        "keys/inventory/bulk_progress.html" if request.htmx else "keys/inventory/bulk_job.html",
        {
            "job": found,
            "elsewhere": elsewhere,
            "stopped": connections.failure(request, stopped) if stopped is not None else None,
            "action": BULK_ACTIONS[found.action],
            "number": number,
            "done": outcomes["done"],
            "refused": outcomes["refused"],
            "left": outcomes[""],
            "percent": 100 * (number - outcomes[""]) // max(number, 1),
            "problems": found.items.filter(outcome="refused").order_by("pk")[:SHOWN],
        },
    )
