"""The custom key store that a key is in, for the number of a store's keys. Lists that have such keys already are read again."""

from django.db import migrations, models


def read_again(apps, schema_editor):
    rows = apps.get_model("keys", "InventoryKey").objects.filter(origin__in=("AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"))
    states = apps.get_model("keys", "SyncState").objects
    for account_id, region in rows.order_by().values_list("account_id", "region").distinct():
        states.filter(account_id=account_id, region=region).update(synchronised=None, problem="", problem_at=None)


class Migration(migrations.Migration):

    dependencies = [
        ("keys", "0011_field_terms"),
    ]

    operations = [
        migrations.AddField(
            "inventorykey",
            "custom_key_store",
            models.CharField(help_text="the ID of the store it is in", max_length=64, null=True),
        ),
        migrations.AddIndex(
            "inventorykey",
            models.Index(fields=["account_id", "region", "custom_key_store", "key_id"], name="inventory_by_store"),
        ),
        migrations.RunPython(read_again, migrations.RunPython.noop),
    ]
