"""Deletion requests name their endpoint, the unique ID of who decided, and when the approved call was answered."""

from django.db import migrations, models
from django.db.models import F


def complete(apps, schema_editor):
    """What was approved until now was answered, for all that is known."""
    apps.get_model("keys", "DeletionRequest").objects.filter(state="approved").update(completed=F("decided"))


def ask_again(apps, schema_editor):
    """Who wanted two-person deletion off wanted it at a time that is not known."""
    apps.get_model("keys", "AccountRule").objects.update(off_asked_by="", off_asked_user="")


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0008_leases_and_persons'),
    ]

    operations = [
        migrations.AddField(
            model_name='accountrule',
            name='off_asked',
            field=models.DateTimeField(null=True),
        ),
        migrations.RemoveConstraint(
            model_name='deletionrequest',
            name='one_waiting_deletion_a_key',
        ),
        migrations.AddField(
            model_name='deletionrequest',
            name='completed',
            field=models.DateTimeField(help_text='when the approved call was answered', null=True),
        ),
        migrations.AddField(
            model_name='deletionrequest',
            name='decided_user',
            field=models.CharField(blank=True, help_text='unique ID', max_length=64),
        ),
        migrations.AddField(
            model_name='deletionrequest',
            name='endpoint',
            field=models.CharField(blank=True, help_text='scope of the endpoint; empty: the embedded engine', max_length=16),
        ),
        migrations.AddField(
            model_name='deletionrequest',
            name='endpoint_name',
            field=models.CharField(blank=True, max_length=400),
        ),
        migrations.RunPython(ask_again, migrations.RunPython.noop),
        migrations.RunPython(complete, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='deletionrequest',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'waiting')), fields=('account_id', 'endpoint', 'region', 'key_id'), name='one_waiting_deletion_a_key'),
        ),
    ]
