"""The calls that changed a key or a principal, kept in order for pages of the past."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("keys", "0012_inventory_custom_key_store"),
    ]

    operations = [
        migrations.CreateModel(
            name="HistoryState",
            fields=[
                ("account_id", models.CharField(max_length=12, primary_key=True, serialize=False)),
                ("through", models.BigIntegerField(default=0, help_text="sequence")),
                ("last_sequence", models.BigIntegerField(default=0)),
                ("last_event_id", models.CharField(blank=True, max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="HistoryEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("account_id", models.CharField(max_length=12)),
                ("kind", models.CharField(help_text='"key" or "iam"', max_length=3)),
                ("entity", models.CharField(help_text='ARN of the key, or "iam"', max_length=200)),
                ("sequence", models.BigIntegerField(help_text="its place in the account's record")),
                ("event_id", models.CharField(max_length=64)),
                ("time", models.DateTimeField()),
                ("record", models.TextField(help_text="what of its CloudTrail record tells of the change, as JSON")),
            ],
            options={
                "indexes": [
                    models.Index(fields=["account_id", "kind", "sequence"], name="history_order"),
                    models.Index(fields=["account_id", "kind", "time", "sequence"], name="history_time"),
                    models.Index(fields=["account_id", "event_id"], name="history_event_id"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("account_id", "entity", "sequence"), name="history_event")
                ],
            },
        ),
    ]
