"""What the last reading of a key was not told, and why. Lists of other endpoints are read again with the next page that shows them."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0016_first_read")]

    operations = [
        migrations.AddField(
            model_name="inventorykey",
            name="unread",
            field=models.IntegerField(
                help_text="what the last reading was not told, as bits (reads.ACTIONS)", null=True
            ),
        ),
        migrations.AddField(
            model_name="inventorykey",
            name="refusals",
            field=models.JSONField(help_text="action → the error that it was not told with", null=True),
        ),
    ]
