"""What a principal may read, by the inventory's rows: it is decided again with the next page."""

from __future__ import annotations

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0017_unread")]

    operations = [
        migrations.DeleteModel(name="HiddenKey"),
        migrations.DeleteModel(name="StoredVisibility"),
        migrations.CreateModel(
            name="StoredVisibility",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("account_id", models.CharField(max_length=12)),
                ("region", models.CharField(max_length=32)),
                ("viewer", models.CharField(help_text="hash of the principal's ARN and session policies", max_length=64)),
                ("digest", models.CharField(help_text="hash of its policies: with another it is decided anew", max_length=64)),
                ("change", models.BigIntegerField(default=-1)),
                (
                    "last_row",
                    models.BigIntegerField(
                        default=0, help_text="the inventory's row up to which it is decided; no other is shown"
                    ),
                ),
                (
                    "usual_mask",
                    models.PositiveIntegerField(
                        default=0, help_text="what it may not read of a key that is in no exception, as bits"
                    ),
                ),
                (
                    "denied_mask",
                    models.PositiveIntegerField(default=0, help_text="what it may not read of some key, as bits"),
                ),
                ("masks", models.JSONField(default=list, help_text="those of the exceptions")),
                (
                    "premises",
                    models.JSONField(
                        default=dict, help_text="how it called, as far as decisions depended on it (engine.premises)"
                    ),
                ),
                (
                    "superseded",
                    models.DateTimeField(
                        null=True, help_text="when it was decided anew: pages that were being made still read this"
                    ),
                ),
                (
                    "used",
                    models.DateTimeField(
                        default=django.utils.timezone.now, help_text="when it was last looked at, to the day"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["account_id", "region", "viewer"], name="stored_visibility_of")],
            },
        ),
        migrations.CreateModel(
            name="HiddenKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "visibility",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="hidden_keys",
                        to="keys.storedvisibility",
                    ),
                ),
                ("row", models.BigIntegerField()),
                ("denied_mask", models.PositiveIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("visibility", "denied_mask", "row"), name="hidden_key_of_mask")
                ],
            },
        ),
        migrations.AlterField(
            model_name="inventorykey",
            name="search",
            field=models.TextField(help_text="lower-case text that the filter looks in (key_rows.searched)"),
        ),
        migrations.AddField(
            model_name="inventorykey",
            name="described",
            field=models.IntegerField(
                null=True, help_text="length of the part of it that describing the key tells"
            ),
        ),
        migrations.AddField(
            model_name="inventorykey",
            name="named",
            field=models.IntegerField(
                null=True, help_text="length of that part and the aliases; behind are the tags"
            ),
        ),
        migrations.AddIndex(
            model_name="inventorykey",
            index=models.Index(fields=["account_id", "region", "id"], name="inventory_by_row"),
        ),
    ]
