"""Name the texts of the search index."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('entries', '0023_index_texts'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='searchtext',
            options={'default_permissions': (), 'verbose_name': 'text of the search index', 'verbose_name_plural': 'texts of the search index'},
        ),
    ]
