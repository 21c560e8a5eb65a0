"""The token that a site's database and its data folder share."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("entries", "0009_log_without_words")]

    operations = [
        migrations.AddField(
            "site",
            "folder",
            models.CharField(default="", editable=False, max_length=64),
        )
    ]
