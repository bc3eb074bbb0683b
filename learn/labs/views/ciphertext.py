"""The ciphertext lab: what can and cannot be told from a blob, and what KMS answers when a bit of it, its context or its key is changed.

Every answer is a real Decrypt of this page's principal. The blob travels in the page; nothing of it is stored on the server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from console import encodings, error_help
from console.addresses import chosen_key, key_search, searches_keys
from console.request import ConsoleRequest
from keys import call, service
from keys.endpoints import backends
from keys.inventory import inventory
from learn.labs import ciphertext

_ROW = 16  # bytes in a line of the dump

# Part → (its name, what it is, what a change of it does).
PARTS: dict[str, tuple[Any, Any, Any]] = {
    "version": (
        gettext_lazy("Format and version"),
        gettext_lazy("01 02 in every ciphertext of this service."),
        gettext_lazy("KMS does not recognise it as a ciphertext any more."),
    ),
    "kind": (
        gettext_lazy("Kind of key"),
        gettext_lazy("00 for a single-Region key, 01 for a multi-Region one."),
        gettext_lazy("The blob now says another kind of key, and so names another key, or none."),
    ),
    "account": (
        gettext_lazy("Account"),
        gettext_lazy("The account ID as a number."),
        gettext_lazy("The blob now names a key of another account. KMS does not say that there is none of that name."),
    ),
    "key": (
        gettext_lazy("Key"),
        gettext_lazy("The key ID, so that Decrypt needs none."),
        gettext_lazy(
            "The blob now names another key, or none. KMS does not answer NotFoundException: with forged blobs, anyone could ask which keys there are."
        ),
    ),
    "material": (
        gettext_lazy("Key material"),
        gettext_lazy("Which of the key's materials it was: rotation makes new ones, and the old ones go on opening."),
        gettext_lazy("The blob now names a key material that this key has never had."),
    ),
    "nonce": (
        gettext_lazy("Nonce"),
        gettext_lazy("Random for each message; with the key material it gives the message's own key."),
        gettext_lazy("Another nonce gives another message key, under which the tag is wrong."),
    ),
    "ciphertext": (
        gettext_lazy("Encrypted text"),
        gettext_lazy("As long as the plaintext."),
        gettext_lazy(
            "Without the tag, the plaintext would come out with just this bit changed and nobody would notice. With it, KMS releases nothing."
        ),
    ),
    "tag": (
        gettext_lazy("Tag"),
        gettext_lazy("Computed over everything before it and the encryption context (AES-GCM)."),
        gettext_lazy("The tag is what KMS compares: a blob with a wrong one is no ciphertext."),
    ),
}


_DUE = ("InvalidCiphertextException", "IncorrectKeyException")  # what a changed call is refused with


@dataclass(frozen=True, slots=True)
class Attempt:
    """One Decrypt: what was changed before it, in words, and what to say of the refusal that is due."""

    parameters: dict[str, Any]
    changed: str
    why: str = ""
    place: int | None = None
    due: tuple[str, ...] = _DUE


Choices = list[tuple[str, str]]  # (key ID, words)


class NotSendable(ValueError):
    """What was typed cannot be tried; `args[0]` is the field, `args[1]` the message for the person."""


@never_cache
@sensitive_post_parameters()
def page(request: ConsoleRequest) -> HttpResponse:
    step = "flip" if "at" in request.POST else request.POST.get("step", "")
    step = "" if searches_keys(request) else step
    shown: dict[str, Any] = {
        "context": _pairs(request),
        "key": chosen_key(request, "key"),
        "byte": request.POST.get("byte", ""),
        "bit": request.POST.get("bit", "0"),
    }
    choices, picker_problem = _choices(request)
    blob = b""
    try:
        if step == "make":
            blob = _make(request, shown)
        elif step:
            blob = _blob(request)
            if step != "read":
                shown["answer"] = _ask(request, step, blob, shown, choices)
    except NotSendable as reason:
        shown["wrong"] = dict([reason.args])
    except ClientError as error:
        shown["problem"] = error_help.explained(error)
    refused = "wrong" in shown or "problem" in shown
    return render(
        request,
        "learn/labs/ciphertext.html",
        {
            "said": request.POST.get("plaintext", "") if refused or searches_keys(request) else "",
            "choices": choices,
            "find": key_search(request),
            "picker_problem": picker_problem,
            "typed": request.POST.get("blob", ""),
            "encoding": request.POST.get("as", "base64"),
            "bits": range(8),
            **(_about(request, blob, shown) if blob else {}),
            **shown,
        },
        status=422 if refused else 200,
    )


def _choices(request: ConsoleRequest) -> tuple[list[tuple[str, str]], str]:
    try:
        text = key_search(request).text
        chosen = [chosen_key(request, name) for name in ("key", "other_key")]
        found = inventory.keys_for_picker(request, "ENCRYPT_DECRYPT", symmetric_only=True, text=text, chosen=chosen)
    except ClientError as error:
        return [], service.sentence(error)
    return found, ""


def _pairs(request: ConsoleRequest) -> list[tuple[str, str]]:
    names, values = request.POST.getlist("context_name"), request.POST.getlist("context_value")
    return [(name, value) for name, value in zip(names, values, strict=False) if name or value]


def _make(request: ConsoleRequest, shown: dict[str, Any]) -> bytes:
    """A fresh ciphertext. Raises ClientError."""
    plaintext = request.POST.get("plaintext", "").encode()
    if not shown["key"]:
        raise NotSendable("key", _("Choose a key."))
    if not plaintext:
        raise NotSendable("plaintext", _("Type something."))
    parameters = {"KeyId": shown["key"], "Plaintext": plaintext, **_context(shown["context"])}
    made = service.client(request).encrypt(**parameters)
    shown["made_by"] = call.show(request, "Encrypt", parameters)
    return bytes(made["CiphertextBlob"])


def _context(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    return {"EncryptionContext": dict(pairs)} if pairs else {}


def _blob(request: ConsoleRequest) -> bytes:
    """The blob that was pasted, uploaded or carried on. Raises NotSendable."""
    upload = request.FILES.get("file")
    if upload is not None:
        if (upload.size or 0) > ciphertext.LONGEST:
            raise NotSendable("blob", _too_long(upload.size or 0))
        blob = upload.read()
    else:
        try:
            blob = encodings.decode(request.POST.get("blob", ""), request.POST.get("as", "base64"))
        except encodings.NotEncoded as reason:
            raise NotSendable("blob", str(reason)) from reason
    if not blob:
        raise NotSendable("blob", _("Paste a ciphertext, or choose a file."))
    if len(blob) > ciphertext.LONGEST:
        raise NotSendable("blob", _too_long(len(blob)))
    return bytes(blob)


def _too_long(size: int) -> str:
    message = _("These are %(size)s bytes; Decrypt takes %(limit)s at most.")
    return message % {"size": f"{size:,}", "limit": f"{ciphertext.LONGEST:,}"}


def _ask(request: ConsoleRequest, step: str, blob: bytes, shown: dict[str, Any], choices: Choices) -> dict[str, Any]:
    """Send one Decrypt and say what was changed, what KMS answered and why. Raises NotSendable."""
    attempt = _ATTEMPTS.get(step, _as_it_is)(request, blob, shown, choices)
    answer: dict[str, Any] = {
        "changed": attempt.changed,
        "context": attempt.parameters.get("EncryptionContext", {}),
        "call": call.show(request, "Decrypt", attempt.parameters),
        "place": attempt.place,
        "blob": attempt.parameters["CiphertextBlob"],
    }
    try:
        opened = service.client(request).decrypt(**attempt.parameters)
    except ClientError as error:
        problem = error_help.explained(error)
        if problem["Code"] == "DryRunOperationException":
            return {**answer, "would_open": problem["Message"]}
        expected = problem["Code"] in attempt.due and attempt.why
        return {**answer, "error": problem, "why": attempt.why if expected else problem["remedy"]}
    return {
        **answer,
        "key": opened["KeyId"],
        "material": opened.get("KeyMaterialId", ""),
        "plaintext": encodings.show(opened["Plaintext"]),
    }


def _as_it_is(request: ConsoleRequest, blob: bytes, shown: dict[str, Any], choices: Choices) -> Attempt:
    return Attempt({"CiphertextBlob": blob, **_context(shown["context"])}, "")


def _dry_run(request: ConsoleRequest, blob: bytes, shown: dict[str, Any], choices: Choices) -> Attempt:
    return Attempt({"CiphertextBlob": blob, **_context(shown["context"]), "DryRun": True}, "")


def _in_another_context(request: ConsoleRequest, blob: bytes, shown: dict[str, Any], choices: Choices) -> Attempt:
    return Attempt(
        {"CiphertextBlob": blob, "EncryptionContext": dict(_other_context(shown["context"]))},
        _("The encryption context"),
        _(
            "The context is not in the blob, but its tag was computed over it: with another one the tag is wrong. KMS does not say "
            "whether the context or the blob differs."
        ),
    )


def _under_another_key(request: ConsoleRequest, blob: bytes, shown: dict[str, Any], choices: Choices) -> Attempt:
    key_id = request.POST.get("other_key", "") or _other_key(blob, choices)
    return Attempt(
        {"CiphertextBlob": blob, **_context(shown["context"]), "KeyId": key_id},
        _("The key that the request names"),
        _(
            "The blob names its key, and the request another. That is good practice: a program that names the key it expects is not "
            "led to open what somebody encrypted under a key of their own."
        ),
    )


def _flipped(request: ConsoleRequest, blob: bytes, shown: dict[str, Any], choices: Choices) -> Attempt:
    place, bit = request.POST.get("at", "") or shown["byte"], shown["bit"]
    if not place.isdecimal() or len(place) > len(str(ciphertext.LONGEST)) or int(place) >= len(blob):
        raise NotSendable("byte", _("A byte from 0 to %(last)s.") % {"last": len(blob) - 1})
    if bit not in [str(number) for number in range(8)]:
        raise NotSendable("byte", _("A bit from 0 to 7."))
    shown["byte"] = place
    number = int(place)
    reading = ciphertext.read(blob)
    changed = ciphertext.flip(blob, number, int(bit))
    part = reading.part_of(number).name if reading else ""
    words = _("Bit %(bit)s of byte %(byte)s: %(before)s became %(after)s")
    return Attempt(
        {"CiphertextBlob": changed, **_context(shown["context"])},
        words % {"bit": bit, "byte": place, "before": f"{blob[number]:02x}", "after": f"{changed[number]:02x}"},
        str(PARTS[part][2]) if part else _("Every bit of a ciphertext is authenticated."),
        number,
        ("AccessDeniedException",) if part == "account" else _DUE,
    )


# What a button of the page sends as `step` → the Decrypt request that it tries; any other tries the blob as it is.
_ATTEMPTS: dict[str, Callable[[ConsoleRequest, bytes, dict[str, Any], Choices], Attempt]] = {
    "flip": _flipped,
    "context": _in_another_context,
    "key": _under_another_key,
    "dry": _dry_run,
}


def _other_context(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The context with its first value changed, or one where there was none."""
    if not pairs:
        return [("lab", "another")]
    (name, value), *rest = pairs
    return [(name, f"{value}-another"), *rest]


def _other_key(blob: bytes, choices: list[tuple[str, str]]) -> str:
    reading = ciphertext.read(blob)
    own = reading.key_id if reading else ""
    other = next((key_id for key_id, _words in choices if key_id != own), "")
    if not other:
        raise NotSendable(
            "other_key", _("There is no other symmetric key here. Create one, or open the blob as it is.")
        )
    return other


def _about(request: ConsoleRequest, blob: bytes, shown: dict[str, Any]) -> dict[str, Any]:
    """What the page says of the blob: its parts where the layout is known, and the key it names as KMS describes it."""
    reading = ciphertext.read(blob)
    about: dict[str, Any] = {
        "blob": encodings.show(blob),
        "last": len(blob) - 1,
        "reading": reading,
        "dump": _dump(blob, reading, None),
        "rsa": ciphertext.RSA_LENGTHS.get(len(blob), ""),
        "like_aws": blob[:2] == ciphertext.MAGIC,
    }
    if reading is not None:
        about["parts"] = [(part, *PARTS[part.name][:2], _value(blob, part, reading)) for part in reading.parts]
        about["named"] = _named(request, reading)
    if (answer := shown.get("answer")) and answer["place"] is not None:
        answer["dump"] = _dump(answer["blob"], reading, answer["place"])
    return about


def _value(blob: bytes, part: ciphertext.Part, reading: ciphertext.Reading) -> str:
    said = {"account": reading.account_id, "key": reading.key_id}
    data = blob[part.start : part.end].hex()
    return said.get(part.name) or (data if len(data) <= 64 else data[:61] + "…")


def _named(request: ConsoleRequest, reading: ciphertext.Reading) -> dict[str, Any]:
    """DescribeKey on what the blob names: whether there is such a key is for KMS to say, and only to whom it may."""
    region = request.signed_in.region
    partition = backends.session().get_partition_for_region(region)
    arn = f"arn:{partition}:kms:{region}:{reading.account_id}:key/{reading.key_id}"
    try:
        key = service.client(request).describe_key(KeyId=arn)["KeyMetadata"]
    except ClientError as error:
        return {"arn": arn, "problem": service.sentence(error)}
    return {"arn": arn, "key": key}


def _dump(blob: bytes, reading: ciphertext.Reading | None, changed: int | None) -> SafeString:
    """The blob in hexadecimal, sixteen bytes a line behind the number of the first; each byte in its part's colour."""
    lines = (
        (f"{start:4d}", format_html_join(" ", '<span class="{}">{}</span>', _bytes(blob, start, reading, changed)))
        for start in range(0, len(blob), _ROW)
    )
    return format_html_join("\n", '<span class="dump-at">{}</span>  {}', lines)


def _bytes(
    blob: bytes, start: int, reading: ciphertext.Reading | None, changed: int | None
) -> Iterator[tuple[str, str]]:
    for place, byte in enumerate(blob[start : start + _ROW], start):
        name = f"part-{reading.part_of(place).name}" if reading else "part"
        yield f"{name} part-changed" if place == changed else name, f"{byte:02x}"
