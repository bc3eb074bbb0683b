from django.db import migrations

from keys.inventory import search_index


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0006_list_order'),
    ]

    operations = [
        migrations.RunPython(search_index.create_count, search_index.drop_count),
    ]
