"""What the last reading of a key was not told, and why. Lists of other endpoints are read again with the next page that shows them."""

from __future__ import annotations

from django.db import migrations, models


def read_again(apps, schema_editor):
    states = apps.get_model("keys", "SyncState").objects
    states.exclude(account_id__regex=r"^[0-9]+$").update(synchronised=None, problem="", problem_at=None)


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
        migrations.RunPython(read_again, migrations.RunPython.noop),
    ]
