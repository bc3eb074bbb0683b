"""The columns of the key list, and the facets among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from keys.inventory import reads


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list: its words and its cell's template, whether it is shown unless asked otherwise, what it sorts by, what must
    be readable for it."""

    field: str
    label: Any
    cell: str = "date"  # a template of keys/inventory/cells
    shown: bool = True
    by: str = ""  # the column of the table that it sorts by, if another
    empty: bool = False  # whether a key may have none, which then sorts last
    needs: int = reads.DESCRIBE

    @property
    def tells(self) -> int:
        """What must be known of a key for its cell to tell it: bits of keys.inventory.reads."""
        if self.field == "key_id":
            return 0
        return reads.ALIASES if self.field == "alias" else self.needs

    @property
    def of_few(self) -> bool:
        """Whether its values are few, and its cell depends on nothing but the value."""
        return self.cell in ("state", "facet", "spec", "usage", "origin", "public")

    @property
    def cell_template(self) -> str:
        return f"keys/inventory/cells/{self.cell}.html"


COLUMNS = (
    Column("alias", _("Aliases"), "alias"),
    Column("key_id", _("Key ID"), "key_id"),
    Column("state", _("Status"), "state"),
    Column("kind", _("Key type"), "facet", shown=False),
    Column("spec", _("Key spec"), "spec"),
    Column("usage", _("Key usage"), "usage"),
    Column("origin", _("Origin"), "origin", shown=False),
    Column("created", _("Creation date")),
    Column("last_used", _("Last used"), empty=True, needs=reads.DESCRIBE | reads.LAST_USE),
    Column("regionality", _("Regionality"), "facet", shown=False),
    Column("deletion_date", _("Deletion date"), shown=False, empty=True),
    Column("rotation", _("Rotation"), "facet", shown=False, needs=reads.DESCRIBE | reads.ROTATION),
    Column("next_rotation", _("Next rotation"), shown=False, empty=True, needs=reads.DESCRIBE | reads.ROTATION),
    Column("valid_to", _("Material expires"), shown=False, empty=True),
    Column("public", _("Public access"), "public", shown=False, needs=reads.DESCRIBE | reads.POLICY),
    Column("description", _("Description"), "description", shown=False, by="description_order", empty=True),
    Column("tags", _("Tags"), "tags", shown=False, by="tags_order", empty=True, needs=reads.DESCRIBE | reads.TAGS),
)
BY_FIELD = {column.field: column for column in COLUMNS}

FACETS: dict[str, Any] = {
    "state": _("Status"),
    "kind": _("Key type"),
    "spec": _("Key spec"),
    "usage": _("Key usage"),
    "origin": _("Origin"),
    "regionality": _("Regionality"),
    "rotation": _("Rotation"),
    "public": _("Public access"),
}
