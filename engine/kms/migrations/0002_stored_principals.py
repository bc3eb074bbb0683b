"""Hold the principals of key policies and grants to who they are: a user made anew under an old name is another."""

from importlib import import_module
from typing import Any

from django.db import migrations, models


def pin(apps: Any, schema_editor: Any) -> None:
    stored = import_module("engine.iam.migrations.0002_stored_principals_and_reports")
    known = stored.unique_ids(apps)
    for key in apps.get_model("kms", "Key").objects.all():
        key.policy_pins = {name: known[name] for name in stored.aws_principals(key.policy) if name in known}
        key.save(update_fields=["policy_pins"])
    for grant in apps.get_model("kms", "Grant").objects.all():
        grant.grantee_pin, grant.retiring_pin = known.get(grant.grantee, ""), known.get(grant.retiring, "")
        grant.save(update_fields=["grantee_pin", "retiring_pin"])


class Migration(migrations.Migration):
    dependencies = [("kms", "0001_initial"), ("iam", "0002_stored_principals_and_reports")]

    operations = [
        migrations.AddField(
            model_name="grant",
            name="grantee_pin",
            field=models.CharField(blank=True, help_text="unique ID of the grantee, if it is one of ours", max_length=32),
        ),
        migrations.AddField(
            model_name="grant", name="retiring_pin", field=models.CharField(blank=True, max_length=32)
        ),
        migrations.AddField(
            model_name="key",
            name="policy_pins",
            field=models.JSONField(default=dict, help_text="unique IDs of the principals it names (engine.iam.principal_ids)"),
        ),
        migrations.RunPython(pin, migrations.RunPython.noop),
    ]
