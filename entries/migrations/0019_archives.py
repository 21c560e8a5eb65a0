"""Remember which story of an archive was imported, and the URLs that it had there."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('entries', '0018_imported'),
    ]

    operations = [
        migrations.AddField(
            model_name='importedfile',
            name='key',
            field=models.CharField(max_length=64, null=True, unique=True),
        ),
        migrations.CreateModel(
            name='OldUrl',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('path', models.CharField(max_length=500, unique=True)),
                ('entry', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='old_url_rows', to='entries.entry')),
                ('story', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='old_url_rows', to='entries.story')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('story', None), ('entry', None), _connector='XOR'), name='old_url_of_one_thing')],
            },
        ),
    ]
