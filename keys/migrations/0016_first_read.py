"""Since when a key's readings tell of it: what an endpoint without a record is known to have been begins there."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0015_observed_changes")]

    operations = [
        migrations.AddField(
            model_name="inventorykey",
            name="first_read",
            field=models.DateTimeField(help_text="when it was described for the first time", null=True),
        ),
    ]
