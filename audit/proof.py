"""Verify integrity: the verification with its progress, an earlier checkpoint compared, and proofs as documents (docs/proofs.md)."""

from __future__ import annotations

import base64
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError
from django.conf import settings
from django.http import FileResponse, Http404, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from console.request import ConsoleRequest
from keys.common import problem_page
from keys.record import proofs

VERIFIER = Path(__file__).with_name("verify_kmsconsole_trail.py")
_SEGMENTS = 10  # that the page lists
_MOST_BYTES = 64 << 10  # of an uploaded checkpoint


def page(request: ConsoleRequest) -> HttpResponse:
    """The last verification; POST begins one, which goes on while the page is left."""
    if request.method == "POST":
        try:
            proofs.verify(request, read_all="all" in request.POST)
        except ClientError as error:
            return problem_page(request, _("Verify integrity"), error)
        return redirect("audit-verify")
    if request.htmx and request.headers.get("HX-Target") == "verification":
        return render(request, "audit/verification.html", _verification(request))
    return _page(request)


def _page(request: ConsoleRequest, status: int = 200, **shown: Any) -> HttpResponse:
    checkpoints = proofs.recent(request)
    values = {
        "checkpoints": checkpoints,
        "verifier_key": proofs.verifier_key(checkpoints),
        "witnesses": proofs.witnesses(request),
        **_storage(request),
        **_verification(request),
    }
    return render(request, "audit/verify.html", {**values, **shown}, status=status)


def _storage(request: ConsoleRequest) -> dict[str, Any]:
    """What the record takes up, its newest segments, and the removal that is asked for."""
    found, asked = proofs.storage(request), proofs.removal_asked(request)
    if found is None:
        return {}
    rules = {"archive": settings.KMSCONSOLE.trail_archive, "days": settings.KMSCONSOLE.trail_retention_days}
    newest = found.segments[::-1][:_SEGMENTS]
    segments = [{"of": each, "begins": _moment(each.begins), "ends": _moment(each.ends)} for each in newest]
    request_, decision = asked if asked is not None else (None, None)
    return {
        "storage": found,
        "segments": segments,
        "rules": rules,
        "removal": request_,
        "decision": decision,
    }


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def decide_removal(request: ConsoleRequest) -> HttpResponse:
    """Approve or reject what the operator of the machine asks to remove."""
    if request.method != "POST":
        return redirect("audit-verify")
    try:
        proofs.decide_removal(request, request.POST.get("removal", ""), approve=request.POST.get("do") == "approve")
    except ClientError as error:
        return problem_page(request, _("Verify integrity"), error)
    except proofs.RemovalRefused as reason:
        return _page(request, 409, removal_problem=reason)
    return redirect("audit-verify")


def _verification(request: ConsoleRequest) -> dict[str, Any]:
    job, running = proofs.last_verification(request)
    if job is None:
        return {}
    verdict = job.verdict or {}
    total = max(job.last - job.first + 1, 1)
    done = max(job.read - job.first + 1, 0)
    return {
        "job": job,
        "running": running,
        "interrupted": not running and job.finished is None,
        "verdict": verdict if "records" in verdict else None,
        "unknown": verdict.get("unknown", ""),
        "percent": min(done * 100 // total, 100),
        "before": verdict.get("first", 1) - 1,
        "removed_through": proofs.removed_through(),
    }


def compare(request: ConsoleRequest) -> HttpResponse:
    """An earlier checkpoint, pasted or uploaded."""
    if request.method != "POST":
        return redirect("audit-verify")
    upload = request.FILES.get("file")
    if upload is not None and upload.size is not None and upload.size <= _MOST_BYTES:
        text = upload.read().decode(errors="replace")
    else:
        text = request.POST.get("checkpoint", "")[:_MOST_BYTES]
    try:
        found, kept = proofs.compare(request, text)
    except ClientError as error:
        return problem_page(request, _("Verify integrity"), error)
    except proofs.FAILURES as reason:
        return _page(request, 409, failure=reason)
    proof = [base64.b64encode(each).decode() for each in found.proof]
    return _page(request, comparison=found, comparison_proof=proof, cosignatures=kept, given=text)


@require_safe
def checkpoint(request: ConsoleRequest) -> HttpResponse:
    """The checkpoint as of now, or the last one `before` a time: JSON, or with format=note the signed note alone."""
    asked = request.GET.get("before", "")
    try:
        before = datetime.fromisoformat(asked).astimezone() if asked else None
    except (ValueError, OverflowError):
        return _refused(400, "before must be a time such as 2026-01-31T12:00:00Z")
    try:
        found = proofs.checkpoint(request, before)
    except ClientError as error:
        return _denied(error)
    except proofs.FAILURES as reason:
        return _refused(409, str(reason))
    if request.GET.get("format") == "note":
        return _file(HttpResponse(proofs.note_of(found), "text/plain; charset=utf-8"), f"checkpoint-{found.size}.txt")
    return JsonResponse(proofs.checkpoint_document(found))


@require_safe
def event(request: ConsoleRequest, event_id: Any) -> HttpResponse:
    """The proof of one event."""
    try:
        found = proofs.event(request, str(event_id))
    except ClientError as error:
        return _denied(error)
    except proofs.FAILURES as reason:
        return _refused(409, str(reason))
    if found is None:
        raise Http404
    return _file(JsonResponse(found), f"proof-{event_id}.json")


@require_safe
def consistency(request: ConsoleRequest) -> HttpResponse:
    """The proof that one stored checkpoint continues another."""
    sizes = [request.GET.get(name, "") for name in ("from", "to")]
    if not all(each.isascii() and each.isdecimal() and len(each) < 19 for each in sizes):
        return _refused(400, "from and to must be numbers of records")
    try:
        found = proofs.consistency(request, int(sizes[0]), int(sizes[1]))
    except ClientError as error:
        return _denied(error)
    except proofs.FAILURES as reason:
        return _refused(409, str(reason))
    return JsonResponse(found) if found is not None else _refused(404, "there are no such checkpoints")


@require_safe
def verifier(request: ConsoleRequest) -> HttpResponseBase:
    """The program that checks proofs and exports without this installation."""
    return FileResponse(VERIFIER.open("rb"), as_attachment=True, content_type="text/x-python", filename=VERIFIER.name)


def _denied(error: ClientError) -> JsonResponse:
    return _refused(403, error.response["Error"]["Message"])


def _refused(status: int, message: str) -> JsonResponse:
    return JsonResponse({"message": message}, status=status)


def _file(answer: HttpResponse, name: str) -> HttpResponse:
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
