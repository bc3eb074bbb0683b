"""Saved views and bulk jobs belong to unique IDs instead of ARNs, whose names another may have tomorrow (keys.viewer.owner).

What a user owns now stays the user's. What was owned while acting as a role, or by a user who is gone, is nobody's any more.
"""

from django.db import migrations, models


def unique_ids(apps, schema_editor):
    users, views = apps.get_model("iam", "User"), apps.get_model("keys", "SavedView")
    jobs = apps.get_model("keys", "BulkJob")
    for arn in {*views.objects.values_list("owner", flat=True), *jobs.objects.values_list("owner", flat=True)}:
        owner = unique_id(users, arn)
        mine = views.objects.filter(owner=arn)
        mine.update(owner=owner) if owner else mine.delete()
        jobs.objects.filter(owner=arn).update(owner=owner)


def unique_id(users, arn):
    _arn, _partition, service, _region, account_id, resource = arn.split(":", 5)
    if service != "iam" or not resource.startswith("user/"):
        return ""
    found = users.objects.filter(account_id=account_id, name=resource.rpartition("/")[2])
    return found.values_list("unique_id", flat=True).first() or ""


class Migration(migrations.Migration):

    dependencies = [
        ("iam", "0003_console_sessions"),
        ("keys", "0009_deletion_calls"),
    ]

    operations = [
        migrations.RunPython(unique_ids, migrations.RunPython.noop),
        migrations.AlterField("savedview", "owner", models.CharField(max_length=80)),
        migrations.AlterField("bulkjob", "owner", models.CharField(max_length=80)),
    ]
