"""Names in the field's terms. What the table holds stays."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("labs", "0002_owners_by_unique_id"),
    ]

    operations = [
        migrations.RenameModel("Protected", "ProtectedResource"),
    ]
