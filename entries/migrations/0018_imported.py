"""Know the imported stories, which show full dates."""

from django.db import migrations, models


def mark_imported(apps, editor):
    Story = apps.get_model("entries", "Story")
    Story.objects.filter(imported_from__isnull=False).update(imported=True)


class Migration(migrations.Migration):

    dependencies = [
        ('entries', '0017_feeds'),
    ]

    operations = [
        migrations.AddField(
            model_name='story',
            name='imported',
            field=models.BooleanField(default=False, editable=False),
        ),
        migrations.RunPython(mark_imported, migrations.RunPython.noop),
    ]
