"""What a principal may read is decided anew beside what was decided before, for pages that are being made with that, and says what it
depended on besides policies. It is decided again with the next page."""

from __future__ import annotations

import django.utils.timezone
from django.db import migrations, models


def forget(apps, schema_editor):
    apps.get_model("keys", "HiddenKey").objects.all().delete()
    apps.get_model("keys", "StoredVisibility").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [("keys", "0019_parts_of_search")]

    operations = [
        migrations.RunPython(forget, migrations.RunPython.noop),
        migrations.RemoveConstraint(model_name="storedvisibility", name="stored_visibility"),
        migrations.RemoveField(model_name="storedvisibility", name="lists_aliases"),
        migrations.AddField(
            model_name="storedvisibility",
            name="premises",
            field=models.JSONField(
                default=dict, help_text="how it called, as far as decisions depended on it (engine.premises)"
            ),
        ),
        migrations.AddField(
            model_name="storedvisibility",
            name="superseded",
            field=models.DateTimeField(
                null=True, help_text="when it was decided anew: pages that were being made still read this"
            ),
        ),
        migrations.AddField(
            model_name="storedvisibility",
            name="used",
            field=models.DateTimeField(default=django.utils.timezone.now, help_text="when it was last looked at, to the day"),
        ),
        migrations.AddConstraint(
            model_name="storedvisibility",
            constraint=models.UniqueConstraint(
                fields=("account_id", "region", "viewer"),
                condition=models.Q(superseded=None),
                name="stored_visibility",
            ),
        ),
        migrations.AddIndex(
            model_name="storedvisibility",
            index=models.Index(fields=["account_id", "region", "viewer"], name="stored_visibility_of"),
        ),
    ]
