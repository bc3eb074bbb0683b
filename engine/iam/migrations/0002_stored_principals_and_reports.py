"""Hold the principals of trust policies to who they are; keep credential reports."""

import json
from typing import Any

from django.db import migrations, models


def aws_principals(text: str) -> set[str]:
    """The names under "AWS" in a stored policy's Principal and NotPrincipal elements."""
    statements = json.loads(text).get("Statement", [])
    names: set[str] = set()
    for statement in statements if isinstance(statements, list) else [statements]:
        for member in ("Principal", "NotPrincipal"):
            principals = statement.get(member)
            named = principals.get("AWS", []) if isinstance(principals, dict) else []
            names.update(named if isinstance(named, list) else [named])
    return names


def unique_ids(apps: Any) -> dict[str, str]:
    """ARN → unique ID of every user and role there is."""
    found: dict[str, str] = {}
    for model, word in (("User", "user"), ("Role", "role")):
        for row in apps.get_model("iam", model).objects.all():
            found[f"arn:aws:iam::{row.account_id}:{word}{row.path}{row.name}"] = row.unique_id
    return found


def pin(apps: Any, schema_editor: Any) -> None:
    known = unique_ids(apps)
    for role in apps.get_model("iam", "Role").objects.all():
        role.trust_pins = {name: known[name] for name in aws_principals(role.trust_policy) if name in known}
        role.save(update_fields=["trust_pins"])


class Migration(migrations.Migration):
    dependencies = [("iam", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="account",
            name="credential_report",
            field=models.TextField(blank=True, help_text="CSV, as GenerateCredentialReport last made it"),
        ),
        migrations.AddField(model_name="account", name="credential_report_at", field=models.DateTimeField(null=True)),
        migrations.AddField(
            model_name="role",
            name="trust_pins",
            field=models.JSONField(default=dict, help_text="unique IDs of the principals it names (engine.iam.principal_ids)"),
        ),
        migrations.RunPython(pin, migrations.RunPython.noop),
    ]
