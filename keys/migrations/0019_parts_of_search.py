"""Where in a row's searched text the aliases and the tags begin: the texts are written again, tags last."""

from __future__ import annotations

from django.db import migrations

from keys.inventory import search_index

_AT_ONCE = 2_000
_ALIASES = 1 << 5  # of what was not told


def write_texts(apps, schema_editor):
    """As keys.inventory.key_rows.searched: what describing tells, aliases, tags."""
    rows = apps.get_model("keys", "InventoryKey").objects.order_by("pk")
    columns = rows.values_list("pk", "account_id", "key_id", "description", "aliases", "tags", "unread")
    last = 0
    while found := list(columns.filter(pk__gt=last)[:_AT_ONCE]):
        written = []
        for pk, account_id, key_id, description, aliases, tags, unread in found:
            told = account_id.isdecimal() or not (unread or 0) & _ALIASES  # another endpoint may not tell the aliases
            described = f"{key_id} {description}".lower()
            named = " ".join([described, *(aliases if told else ())]).lower()
            written.append((" ".join([named, *tags, *tags.values()]).lower(), len(described), len(named), pk))
        with schema_editor.connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE keys_inventorykey SET search = %s, described = %s, named = %s WHERE id = %s", written
            )
        last = found[-1][0]


class Migration(migrations.Migration):
    dependencies = [("keys", "0018_visibility_by_row")]

    operations = [
        migrations.RunPython(search_index.drop_count, migrations.RunPython.noop),
        migrations.RunPython(search_index.drop, migrations.RunPython.noop),
        migrations.RunPython(write_texts, migrations.RunPython.noop),
        migrations.RunPython(search_index.create, migrations.RunPython.noop),
        migrations.RunPython(search_index.create_count_of_parts, migrations.RunPython.noop),
    ]
