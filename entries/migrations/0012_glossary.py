"""Rename columns to the words of the glossary in docs/developers.md."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("entries", "0011_scale")]

    operations = [
        migrations.RemoveIndex("link", "links_with_a_time"),
        migrations.RenameField("link", "running", "active"),
        migrations.AddIndex(
            "link",
            models.Index(
                fields=["active"],
                condition=Q(starts_at__isnull=False) | Q(ends_at__isnull=False),
                name="links_with_a_time",
            ),
        ),
        migrations.RenameField("link", "picture", "image"),
        migrations.AlterField(
            "link",
            "image",
            models.ForeignKey(
                "entries.Image",
                django.db.models.deletion.SET_NULL,
                null=True,
                blank=True,
                related_name="featured",
                verbose_name="picture",
                help_text="Empty: the lead picture of the story.",
            ),
        ),
        migrations.RenameField("entryversion", "line", "correction"),
        migrations.AlterField(
            "entryversion",
            "correction",
            models.CharField(max_length=300, blank=True),
        ),
        migrations.RenameField("audience", "told_at", "reported_at"),
    ]
