"""A decision about a principal's grants finds them by its unique ID."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kms", "0008_grants_by_retiring_id")]

    operations = [
        migrations.AddIndex(
            model_name="grant",
            index=models.Index(fields=["grantee_pin"], name="grant_grantee_pin"),
        ),
    ]
