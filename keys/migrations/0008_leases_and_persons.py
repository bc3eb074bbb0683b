"""Leases with owners in a table of their own, and deletion requests that name users by their unique ID.

What waits for approval was asked for under a name, which another user may have by now: it has to be asked for again.
"""

from django.db import migrations, models


def keep_waiting_periods(apps, schema_editor):
    requests = apps.get_model("keys", "DeletionRequest")
    for row in requests.objects.all().iterator():
        row.parameters = {"KeyId": row.key_id, "PendingWindowInDays": row.days}
        row.asked_user = ""
        row.save(update_fields=["parameters", "asked_user"])
    apps.get_model("keys", "AccountRule").objects.update(off_asked_by="", off_asked_user="")


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0007_search_count'),
    ]

    operations = [
        migrations.CreateModel(
            name='Lease',
            fields=[
                ('name', models.CharField(max_length=128, primary_key=True, serialize=False)),
                ('owner', models.CharField(max_length=32)),
                ('expires', models.DateTimeField()),
            ],
        ),
        migrations.RemoveField(model_name='bulkjob', name='lease'),
        migrations.RemoveField(model_name='inventorymark', name='lease'),
        migrations.AddField(
            model_name='deletionrequest',
            name='operation',
            field=models.CharField(default='ScheduleKeyDeletion', max_length=64),
        ),
        migrations.AddField(
            model_name='deletionrequest',
            name='parameters',
            field=models.JSONField(default=dict, help_text='what the call is sent with'),
        ),
        migrations.RunPython(keep_waiting_periods, migrations.RunPython.noop),
        migrations.RemoveField(model_name='deletionrequest', name='days'),
        migrations.AlterField(
            model_name='deletionrequest',
            name='asked_user',
            field=models.CharField(help_text='unique ID of the user, also while acting as a role', max_length=64),
        ),
        migrations.AlterField(
            model_name='accountrule',
            name='off_asked_user',
            field=models.CharField(blank=True, help_text='unique ID', max_length=64),
        ),
    ]
