"""Tags as rows of a form, a key and a value each: any number of them, each with the errors that are its own.

Posted as `tag_key` and `tag_value`, one of each a row; a row without both is no tag. Limits are the service model's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _

from console.awsmodel import service_model

MOST = 50  # tags of a key: "Resource quotas" of the KMS Developer Guide
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    key: str
    value: str
    key_problem: str = ""
    value_problem: str = ""


class RowsInput(forms.Widget):
    """Takes the rows out of what was posted; components/tag_rows.html shows them."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Pair]:
        return posted(data)

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return "tag_key" not in data


def posted(data: QueryDict) -> list[Pair]:
    rows = zip(data.getlist("tag_key"), data.getlist("tag_value"), strict=False)
    return [(key.strip(), value.strip()) for key, value in rows]


def changed(data: QueryDict) -> list[Pair] | None:
    """The rows after the button that adds one (`more`) or takes one away (`less`, its number); None if neither was pressed."""
    rows = posted(data)
    if "more" in data:
        return [*rows, ("", "")]
    if "less" in data:
        return [row for number, row in enumerate(rows, 1) if str(number) != data["less"]]
    return None


def checked(pairs: Iterable[Pair]) -> list[Row]:
    """Each row with what is wrong with it."""
    limits = {
        name: int(service_model("kms").shape_for(name).metadata["max"]) for name in ("TagKeyType", "TagValueType")
    }
    seen: set[str] = set()
    rows = []
    for key, value in pairs:
        key_problem = value_problem = ""
        if not key and value:
            key_problem = _("A tag needs a key.")
        elif len(key) > limits["TagKeyType"]:
            key_problem = _("%(most)d characters at most.") % {"most": limits["TagKeyType"]}
        elif key.lower().startswith("aws:"):
            key_problem = _("Keys that begin with aws: are AWS's own.")
        elif key and key in seen:
            key_problem = _("“%(key)s” is a duplicate.") % {"key": key}
        if len(value) > limits["TagValueType"]:
            value_problem = _("%(most)d characters at most.") % {"most": limits["TagValueType"]}
        seen.add(key)
        rows.append(Row(key, value, key_problem, value_problem))
    return rows


class TagsField(forms.Field):
    """Cleans to the pairs that are tags."""

    widget = RowsInput

    def clean(self, value: list[Pair] | None) -> list[Pair]:
        tags = [(key, text) for key, text in value or [] if key or text]
        if len(tags) > MOST:
            raise forms.ValidationError(_("A key has 50 tags at most."))
        if any(row.key_problem or row.value_problem for row in checked(tags)):
            raise forms.ValidationError(_("Correct the rows that have an error."))
        return tags


def parameters(tags: Iterable[Iterable[str]]) -> list[dict[str, str]]:
    """Tags as KMS takes them."""
    return [{"TagKey": key, "TagValue": value} for key, value in tags]
