"""The envelope lab: a file of any size up to 100 MB under a data key, step by step, and back.

Each step is a form; what one step gives the next (the data key, in the clear and encrypted) is in the page, which no cache keeps, and
nowhere on the server. The file is encrypted here, in memory, as it comes in; it is never written down.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from console import encodings, error_help
from console.addresses import chosen_key, key_search, searches_keys
from console.calls import body
from console.request import ConsoleRequest
from keys import call, service
from keys.inventory import inventory
from learn.labs import envelope
from learn.labs.uploads import MemoryFile, MemoryUpload, too_large

LIMIT = 100 * 2**20
_DIRECT = 4096  # bytes that one Encrypt call takes
EXAMPLES = (4096, 65_536, 2**20, 100 * 2**20)


@csrf_exempt  # the upload handler has to be set before anything reads the form; `_page` checks the token
def page(request: ConsoleRequest) -> Any:
    request.upload_handlers = [MemoryUpload(request, LIMIT)]
    return _page(request)


@csrf_protect
@never_cache
@sensitive_post_parameters()
def _page(request: ConsoleRequest) -> Any:
    shown: dict[str, Any] = {"context": _pairs(request), "key": chosen_key(request, "key")}
    if request.method == "POST" and too_large(request):
        shown["problem"] = {"Message": _("The file is larger than 100 MB. Take a smaller one.")}
        return _show(request, shown)
    try:
        if not searches_keys(request) and (action := _STEPS.get(request.POST.get("step", ""))):
            return action(request, shown)
    except ClientError as error:
        shown.update(_carried(request), problem=error_help.explained(error))
    return _show(request, shown)


def _show(request: ConsoleRequest, shown: dict[str, Any]) -> HttpResponse:
    try:
        choices, picker_problem = _choices(request), ""
    except ClientError as error:
        choices, picker_problem = [], service.sentence(error)
    size = request.GET.get("size", "")
    sizes = [*EXAMPLES, *([int(size)] if size.isdecimal() and len(size) < 19 and 0 < int(size) <= 2**50 else [])]
    return render(
        request,
        "learn/labs/envelope.html",
        {
            "choices": choices,
            "find": key_search(request),
            "picker_problem": picker_problem,
            "sizes": [(each, _direct_calls(each), _direct_bytes(each)) for each in sizes],
            "size": size,
            "carried": _hidden(shown),
            **shown,
        },
        status=422 if "problem" in shown else 200,
    )


def _choices(request: ConsoleRequest) -> list[tuple[str, str]]:
    text = key_search(request).text
    chosen = [chosen_key(request, "key")]
    return inventory.keys_for_picker(request, "ENCRYPT_DECRYPT", symmetric_only=True, text=text, chosen=chosen)


def _direct_calls(size: int) -> int:
    return -(-size // _DIRECT)


def _direct_bytes(size: int) -> int:
    """What Encrypt requests would carry: the file in base64, without the rest of each request."""
    return 4 * -(-size // 3)


def _pairs(request: ConsoleRequest) -> list[tuple[str, str]]:
    names, values = request.POST.getlist("context_name"), request.POST.getlist("context_value")
    return [(name, value) for name, value in zip(names, values, strict=False) if name or value]


def _carried(request: ConsoleRequest) -> dict[str, Any]:
    """The data key as the page holds it; the encrypted one is always there once it was made."""
    given: dict[str, Any] = {"key_arn": request.POST.get("key_arn", "")}
    for name in ("data_key", "encrypted_key"):
        try:
            data = encodings.decode(request.POST.get(name, ""), "base64")
        except encodings.NotEncoded:
            data = b""
        given[name] = encodings.show(data) if data else None
    return given


def _hidden(shown: dict[str, Any]) -> list[tuple[str, str]]:
    """Hidden fields that carry the state of the page on to the next step."""
    fields = [("key_arn", shown["key_arn"]), ("key", shown["key"])] if shown.get("encrypted_key") else []
    fields += [(name, shown[name].base64) for name in ("encrypted_key", "data_key") if shown.get(name)]
    if fields:
        fields += [
            pair for name, value in shown["context"] for pair in (("context_name", name), ("context_value", value))
        ]
    return fields


def _generate(request: ConsoleRequest, shown: dict[str, Any]) -> HttpResponse:
    parameters: dict[str, Any] = {"KeyId": shown["key"], "KeySpec": "AES_256"}
    if shown["context"]:
        parameters["EncryptionContext"] = dict(shown["context"])
    answer = service.client(request).generate_data_key(**parameters)
    made = {
        "key_arn": answer["KeyId"],
        "data_key": encodings.show(answer["Plaintext"]),
        "encrypted_key": encodings.show(answer["CiphertextBlob"]),
        "call": call.show(request, "GenerateDataKey", parameters),
    }
    return _show(request, {**shown, **made, **_wire(request, "GenerateDataKey", parameters, answer)})


def _reveal(request: ConsoleRequest, shown: dict[str, Any]) -> HttpResponse:
    """The plaintext key again, from the encrypted one: what opening an envelope takes."""
    carried = _carried(request)
    if carried["encrypted_key"] is None:
        return _show(request, {**shown, "problem": {"Message": _("Make a data key first: step 1.")}})
    parameters: dict[str, Any] = {"CiphertextBlob": base64.b64decode(carried["encrypted_key"].base64)}
    if shown["context"]:
        parameters["EncryptionContext"] = dict(shown["context"])
    answer = service.client(request).decrypt(**parameters)
    opened = {"data_key": encodings.show(answer["Plaintext"]), "call": call.show(request, "Decrypt", parameters)}
    return _show(request, {**shown, **carried, **opened, **_wire(request, "Decrypt", parameters, answer)})


def _forget(request: ConsoleRequest, shown: dict[str, Any]) -> HttpResponse:
    """The plaintext key is not on the page any more; the encrypted one is."""
    return _show(request, {**shown, **_carried(request), "data_key": None, "forgotten": True})


def _wire(
    request: ConsoleRequest, operation: str, parameters: dict[str, Any], answer: dict[str, Any]
) -> dict[str, Any]:
    """What crossed the wire: the bodies as JSON, and the answer's length as the endpoint said it."""
    sent = body("kms", operation, parameters)
    received = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
    length = answer["ResponseMetadata"]["HTTPHeaders"].get("content-length", "")
    return {"sent": sent, "sent_size": len(sent.encode()), "received": _as_json(received), "received_size": length}


def _as_json(answer: dict[str, Any]) -> str:
    return json.dumps(
        {n: base64.b64encode(v).decode() if isinstance(v, bytes) else v for n, v in answer.items()}, indent=2
    )


def _encrypt(request: ConsoleRequest, shown: dict[str, Any]) -> Any:
    carried = _carried(request)
    file = request.FILES.get("file")
    if carried["data_key"] is None or carried["encrypted_key"] is None:
        message = _("Make a data key first: step 1.")
    elif not isinstance(file, MemoryFile):
        message = _("Choose a file.")
    else:
        header = envelope.new_header(
            carried["key_arn"],
            base64.b64decode(carried["encrypted_key"].base64),
            dict(shown["context"]),
            file.name or "file",
        )
        sealed = envelope.seal(_emptying(file.pieces), base64.b64decode(carried["data_key"].base64), header)
        return _download(sealed, f"{file.name}.envelope")
    return _show(request, {**shown, **carried, "problem": {"Message": message}})


def _open(request: ConsoleRequest, shown: dict[str, Any]) -> Any:
    carried = _carried(request)
    file = request.FILES.get("envelope")
    if not isinstance(file, MemoryFile):
        return _show(request, {**shown, **carried, "problem": {"Message": _("Choose an envelope to open.")}})
    try:
        header, begin = envelope.read_header(_front(file.pieces))
        parameters: dict[str, Any] = {"CiphertextBlob": header.encrypted_key}
        if header.encryption_context:
            parameters["EncryptionContext"] = dict(header.encryption_context)
        data_key = service.client(request).decrypt(**parameters)["Plaintext"]
        opened = envelope.open_(file.pieces, data_key, header, begin)
    except envelope.NotAnEnvelope:
        message = _("This is no envelope of this lab, or it was cut.")
    except envelope.ContentChanged:
        message = _("The data key opened, the file did not: a bit of it was changed. Nothing is released.")
    else:
        return _download(_emptying(opened), header.file_name)
    return _show(request, {**shown, **carried, "problem": {"Message": message}})


# What a button of the page sends as `step` → what it does.
_STEPS: dict[str, Callable[[ConsoleRequest, dict[str, Any]], Any]] = {
    "generate": _generate,
    "reveal": _reveal,
    "forget": _forget,
    "encrypt": _encrypt,
    "open": _open,
}


def _front(pieces: list[bytes]) -> bytes:
    """Enough of the beginning for a header."""
    front = b""
    for piece in pieces:
        front += piece
        if len(front) > 2 * 65_536:
            break
    return front


def _emptying(pieces: list[bytes]) -> Iterator[bytes]:
    """The pieces in order, each forgotten once it is given."""
    pieces.reverse()
    while pieces:
        yield pieces.pop()


def _download(pieces: Iterator[bytes], name: str) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(pieces, content_type="application/octet-stream")
    answer["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
    return answer
