"""The playground: one form for each cryptographic operation, run on the endpoint as the signed-in principal.

Nothing typed is stored: no URL, no cache (every answer says no-store), and in the session only what playground.recipe says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError
from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from console import encodings, error_help, pem
from console.addresses import chosen_key, key_search, searches_keys
from console.request import ConsoleRequest
from keys import call, permissions, service
from keys.inventory import inventory
from playground import capabilities, recipe
from playground.capabilities import Capabilities, key_of
from playground.form import OperationForm
from playground.table import CHAINS, GROUPS, INITIAL, LABELS, OPERATIONS, RENAMED, PlaygroundOperation


def _groups() -> list[tuple[Any, list[tuple[str, PlaygroundOperation]]]]:
    return [(words, [(slug, OPERATIONS[slug]) for slug in slugs]) for words, slugs in GROUPS]


def index(request: ConsoleRequest) -> HttpResponse:
    return render(request, "playground/index.html", {"groups": _groups(), "remembered": len(recipe.entries(request))})


@never_cache
@sensitive_post_parameters()
def operation(request: ConsoleRequest, operation: str) -> HttpResponse:
    """GET: the form. POST runs it, unless it only asks for another row (`more`) or brings what an earlier answer gave (`prefill`)."""
    play = OPERATIONS.get(operation)
    if play is None:
        raise Http404
    kms = service.client(request)
    try:
        keys, picker_problem = _keys(request, play), ""
    except ClientError as error:
        keys, picker_problem = [], service.sentence(error)
    form = _form(request, kms, play, keys)
    outcome: dict[str, Any] = {}
    runs = request.method == "POST" and not request.POST.keys() & {"more", "prefill"} and not searches_keys(request)
    if runs and form.is_valid():
        outcome = _run(request, kms, play, form.parameters())
    return render(
        request,
        "playground/operation.html",
        {
            "play": play,
            "groups": _groups(),
            "slug": operation,
            "form": form,
            "picker_problem": picker_problem,
            "find": key_search(request),
            "first": keys[0][0] if keys else "",
            "picker": f"id_{play.key_members[0]}" if len(play.key_members) == 1 else "",
            "why_not": _refused(request, play, keys),
            "no_key": _has_none(request, play, keys) and not picker_problem,
            "remembered": len(recipe.entries(request)),
            **outcome,
        },
        status=422 if runs and form.errors else 200,
    )


def _has_none(request: ConsoleRequest, play: PlaygroundOperation, keys: list[tuple[str, str]]) -> bool:
    """Whether the Region has no key that this operation takes: nothing was searched, and the list of keys is read whole."""
    nothing = bool(play.usage) and not keys and not key_search(request).typed
    return nothing and inventory.progress(request) is None


_FEW = 20  # keys of a picker that are asked about before it is shown


def _refused(request: ConsoleRequest, play: PlaygroundOperation, keys: list[tuple[str, str]]) -> str:
    """The AWS error that the call would be refused with, whichever key of the picker it names; empty where one of them would do."""
    if not play.usage and not play.needs_key:
        return permissions.refusal(request, f"kms:{play.operation}")
    if "KeyId" not in play.members or not play.needs_key or not 0 < len(keys) <= _FEW:
        return ""
    found = [
        permissions.refusal(request, f"kms:{play.operation}", permissions.key_arn(request, key_id))
        for key_id, _words in keys
    ]
    return found[0] if all(found) else ""


def _keys(request: ConsoleRequest, play: PlaygroundOperation) -> list[tuple[str, str]]:
    """Those that the search of the picker finds, and those that the form names already."""
    if not play.usage:
        return []
    members = (*play.key_members, "key")
    named = [request.GET.get(member, "") for member in members] + [chosen_key(request, member) for member in members]
    text = key_search(request).text
    return inventory.keys_for_picker(request, play.usage, symmetric_only=play.symmetric_only, text=text, chosen=named)


def _form(request: ConsoleRequest, kms: Any, play: PlaygroundOperation, keys: list[tuple[str, str]]) -> OperationForm:
    initial: dict[str, Any] = {**INITIAL.get(play.operation, {}), "KeyId": request.GET.get("key", "")}
    if "prefill" in request.POST:
        initial |= _brought(request, play)
    if request.method != "POST" or "prefill" in request.POST:
        can = _capabilities(kms, play, keys, initial)
        known = {member: value for member, value in initial.items() if _fits(can, member, value)}
        return OperationForm(play, keys, initial=known, can=can)
    given = request.POST.copy()
    for member in play.key_members:
        given[member] = chosen_key(request, member)
    can = _capabilities(kms, play, keys, given)
    form = OperationForm(play, keys, _of_this_key(given, play, can), request.FILES, can=can)
    if "more" in request.POST or searches_keys(request):
        form.full_clean()
        form.errors.clear()
        form.more_rows = int("more" in request.POST)
    return form


def _capabilities(
    kms: Any, play: PlaygroundOperation, keys: list[tuple[str, str]], given: Mapping[str, Any]
) -> dict[str, Capabilities]:
    """What the keys that are chosen in the form can do, by the member that names each; the picker's first where one is needed."""
    found = {}
    for member in play.members:
        if not member.endswith("KeyId"):
            continue
        first = keys[0][0] if keys and play.needs_key and member != "SourceKeyId" else ""
        named = str(given.get(f"{member}_other") or given.get(member) or first).strip()
        can = capabilities.of_key(kms, named) if named else None
        if can is not None:
            found[member] = can
    return found


def _fits(can: Mapping[str, Capabilities], member: str, value: Any) -> bool:
    """Whether a value can be that of a member, with the key that is chosen."""
    chosen = can.get(key_of(member))
    offered = chosen.choices(member) if chosen is not None else ()
    return not offered or value in offered


def _of_this_key(given: QueryDict, play: PlaygroundOperation, can: Mapping[str, Capabilities]) -> QueryDict:
    """What was sent, with this key's own algorithm and message type in place of what the form offered for another key (without scripts
    the form cannot follow the picker). What was chosen of this key's own offer, or typed against it, stays as it is."""
    for member in play.members:
        about = key_of(member)
        if member not in given or about not in can or _fits(can, member, given[member]):
            continue
        if given.get(f"offered_{about}", "") != can[about].key_id:
            given[member] = can[about].first(member)
    return given


def _brought(request: ConsoleRequest, play: PlaygroundOperation) -> dict[str, Any]:
    """What the form of another page gave along: fields by their names, encryption contexts as pairs."""
    brought: dict[str, Any] = {
        name: value for name, value in request.POST.items() if name not in ("prefill", "csrfmiddlewaretoken")
    }
    for member in play.members:
        if f"{member}_name" in brought:
            names, values = request.POST.getlist(f"{member}_name"), request.POST.getlist(f"{member}_value")
            brought[member] = dict(zip(names, values, strict=False))
    return brought


def _run(request: ConsoleRequest, kms: Any, play: PlaygroundOperation, parameters: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"call": call.show(request, play.operation, parameters), "ran": True}
    try:
        answer = getattr(kms, xform_name(play.operation))(**parameters)
    except ClientError as error:
        problem = error_help.explained(error)
        if problem["Code"] == "DryRunOperationException":
            return {**shown, "dry_run": problem["Message"]}
        return {**shown, "problem": problem}
    except ParamValidationError as error:
        return {**shown, "problem": {"Code": "ParamValidation", "Message": str(error), "remedy": ""}}
    answer.pop("ResponseMetadata")
    recipe.remember(request, play.operation, parameters, answer)
    return {
        **shown,
        "blobs": [
            _blob(play.operation, name, value, parameters) for name, value in answer.items() if isinstance(value, bytes)
        ],
        "facts": [(name, value) for name, value in answer.items() if not isinstance(value, bytes)],
        "verdict": answer.get("SignatureValid", answer.get("MacValid")),
    }


def _blob(operation: str, name: str, value: bytes, parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "label": LABELS.get(name, name),
        "shown": encodings.show(value),
        "pem": pem.from_der(value) if name == "PublicKey" else "",
        "next": [
            {
                "slug": slug,
                "title": OPERATIONS[slug].title,
                "fields": _carried(operation, parameters, slug, member, value),
            }
            for slug, member in CHAINS.get((operation, name), ())
        ],
    }


def _carried(operation: str, parameters: dict[str, Any], slug: str, member: str, value: bytes) -> list[tuple[str, str]]:
    """(field, value) pairs for the next page's form: the answer, and the parameters that page asks for too."""
    play = OPERATIONS[slug]
    usage = next(each.usage for each in OPERATIONS.values() if each.operation == operation)
    by = "DestinationEncryptionAlgorithm" if operation == "ReEncrypt" else "EncryptionAlgorithm"
    symmetric = parameters.get(by, "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"
    fields = [(member, encodings.show(value).base64), (f"{member}_as", "base64")]
    for given, what in parameters.items():
        for target in {given, RENAMED.get((operation, given), given)} & set(play.members) - {
            member,
            "DryRun",
            "GrantTokens",
        }:
            if target == "KeyId" and (play.usage != usage or (not play.needs_key and symmetric)):
                continue  # a symmetric ciphertext names its key; a public key goes to the other side's
            if isinstance(what, dict):
                fields += [
                    pair
                    for name, text in what.items()
                    for pair in ((f"{target}_name", name), (f"{target}_value", text))
                ]
            elif isinstance(what, bytes):
                fields += [(target, encodings.show(what).base64), (f"{target}_as", "base64")]
            else:
                fields.append((target, str(what)))
    return fields


@never_cache
def show_recipe(request: ConsoleRequest) -> HttpResponse:
    """The last calls as a script; POST forgets them."""
    if request.method == "POST":
        recipe.forget(request)
        messages.success(request, _("The recipe is empty again."))
        return redirect("play-recipe")
    found = recipe.entries(request)
    region = request.signed_in.region
    endpoint = service.endpoint_url(request)
    return render(
        request,
        "playground/recipe.html",
        {
            "entries": found,
            "files": recipe.secret_files(found),
            "boto3": recipe.boto3_script(found, region, endpoint),
            "cli": recipe.cli_script(found, region, endpoint),
        },
    )
