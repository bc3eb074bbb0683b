"""An index that has a key's tags: those of a list are counted without their rows. It has the foreign key's own index's column first."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0013_history")]

    operations = [
        migrations.AddIndex(
            model_name="inventorytag",
            index=models.Index(fields=["key", "name", "value"], name="inventory_tag_of"),
        ),
        migrations.AlterField(
            model_name="inventorytag",
            name="key",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="tag_rows",
                to="keys.inventorykey",
            ),
        ),
    ]
