"""What a principal may read may be kept for each way that it calls."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("keys", "0020_visibility_by_generation")]

    operations = [
        migrations.RemoveConstraint(model_name="storedvisibility", name="stored_visibility"),
    ]
