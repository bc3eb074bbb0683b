"""What readings of other endpoints' keys found to be another than before."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0014_inventory_tag_of")]

    operations = [
        migrations.AddField(
            model_name="inventorykey",
            name="read_at",
            field=models.DateTimeField(help_text="when it was described", null=True),
        ),
        migrations.CreateModel(
            name="ObservedChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("account_id", models.CharField(max_length=12)),
                ("region", models.CharField(max_length=32)),
                ("key_id", models.CharField(max_length=64)),
                ("after", models.DateTimeField(help_text="empty where it is not known", null=True)),
                ("before", models.DateTimeField()),
                ("facts", models.TextField(help_text="JSON: column → [text before, text after]")),
            ],
            options={
                "indexes": [
                    models.Index(fields=["account_id", "region", "key_id", "before"], name="observed_change_of_key")
                ],
            },
        ),
    ]
