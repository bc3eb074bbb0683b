"""What services hold for a principal belongs to unique IDs instead of an ARN (keys.viewer.owner); what no user who is there owns is dropped."""

from django.db import migrations, models


def unique_ids(apps, schema_editor):
    users, rows = apps.get_model("iam", "User"), apps.get_model("labs", "Protected")
    for row in rows.objects.all():
        resource = row.owner.split(":", 5)[5]
        user = users.objects.filter(account_id=row.account_id, name=resource.rpartition("/")[2]).first()
        if user is None or not resource.startswith("user/"):
            row.delete()
        else:
            row.owner = user.unique_id
            row.save(update_fields=["owner"])


class Migration(migrations.Migration):

    dependencies = [
        ("iam", "0003_console_sessions"),
        ("labs", "0001_services"),
    ]

    operations = [
        migrations.RunPython(unique_ids, migrations.RunPython.noop),
        migrations.AlterField("protected", "owner", models.CharField(max_length=80)),
    ]
