"""Names in the field's terms: tables, columns, constraints. What the tables hold stays; nothing is read or decided again."""

from django.db import migrations, models


def rename_combination_counts(apps, schema_editor):
    apps.get_model("keys", "InventoryCount").objects.filter(facet="cube").update(facet="facet_combination")


def restore_combination_counts(apps, schema_editor):
    apps.get_model("keys", "InventoryCount").objects.filter(facet="facet_combination").update(facet="cube")


class Migration(migrations.Migration):

    dependencies = [
        ("keys", "0010_owners_by_unique_id"),
    ]

    operations = [
        migrations.RemoveConstraint("unseen", "unseen"),
        migrations.RemoveConstraint("sight", "sight"),
        migrations.RemoveConstraint("inventorymark", "inventory_mark"),
        migrations.RenameModel("Sight", "StoredVisibility"),
        migrations.RenameModel("Unseen", "HiddenKey"),
        migrations.RenameModel("InventoryMark", "SyncState"),
        migrations.RenameModel("KeyAccess", "CachedKeyPolicy"),
        migrations.RenameField("storedvisibility", "lacks", "denied_mask"),
        migrations.RenameField("storedvisibility", "unseen", "undescribable"),
        migrations.RenameField("hiddenkey", "lacks", "denied_mask"),
        migrations.RenameField("hiddenkey", "sight", "visibility"),
        migrations.RenameField("connection", "lacks", "unsupported_operations"),
        migrations.AlterField(
            "hiddenkey",
            "visibility",
            models.ForeignKey(on_delete=models.CASCADE, related_name="hidden_keys", to="keys.storedvisibility"),
        ),
        migrations.AlterField(
            "storedvisibility",
            "denied_mask",
            models.PositiveIntegerField(default=0, help_text="what it may not read of some key, as bits"),
        ),
        migrations.AlterField(
            "storedvisibility",
            "undescribable",
            models.PositiveIntegerField(default=0, help_text="how many keys it may not describe"),
        ),
        migrations.AlterField(
            "storedvisibility",
            "digest",
            models.CharField(help_text="hash of its policies: with another it is decided anew", max_length=64),
        ),
        migrations.AddConstraint(
            "hiddenkey", models.UniqueConstraint(fields=("visibility", "key_id"), name="hidden_key")
        ),
        migrations.AddConstraint(
            "storedvisibility",
            models.UniqueConstraint(fields=("account_id", "region", "viewer"), name="stored_visibility"),
        ),
        migrations.AddConstraint(
            "syncstate", models.UniqueConstraint(fields=("account_id", "region"), name="inventory_sync_state")
        ),
        migrations.RenameIndex("inventorykey", new_name="inventory_facets", old_name="inventory_cube"),
        migrations.AlterField("inventorycount", "facet", models.CharField(max_length=32)),
        migrations.RunPython(rename_combination_counts, restore_combination_counts),
    ]
