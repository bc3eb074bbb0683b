"""A form made from the service model's input shape of one operation. In comes what was typed, out come the call's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console import encodings
from console.awsmodel import service_model
from console.forms import mark_needed
from playground.capabilities import ALGORITHM_OF, CONTEXT_OF, Capabilities, key_of
from playground.table import INITIAL, LABELS, RARE, TYPED_AS_TEXT, PlaygroundOperation

SPARE_ROWS = 1  # empty encryption-context rows offered beyond those that are filled


class OperationForm(forms.Form):
    """`key_choices`: (identifier, words) for the key pickers. `can`: what the chosen keys can be asked for, by the member that names
    the key; the form offers that and nothing else, or everything where it is not known."""

    def __init__(
        self,
        play: PlaygroundOperation,
        key_choices: list[tuple[str, str]],
        *args: Any,
        can: Mapping[str, Capabilities] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.play = play
        self.can = can or {}
        self.shape = service_model("kms").operation_model(play.operation).input_shape
        self.context_members: list[str] = []
        self.too_large = False
        self.more_rows = 0
        for member in play.members:
            self._add(member, key_choices)

    def _add(self, member: str, key_choices: list[tuple[str, str]]) -> None:
        shape = self.shape.members[member]
        if shape.type_name == "map":
            chosen = self.can.get(CONTEXT_OF[member])
            if chosen is None or chosen.symmetric:  # other keys take no encryption context
                self.context_members.append(member)
        elif shape.type_name == "blob":
            self._bytes_fields(member)
        elif member.endswith("KeyId"):
            self._key_fields(member, key_choices)
        elif shape.type_name == "boolean":
            self.fields[member] = forms.BooleanField(label=LABELS[member], required=False)
        elif shape.type_name == "list":
            self.fields[member] = forms.CharField(
                label=LABELS[member],
                required=False,
                widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "class": "mono"}),
                help_text=gettext_lazy("One a line. A new grant works with its token at once."),
            )
        elif getattr(shape, "enum", None):
            self._choice_field(member, shape.enum)
        else:
            self.fields[member] = forms.IntegerField(
                label=LABELS[member],
                min_value=1,
                max_value=shape.metadata.get("max"),
                required=not INITIAL.get(self.play.operation),
                initial=None if INITIAL.get(self.play.operation) else 32,
            )

    def _key_fields(self, member: str, key_choices: list[tuple[str, str]]) -> None:
        needed = self.play.needs_key and member in self.shape.required_members
        choices = key_choices if needed else [("", _("The one the ciphertext names")), *key_choices]
        self.fields[member] = forms.ChoiceField(
            label=LABELS[member],
            choices=choices,
            required=False,
        )
        if needed:
            mark_needed(self, member)
        self.fields[f"{member}_other"] = forms.CharField(
            label=_("or a key ID, ARN or alias"),
            required=False,
            max_length=2048,
            widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off", "class": "mono"}),
        )

    def _choice_field(self, member: str, values: list[str]) -> None:
        required = member in self.shape.required_members
        chosen = self.can.get(key_of(member))
        offered = chosen.choices(member) if chosen is not None else ()
        if chosen is not None and offered:
            values = list(offered)
            required = required or (member in ALGORITHM_OF and not chosen.symmetric)
        choices = [(value, value) for value in values]
        nothing = _("By number of bytes") if member == "KeySpec" else _("As the key or AWS decides")
        self.fields[member] = forms.ChoiceField(
            label=LABELS[member],
            choices=choices if required else [("", nothing), *choices],
            required=required,
            initial=(chosen and chosen.first(member)) or values[0]
            if required
            else INITIAL.get(self.play.operation, {}).get(member),
        )

    def _bytes_fields(self, member: str) -> None:
        self.fields[member] = forms.CharField(
            label=LABELS[member],
            required=False,
            strip=False,
            widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "mono", "autocomplete": "off"}),
        )
        mark_needed(self, member)  # a text or a file, also where AWS takes none in a dry run
        self.fields[f"{member}_as"] = forms.ChoiceField(
            label=_("written as"),
            choices=[("text", _("Text")), ("hex", _("Hex")), ("base64", "Base64")],
            initial="text" if member in TYPED_AS_TEXT else "base64",
            required=False,
            widget=forms.RadioSelect,
        )
        self.fields[f"{member}_file"] = forms.FileField(label=_("or a file"), required=False, max_length=255)

    def bytes_members(self) -> list[str]:
        return [member for member in self.play.members if self.shape.members[member].type_name == "blob"]

    def layout(self) -> list[dict[str, Any]]:
        """The members in order, for the template: what kind of control each is, and whether it is one of the rare ones."""
        made = []
        for member in self.play.members:
            kind = "field"
            if member in self.context_members:
                kind = "context"
            elif member in self.bytes_members():
                kind = "bytes"
            elif f"{member}_other" in self.fields:
                kind = "key"
            if kind == "field" and member not in self.fields:
                continue  # an encryption context, which the key does not take
            rare = member in RARE and not getattr(self.fields.get(member), "required", False)
            entry: dict[str, Any] = {"kind": kind, "member": member, "label": LABELS[member], "rare": rare}
            if kind == "context":
                rows = [*self._pairs(member), *[("", "")] * (SPARE_ROWS + self.more_rows)]
                entry["rows"] = rows
            else:
                entry["field"] = self[member]
                if kind == "bytes":
                    entry["as"], entry["file"] = self[f"{member}_as"], self[f"{member}_file"]
                elif kind == "key":
                    entry["other"] = self[f"{member}_other"]
                    entry["narrows"] = not self.play.symmetric_only and any(
                        each in ALGORITHM_OF for each in self.play.members
                    )
            made.append(entry)
        return made

    def rare_is_used(self) -> bool:
        """Whether the part behind “More” must be open: something in it is wrong, or other than the form begins with."""
        values = (self.data if self.is_bound else self.initial) or {}
        return any(
            values.get(member, "") not in ("", self._first(member))
            or values.get(f"{member}_other")
            or member in self.errors
            for member in RARE
        )

    def _first(self, member: str) -> str:
        """What is chosen of a member's values before anybody chooses; "" where nothing is."""
        chosen = self.can.get(key_of(member))
        return chosen.first(member) if chosen is not None else ""

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        for member in self.bytes_members():
            self._clean_bytes(member, given)
        for member in self.play.members:
            if f"{member}_other" in self.fields:
                given[member] = given.get(f"{member}_other", "").strip() or given.get(member, "")
                if not given[member] and getattr(self.fields[member], "needed", False) and member not in self.errors:
                    self.add_error(member, _("Choose a key, or name one."))
        if "GrantTokens" in self.fields:
            given["GrantTokens"] = (given.get("GrantTokens") or "").split()
        for member in self.context_members:
            given[member] = self._context(member)
        return given

    def _clean_bytes(self, member: str, given: dict[str, Any]) -> None:
        upload: UploadedFile[bytes] | None = given.get(f"{member}_file")
        limit = self.shape.members[member].metadata.get("max", 4096)
        if upload:
            if (upload.size or 0) > limit:
                self.too_large = True
                message = _("The file has %(size)s bytes; this operation takes %(limit)s at most.")
                self.add_error(member, message % {"size": f"{upload.size:,}", "limit": f"{limit:,}"})
                return
            given[member] = upload.read()
            return
        try:
            given[member] = encodings.decode(given.get(member) or "", given.get(f"{member}_as") or "text")
        except encodings.NotEncoded as reason:
            self.add_error(member, str(reason))
            return
        if not given[member]:
            self.add_error(member, _("Type something, or choose a file."))
        elif len(given[member]) > limit:
            self.too_large = True
            message = _("These are %(size)s bytes; this operation takes %(limit)s at most.")
            self.add_error(member, message % {"size": f"{len(given[member]):,}", "limit": f"{limit:,}"})

    def _context(self, member: str) -> dict[str, str]:
        context: dict[str, str] = {}
        for name, value in self._pairs(member):
            if not name:
                self.add_error(None, _("Encryption context: “%(value)s” has no name.") % {"value": value})
            elif name in context:
                self.add_error(None, _("Encryption context: “%(name)s” is a duplicate.") % {"name": name})
            context[name] = value
        return context

    def _pairs(self, member: str) -> list[tuple[str, str]]:
        if not self.is_bound:
            return list(self.initial.get(member, {}).items())
        data: Any = self.data
        names, values = data.getlist(f"{member}_name"), data.getlist(f"{member}_value")
        return [(name, value) for name, value in zip(names, values, strict=False) if name or value]

    def parameters(self) -> dict[str, Any]:
        """The call's parameters: what was filled in and nothing else."""
        return {
            member: self.cleaned_data[member]
            for member in self.play.members
            if self.cleaned_data.get(member) not in ("", None, {}, b"", [], False)
        }
